"""The deterministic answer to a call, and answers that tests scripted."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from local.emulator.call import REASONING_TOKENS, Answer, Call, Usage, count_tokens, numbered_passages, text_of
from local.emulator.schema import Schema, conforming, keywords, spoiled
from local.emulator.tools import Called, calls, told

_MARKER: Final = re.compile(r"\s*\[\[fault:[^\]]*\]\]")
# Faults of the content that arguments of a tool can have too.
_OF_ARGUMENTS: Final = ("truncated_json", "wrong_enum", "missing_keys")
_WORD: Final = re.compile(r"\w{3,}")
_REFUSAL: Final = "I'm sorry, but I can't help with that request."
_OPENINGS: Final = (
    'You asked: "{question}".',
    'Your question was: "{question}".',
    'On "{question}":',
)
_BODIES: Final = (
    "In short, {topic} is best understood by starting from a small example and building on it step by step.",
    "The main thing to know about {topic} is what it is for, what it costs, and when something simpler will do.",
    "Most people get the hang of {topic} by trying it once, reading what went wrong, and trying again.",
    "There are three sides to {topic}: the idea behind it, the way it is used, and the mistakes to avoid.",
)
_CLOSINGS: Final = (
    "Tell me more about your situation and I can be more specific.",
    "If you like, I can go through an example next.",
    "A good next step is to write down what you already know and where you are stuck.",
)


@dataclass(slots=True)
class Script:
    """An answer a test prescribed for the next `times` calls whose last user message contains `match`.

    Without `times` it holds until it is deleted. `usage` replaces single token counts.
    """

    text: str
    match: str = ""
    usage: dict[str, int] | None = None
    times: int | None = None


def compose(call: Call, script: Script | None = None, change: str | None = None) -> Answer:
    """What the model answers: a function of the call alone unless scripted.

    `change` names a fault of the content: refusal, truncated_json, fenced_json, wrong_enum, missing_keys,
    unknown_finish. A scripted text is given as it is; any other is held to max tokens (reasoning counts, as with the
    providers) and stop sequences.
    """
    finish, stop_sequence = "stop", None
    called = calls(call.calling, call.question) if script is None and change in (None, *_OF_ARGUMENTS) else []
    if called:
        return _calling(call, called, change)
    cited, quote = _evidence(call) if script is None and change is None and call.schema is None else (None, "")
    reasoning = REASONING_TOKENS if call.reasoning else 0
    if script is not None:
        text = script.text
    elif change == "refusal":
        text = _REFUSAL
    else:
        text = _structured(call, call.schema, change) if call.schema else _prose(call)
        if call.calling.results and not call.schema:
            text = told(call.calling)
        if cited is not None:
            text = f"{text} {quote}" if call.search_results else f"{text} {quote} [{cited}]"
    if change == "refusal":
        finish = "refusal"
    elif change == "unknown_finish":
        finish = "unknown"
    elif change == "fenced_json":
        text = f"Here is the JSON you asked for:\n```json\n{text}\n```\nLet me know if anything is missing."
    elif change == "truncated_json":
        text, finish = text[: len(text) // 2], "length"
    elif script is None:
        text, stop_sequence = _stopped(text, call.stop)
        finish = "stop_sequence" if stop_sequence else "stop"
        if call.max_tokens is not None and count_tokens(text) + reasoning > call.max_tokens:
            reasoning = min(reasoning, call.max_tokens)
            text, finish, stop_sequence = text[: 4 * (call.max_tokens - reasoning)], "length", None
    if call.search_results and not text.endswith(quote):
        cited = None  # it was cut off
    return Answer(text, finish, _usage(call, text, reasoning, script), stop_sequence, cited, quote)


def _calling(call: Call, called: list[Called], change: str | None) -> Answer:
    """An answer that calls tools. A fault spoils the last call's arguments, and so do too few tokens."""
    finish = "stop"
    tools = {tool.name: tool for tool in call.calling.tools}
    *whole, last = called
    if change in ("wrong_enum", "missing_keys"):
        schema = tools[last.name].schema
        spoiled_value = spoiled(json.loads(last.arguments), schema, change)
        last = Called(last.name, json.dumps(spoiled_value, ensure_ascii=False))
    tokens = sum(count_tokens(one.name + one.arguments) for one in called)
    if change == "truncated_json" or (call.max_tokens is not None and tokens > call.max_tokens):
        last, finish = Called(last.name, last.arguments[: len(last.arguments) // 2]), "length"
    calls_made = (*whole, last)
    written = "".join(one.name + one.arguments for one in calls_made)
    reasoning = REASONING_TOKENS if call.reasoning else 0
    return Answer("", finish, _usage(call, written, reasoning, None), calls=calls_made)


def _evidence(call: Call) -> tuple[int | None, str]:
    """The passage that shares most words with the question, by its number, and its first sentence."""
    passages = tuple(map(text_of, (result["content"] for result in call.search_results)))
    passages = passages or numbered_passages(call.texts)
    if not passages:
        return None, ""
    # Some clients put the passages before the question, into one message.
    asked = set(_WORD.findall(call.question.rpartition("</")[2].lower()))
    shared = [len(asked.intersection(_WORD.findall(passage.lower()))) for passage in passages]
    best = shared.index(max(shared))
    return best + 1, re.split(r"(?<=[.!?])\s", passages[best].strip(), maxsplit=1)[0][:200]


def _structured(call: Call, schema: Schema, change: str | None) -> str:
    value = conforming(schema, call.texts)
    return json.dumps(spoiled(value, schema, change) if change else value, ensure_ascii=False)


def _stopped(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    """The text up to the first stop sequence in it, and that sequence."""
    found = [(text.index(stop), stop) for stop in stops if stop and stop in text]
    if not found:
        return text, None
    position, stop = min(found)
    return text[:position], stop


def _prose(call: Call) -> str:
    question = _MARKER.sub("", call.question).strip()
    seed = crc32(question.encode())
    # An instruction asks for itself to be repeated in short, not in full.
    excerpt = question if len(question) <= 160 else question[:157].rsplit(" ", 1)[0] + "..."
    topic = " and ".join(keywords((question,))[:2])
    opening = _OPENINGS[seed % len(_OPENINGS)].format(question=excerpt)
    body = _BODIES[seed // 7 % len(_BODIES)].format(topic=topic)
    return f"{opening} {body} {_CLOSINGS[seed // 31 % len(_CLOSINGS)]}"


def _usage(call: Call, text: str, reasoning: int, script: Script | None) -> Usage:
    counts = {
        "prompt": sum(map(count_tokens, call.texts)),
        "completion": count_tokens(text) + reasoning,
        "cached": call.cached,
        "cache_write_5m": call.cache_write_5m,
        "cache_write_1h": call.cache_write_1h,
        "reasoning": reasoning,
    }
    return Usage(**(counts | (script.usage or {} if script else {})))

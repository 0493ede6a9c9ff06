"""What the providers' requests and answers have in common, once their wire formats are taken off."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from local.emulator.http import Reply, Request
from local.emulator.tools import NO_TOOLS, Called, ToolCalling

Json = dict[str, Any]

# A request that asks for reasoning is answered as if the model had thought this long.
REASONING_TOKENS: Final = 64
# Stands for the text of an event until `repeated` fills it in; no model is called so.
SLOT: Final = "\0"

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def count_tokens(text: str) -> int:
    """Tokens of a text: one for every four characters begun."""
    return (len(text) + 3) // 4


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one answer.

    `prompt` is everything that went in, cached or not; `completion` is everything that came out, reasoning included.
    The cached part is read from (`cached`) or written to the provider's cache, for five minutes or for an hour.
    """

    prompt: int
    completion: int
    cached: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A provider's request, understood.

    `operation` is one of complete, embed, models, model. `texts` are all prompt texts in order, the system prompt
    first; `question` is what the user said last. `schema` is the JSON schema the answer has to fit. `search_results`
    are the blocks to answer from, which are cited beside the text.
    """

    operation: str
    model: str = ""
    streamed: bool = False
    texts: tuple[str, ...] = ()
    question: str = ""
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    schema: Json | None = None
    calling: ToolCalling = NO_TOOLS
    reasoning: bool = False
    cached: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    dimensions: int = 0
    body: Json = field(default_factory=dict)
    search_results: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says. `finish` is one of stop, stop_sequence, length, refusal, unknown; `calls` are of tools.

    `cited` is the number of the passage, from 1, that the text ends with a sentence of: `quote`.
    """

    text: str
    finish: str
    usage: Usage
    stop_sequence: str | None = None
    cited: int | None = None
    quote: str = ""
    calls: tuple[Called, ...] = ()


@dataclass(frozen=True, slots=True)
class Twist:
    """How an otherwise correct answer is rendered wrongly."""

    without_usage: bool = False
    usage_in_choice_chunk: bool = False
    error_after_half: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """A provider's error before it is put into that provider's words.

    `kind` names it (the fault names and: missing_key, unknown_path); `message` replaces the provider's usual words.
    """

    kind: str
    model: str = ""
    key: str = ""
    retry_after: str | None = None
    status: int | None = None
    message: str | None = None


class CallError(Exception):
    """The request is one the provider would refuse; `problem` says how."""

    def __init__(self, kind: str, message: str | None = None, model: str = "") -> None:
        super().__init__(kind, message)
        self.problem = Problem(kind, model=model, message=message)


class Provider(Protocol):
    """A provider's wire format."""

    def key(self, request: Request) -> str:
        """The API key a request carries; empty without one."""
        ...

    def understand(self, path: str, request: Request, body: Json) -> Call:
        """Read a request to `path`, which is what follows the provider's prefix. Raises CallError."""
        ...

    def reply(self, call: Call, answer: Answer, twist: Twist, number: int) -> Reply:
        """Put a completion into the provider's format; `number` makes ids unique."""
        ...

    def data(self, call: Call, number: int) -> Reply:
        """Answer what is no completion: embeddings and models."""
        ...

    def problem(self, problem: Problem, number: int) -> Reply:
        """Put an error into the provider's status, body and headers."""
        ...


def dump(value: object) -> bytes:
    """Compact JSON, as the providers send it."""
    return _encode(value).encode()


def repeated(event: bytes, pieces: Iterable[str]) -> list[bytes]:
    """Copies of an encoded event, each with one of the pieces where the event says SLOT.

    Encoding the whole event for every piece would be most of what a stream costs.
    """
    before, _, after = event.partition(dump(SLOT))
    return [b"%b%b%b" % (before, dump(piece), after) for piece in pieces]


def texts_of(content: Any) -> list[str]:
    """The texts of a message's content, which is a string or a list of parts; other parts than text count as empty."""
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    return [
        text
        for part in parts
        for text in (
            [part]
            if isinstance(part, str)
            else texts_of(part["content"])
            if part.get("type") == "search_result"
            else [str(part.get("text") or "")]
        )
    ]


def text_of(content: Any) -> str:
    """The whole text of a message's content."""
    return "\n".join(texts_of(content))


def numbered_passages(texts: Iterable[str]) -> tuple[str, ...]:
    """What a prompt gives to answer from: the texts of a JSON object's `passages`, on a line of its own."""
    for line in (line for text in texts for line in text.splitlines()):
        if line.startswith("{") and '"passages"' in line:
            try:
                given = json.loads(line)["passages"]
                return tuple(passage["text"] for passage in sorted(given, key=lambda passage: passage["number"]))
            except (ValueError, LookupError, TypeError):
                continue
    return ()


def deltas(text: str, words: int) -> Iterable[str]:
    """The text in pieces of so many words each; joined they are the text again."""
    pieces = text.split(" ")
    for start in range(0, len(pieces), words):
        piece = " ".join(pieces[start : start + words])
        last = start + words >= len(pieces)
        if piece or not last:
            yield piece if last else piece + " "


def foreign(model: str, *families: str) -> bool:
    """Whether a model is unknown to a provider: of another provider's family, or named unknown on purpose."""
    return model.startswith(("unknown", *families))

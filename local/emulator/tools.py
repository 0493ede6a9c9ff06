"""Which tools a model calls, and with what: by rule, from the tools' schemas and the user's words.

The last thing the user said is read as steps, parted by "then". In each step the tools are called that it names, or,
where it names none in the whole, the one whose name shares most words with it. `name(1, b="x")` gives arguments as they
are; otherwise numbers, quoted texts, names of places and members of enumerations are taken from the text in order, and
what is left is made from the schema. A tool that was called since is not called again; once all steps are done, the
answer says what came of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from local.emulator.schema import Schema, conforming

_STEP: Final = re.compile(r"\b(?:and )?then\b|\bafter that\b", re.IGNORECASE)
_WORD: Final = re.compile(r"[a-z]+|[0-9]+")
_WEAK: Final = frozenset(
    ["get", "set", "the", "a", "an", "of", "for", "to", "in", "do", "my", "find", "tool", "function"]
)
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w]|\.\d)")
_QUOTED: Final = re.compile(r"\"([^\"\n]*)\"|(?<!\w)'([^'\n]*)'(?!\w)|“([^”\n]*)”")
_PLACE: Final = re.compile(r"\b(?:in|of|for|at|to|from|about)\s+((?:[A-Z][\w.-]*)(?:,?\s+[A-Z][\w.-]*)*)")
_KEYWORD: Final = re.compile(r"\s*([A-Za-z_]\w*)\s*[=:]\s*(?![=])(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that is offered."""

    name: str
    schema: Schema


@dataclass(frozen=True, slots=True)
class ToolCalling:
    """What a request says of tools.

    Attributes:
        choice: auto, required, none, or a tool's name.
        parallel: whether an answer may have several calls.
        called: the tools that were called since the user last spoke.
        results: what came of it.
    """

    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    parallel: bool = True
    called: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Called:
    """A call: the tool's name, and the JSON text of its arguments."""

    name: str
    arguments: str


NO_TOOLS: Final = ToolCalling()


def calls(calling: ToolCalling, question: str) -> list[Called]:
    """The calls of the next answer."""
    if not calling.tools or calling.choice == "none":
        return []
    by_name = {tool.name: tool for tool in calling.tools}
    if calling.choice in by_name:
        return [_call(by_name[calling.choice], question, question)]
    steps = [step for step in _STEP.split(question) if step.strip()]
    named = [(step, _named(step, calling.tools)) for step in steps]
    if not any(tools for _, tools in named):
        named = [(question, _meant(question, calling.tools))]
    waiting = [(step, [tool for tool in tools if tool.name not in calling.called]) for step, tools in named]
    step, tools = next(((step, tools) for step, tools in waiting if tools), (question, []))
    if not tools and calling.choice == "required":
        tools = [calling.tools[0]]
    return [_call(tool, step, question) for tool in (tools if calling.parallel else tools[:1])]


def told(calling: ToolCalling) -> str:
    """The answer that rests on what the tools gave."""
    return f"Here is what came of it: {'; '.join(calling.results)}."


def _named(step: str, tools: Sequence[Tool]) -> list[Tool]:
    """The tools that a text names, in the order in which it does."""
    found = [(match.start(), tool) for tool in tools if (match := re.search(rf"(?<!\w){tool.name}(?!\w)", step))]
    return [tool for _, tool in sorted(found, key=lambda one: one[0])]


def _meant(question: str, tools: Sequence[Tool]) -> list[Tool]:
    """The tool whose name shares most words with a text; none where no name shares any."""
    asked = set(_WORD.findall(question.lower())) - _WEAK
    shared = [len(asked.intersection(_WORD.findall(_spaced(tool.name)))) for tool in tools]
    best = max(shared, default=0)
    return [tools[shared.index(best)]] if best else []


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _call(tool: Tool, step: str, question: str) -> Called:
    value = conforming(tool.schema or {"type": "object"}, (question,))
    if isinstance(value, dict):
        properties = tool.schema.get("properties") or {}
        required = set(tool.schema.get("required") or ())
        given = _written(tool.name, step, list(properties)) or _found(step, properties, required)
        value = {name: part for name, part in value.items() if name in required or name in given} | given
    return Called(tool.name, json.dumps(value, ensure_ascii=False))


def _written(name: str, step: str, members: list[str]) -> dict[str, Any]:
    """The arguments of `name(...)`, by position or by name."""
    match = re.search(rf"(?<!\w){re.escape(name)}\(([^()]*)\)", step)
    if match is None:
        return {}
    given: dict[str, Any] = {}
    for number, text in enumerate(filter(str.strip, re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", match[1]))):
        keyword = _KEYWORD.fullmatch(text)
        if keyword is not None and keyword[1] in members:
            given[keyword[1]] = _literal(keyword[2])
        elif number < len(members):
            given[members[number]] = _literal(text)
    return given


def _literal(text: str) -> Any:
    try:
        return json.loads(text.strip())
    except ValueError:
        return text.strip().strip("'")


def _found(step: str, properties: dict[str, Any], required: set[str]) -> dict[str, Any]:
    """Arguments from a text's literals, of each kind in their order. What may be left out has to be named."""
    numbers = [json.loads(number) for number in _NUMBER.findall(_QUOTED.sub(" ", step))]
    texts = ["".join(groups) for groups in _QUOTED.findall(step)] or _PLACE.findall(step)
    given: dict[str, Any] = {}
    for name, part in properties.items():
        if not isinstance(part, dict) or (name not in required and name.lower() not in step.lower()):
            continue
        kinds = part.get("type") or [one.get("type") for one in part.get("anyOf", ())]
        choices = [one for one in part.get("enum", ()) if isinstance(one, str) and one.lower() in step.lower()]
        if choices:
            given[name] = choices[0]
        elif part.get("enum"):
            continue
        elif ("integer" in kinds or "number" in kinds) and numbers:
            number = numbers.pop(0)
            given[name] = int(number) if "number" not in kinds else number
        elif "string" in kinds and texts:
            given[name] = texts.pop(0)
        elif "array" in kinds and isinstance(part.get("items"), dict):
            if part["items"].get("type") in ("integer", "number") and numbers:
                given[name], numbers = numbers, []
            elif part["items"].get("type") == "string" and texts:
                given[name], texts = texts, []
    return given

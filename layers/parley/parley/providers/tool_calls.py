"""The tool calls of one answer, whole or in pieces, as a model wrote them and as callers get them."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from parley.core.provider_names import ProviderName
from parley.providers.protocol import Message, NamedTool, ToolCall, ToolCallDelta, ToolUse
from parley.providers.text import StreamedText, storable

# What OpenAI and Anthropic take for a call's id; Gemini takes any.
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_LONGEST_NAME = 128
# What each provider takes for a tool's name.
_NAMES: Mapping[ProviderName, re.Pattern[str]] = {
    "openai": re.compile(r"[A-Za-z0-9_-]{1,64}"),
    "anthropic": re.compile(r"[A-Za-z0-9_-]{1,128}"),
    "google": re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}"),
}


def call_id(given: object) -> str:
    """A call's id: the provider's own, or one that is made here where that is none."""
    return given if isinstance(given, str) and _ID.fullmatch(given) else f"call_{secrets.token_hex(12)}"


def id_for_provider(given: str) -> str:
    """A caller's id as every provider takes it. Equal ids stay equal, and different ones different."""
    return given if _ID.fullmatch(given) else f"call_{hashlib.sha256(given.encode(errors='replace')).hexdigest()[:24]}"


def name_for_provider(given: str, provider: ProviderName) -> str:
    """The name of a tool as a provider takes it, be it offered, or called in a history, where a model may have made one
    up. Equal names stay equal, and different ones different.
    """
    if _NAMES[provider].fullmatch(given):
        return given
    legible = re.sub("[^A-Za-z0-9_-]", "_", given)[:40]
    return f"tool_{legible}_{hashlib.sha256(given.encode(errors='replace')).hexdigest()[:8]}"


def with_names_for(tools: ToolUse, provider: ProviderName) -> ToolUse:
    """The tools by names that a provider takes."""
    choice = tools.choice
    if isinstance(choice, NamedTool):
        choice = NamedTool(name_for_provider(choice.name, provider))
    definitions = [tool._replace(name=name_for_provider(tool.name, provider)) for tool in tools.definitions]
    return tools._replace(definitions=definitions, choice=choice)


def callers_names(tools: ToolUse, provider: ProviderName) -> dict[str, str]:
    """The caller's names of the tools that a provider is given others for, by these."""
    told = {name_for_provider(tool.name, provider): tool.name for tool in tools.definitions}
    return {name: given for name, given in told.items() if name != given}


def arguments_object(text: str) -> dict[str, Any]:
    """The arguments that JSON text says; of an empty text none. Raises ValueError where it is no object."""
    value = json.loads(text, parse_constant=_refuse_constant) if text.strip() else {}
    if not isinstance(value, dict):
        raise ValueError("arguments are not an object")
    return value


def arguments_told(text: str) -> dict[str, Any]:
    """The arguments of a call in a history, for a provider that wants an object: none where the text is none. What was
    wrong with the call its result says.
    """
    try:
        return arguments_object(text)
    except (ValueError, RecursionError):
        return {}


def arguments_text(value: object) -> str:
    """JSON text of arguments that a provider gave as an object. Raises ValueError where they are none."""
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        raise ValueError("arguments are not an object")
    return storable(json.dumps(value, ensure_ascii=False))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def tools_of(messages: Sequence[Message], tools: ToolUse | None) -> list[str]:
    """The names of tools that a history calls and a request does not offer."""
    offered = {tool.name for tool in tools.definitions} if tools is not None else set[str]()
    called = dict.fromkeys(call.name for message in messages for call in message.tool_calls)
    return [name for name in called if name not in offered]


def calls_as_taken(messages: Sequence[Message], provider: ProviderName) -> Sequence[Message]:
    """The messages with calls that a provider takes: each of a name that can be one, and each turn's with ids of
    their own, which their results, that follow the calls, have too. Clients that number the calls of each turn anew
    repeat theirs; Claude refuses that, and Gemini's results go by the name of the call with their id.
    """
    seen, renamed = set[str](), dict[str, str]()
    told: list[Message] = []
    for number, message in enumerate(messages):
        if message.tool_calls:
            renamed = {one.id: id_for_provider(f"{one.id}\n{number}") for one in message.tool_calls if one.id in seen}
            seen.update(one.id for one in message.tool_calls)
            calls = [
                one._replace(id=renamed.get(one.id, one.id), name=name_for_provider(one.name, provider))
                for one in message.tool_calls
            ]
            message = replace(message, tool_calls=calls)
        elif message.tool_call_id in renamed:
            message = replace(message, tool_call_id=renamed[message.tool_call_id])
        told.append(message)
    return told


def names_by_id(messages: Sequence[Message]) -> dict[str, str]:
    """The tool that each call of a history is of."""
    return {call.id: call.name for message in messages for call in message.tool_calls}


class ToolCalls:
    """Takes the calls of one answer, piece by piece, and gives them out again: as deltas and in the end as calls.

    A call without arguments has `{}`. Calls beyond `most` are dropped: Gemini cannot be told to make one at a time, and
    asks for the others again once it has the first one's result.

    Attributes:
        pending: deltas that nobody has taken yet.
    """

    def __init__(self, most: int | None = None) -> None:
        self.pending: list[ToolCallDelta] = []
        self._most = most
        self._begun: dict[Any, int] = {}
        self._calls: list[tuple[str, str, str | None, StreamedText]] = []

    def begin(self, key: object, call: object, name: object, signature: str | None = None) -> None:
        """A call begins, which the provider calls `key`. Raises ValueError for a name that is none."""
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
            raise ValueError("a tool without a name")
        if self._most is not None and len(self._calls) >= self._most:
            return
        index = self._begun[key] = len(self._calls)
        one = call_id(call), storable(name)
        if any(one[0] == other[0] for other in self._calls):
            one = call_id(None), one[1]
        self._calls.append((*one, signature, StreamedText(())))
        self.pending.append(ToolCallDelta(index, "", *one, signature))

    def has(self, key: object) -> bool:
        """Whether this call has begun."""
        return key in self._begun

    def add(self, key: object, arguments: object) -> None:
        """More of a call's arguments. Raises ValueError for what is no text."""
        if not isinstance(arguments, str):
            raise ValueError("arguments that are no text")
        index = self._begun.get(key)
        if index is not None and arguments and (piece := self._calls[index][3].feed(arguments)):
            self.pending.append(ToolCallDelta(index, piece))

    def end(self, *, cut: bool) -> None:
        """No more comes: what was held back goes out, and `{}` where nothing did.

        Args:
            cut: whether the answer was cut by its length, perhaps before the first of a call's arguments.
        """
        for index, (_, _, _, text) in enumerate(self._calls):
            rest = text.end()
            if not cut and not text.whole.strip():
                rest = text.feed("{}")
            if rest:
                self.pending.append(ToolCallDelta(index, rest))

    def take(self) -> list[ToolCallDelta]:
        """What is pending, which it then is no more."""
        taken, self.pending = self.pending, []
        return taken

    def whole(self, *, cut: bool) -> tuple[ToolCall, ...]:
        """The calls. Raises ValueError for arguments that are no JSON object.

        Args:
            cut: whether the answer was cut by its length: a call is then what came of it, as its deltas are.
        """
        calls = tuple(ToolCall(given, name, text.whole, signature) for given, name, signature, text in self._calls)
        for call in () if cut else calls:
            try:
                arguments_object(call.arguments)
            except RecursionError:
                raise ValueError("arguments that nest too deep") from None
        return calls

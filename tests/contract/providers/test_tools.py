"""Tools at three providers: a loop of five turns, whole and streamed, and with another provider after each turn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from local.emulator.client import Emulator
from parley.core.provider_names import PROVIDERS, ProviderName
from parley.providers.protocol import (
    Completion,
    Message,
    Provider,
    ToolCall,
    ToolCallDelta,
    ToolDefinition,
    ToolUse,
)
from testing.providers import KEY, at_emulator, drain, request

Adapters = Mapping[ProviderName, Provider]
ORDERS = [
    PROVIDERS[:1] * 6,
    PROVIDERS[1:2] * 6,
    PROVIDERS[2:] * 6,
    (*PROVIDERS, *PROVIDERS),
    (*PROVIDERS[::-1], *PROVIDERS[::-1]),
]


def tool(name: str, /, **members: str) -> ToolDefinition:
    properties = {member: {"type": kind} for member, kind in members.items()}
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return ToolDefinition(name, f"Runs {name}.", schema)


TOOLS = ToolUse(
    [
        tool("find_city", name="string"),
        tool("weather", city="string", days="integer"),
        tool("convert", value="number", unit="string"),
        tool("stop_clock"),
        tool("book", hotel="string", nights="integer"),
    ]
)
ASKED = (
    'find_city("Malmö 🌊, \\"by the sea\\""), then weather for 3 days in Lund, then stop_clock, '
    "then convert(21.5, unit=\"F\"), then book 2 nights at 'Hotell Ö'"
)
EXPECTED = [
    ("find_city", {"name": 'Malmö 🌊, "by the sea"'}),
    ("weather", {"city": "Lund", "days": 3}),
    ("stop_clock", {}),
    ("convert", {"value": 21.5, "unit": "F"}),
    ("book", {"hotel": "Hotell Ö", "nights": 2}),
]


@pytest.fixture
def adapters(emulator: Emulator) -> Iterator[Adapters]:
    with at_emulator(emulator.url) as adapters:
        yield adapters


def ask(adapters: Adapters, provider: ProviderName, messages: Sequence[Message], streamed: bool) -> Completion:
    """The answer; of a streamed one also checked that its pieces make what it says."""
    asked = request(provider, messages=messages, tools=TOOLS)
    if not streamed:
        return adapters[provider].complete(asked, KEY)
    deltas, completion = drain(adapters[provider].stream(asked, KEY))
    assert joined(deltas) == [(call.id, call.name, call.arguments) for call in completion.tool_calls]
    return completion


def joined(deltas: Sequence[Any]) -> list[tuple[str, str, str]]:
    """The calls that pieces make."""
    calls: list[list[str]] = []
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            if delta.index == len(calls):
                calls.append([str(delta.id), str(delta.name), ""])
            else:
                assert delta.id is None
            calls[delta.index][2] += delta.arguments
    return [(one[0], one[1], one[2]) for one in calls]


def result(call: ToolCall) -> Message:
    return Message("tool", f'{{"of":"{call.name}"}}', tool_call_id=call.id)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_a_loop_of_five_turns_makes_the_same_calls_at_each_provider_and_across_them(
    adapters: Adapters, order: Sequence[ProviderName], streamed: bool
) -> None:
    messages = [Message("user", ASKED)]
    made = []
    for provider in order[:-1]:
        answer = ask(adapters, provider, messages, streamed)
        assert answer.finish_reason == "tool_calls"
        made += [(call.name, json.loads(call.arguments)) for call in answer.tool_calls]
        messages.append(Message("assistant", answer.text, tool_calls=answer.tool_calls))
        messages += map(result, answer.tool_calls)
    assert made == EXPECTED
    end = ask(adapters, order[-1], messages, streamed)
    assert (end.finish_reason, end.tool_calls) == ("stop", ())
    assert end.text == "Here is what came of it: " + "; ".join(f'{{"of":"{name}"}}' for name, _ in EXPECTED) + "."

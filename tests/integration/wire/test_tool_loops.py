"""A loop of tools over /v1: whole and streamed, at each provider, with a fallback after each turn, and cut anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import count, product
from typing import Any

import pytest

from local.emulator.client import Emulator
from testing.contract import events
from testing.functions import Answer, Functions

Token = Callable[..., str]
MODELS = {"openai": "gpt-6-luna", "anthropic": "claude-haiku-5-5", "google": "gemini-3.8-flash"}
PROVIDERS = tuple(MODELS)
ASKED = (
    'find_city("Malmö"), then weather for 3 days in Lund, then stop_clock, then convert(21.5, unit="F"), '
    "then book 2 nights at 'Hotell Ö'"
)
EXPECTED: list[tuple[str, dict[str, Any]]] = [
    ("find_city", {"name": "Malmö"}),
    ("weather", {"city": "Lund", "days": 3}),
    ("stop_clock", {}),
    ("convert", {"value": 21.5, "unit": "F"}),
    ("book", {"hotel": "Hotell Ö", "nights": 2}),
]
KINDS = {str: "string", int: "integer", float: "number"}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {member: {"type": KINDS[type(value)]} for member, value in arguments.items()},
                "required": [*arguments],
                "additionalProperties": False,
            },
        },
    }
    for name, arguments in EXPECTED
]


@pytest.fixture
def ask(functions: Functions, token: Token) -> Callable[..., Answer]:
    """Sends a history with the tools, as another user each time: a free one has ten answers a day."""
    users = count()

    def send(messages: Sequence[dict[str, Any]], **more: Any) -> Answer:
        body = {"messages": messages, "tools": TOOLS} | more
        return functions.request("wire", "POST", "/v1/chat/completions", body, token=token(f"user-{next(users)}"))

    return send


def turn_of(answer: Answer, streamed: bool) -> tuple[str, dict[str, Any]]:
    """Why the answer ended, and the assistant's turn as a client puts it into its history."""
    assert answer.status == 200, answer.text
    if not streamed:
        (choice,) = answer.json["choices"]
        message = choice["message"]
        return choice["finish_reason"], {
            name: message[name] for name in ("role", "content", "tool_calls") if name in message
        }
    assert answer.text.endswith("data: [DONE]\n\n")
    reason, text, calls = "", "", dict[int, dict[str, Any]]()
    for _, chunk in events(answer.text):
        for choice in chunk["choices"]:
            reason, delta = choice["finish_reason"] or reason, choice["delta"]
            text += delta.get("content") or ""
            for piece in delta.get("tool_calls", ()):
                if piece["index"] in calls:
                    calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
                else:
                    made = {name: value for name, value in piece.items() if name != "index"}
                    calls[piece["index"]] = made | {"function": dict(piece["function"])}
    message = {"role": "assistant", "content": text or None}
    return reason, message | ({"tool_calls": [*calls.values()]} if calls else {})


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("first", PROVIDERS)
@pytest.mark.parametrize("falls_back", [False, True])
def test_five_turns_make_the_same_calls_and_the_same_end(
    ask: Callable[..., Answer], emulator: Emulator, first: str, falls_back: bool, streamed: bool
) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": ASKED}]
    provider, made, answered = first, [], []
    for number in range(len(EXPECTED) + 1):
        if falls_back and number:
            # The one that answered last is away, and the next in the list goes on with its calls.
            emulator.fault("overloaded", provider=provider)
            later = PROVIDERS[(PROVIDERS.index(provider) + 1) % len(PROVIDERS)]
            more = {"model": MODELS[provider], "models": [MODELS[provider], MODELS[later]]}
            provider = later
        else:
            more = {"model": MODELS[provider]}
        reason, message = turn_of(ask(messages, stream=streamed, **more), streamed)
        answered.append(emulator.requests()[-1]["provider"])
        assert answered[-1] == provider
        messages.append(message)
        for call in message.get("tool_calls", ()):
            function = call["function"]
            made.append((function["name"], json.loads(function["arguments"])))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": f'{{"of":"{function["name"]}"}}'})
        assert reason == ("tool_calls" if number < len(EXPECTED) else "stop")
    assert made == EXPECTED
    assert len(set(answered)) == (3 if falls_back else 1)
    assert (
        messages[-1]["content"] == "Here is what came of it: " + "; ".join(f'{{"of":"{n}"}}' for n, _ in EXPECTED) + "."
    )


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", ["21st_magic_component_builder", "-clock", "9", "mcp__" + "gitlab_" * 17])
def test_a_tool_is_called_by_its_own_name_at_each_provider_whatever_names_that_takes(
    ask: Callable[..., Answer], emulator: Emulator, name: str, streamed: bool
) -> None:
    """MCP's tools begin with digits, which Gemini refuses (21st-dev/magic-mcp 34, cline/cline 7339), and are longer
    than it and OpenAI take.
    """
    tools = [{"type": "function", "function": {"name": one}} for one in (name, "other")]
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Use it."}]
    chosen: list[Any] = ["required", {"type": "function", "function": {"name": name}}]
    told: list[str] = []
    for model, choice in product(MODELS.values(), chosen):
        more = {"tools": tools[:1] if choice == "required" else tools, "tool_choice": choice, "stream": streamed}
        reason, message = turn_of(ask(messages, model=model, **more), streamed)
        assert reason == "tool_calls"
        assert [call["function"]["name"] for call in message["tool_calls"]] == [name]
        messages += [message, {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "Done."}]
        told.append(json.dumps(emulator.requests()[-1]["body"]))
    assert any(f'"name": "{name}"' in body for body in told)
    assert ask(messages, model=MODELS["google"], tools=tools).json["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_that_is_cut_inside_a_call_is_an_error_and_never_a_finished_call(
    ask: Callable[..., Answer], emulator: Emulator, provider: str
) -> None:
    """The adapters are cut at every byte (tests/contract/providers/test_tools.py); here at every eleventh."""
    question, model = [{"role": "user", "content": "book 2 nights at 'Hotell Ö'"}], MODELS[provider]
    whole = turn_of(ask(question, model=model, stream=True), streamed=True)
    assert (whole[0], len(whole[1]["tool_calls"])) == ("tool_calls", 1)
    cut = broken = 0
    while True:
        emulator.reset()
        emulator.fault("cut", provider=provider, cut_after=cut)
        answer = ask(question, model=model, models=[model], stream=True)
        if "[DONE]" not in answer.text:
            said = events(answer.text)
            assert said[-1][0] == "error"
            assert not any(choice["finish_reason"] for _, chunk in said[:-1] for choice in chunk["choices"])
            assert ask(question, model=model).status == 200  # three failures in a row would open its circuit
            broken, cut = broken + 1, cut + 11
            continue
        reason, message = turn_of(answer, streamed=True)
        assert (reason, message["tool_calls"][0]["function"]) == (whole[0], whole[1]["tool_calls"][0]["function"])
        if len(emulator.requests()) == 1:
            break
        cut += 50  # before its first word it was asked again, after a wait
    assert broken > 10


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_call_that_the_length_cut_is_the_same_streamed_and_whole_and_is_taken_back(
    ask: Callable[..., Answer], provider: str
) -> None:
    """A history that is refused for it is so for good (router-for-me/CLIProxyAPI 2001, MoonshotAI/kimi-cli 2196)."""
    question, model = [{"role": "user", "content": "book 2 nights at 'Hotell Ö'"}], MODELS[provider]
    turns = [
        turn_of(ask(question, model=model, stream=streamed, max_tokens=1, cache="off"), streamed)
        for streamed in (False, True)
    ]
    assert [reason for reason, _ in turns] == ["length", "length"]
    names = [[call["function"]["name"] for call in message.get("tool_calls", ())] for _, message in turns]
    assert names[0] == names[1]
    assert names[0] == ([] if provider == "google" else ["book"])
    for _, message in turns:
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": "Broken."} for call in message.get("tool_calls", ())
        ]
        for later in MODELS.values():
            assert ask([*question, message, *results, *question], model=later).status == 200


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("arguments", ["null", "[]", '{"hotel": "Ho', '"{}"', None])
def test_a_history_may_have_calls_that_are_none(
    ask: Callable[..., Answer], provider: str, arguments: str | None
) -> None:
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, name in enumerate(("book", "x" * 65, "2nd book", ""))
    ]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "Broken."} for call in calls]
    turn = {"role": "assistant", "content": None, "tool_calls": calls}
    answer = ask([{"role": "user", "content": "Book."}, turn, *results], model=MODELS[provider])
    assert answer.status == 200, answer.text
    assert answer.json["choices"][0]["finish_reason"] == "stop"

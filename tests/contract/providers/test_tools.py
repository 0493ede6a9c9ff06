"""Tools at three providers: a loop of five turns, whole and streamed, and with another provider after each turn."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx2
import pytest

from local.emulator.client import Emulator
from parley.core.provider_names import PROVIDERS, ProviderName
from parley.providers.errors import ProviderError
from parley.providers.protocol import (
    Completion,
    Media,
    Message,
    NamedTool,
    Provider,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolDefinition,
    ToolUse,
)
from parley.providers.registry import Providers
from parley.providers.tool_calls import calls_as_taken
from parley.providers.transport import SharedClient
from testing.providers import KEY, Body, at_emulator, call, drain, event_stream, over, request, sse, urls

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


def result(made: ToolCall) -> Message:
    return Message("tool", f'{{"of":"{made.name}"}}', tool_call_id=made.id)


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


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_calls_of_one_answer_are_parallel_unless_that_is_forbidden(
    adapters: Adapters, provider: ProviderName, streamed: bool
) -> None:
    question = [Message("user", 'weather("Lund", 1), stop_clock and convert(2.0, "C")')]
    for parallel, names in ((None, ["weather", "stop_clock", "convert"]), (False, ["weather"])):
        asked = request(provider, messages=question, tools=TOOLS._replace(parallel=parallel))
        answer = call(adapters[provider], asked, streamed)
        assert [one.name for one in answer.tool_calls] == names
        assert len({one.id for one in answer.tool_calls}) == len(names)
        assert all(isinstance(json.loads(one.arguments), dict) for one in answer.tool_calls)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("choice", "called"), [("none", None), ("required", "find_city"), (NamedTool("book"), "book"), ("auto", None)]
)
def test_a_choice_is_kept(
    adapters: Adapters, provider: ProviderName, choice: ToolChoice, called: str | None, streamed: bool
) -> None:
    asked = request(provider, "Good morning.", tools=TOOLS._replace(choice=choice))
    answer = call(adapters[provider], asked, streamed)
    assert [one.name for one in answer.tool_calls] == ([called] if called else [])
    assert answer.finish_reason == ("tool_calls" if called else "stop")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_history_of_calls_is_understood_where_no_tools_are_offered_and_whatever_the_ids_are(
    adapters: Adapters, provider: ProviderName
) -> None:
    ids = ["toolu_" + "x" * 80, "call|with:signs.é", "1"]
    calls = [ToolCall(one, "weather", '{"city": "Lund"}') for one in ids]
    messages = [
        Message("user", "Weather in Lund?"),
        Message("assistant", "", tool_calls=calls),
        *(Message("tool", text, tool_call_id=one, failed=one == "1") for one, text in zip(ids, "[]x", strict=True)),
        Message("user", "Thank you."),
    ]
    assert adapters[provider].complete(request(provider, messages=messages), KEY).finish_reason == "stop"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_model_sees_the_images_and_documents_that_tools_gave_and_goes_on_with_what_was_asked(
    emulator: Emulator, adapters: Adapters, provider: ProviderName, failed: bool, streamed: bool
) -> None:
    image = Media("image", "image/png", base64.b64encode(b"a picture").decode())
    document = Media("document", "application/pdf", base64.b64encode(b"a document").decode(), name="plan.pdf")
    calls = [ToolCall("call_1", "find_city", "{}"), ToolCall("call_2", "weather", "{}")]
    messages = [
        Message("user", "find_city and weather, then stop_clock"),
        Message("assistant", "", tool_calls=calls),
        Message("tool", "", parts=[image], tool_call_id="call_1", failed=failed),
        Message("tool", "A map:", parts=["A map:", image, document], tool_call_id="call_2", failed=failed),
    ]
    more = ask(adapters, provider, messages, streamed)
    assert [one.name for one in more.tool_calls] == ["stop_clock"]
    messages += [Message("assistant", "", tool_calls=more.tool_calls), result(more.tool_calls[0])]
    end = ask(adapters, provider, messages, streamed)
    assert end.finish_reason == "stop"
    assert end.text.count("[image/png, 9 bytes]") == 2
    assert end.text.count("[application/pdf, 10 bytes]") == 1
    sent = emulator.requests()[-1]["body"]
    if provider == "openai":
        roles = [message["role"] for message in sent["messages"]]
        assert roles == ["user", "assistant", "tool", "tool", "user", "assistant", "tool"]
        texts = ["[image 1 follows the results]"]
        texts += ["A map:\n\n[image 2 follows the results]\n\n[document 3 follows the results]"]
        assert [one["content"].removeprefix("Error: ") for one in sent["messages"][2:4]] == texts
        assert all(one["content"].startswith("Error: ") is failed for one in sent["messages"][2:4])
        labels = [part["text"] for part in sent["messages"][4]["content"][::2]]
        assert labels == ["[image 1, from a tool]", "[image 2, from a tool]", "[document 3, from a tool]"]
    else:
        assert ("rror" in json.dumps(sent)) is failed


@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_result_may_say_nothing(adapters: Adapters, provider: ProviderName, failed: bool) -> None:
    messages = [
        Message("user", "stop_clock"),
        Message("assistant", "", tool_calls=[ToolCall("call_1", "stop_clock", "{}")]),
        Message("tool", "", tool_call_id="call_1", failed=failed),
    ]
    assert ask(adapters, provider, messages, streamed=False).finish_reason == "stop"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_call_that_the_length_cut_off_is_told_as_far_as_it_came_whole_and_streamed(
    adapters: Adapters, provider: ProviderName
) -> None:
    asked = request(provider, 'book("Hotell Ö", 2)', tools=TOOLS, max_output_tokens=4)
    whole = adapters[provider].complete(asked, KEY)
    deltas, streamed = drain(adapters[provider].stream(asked, KEY))
    assert joined(deltas) == [(one.id, one.name, one.arguments) for one in streamed.tool_calls]
    assert whole.finish_reason == streamed.finish_reason == "length"
    assert [one.name for one in whole.tool_calls] == [one.name for one in streamed.tool_calls]
    for one in (*whole.tool_calls, *streamed.tool_calls):
        with pytest.raises(json.JSONDecodeError):
            json.loads(one.arguments)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "arguments", ['{"hotel": "Hot', "null", "[]", "NaN", '{"nights": NaN}', "[" * 100_000, "", "{}"]
)
def test_a_call_in_a_history_is_taken_whatever_its_arguments_and_its_name_are(
    emulator: Emulator, adapters: Adapters, provider: ProviderName, arguments: str
) -> None:
    """One that is refused is refused in every later turn (MoonshotAI/kimi-cli 1171 and 2165)."""
    names = ["book", "b" * 65, "1. book a room", ""]
    calls = [ToolCall(f"call_{number}", name, arguments) for number, name in enumerate(names)]
    results = [Message("tool", "This is no call.", tool_call_id=one.id) for one in calls]
    messages = calls_as_taken([Message("user", "book"), Message("assistant", "", tool_calls=calls), *results], provider)
    assert adapters[provider].complete(request(provider, messages=messages, tools=TOOLS), KEY).text
    sent = emulator.requests()[-1]["body"]
    if provider == "openai":
        told = [one["function"] for message in sent["messages"] for one in message.get("tool_calls", ())]
        assert {one["arguments"] for one in told} == {arguments or "{}"}
    elif provider == "anthropic":
        told = [part for message in sent["messages"] for part in message["content"] if "input" in part]
        assert [one["input"] for one in told] == [{}] * 4
    else:
        parts = [part for turn in sent["contents"] for part in turn["parts"]]
        told = [part["functionCall"] for part in parts if "functionCall" in part]
        assert [one["args"] for one in told] == [{}] * 4
        assert [one["name"] for one in told] == [
            p["functionResponse"]["name"] for p in parts if "functionResponse" in p
        ]
    assert told[0]["name"] == "book"
    assert len({one["name"] for one in told}) == 4
    longest, first = (128, "[A-Za-z0-9_-]") if provider == "anthropic" else (64, "[A-Za-z_]")
    assert all(re.fullmatch(f"{first}[A-Za-z0-9_-]{{0,{longest - 1}}}", one["name"]) for one in told)


def test_a_call_that_was_cut_before_its_arguments_does_not_look_like_one_without_any() -> None:
    start = {"type": "content_block_start", "index": 0}
    begun = {"type": "tool_use", "id": "toolu_1", "name": "book", "input": {}}
    for reason, arguments in (("tool_use", "{}"), ("max_tokens", "")):
        end = {"type": "message_delta", "delta": {"stop_reason": reason}}
        body = sse(start | {"content_block": begun}, end, {"type": "message_stop"})
        adapter = over(lambda _, body=body: event_stream(body))["anthropic"]  # type: ignore[misc]
        deltas, completion = drain(adapter.stream(request("anthropic", tools=TOOLS), KEY))
        assert joined(deltas) == [("toolu_1", "book", arguments)]
        whole = answers("anthropic", {"content": [begun], "stop_reason": reason})
        for answer in (completion, whole.complete(request("anthropic", tools=TOOLS), KEY)):
            assert [one.arguments for one in answer.tool_calls] == [arguments]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_calls_that_each_turn_numbers_anew_keep_their_results(
    emulator: Emulator, adapters: Adapters, provider: ProviderName
) -> None:
    turns = [
        message
        for name in ("find_city", "weather", "book")
        for message in (
            Message("user", f"Run {name}."),
            Message("assistant", "", tool_calls=[ToolCall("call_0", name, "{}")]),
            Message("tool", f"of {name}", tool_call_id="call_0"),
        )
    ]
    told = calls_as_taken(turns, provider)
    assert len({call.id for turn in told for call in turn.tool_calls}) == 3
    assert [turn.tool_calls[0].id for turn in told[1::3]] == [turn.tool_call_id for turn in told[2::3]]
    assert adapters[provider].complete(request(provider, messages=told, tools=TOOLS), KEY).text
    if provider == "google":
        sent = [part for turn in emulator.requests()[-1]["body"]["contents"] for part in turn["parts"]]
        results = [part["functionResponse"] for part in sent if "functionResponse" in part]
        assert [one["name"] for one in results] == ["find_city", "weather", "book"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_cut_inside_a_tool_call_never_looks_finished(emulator: Emulator, provider: ProviderName) -> None:
    asked = request(provider, 'book("Hotell Ö", 2), stop_clock', tools=TOOLS)
    bodies: list[bytes] = []

    class Recorder(httpx2.HTTPTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            bodies.append(super().handle_request(request).read())
            return event_stream(bodies[-1])

    with httpx2.Client(transport=Recorder()) as client:
        adapter = Providers(urls(emulator.url), http=SharedClient(client))[provider]
        deltas, completion = drain(adapter.stream(asked, KEY))
    assert [one.name for one in completion.tool_calls] == ["book", "stop_clock"]
    assert joined(deltas) == [(one.id, one.name, one.arguments) for one in completion.tool_calls]
    whole = bodies[0]
    length = 0
    adapter = over(lambda _: event_stream(Body([whole[:length]])))[provider]
    finished, codes = [], set()
    for length in range(len(whole)):
        seen: list[Any] = []
        try:
            drain(adapter.stream(asked, KEY), seen)
            finished.append(length)
        except ProviderError as error:
            codes.add(error.code)
        for number, (_, name, arguments) in enumerate(joined(seen)):
            assert completion.tool_calls[number].name == name
            assert completion.tool_calls[number].arguments.startswith(arguments)
    assert codes == {"stream_interrupted"}
    # Only behind the provider's own end marker.
    assert not finished or min(finished) >= len(whole) - len(b"data: [DONE]\n\n" * 2)


def answers(provider: ProviderName, payload: dict[str, Any]) -> Provider:
    return over(lambda _: httpx2.Response(200, json=payload))[provider]


@pytest.mark.parametrize("arguments", ["{", "[]", "null", '"x"', "{} {}", "{'a': 1}"])
def test_arguments_that_are_no_object_are_no_answer(arguments: str) -> None:
    message = {"tool_calls": [{"id": "a", "function": {"name": "book", "arguments": arguments}}]}
    payload = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    with pytest.raises(ProviderError) as caught:
        answers("openai", payload).complete(request("openai", tools=TOOLS), KEY)
    assert (caught.value.code, caught.value.upstream_code) == ("no_answer", "malformed_tool_call")
    payload["choices"][0]["finish_reason"] = "length"
    (cut,) = answers("openai", payload).complete(request("openai", tools=TOOLS), KEY).tool_calls
    assert cut.arguments == arguments

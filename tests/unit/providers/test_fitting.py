"""What of a request each provider and model takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.core.provider_names import PROVIDERS, ProviderName
from parley.providers.catalogue import Catalogue
from parley.providers.errors import ProviderError
from parley.providers.fitting import dialogue, fitted, fitting_answer, unmet_by
from parley.providers.protocol import Completion, CompletionRequest, Media, Message, ToolCall, ToolDefinition, ToolUse
from testing.providers import request

CATALOGUE = Catalogue.shipped()


def fit(provider: ProviderName, model: str, **changes: Any) -> tuple[CompletionRequest, tuple[str, ...]]:
    return fitted(request(provider, model=model, **changes), provider, CATALOGUE.find(model))


@pytest.mark.parametrize(
    ("model", "given", "sent", "adjusted"),
    [
        ("claude-sonnet-4-5", {"temperature": 1.5}, (1.0, None), ("temperature",)),
        ("claude-sonnet-4-5", {"temperature": 0.5, "top_p": 0.9}, (0.5, None), ("top_p",)),
        ("claude-sonnet-4-5", {"temperature": 2.0, "top_p": 0.9}, (1.0, None), ("temperature", "top_p")),
        ("claude-sonnet-4-5", {"temperature": 1.0}, (1.0, None), ()),
        ("claude-sonnet-4-5", {"top_p": 0.9}, (None, 0.9), ()),
        ("claude-sonnet-4-5", {"temperature": 0.0}, (0.0, None), ()),
        ("claude-unknown-9", {"temperature": 1.2}, (1.0, None), ("temperature",)),
        ("claude-haiku-5-5", {"temperature": 0.5, "top_p": 0.9}, (None, None), ("temperature", "top_p")),
        ("claude-haiku-5-5-latest", {"temperature": 0.5}, (None, None), ("temperature",)),
        ("Claude-Haiku-5-5", {"top_p": 0.5}, (None, None), ("top_p",)),
        ("claude-haiku-5-5@20261007", {"top_p": 0.5}, (None, None), ("top_p",)),
    ],
)
def test_claude_gets_the_sampling_that_it_takes(
    model: str, given: dict[str, float], sent: tuple[float | None, float | None], adjusted: tuple[str, ...]
) -> None:
    asked, told = fit("anthropic", model, **given)
    assert ((asked.temperature, asked.top_p), told) == (sent, adjusted)


def test_the_others_take_up_to_two_and_both_at_once() -> None:
    asked, adjusted = fit("google", "models/Gemini-3.8-Flash", temperature=2.0, top_p=0.5)
    assert (asked.temperature, asked.top_p, adjusted) == (2.0, 0.5, ())
    asked, adjusted = fit("openai", "GPT-6-luna-2026-09-22", temperature=0.5)
    assert (asked.temperature, adjusted) == (None, ("temperature",))


def test_more_tokens_than_the_model_gives_are_lowered_and_told() -> None:
    asked, adjusted = fit("google", "gemini-3.8-flash", max_output_tokens=70_000)
    assert (asked.max_output_tokens, adjusted) == (65_536, ("max_tokens",))


@pytest.mark.parametrize(
    ("provider", "model", "sent", "cut_at"),
    [
        ("anthropic", "claude-sonnet-4-5", ("END",), ("\n", " \t")),
        ("openai", "gpt-6-luna", (), ("\n", "END", " \t")),
        ("openai", "gpt-unknown", ("\n", "END", " \t"), ()),
        ("google", "gemini-3.8-flash", ("\n", "END", " \t"), ()),
    ],
)
def test_a_stop_sequence_that_the_provider_does_not_take_is_ours_to_apply(
    provider: ProviderName, model: str, sent: tuple[str, ...], cut_at: tuple[str, ...]
) -> None:
    asked, adjusted = fit(provider, model, stop=["\n", "END", " \t"])
    assert (asked.stop, asked.cut_at, adjusted) == (sent, cut_at, ())


STEERED = {"reasoning_effort": "max", "seed": 0, "frequency_penalty": 1.0, "presence_penalty": -0.5}


@pytest.mark.parametrize(
    ("provider", "model", "given", "sent"),
    [
        ("openai", "gpt-6-luna", STEERED, {"reasoning_effort": "xhigh", "seed": 0}),
        ("openai", "gpt-6-sol", {"reasoning_effort": "minimal"}, {"reasoning_effort": "low"}),
        ("openai", "gpt-6-sol", {"reasoning_effort": "high"}, {"reasoning_effort": "high"}),
        ("openai", "gpt-unknown", STEERED, STEERED),
        ("anthropic", "claude-haiku-5-5", STEERED, {"reasoning_effort": "max"}),
        ("anthropic", "claude-haiku-5-5", {"reasoning_effort": "none"}, {"reasoning_effort": "low"}),
        ("anthropic", "claude-sonnet-4-5", STEERED, {}),
        ("google", "gemini-3.8-flash", STEERED, {"reasoning_effort": "high", "seed": 0}),
        ("google", "gemini-unknown", {"reasoning_effort": "none"}, {"reasoning_effort": "minimal"}),
    ],
)
def test_effort_seed_and_penalties_go_to_who_takes_them_and_what_changed_is_told(
    provider: ProviderName, model: str, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    asked, adjusted = fit(provider, model, **given)
    assert {name: value for name in STEERED if (value := getattr(asked, name)) is not None} == sent
    assert set(adjusted) == {name for name, value in given.items() if sent.get(name) != value}


@pytest.mark.parametrize(
    ("provider", "model", "given", "sent"),
    [
        ("openai", "gpt-6-luna", None, "none"),
        ("openai", "gpt-6-luna", "high", "none"),
        ("openai", "gpt-6-luna", "none", "none"),
        ("openai", "gpt-unknown", None, None),
        ("anthropic", "claude-haiku-5-5", "high", "high"),
        ("google", "gemini-3.8-flash", None, None),
    ],
)
def test_openais_reasoning_models_get_tools_without_reasoning(
    provider: ProviderName, model: str, given: str | None, sent: str | None
) -> None:
    asked, adjusted = fit(provider, model, reasoning_effort=given, tools=ToolUse([ToolDefinition("clock")]))
    assert asked.reasoning_effort == sent
    assert adjusted == (("reasoning_effort",) if given not in (None, sent) else ())


@pytest.mark.parametrize(
    ("member", "answer"),
    [({"type": "integer"}, '{"n": 1e999}'), ({"type": "number", "multipleOf": 1e-320}, '{"n": 1e300}')],
)
def test_a_number_beyond_all_bounds_is_an_answer_that_does_not_fit(member: dict[str, Any], answer: str) -> None:
    schema = {"type": "object", "properties": {"n": member}, "required": ["n"], "additionalProperties": False}
    asked = request("openai", schema=schema, must_fit=True)
    with pytest.raises(ProviderError) as caught:
        fitting_answer("openai", asked, Completion(answer, "stop", "gpt-6-luna", None))
    assert caught.value.upstream_code == "invalid_structured_output"


@pytest.mark.parametrize("schema", [None, {"type": "object", "properties": {"n": {"type": "number"}}}])
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_no_answer(schema: dict[str, Any] | None, number: str) -> None:
    asked = request("openai", schema=schema, json_object=schema is None, must_fit=True)
    with pytest.raises(ProviderError) as caught:
        fitting_answer("openai", asked, Completion(f'{{"n": {number}}}', "stop", "gpt-6-luna", None))
    assert caught.value.upstream_code == "invalid_structured_output"
    said = f'{{"n": 1, "said": "{number}"}}'
    assert fitting_answer("openai", asked, Completion(said, "stop", "gpt-6-luna", None)).text == said


@given(
    st.sampled_from(PROVIDERS),
    st.none() | st.sampled_from([model.id for model in CATALOGUE.models("chat")]),
    st.none() | st.floats(0, 2),
    st.none() | st.floats(0.01, 1),
    st.lists(st.text(min_size=1, max_size=3), max_size=4),
)
def test_whatever_is_asked_each_provider_is_sent_what_it_takes(
    provider: ProviderName, model: str | None, temperature: float | None, top_p: float | None, stop: list[str]
) -> None:
    asked = CompletionRequest(
        model or "unknown", [Message("user", "Hi")], 10, 5.0, temperature=temperature, top_p=top_p, stop=stop
    )
    sent, adjusted = fitted(asked, provider, CATALOGUE.find(model) if model else None)
    assert sorted([*sent.stop, *sent.cut_at]) == sorted(stop)
    assert ("temperature" in adjusted) == (sent.temperature != temperature)
    assert ("top_p" in adjusted) == (sent.top_p != top_p)
    if provider == "anthropic":
        assert sent.temperature is None or sent.temperature <= 1
        assert sent.temperature is None or sent.top_p is None
        assert not any(one.isspace() for one in sent.stop)


def test_a_model_that_keeps_no_schema_is_passed_over_only_where_one_is_asked_for() -> None:
    row = {"id": "m", "provider": "openai", "capabilities": ["chat"], "context_window": 1, "source": "s", "prices": []}
    known = Catalogue({"defaults": {}, "models": [row]}).find("m")
    assert unmet_by(request("openai"), "openai", known) is None
    assert unmet_by(request("openai", schema={"type": "object"}), "openai", known) is not None
    assert unmet_by(request("openai", schema={"type": "object"}), "openai", None) is None


@pytest.mark.parametrize(
    ("media", "passed_over"),
    [
        (Media("image", "image/png", "AAAA"), []),
        (Media("document", "application/pdf", "AAAA"), []),
        (Media("image", "image/gif", "AAAA"), ["google"]),
        (Media("image", "image/png", url="https://example.org/a.png"), ["google"]),
        (Media("document", "application/pdf", url="https://example.org/a.pdf"), ["openai", "google"]),
    ],
)
def test_media_that_a_tool_gave_go_to_who_takes_them(media: Media, passed_over: list[str]) -> None:
    messages = [
        Message("user", "Hi"),
        Message("assistant", "", tool_calls=[ToolCall("a", "look", "{}")]),
        Message("tool", "", parts=[media], tool_call_id="a"),
    ]
    unmet = [one for one in PROVIDERS if unmet_by(request(one, messages=messages), one, None) is not None]
    assert unmet == passed_over


def strict_tools(provider: ProviderName, *schemas: dict[str, Any], form: dict[str, Any] | None = None) -> list[bool]:
    """Which of the tools with these arguments are strict at a provider, beside an answer of this form."""
    tools = ToolUse([ToolDefinition(f"tool_{n}", None, schema, True) for n, schema in enumerate(schemas)])
    asked = request(provider, tools=tools, schema=form, must_fit=form is not None)
    sent = fitted(asked, provider, None)[0].tools
    assert sent is not None
    return [tool.strict for tool in sent.definitions]


def test_tools_are_strict_in_their_order_as_far_as_the_provider_enforces_them_beside_the_answer() -> None:
    flag: dict[str, Any] = {"type": "boolean"}
    optional = {"type": "object", "properties": dict.fromkeys("abcdefghijkl", flag), "additionalProperties": False}
    plain = optional | {"required": list("abcdefghijkl")}
    unions = plain | {"properties": {name: {"type": ["string", "null"]} for name in "abcdefghijkl"}}
    assert strict_tools("anthropic", *[plain] * 22) == [True] * 20 + [False] * 2
    assert strict_tools("anthropic", optional, optional, optional, plain) == [True, True, False, True]
    assert strict_tools("anthropic", optional, optional, plain, form=optional) == [True, False, True]
    assert strict_tools("anthropic", unions, unions, plain) == [True, False, True]
    assert strict_tools("openai", *[unions] * 30) == [True] * 30
    nested: dict[str, Any] = flag
    for _ in range(11):
        nested = {"type": "object", "properties": {"a": nested}, "required": ["a"], "additionalProperties": False}
    choices = plain | {"properties": {name: {"enum": list(range(90))} for name in "abcdefghijkl"}}
    assert strict_tools("openai", nested, choices, plain) == [False, False, True]
    assert strict_tools("anthropic", nested, choices, plain) == [True, True, True]


@pytest.mark.parametrize("name", ["filter[id]", "$top", "a" * 65, "", "å"])
def test_anthropic_is_passed_over_for_an_arguments_name_that_it_refuses(name: str) -> None:
    def unmet(parameters: dict[str, Any]) -> list[ProviderName]:
        tools = ToolUse([ToolDefinition("other"), ToolDefinition("odd", None, parameters)])
        return [one for one in PROVIDERS if unmet_by(request(one, tools=tools), one, None) is not None]

    inside = {"type": "object", "properties": {name: {"type": "string"}}}
    assert unmet(inside) == ["anthropic"]
    assert unmet({"type": "object", "oneOf": [inside, {"type": "object", "properties": {"b": {}}}]}) == ["anthropic"]
    assert unmet({"type": "object", "properties": {"a": inside}}) == []
    assert unmet({"type": "object", "properties": {"a.b-C_9": {"type": "string"}}}) == []


@given(
    st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.text(" a\n", max_size=3))).map(
        lambda messages: [*messages, Message("user", "last")]
    )
)
def test_a_dialogue_alternates_begins_with_the_user_and_says_all_that_was_said(messages: list[Message]) -> None:
    system, turns = dialogue(messages)
    assert [turn.role for turn in turns] == ["user", "assistant"] * (len(turns) // 2) + ["user"] * (len(turns) % 2)
    assert turns[-1].role == "user"
    assert all(text.strip() for text in [message.content for message in (*system, *turns)])
    said = [message.content for message in messages if message.content.strip() and message.role != "system"]
    told = "\n\n".join(turn.content for turn in turns)
    assert told.removeprefix(".\n\n") == "\n\n".join(said)

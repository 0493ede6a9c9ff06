"""Usage that cannot be true is no usage, and never costs a finished answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from parley.core.provider_names import ProviderName
from parley.providers.protocol import Completion, Usage
from testing.providers import call, event_stream, over, request, sse, unstreamed

Reports = Iterator[tuple[ProviderName, Any]]


def impossible() -> Reports:
    """What each provider might report, and no call can have used."""
    changes: dict[str, Any]
    good: dict[str, Any] = {"prompt_tokens": 100, "completion_tokens": 20}
    details = "prompt_tokens_details"
    for changes in (
        {details: {"cached_tokens": 4096}},
        {details: {"cached_tokens": 60, "cache_write_tokens": 60}},
        {details: {"cached_tokens": -1}},
        {details: [1]},
        {details: "many"},
        {"prompt_tokens": -3900},
        {"prompt_tokens": None},
        {"prompt_tokens": "100"},
        {"prompt_tokens": 100.5},
        {"prompt_tokens": 10**30},
        {"prompt_tokens": {}},
        {"completion_tokens": None},
        {"completion_tokens": -1},
        {"completion_tokens_details": {"reasoning_tokens": 21}},
        {"total_tokens": 119},
        {"total_tokens": "120"},
    ):
        yield "openai", good | changes
    yield from (("openai", broken) for broken in ({"prompt_tokens": 100}, {"completion_tokens": 20}, [1], "none", 7))
    good = {"input_tokens": 100, "output_tokens": 20}
    for changes in (
        {"input_tokens": -3900},
        {"input_tokens": "100"},
        {"output_tokens": None},
        {"output_tokens": -1},
        {"service_tier": ["priority"]},
        {"cache_read_input_tokens": -1},
        {"cache_creation_input_tokens": -1},
        {"cache_creation_input_tokens": 10, "cache_creation": {"ephemeral_1h_input_tokens": 11}},
        {"cache_creation": [1]},
        {"output_tokens_details": {"thinking_tokens": 21}},
    ):
        yield "anthropic", good | changes
    yield from (("anthropic", broken) for broken in ({"input_tokens": 100}, {"output_tokens": 20}, [1], "none", 7))
    good = {"promptTokenCount": 100, "candidatesTokenCount": 20}
    for changes in (
        {"cachedContentTokenCount": 4096},
        {"cachedContentTokenCount": 101, "toolUsePromptTokenCount": 50},
        {"cachedContentTokenCount": -1},
        {"promptTokenCount": -3900},
        {"promptTokenCount": None},
        {"promptTokenCount": "100"},
        {"candidatesTokenCount": None},
        {"candidatesTokenCount": -1},
        {"thoughtsTokenCount": -1},
        {"totalTokenCount": 121},
    ):
        yield "google", good | changes
    yield from (
        ("google", broken) for broken in ({"candidatesTokenCount": 20}, {"promptTokenCount": 10}, [1], "none", 7)
    )


def answered(provider: ProviderName, report: Any, streamed: bool) -> Completion:
    """A finished answer with that report."""
    name = "usageMetadata" if provider == "google" else "usage"
    if not streamed:
        body = unstreamed(provider, {name: report})
        return call(over(lambda _: httpx2.Response(200, content=body))[provider], request(provider), False)
    events: dict[ProviderName, list[dict[str, Any] | str]] = {
        "openai": [
            {"model": "m", "choices": [{"delta": {"content": "Hi."}, "finish_reason": "stop"}]},
            {"model": "m", "choices": [], name: report},
            "[DONE]",
        ],
        "anthropic": [
            {"type": "message_start", "message": {"model": "m"}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi."}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, name: report},
            {"type": "message_stop"},
        ],
        "google": [
            {
                "modelVersion": "m",
                "candidates": [{"content": {"parts": [{"text": "Hi."}]}, "finishReason": "STOP"}],
                name: report,
            }
        ],
    }
    stream = sse(*events[provider])
    return call(over(lambda _: event_stream(stream))[provider], request(provider), True)


@pytest.mark.parametrize("streamed", [False, True], ids=["unstreamed", "streamed"])
@pytest.mark.parametrize(("provider", "report"), list(impossible()), ids=str)
def test_usage_that_cannot_be_true_is_none_and_the_answer_is_delivered(
    provider: ProviderName, report: Any, streamed: bool
) -> None:
    completion = answered(provider, report, streamed)
    assert (completion.text, completion.finish_reason, completion.usage) == ("Hi.", "stop", None)


@pytest.mark.parametrize("streamed", [False, True], ids=["unstreamed", "streamed"])
@pytest.mark.parametrize(
    ("provider", "report", "usage"),
    [
        (
            "openai",
            {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "prompt_tokens_details": None},
            Usage(100, 20),
        ),
        ("openai", {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": None}, Usage(100, 20)),
        (
            "openai",
            {"prompt_tokens": 9, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": None}},
            Usage(9, 0),
        ),
        ("anthropic", {"input_tokens": 0, "output_tokens": 1, "cache_read_input_tokens": None}, Usage(0, 1)),
        ("anthropic", {"input_tokens": 0, "output_tokens": 1, "cache_read_input_tokens": 4}, Usage(0, 1, 4)),
        (
            "google",
            {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 3, "totalTokenCount": 18},
            Usage(10, 8, reasoning_tokens=3),
        ),
        ("google", {"promptTokenCount": 10, "totalTokenCount": 10}, Usage(10, 0)),
    ],
    ids=str,
)
def test_odd_but_possible_usage_counts(provider: ProviderName, report: Any, usage: Usage, streamed: bool) -> None:
    assert answered(provider, report, streamed).usage == usage


@pytest.mark.parametrize("named", [None, "", 7, ["m"], {"id": "m"}], ids=str)
@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_an_answer_that_names_no_model_is_the_asked_models(provider: ProviderName, named: Any) -> None:
    unnamed = {"model": named, "modelVersion": named}
    body = unstreamed(provider, unnamed)
    completion = call(over(lambda _: httpx2.Response(200, content=body))[provider], request(provider), False)
    assert (completion.text, completion.model) == ("Hi.", request(provider).model)
    events: dict[str, list[dict[str, Any] | str]] = {
        "openai": [{"choices": [{"delta": {"content": "Hi."}, "finish_reason": "stop"}]} | unnamed, "[DONE]"],
        "anthropic": [
            {"type": "message_start", "message": unnamed},
            {"type": "content_block_delta", "delta": {"text": "Hi."}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            {"type": "message_stop"},
        ],
        "google": [{"candidates": [{"content": {"parts": [{"text": "Hi."}]}, "finishReason": "STOP"}]} | unnamed],
    }
    stream = sse(*events[provider])
    completion = call(over(lambda _: event_stream(stream))[provider], request(provider), True)
    assert (completion.text, completion.model) == ("Hi.", request(provider).model)


@pytest.mark.parametrize(
    "usage", [{}, None, {"prompt_tokens": -1}, {"prompt_tokens": None}, {"prompt_tokens": "1"}, [1], "none"]
)
def test_embeddings_with_impossible_usage_are_delivered_without_it(usage: Any) -> None:
    body = {"data": [{"index": 0, "embedding": [0.6, 0.8]}], "usage": usage}
    adapter = over(lambda _: httpx2.Response(200, json=body))["openai"]
    found = adapter.embed(["a"], "text-embedding-3-small", 2, "sk-key", 5)
    assert (found.vectors, found.input_tokens, found.model) == ([[0.6, 0.8]], None, "text-embedding-3-small")

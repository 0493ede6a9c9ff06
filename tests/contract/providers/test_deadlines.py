"""The deadline bounds a call, however its bytes arrive.

A timing is no assertion: each server has a step that is due between the deadline and what a bound on single reads would
allow, and no answer may have waited for that step.
"""

from __future__ import annotations

import json

import pytest

from parley.core.provider_names import PROVIDERS, ProviderName
from parley.providers.errors import ProviderError
from parley.providers.protocol import Provider, Usage
from parley.providers.registry import Providers
from testing.drip import HEAD, STREAM_HEAD, Step, dripping
from testing.providers import KEY, call, drain, request, sse, urls

SECONDS = 0.4
LATE: Step = (0.9, b" ")  # after the step before it, which a test sends at half of SECONDS


def adapter_at(url: str, provider: ProviderName) -> Provider:
    return Providers(dict.fromkeys(urls(url), url))[provider]


STALLS: dict[str, list[Step]] = {
    "in the body": [(0, HEAD + b'{"id":'), (SECONDS / 2, b'"c",'), LATE],
    "in the head": [(0, b"HTTP/1.1 200 OK\r\n"), (SECONDS / 2, b"x-slow: 1\r\n"), LATE],
    "before the first byte": [(0, b""), (SECONDS / 2, b""), LATE],
    "in an error's body": [
        (0, HEAD.replace(b"200 OK", b"500 Oh")),
        (SECONDS / 2, b'{"error": '),
        LATE,
    ],
    "byte by byte": [(0, b"HTTP/1.1 200 OK\r\nx: "), *[(0.05, b"y")] * 12, LATE],
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("where", STALLS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_that_stalls_anywhere_times_out_at_the_deadline(
    provider: ProviderName, where: str, streamed: bool
) -> None:
    with dripping(*STALLS[where]) as server:
        with pytest.raises(ProviderError) as caught:
            call(adapter_at(server.url, provider), request(provider, timeout=SECONDS), streamed)
        assert server.sent < len(STALLS[where])
    assert caught.value.code == "timeout"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_that_trickles_past_its_deadline_times_out(provider: ProviderName) -> None:
    steps: list[Step] = [(0, STREAM_HEAD), *[(0.05, b": keep-alive\n\n")] * 12, LATE]
    with dripping(*steps) as server:
        with pytest.raises(ProviderError) as caught:
            drain(adapter_at(server.url, provider).stream(request(provider, timeout=SECONDS), KEY))
        assert server.sent < len(steps)
    assert caught.value.code == "timeout"


def test_so_does_an_embedding() -> None:
    with dripping(*STALLS["in the body"]) as server:
        with pytest.raises(ProviderError) as caught:
            adapter_at(server.url, "openai").embed(["a"], "text-embedding-3-small", 1536, KEY, SECONDS)
        assert server.sent < len(STALLS["in the body"])
    assert caught.value.code == "timeout"


START = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 25, "output_tokens": 1}}}
DELTA = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}}


def test_a_stream_that_stalls_after_a_delta_ends_at_its_deadline_with_what_it_used() -> None:
    steps = [(0, STREAM_HEAD + sse(START)), (SECONDS / 2, sse(DELTA)), LATE]
    deltas: list[str] = []
    with dripping(*steps) as server:
        stream = adapter_at(server.url, "anthropic").stream(request("anthropic", timeout=SECONDS), KEY)
        with pytest.raises(ProviderError) as caught:
            drain(stream, deltas)
        assert server.sent < len(steps)
    assert deltas == ["Hi"]
    assert (caught.value.code, caught.value.usage) == ("timeout", Usage(25, 1))


def test_a_stream_that_is_left_open_after_its_end_is_finished_all_the_same() -> None:
    chunk = {"model": "m", "choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    steps = [(0, STREAM_HEAD + sse(chunk, "[DONE]")), (5, b": still here\n\n")]
    with dripping(*steps) as server:
        _, completion = drain(adapter_at(server.url, "openai").stream(request("openai", timeout=20), KEY))
        assert server.sent < len(steps)
    assert completion.text == "Hi"


def test_a_call_after_one_that_timed_out_is_made_on_a_connection_of_its_own() -> None:
    body = json.dumps({"model": "m", "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}).encode()
    with dripping((0, b"")) as silent:
        adapter = adapter_at(silent.url, "openai")
        for _ in range(2):
            with pytest.raises(ProviderError):
                adapter.complete(request("openai", timeout=0.2), KEY)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    with dripping((0, head + body)) as server:
        assert adapter_at(server.url, "openai").complete(request("openai"), KEY).text == "Hi"

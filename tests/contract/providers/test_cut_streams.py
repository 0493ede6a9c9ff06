"""A cut stream never looks finished, wherever it is cut and however the connection ends."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

import httpx2
import pytest

from local.emulator.client import Emulator
from parley.admission.records import Attempt
from parley.completion.routing import Candidate, Plan
from parley.core.clock import SystemClock
from parley.core.provider_names import PROVIDERS, ProviderName
from parley.providers.catalogue import Catalogue
from parley.providers.errors import ProviderError, StreamCancelled
from parley.providers.protocol import Completion, Provider
from parley.providers.registry import Providers
from parley.providers.transport import SharedClient, events, read_json
from testing.providers import KEY, Body, at_emulator, call, drain, event_stream, over, request, router, sse, urls

Adapters = Mapping[ProviderName, Provider]
TEXT = "A monad is a monoid \u2013 in the category of endofunctors."


@pytest.fixture
def adapters(emulator: Emulator) -> Iterator[Adapters]:
    """The adapters at the emulator, over real connections."""
    with at_emulator(emulator.url) as adapters:
        yield adapters


@cache
def recorded(url: str, provider: ProviderName) -> bytes:
    """The bytes of one real stream of the emulator."""
    bodies: list[bytes] = []

    class Recorder(httpx2.HTTPTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            response = super().handle_request(request)
            bodies.append(response.read())
            return event_stream(bodies[-1])

    with httpx2.Client(transport=Recorder()) as client:
        adapter = Providers(urls(url), http=SharedClient(client))[provider]
        assert drain(adapter.stream(request(provider), KEY))[1].text == TEXT
    return bodies[0]


@pytest.mark.parametrize("ending", ["closed in good order", "broken off"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_cut_at_any_byte_is_interrupted_and_used_at_most_what_was_reported(
    emulator: Emulator, provider: ProviderName, ending: str
) -> None:
    emulator.answer(TEXT)
    whole = recorded(emulator.url, provider)
    bodies: list[Body] = []
    cut = 0

    def answer(_: httpx2.Request) -> httpx2.Response:
        broken = httpx2.RemoteProtocolError("incomplete chunked read") if ending == "broken off" else None
        bodies.append(Body([whole[:cut]], then=broken))
        return event_stream(bodies[-1])

    adapter = over(answer)[provider]
    # A blank line that ends with CRLF has ended with its CR.
    complete = len(whole) - whole.endswith(b"\r\n")
    for cut in range(complete):
        deltas: list[str] = []
        with pytest.raises(ProviderError) as caught:
            drain(adapter.stream(request(provider), KEY), deltas)
        assert caught.value.code == "stream_interrupted", cut
        assert TEXT.startswith("".join(deltas)), cut
        assert bodies[-1].closed, cut
    assert len(bodies) == complete


def in_pieces(pieces: list[bytes], _: httpx2.Request) -> httpx2.Response:
    return event_stream(Body(pieces))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_whole_stream_is_finished_in_whatever_pieces_it_arrives(emulator: Emulator, provider: ProviderName) -> None:
    emulator.answer(TEXT)
    whole = recorded(emulator.url, provider)
    answers: set[Completion] = set()
    for size in (1, 2, 3, 7, 64, len(whole)):
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        adapter = over(partial(in_pieces, pieces))[provider]
        deltas, completion = drain(adapter.stream(request(provider), KEY))
        assert "".join(deltas) == completion.text == TEXT
        assert completion.finish_reason == "stop"
        assert completion.usage is not None
        answers.add(completion)
    assert len(answers) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_connection_lost_after_the_end_marker_leaves_the_answer_finished(
    emulator: Emulator, provider: ProviderName
) -> None:
    emulator.answer(TEXT)
    lost = httpx2.ReadError("reset")
    adapter = over(lambda _: event_stream(Body([recorded(emulator.url, provider)], then=lost)))[provider]
    assert drain(adapter.stream(request(provider), KEY))[1].text == TEXT


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("cut_after", [0, 1, 150, 400, 600])
def test_a_stream_cut_on_a_real_connection_is_interrupted(
    emulator: Emulator, adapters: Adapters, provider: ProviderName, cut_after: int
) -> None:
    emulator.answer(TEXT)
    emulator.fault("cut", provider=provider, cut_after=cut_after)
    with pytest.raises(ProviderError) as caught:
        drain(adapters[provider].stream(request(provider), KEY))
    assert caught.value.code == "stream_interrupted"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_interrupted_stream_is_one_attempt_with_what_it_used(emulator: Emulator, provider: ProviderName) -> None:
    emulator.answer(TEXT)
    whole = recorded(emulator.url, provider)
    cut = over(lambda _: event_stream(whole[: len(whole) // 2]))
    attempts: list[Attempt] = []
    plan = Plan((Candidate(provider, request(provider).model),))
    clock = SystemClock()
    routed = router(cut, Catalogue.shipped(), clock)
    stream = routed.stream(plan, request(provider), {provider: KEY}, clock.monotonic() + 5, attempts)
    with pytest.raises(ProviderError) as caught:
        drain(stream)
    assert [attempt.error_code for attempt in attempts] == ["stream_interrupted"]
    # OpenAI reports usage only at the end; the others say at the start what the prompt took.
    assert (attempts[0].usage is None) == (provider == "openai")
    assert caught.value.usage == attempts[0].usage


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_error_event_in_a_stream_is_an_error(emulator: Emulator, adapters: Adapters, provider: ProviderName) -> None:
    emulator.fault("mid_stream_error", provider=provider)
    deltas: list[str] = []
    with pytest.raises(ProviderError) as caught:
        drain(adapters[provider].stream(request(provider), KEY), deltas)
    assert deltas
    assert caught.value.code in ("upstream_error", "overloaded")


@pytest.mark.parametrize(
    ("provider", "events"),
    [
        ("openai", [{"choices": [{"delta": {"content": "Hi"}}]}, "[DONE]"]),
        ("openai", [{"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}]),
        ("anthropic", [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}]),
        ("anthropic", [{"type": "message_stop"}]),
        ("google", [{"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]}]),
        ("google", []),
    ],
)
def test_half_an_end_marker_ends_nothing(provider: ProviderName, events: list[Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        drain(over(lambda _: event_stream(sse(*events)))[provider].stream(request(provider), KEY))
    assert caught.value.code == "stream_interrupted"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_event_that_is_not_json_is_a_bad_response(provider: ProviderName) -> None:
    with pytest.raises(ProviderError) as caught:
        drain(over(lambda _: event_stream(sse("{broken")))[provider].stream(request(provider), KEY))
    assert caught.value.code == "bad_response"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_page_instead_of_a_stream_is_not_read_but_closed(provider: ProviderName) -> None:
    body = Body([b"<html>"])
    page = httpx2.Response(200, headers={"content-type": "text/html"}, stream=body)
    with pytest.raises(ProviderError) as caught:
        drain(over(lambda _: page)[provider].stream(request(provider), KEY))
    assert caught.value.code == "bad_response"
    assert body.closed


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_unknown_finish_reason_is_not_passed_off_as_a_known_one(
    emulator: Emulator, adapters: Adapters, provider: ProviderName
) -> None:
    for streamed in (True, False):
        emulator.fault("unknown_finish", provider=provider)
        adapter = adapters[provider]
        with pytest.raises(ProviderError) as caught:
            call(adapter, request(provider), streamed)
        assert caught.value.code == "no_answer"


def test_a_blocked_prompt_is_refused_in_a_stream_too() -> None:
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 7}}
    with pytest.raises(ProviderError) as caught:
        drain(over(lambda _: event_stream(sse(blocked)))["google"].stream(request("google"), KEY))
    assert caught.value.code == "content_refused"
    assert caught.value.usage is not None
    assert caught.value.usage.input_tokens == 7


@pytest.mark.parametrize("provider", PROVIDERS)
def test_closing_the_generator_closes_the_upstream_connection(
    emulator: Emulator, adapters: Adapters, provider: ProviderName
) -> None:
    emulator.fault("slow", provider=provider, delay=0, between=0.2)
    stream = adapters[provider].stream(request(provider), KEY)
    next(stream)
    stream.close()
    record = emulator.closed(emulator.requests(provider)[0]["number"], timeout=1.0)
    assert record["finished_at"] is None


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_cancelled_stream_is_closed_and_tells_what_it_used(emulator: Emulator, provider: ProviderName) -> None:
    emulator.answer(TEXT)
    body = Body([recorded(emulator.url, provider)])
    stream = over(lambda _: event_stream(body))[provider].stream(request(provider), KEY)
    next(stream)
    with pytest.raises(ProviderError) as caught:
        stream.throw(StreamCancelled())
    assert body.closed
    assert (caught.value.usage is None) == (provider == "openai")


def test_events_end_with_either_line_ending_and_join_their_data_lines() -> None:
    stream = b': hello\r\nevent: x\r\ndata: {"a":\r\ndata: 1}\r\n\r\n'
    stream += b"id: 7\n\ndata:no space\n\ndata: \xe2\x80\xa8\n\ndata: cut"
    assert list(events([stream])) == [b'{"a":\n1}', b"no space", "\u2028".encode()]
    assert json.loads(next(events([stream]))) == {"a": 1}


def test_an_event_holds_exactly_one_json_value() -> None:
    assert read_json(b' \t{"a": "\xc3\xa9"}\r\n') == {"a": "\u00e9"}
    for broken in (b"", b"<html>", b'{"a": 1', b"{} {}", b"{}x"):
        with pytest.raises(ValueError, match=r"Expecting|Extra data"):
            read_json(broken)

"""Adapters over answers given as bytes, and the providers' wire formats as small as they can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2

from parley.completion.routing import Router
from parley.core.clock import Clock
from parley.core.provider_names import ProviderName
from parley.providers.catalogue import Catalogue
from parley.providers.protocol import Completion, CompletionRequest, Message, Provider
from parley.providers.registry import Providers
from parley.providers.transport import SharedClient

MODELS: dict[ProviderName, str] = {
    "openai": "gpt-6-luna",
    "anthropic": "claude-haiku-5-5",
    "google": "gemini-3.8-flash",
}
KEY = "sk-canary-5f2d81c09b7e"
R = TypeVar("R")


def over(
    handler: Callable[[httpx2.Request], httpx2.Response], clock: Clock | None = None
) -> Mapping[ProviderName, Provider]:
    """The adapters, their real SDKs included, over a transport that answers with `handler`."""
    client = httpx2.Client(transport=httpx2.MockTransport(handler), headers={"accept-encoding": "identity"})
    return Providers(http=SharedClient(client), clock=clock)


@contextmanager
def at_emulator(url: str) -> Iterator[Mapping[ProviderName, Provider]]:
    """The adapters over real connections to an emulator."""
    http = SharedClient()
    try:
        yield Providers(urls(url), http)
    finally:
        http().close()


def router(
    providers: Mapping[ProviderName, Provider],
    catalogue: Catalogue,
    clock: Clock,
    *,
    random: float = 0.0,
    progress: tuple[int, bool] = (0, False),
    renewed_key: str | None = None,
) -> Router:
    """A router over adapters that nothing interrupts. A key that is refused is replaced by `renewed_key`."""
    return Router(providers, catalogue, clock, lambda: random, lambda: None, lambda: progress, lambda *_: renewed_key)


def urls(url: str) -> dict[ProviderName, str]:
    """The providers' base URLs at an emulator."""
    return {"openai": f"{url}/openai/v1", "anthropic": f"{url}/anthropic", "google": f"{url}/google"}


def request(provider: ProviderName, text: str = "What is a monad?", **changes: Any) -> CompletionRequest:
    """A small request to a provider's default model."""
    values: dict[str, Any] = {
        "model": MODELS[provider],
        "messages": [Message("system", "Be brief."), Message("user", text)],
        "max_output_tokens": 200,
        "timeout": 30.0,  # the first call also imports the SDK
    }
    if provider == "openai" and changes.get("tools") is not None:
        values["reasoning_effort"] = "none"  # as `fitting.fitted` makes it
    return CompletionRequest(**(values | changes))


def drain(stream: Generator[Any, None, R], deltas: list[str] | None = None) -> tuple[list[str], R]:
    """Everything a stream yields, into `deltas` where given, and what it returns."""
    seen = [] if deltas is None else deltas
    while True:
        try:
            seen.append(next(stream))
        except StopIteration as end:
            return seen, end.value


def call(adapter: Provider, asked: CompletionRequest, streamed: bool) -> Completion:
    """The finished answer, by either way."""
    return drain(adapter.stream(asked, KEY))[1] if streamed else adapter.complete(asked, KEY)


class Body(httpx2.SyncByteStream):
    """A response body that may break off, and that knows whether it was closed."""

    def __init__(self, chunks: Iterable[bytes], then: Exception | None = None) -> None:
        self._chunks = chunks
        self._then = then
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        if self._then is not None:
            raise self._then

    def close(self) -> None:
        self.closed = True


def event_stream(body: Body | bytes) -> httpx2.Response:
    """A 200 that is an event stream."""
    stream = Body([body]) if isinstance(body, bytes) else body
    return httpx2.Response(200, headers={"content-type": "text/event-stream; charset=utf-8"}, stream=stream)


def sse(*events: dict[str, Any] | str) -> bytes:
    """Events as the providers frame them."""
    return b"".join(
        b"data: " + (event if isinstance(event, str) else json.dumps(event)).encode() + b"\n\n" for event in events
    )


def unstreamed(provider: ProviderName, parts: dict[str, Any]) -> bytes:
    """A finished answer that says "Hi.", with `parts` (usage, service tier) merged into the payload."""
    payloads: dict[ProviderName, dict[str, Any]] = {
        "openai": {
            "model": MODELS["openai"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
        },
        "anthropic": {
            "type": "message",
            "model": MODELS["anthropic"],
            "content": [{"type": "text", "text": "Hi."}],
            "stop_reason": "end_turn",
        },
        "google": {
            "modelVersion": MODELS["google"],
            "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi."}]}, "finishReason": "STOP"}],
        },
    }
    return json.dumps(payloads[provider] | parts).encode()

"""What the three adapters share: one upstream call from key to result, and every fault on the way as ProviderError.

A provider's adapter says how its SDK opens a call (`_open`) and how its JSON reads (`_completion`, `_reader`). The SDK
builds and sends the request and owns URLs, headers and versions; bodies are read here, as they come off the wire:
building the SDKs' typed models for a handful of fields costs more CPU than the rest of the call.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from parley.core.clock import Clock, SystemClock
from parley.core.provider_names import ProviderName
from parley.providers import errors
from parley.providers.errors import ProviderError, ProviderErrorCode, StreamCancelled
from parley.providers.protocol import (
    Completion,
    CompletionRequest,
    Delta,
    Embeddings,
    FinishReason,
    RefusalDelta,
    Usage,
)
from parley.providers.text import StreamedText, cut_at, storable
from parley.providers.transport import SharedClient, events, read_json

if TYPE_CHECKING:
    import httpx2

    from parley.providers.tool_calls import ToolCalls

# What may stand in a header, and in a URL's path, without changing its meaning.
_KEY = re.compile(r"[\x21-\x7e]+")
_MODEL = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}")
_LONGEST_NAME = 128
_BYTES_PER_TOKEN = 4  # of most texts, about
# After a stream's end marker nothing is needed any more, but a connection read to its end can be used again.
_LINGER_SECONDS = 1.0

T = TypeVar("T")


def finish_reason(
    provider: ProviderName,
    meanings: Mapping[str, FinishReason | ProviderErrorCode],
    reason: str | None,
    usage: Usage | None,
) -> FinishReason:
    """Why an answer ended, by the provider's own word for it.

    Raises ProviderError, with the usage, for a reason that stands for no answer. An unknown reason counts as
    `no_answer`, because most of those that providers add depend on the prompt.
    """
    meaning = meanings.get(reason, "no_answer") if reason else "bad_response"
    # mypy narrows no tuple
    if meaning == "stop" or meaning == "length" or meaning == "refusal" or meaning == "tool_calls":
        return meaning
    raise ProviderError(provider, meaning, upstream_status=200, upstream_code=reason, usage=usage)


def checked_usage(read: Callable[[dict[str, Any]], Usage | None], reported: dict[str, Any]) -> Usage | None:
    """What `read` makes of a provider's report; None for a report that contradicts itself or lacks a count.

    Accounting never decides whether an answer is delivered.
    """
    try:
        return read(reported)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _finished(
    provider: ProviderName,
    completion: Completion,
    request: CompletionRequest,
    text: str,
    stopped: bool,
    calls: ToolCalls | None,
) -> Completion:
    """The answer as it goes out: with its tool calls, and with the asked model's name where it has none.

    Raises ProviderError, with the usage, where its finish reason and its calls contradict each other, or where a call's
    arguments are no JSON.
    """
    finish: FinishReason = "stop" if stopped else completion.finish_reason
    try:
        tool_calls = () if calls is None or finish == "refusal" else calls.whole(cut=finish == "length")
    except ValueError:
        reason = "malformed_tool_call"
    else:
        # OpenAI ends a call that it was made to make, and Gemini any, with its word for `stop`.
        if tool_calls and finish == "stop":
            finish = "tool_calls"
        if (finish == "tool_calls") is bool(tool_calls and request.tools) or finish == "length":
            model = _name(completion.model) or request.model
            return replace(completion, text=text, finish_reason=finish, model=model, tool_calls=tool_calls)
        reason = "tool_calls"
    raise ProviderError(provider, "no_answer", upstream_status=200, upstream_code=reason, usage=completion.usage)


def _mark_too_large(fault: ProviderError, request: CompletionRequest) -> None:
    """Make a rate limit of the account, which this request exceeds by itself, a fault of the request: no wait helps."""
    if fault.tokens_a_minute is None or fault.code != "rate_limited":
        return
    texts = [*(message.content for message in request.messages), *(passage.text for passage in request.passages)]
    size = sum(len(text.encode(errors="replace")) for text in texts)
    if size // _BYTES_PER_TOKEN > fault.tokens_a_minute:
        fault.code, fault.retry_after = "request_too_large", None


def _body(response: httpx2.Response) -> Iterable[bytes]:
    """The chunks of a body as they arrive. Few providers compress in spite of `transport.HEADERS`, and looking for a
    decoder costs every chunk of the others.
    """
    import httpx2

    if "content-encoding" in response.headers or not isinstance(response.stream, httpx2.SyncByteStream):
        return response.iter_bytes()
    return response.stream


def _name(model: Any) -> str:
    """What a provider says its model is called; empty where that is no name."""
    return storable(model)[:_LONGEST_NAME] if isinstance(model, str) else ""


class StreamReader(ABC):
    """Reads the events of one stream.

    Attributes:
        model: the model that the stream names.
        ended: whether the provider's own end marker came.
        calls: the tool calls so far; None until one begins.
        refused: whether the text is a refusal, where the provider says so before the end.
    """

    model: str = ""
    ended: bool = False
    calls: ToolCalls | None = None
    refused: bool = False

    @property
    @abstractmethod
    def usage(self) -> Usage | None:
        """What the provider reported so far; the last report wins."""

    @abstractmethod
    def feed(self, data: bytes) -> str:
        """Take one event and return the text it adds, often none. Raises ProviderError for an error event."""

    @abstractmethod
    def completion(self, text: str) -> Completion:
        """The finished answer without its tool calls; called once, after `ended`."""


class Adapter(ABC):
    """A provider's SDK behind the `Provider` protocol.

    Args:
        http: the client that all adapters share.
        base_url: replaces the provider's own, e.g. by an emulator's.
    """

    name: ProviderName

    def __init__(self, http: SharedClient, base_url: str | None = None, clock: Clock | None = None) -> None:
        self._http = http
        self._base_url = base_url
        self._clock = clock or SystemClock()

    @property
    @abstractmethod
    def _sdk(self) -> Any:
        """The SDK's client, made at its first use; that imports the SDK."""

    @abstractmethod
    def _open(self, request: CompletionRequest, api_key: str, stream: bool) -> httpx2.Response:
        """Send through the SDK and return the response, its body unread."""

    @abstractmethod
    def _completion(self, payload: dict[str, Any]) -> Completion:
        """Read an unstreamed answer without its tool calls. May raise KeyError, IndexError or TypeError for one that
        lacks what it needs.
        """

    @abstractmethod
    def _tool_calls(self, payload: dict[str, Any], request: CompletionRequest) -> ToolCalls | None:
        """Read an unstreamed answer's tool calls; None where it has none. May raise as `_completion`."""

    @abstractmethod
    def _reader(self, request: CompletionRequest, api_key: str) -> StreamReader:
        """A reader for one stream."""

    @abstractmethod
    def embed(self, texts: Sequence[str], model: str, dimensions: int, api_key: str, timeout: float) -> Embeddings:
        """See `Provider.embed`."""

    @abstractmethod
    def _look_up(self, model: str, api_key: str, timeout: float) -> httpx2.Response:
        """Ask for a model's metadata through the SDK and return the response, its body unread."""

    def load(self) -> None:
        """See `Provider.load`."""
        _ = self._sdk

    def complete(self, request: CompletionRequest, api_key: str) -> Completion:
        """See `Provider.complete`."""

        def read(payload: dict[str, Any]) -> Completion:
            completion, calls = self._completion(payload), self._tool_calls(payload, request)
            text, stopped = cut_at(request.cut_at, storable(completion.text))
            if calls is not None:
                calls.end(cut=completion.finish_reason == "length" and not stopped)
            return _finished(self.name, completion, request, text, stopped, calls)

        try:
            return self._call(
                lambda: self._open(request, api_key, False), read, request.model, api_key, request.timeout
            )
        except ProviderError as fault:
            _mark_too_large(fault, request)
            raise

    def check(self, model: str, api_key: str, timeout: float) -> None:
        """See `Provider.check`."""

        def read(payload: dict[str, Any]) -> None:
            if not isinstance(payload.get("id", payload.get("name")), str):
                raise ValueError("not a model's metadata")

        self._call(lambda: self._look_up(model, api_key, timeout), read, model, api_key, timeout)

    def stream(self, request: CompletionRequest, api_key: str) -> Generator[Delta, None, Completion]:
        """See `Provider.stream`."""
        deadline = self._deadline(request.model, api_key, request.timeout)
        reader = self._reader(request, api_key)
        text = StreamedText(request.cut_at)
        response: httpx2.Response | None = None
        fault: ProviderError | None = None
        lingering = False
        alarm = self._http.deadline.set(request.timeout)
        try:
            response = self._opened(self._open(request, api_key, True), api_key)
            self._raise_unless_stream(response, api_key)
            for data in events(_body(response)):
                # Read on after the end marker: usage may follow, and a connection read to its end can be reused.
                if (delta := reader.feed(data)) and (delta := text.feed(delta)):
                    yield RefusalDelta(delta) if reader.refused else delta
                if reader.calls is not None and request.tools is not None:
                    yield from reader.calls.take()
                if reader.ended and not lingering:
                    lingering = True
                    self._http.deadline.take_back(alarm)
                    alarm = self._http.deadline.set(min(_LINGER_SECONDS, request.timeout))
        except Exception as error:
            interrupted: ProviderErrorCode = "connection_failed" if response is None else "stream_interrupted"
            fault = self._fault(error, api_key, deadline, interrupted, opened=response is not None)
        finally:
            self._http.deadline.take_back(alarm)
            if response is not None:
                response.close()
        if reader.ended and not isinstance(fault, _Cancelled):
            try:
                if delta := text.end():
                    yield RefusalDelta(delta) if reader.refused else delta
                completion = reader.completion(text.whole)
                if reader.calls is not None:
                    reader.calls.end(cut=completion.finish_reason == "length" and not text.stopped)
                    if request.tools is not None:
                        yield from reader.calls.take()
            except StreamCancelled:
                fault = _Cancelled(self.name, "stream_interrupted")
            else:
                return _finished(self.name, completion, request, text.whole, text.stopped, reader.calls)
        fault = fault or self._fault(_BrokenOff(), api_key, deadline, "stream_interrupted")
        fault.usage, fault.model = reader.usage, _name(reader.model) or None
        _mark_too_large(fault, request)
        raise fault

    def _call(
        self,
        open_response: Callable[[], httpx2.Response],
        read: Callable[[dict[str, Any]], T],
        model: str,
        api_key: str,
        timeout: float,
    ) -> T:
        """Make one unstreamed call and read its JSON."""
        deadline = self._deadline(model, api_key, timeout)
        response: httpx2.Response | None = None
        alarm = self._http.deadline.set(timeout)
        try:
            response = self._opened(open_response(), api_key)
            return read(self._payload(response.read(), api_key))
        except Exception as error:
            fault = self._fault(error, api_key, deadline, "connection_failed", opened=response is not None)
        finally:
            self._http.deadline.take_back(alarm)
            if response is not None:
                response.close()
        # Not inside the except block: the SDK's exception holds the request with its key, and must not hang on ours.
        raise fault

    def _opened(self, response: httpx2.Response, api_key: str) -> httpx2.Response:
        """Raises ProviderError for an error answer that the SDK let through."""
        if response.status_code == 200:
            return response
        try:
            body = response.read()
        finally:
            response.close()
        raise errors.from_response(self.name, response.status_code, response.headers, body, api_key, self._clock.now())

    def _payload(self, body: bytes, api_key: str) -> Any:
        """The JSON of a 200. Raises ProviderError where it is an error all the same, ValueError where it is no JSON."""
        payload = read_json(body)
        if error := errors.error_object(payload):
            raise errors.from_error_object(self.name, 200, error, api_key)
        return payload

    def _raise_unless_stream(self, response: httpx2.Response, api_key: str) -> None:
        """Raises ProviderError for a 200 that is no event stream; an error in JSON says what is wrong."""
        content_type = response.headers.get("content-type", "").strip().lower()
        if content_type.startswith("text/event-stream"):
            return
        if content_type.startswith("application/json"):
            self._payload(response.read(), api_key)
        raise ProviderError(self.name, "bad_response", upstream_status=200)

    def _deadline(self, model: str, api_key: str, timeout: float) -> float:
        """When the call must be over. Raises ProviderError for a key or model that cannot be sent."""
        if not _KEY.fullmatch(api_key):
            raise ProviderError(self.name, "credentials_rejected")
        if not _MODEL.fullmatch(model):
            raise ProviderError(self.name, "model_not_found")
        return self._clock.monotonic() + timeout

    def _fault(
        self,
        error: Exception,
        api_key: str,
        deadline: float,
        interrupted: ProviderErrorCode,
        *,
        opened: bool = True,
    ) -> ProviderError:
        """What an exception of the SDK, of the HTTP client or of reading the body means. Raises any other.

        Args:
            interrupted: what a broken connection means here.
            opened: whether the provider had answered 200.
        """
        import httpx2

        if isinstance(error, ProviderError):
            return error
        # The SDKs wrap an error answer (`response`) and a failed connection (`__cause__`), each in its own class.
        response = getattr(error, "response", None)
        if isinstance(response, httpx2.Response):
            return errors.from_response(
                self.name, response.status_code, response.headers, response.content, api_key, self._clock.now()
            )
        cause = error if isinstance(error, httpx2.RequestError) else error.__cause__
        if isinstance(error, StreamCancelled):
            return _Cancelled(self.name, "stream_interrupted")
        if isinstance(cause, httpx2.TimeoutException):
            return ProviderError(self.name, "timeout")
        if self._clock.monotonic() >= deadline:  # the alarm ended the wait, which reads like a broken connection
            return ProviderError(self.name, "timeout")
        if isinstance(error, _BrokenOff):
            return ProviderError(self.name, interrupted, upstream_status=200)
        if isinstance(cause, httpx2.RequestError):
            return ProviderError(self.name, interrupted)
        if opened and isinstance(error, ValueError | LookupError | TypeError | AttributeError | RecursionError):
            # JSON that is none, or not the provider's.
            return ProviderError(self.name, "bad_response", upstream_status=200)
        raise error


class _BrokenOff(Exception):
    """The stream ended without its end marker."""


class _Cancelled(ProviderError):
    """The caller of the stream cancelled it; this counts even where the provider had just finished."""

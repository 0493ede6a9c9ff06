"""What the three adapters share: one upstream call from key to result, and every fault on the way as ProviderError.

A vendor's adapter says how its SDK opens a call (`_open`) and how its JSON reads (`_completion`, `_reader`). The SDK
builds and sends the request and owns URLs, headers and versions; bodies are read here, as they come off the wire:
building the SDKs' typed models for a handful of fields costs more CPU than the rest of the call.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from parley.clock import Clock, SystemClock
from parley.providers import faults
from parley.providers.base import (
    Completion,
    CompletionRequest,
    Embeddings,
    ProviderError,
    ProviderErrorCode,
    ProviderName,
    StreamCancelled,
    Usage,
)
from parley.providers.transport import DeadlineExceeded, HttpClient, events, until

if TYPE_CHECKING:
    import httpx2

# What may stand in a header, and in a URL's path, without changing its meaning.
_KEY = re.compile(r"[\x21-\x7e]+")
_MODEL = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}")

MAX_EMBEDDED_TEXTS = 256


class StreamReader(ABC):
    """Reads the events of one stream.

    Attributes:
        usage: what the vendor reported so far; the last report wins.
        upstream_id: the id that the stream itself names.
        ended: whether the vendor's own end marker came.
    """

    usage: Usage | None = None
    upstream_id: str | None = None
    ended: bool = False

    @abstractmethod
    def feed(self, data: bytes) -> str:
        """Take one event and return the text it adds, often none. Raises ProviderError for an error event."""

    @abstractmethod
    def completion(self, text: str, upstream_id: str | None) -> Completion:
        """The finished answer; called once, after `ended`."""


class Adapter(ABC):
    """A vendor behind the `Provider` protocol.

    Args:
        http: opens the client that all adapters share.
        base_url: replaces the vendor's own, e.g. by an emulator's.
    """

    name: ClassVar[ProviderName]
    id_header: ClassVar[str]

    def __init__(self, http: HttpClient, base_url: str | None = None, clock: Clock | None = None) -> None:
        self._http = http
        self._base_url = base_url
        self._clock = clock or SystemClock()

    @abstractmethod
    def _open(self, request: CompletionRequest, api_key: str, stream: bool) -> httpx2.Response:
        """Send through the SDK and return the open response with status 200."""

    @abstractmethod
    def _completion(self, payload: dict[str, Any], upstream_id: str | None) -> Completion:
        """Read an unstreamed answer. May raise KeyError, IndexError, TypeError for one that lacks what it needs."""

    @abstractmethod
    def _reader(self, request: CompletionRequest, api_key: str) -> StreamReader:
        """A reader for one stream."""

    @abstractmethod
    def embed(self, texts: Sequence[str], model: str, dimensions: int, api_key: str, timeout: float) -> Embeddings:
        """See `Provider.embed`."""

    def complete(self, request: CompletionRequest, api_key: str) -> Completion:
        """See `Provider.complete`."""
        return self._call(
            lambda: self._open(request, api_key, False), self._completion, request.model, api_key, request.timeout
        )

    def stream(self, request: CompletionRequest, api_key: str) -> Generator[str, None, Completion]:
        """See `Provider.stream`."""
        deadline = self._deadline(request.model, api_key, request.timeout)
        with self._faults(api_key):
            response = self._open(request, api_key, True)
        reader = self._reader(request, api_key)
        text: list[str] = []
        try:
            with self._faults(api_key, interrupted="stream_interrupted"):
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise self.fault("bad_response", response)
                for data in events(until(deadline, self._clock, response.iter_raw())):
                    # After the end marker only the transfer's own end is read, which frees the connection for reuse.
                    if not reader.ended and (delta := self._read(reader.feed, data)):
                        text.append(delta)
                        yield delta
            if not reader.ended:
                raise self.fault("stream_interrupted", response)
        except StreamCancelled:
            raise self.fault("stream_interrupted", response, reader.usage) from None
        except ProviderError as error:
            if reader.ended:
                # Everything was said; only the connection was not closed in good order.
                return reader.completion("".join(text), response.headers.get(self.id_header))
            error.usage = reader.usage
            raise
        finally:
            response.close()
        return reader.completion("".join(text), response.headers.get(self.id_header))

    def _call[T](
        self,
        open_response: Callable[[], httpx2.Response],
        read: Callable[[dict[str, Any], str | None], T],
        model: str,
        api_key: str,
        timeout: float,
    ) -> T:
        """Make one unstreamed call and read its JSON."""
        deadline = self._deadline(model, api_key, timeout)
        with self._faults(api_key):
            response = open_response()
            try:
                body = b"".join(until(deadline, self._clock, response.iter_raw()))
            finally:
                response.close()
        return self._read(lambda data: read(json.loads(data), response.headers.get(self.id_header)), body)

    def _read[T](self, read: Callable[[bytes], T], data: bytes) -> T:
        """Apply `read`; JSON that is none, or not the vendor's, is a bad response."""
        try:
            return read(data)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            bad = ProviderError(self.name, "bad_response", upstream_status=200)
        raise bad

    def _deadline(self, model: str, api_key: str, timeout: float) -> float:
        """When the call must be over. Raises ProviderError for a key or model that cannot be sent."""
        if not _KEY.fullmatch(api_key):
            raise ProviderError(self.name, "credentials_rejected")
        if not _MODEL.fullmatch(model):
            raise ProviderError(self.name, "model_not_found")
        return self._clock.monotonic() + timeout

    def fault(
        self, code: ProviderErrorCode, response: httpx2.Response | None = None, usage: Usage | None = None
    ) -> ProviderError:
        """A fault found here rather than told by the vendor."""
        return ProviderError(self.name, code, upstream_status=response and response.status_code, usage=usage)

    @contextmanager
    def _faults(self, api_key: str, interrupted: ProviderErrorCode = "connection_failed") -> Iterator[None]:
        """Turn what the SDK and the HTTP client raise into ProviderError.

        Args:
            interrupted: what a broken connection means here.
        """
        import httpx2

        fault: ProviderError
        try:
            yield
            return
        except (ProviderError, StreamCancelled):
            raise
        except Exception as error:
            # The SDKs wrap an error answer (`response`) and a failed connection (`__cause__`) each in its own class.
            response = getattr(error, "response", None)
            cause = error if isinstance(error, httpx2.RequestError | DeadlineExceeded) else error.__cause__
            if isinstance(response, httpx2.Response):
                fault = faults.from_response(
                    self.name, response.status_code, response.headers, response.content, api_key, self._clock.now()
                )
            elif isinstance(cause, httpx2.TimeoutException | DeadlineExceeded):
                fault = ProviderError(self.name, "timeout")
            elif isinstance(cause, httpx2.DecodingError):
                fault = ProviderError(self.name, "bad_response")
            elif isinstance(cause, httpx2.RequestError):
                fault = ProviderError(self.name, interrupted)
            else:
                raise
        # Outside the except block: the SDK's exception holds the request with its key, and must not hang on ours.
        raise fault

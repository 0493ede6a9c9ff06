"""The HTTP below the three SDKs: one client for all of them, server-sent events, and a deadline on every byte."""

from __future__ import annotations

import itertools
import json
import math
import socket
import threading
import time
import weakref
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

if TYPE_CHECKING:
    import httpx2
    from httpx2 import BaseTransport
else:
    BaseTransport = object  # only an interface: importing this module must not import httpx2

_CONNECT_SECONDS = 5.0
# Seconds after which an alarm that was not taken back rings again.
_RING_AGAIN_SECONDS = 0.5
# Answers are small, and a compressed event stream arrives in larger pieces.
HEADERS = {"accept-encoding": "identity"}


class Alarm:
    """Calls `ring` when a moment that was set has come, again and again until it is taken back.

    One thread sleeps until the earliest moment. A moment that is taken back does not wake it, so a call that ends in
    time costs two locks.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._changed = threading.Condition()
        self._moments: list[float] = []
        self._wakes_at = 0.0
        self._thread: threading.Thread | None = None

    def set(self, seconds: float) -> float:
        """Ring in so many seconds; the moment, for `take_back`."""
        moment = time.monotonic() + seconds
        with self._changed:
            self._moments.append(moment)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="upstream-deadline", daemon=True)
                self._thread.start()
            elif moment < self._wakes_at:
                self._changed.notify()
        return moment

    def take_back(self, moment: float) -> None:
        """Ring for this one no more."""
        with self._changed:
            self._moments.remove(moment)

    def _run(self) -> None:
        with self._changed:
            while True:
                earliest = min(self._moments, default=math.inf)
                now = time.monotonic()
                if earliest <= now:
                    self._ring()
                    earliest = now + _RING_AGAIN_SECONDS
                self._wakes_at = earliest
                self._changed.wait(None if earliest == math.inf else earliest - now)


class SharedClient:
    """Opens one `httpx2.Client` when it is first called, and returns the same one ever after.

    Keep-alive saves the TLS handshake of all but the first call.

    Args:
        client: used instead of one that is opened.

    Attributes:
        deadline: ends every wait on an upstream connection when it rings, however bytes arrive. Nothing else bounds
            reading.
    """

    def __init__(self, client: httpx2.Client | None = None) -> None:
        self._client = client
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._counting_sockets = threading.Lock()
        self.deadline = Alarm(self.interrupt)
        self._requests = 0
        self._awaits_response = False
        self._interrupted = False

    def __call__(self) -> httpx2.Client:
        if self._client is None:
            import httpx2

            self._client = httpx2.Client(
                headers=HEADERS,
                limits=httpx2.Limits(max_connections=20, max_keepalive_connections=6, keepalive_expiry=60),
                follow_redirects=False,
                http2=False,
                event_hooks={"request": [self._watch]},
            )
        return self._client

    @property
    def progress(self) -> tuple[int, bool]:
        """The latest request's number, and whether it was sent whole and its response is not over, or interrupted."""
        return self._requests, self._awaits_response

    def interrupt(self) -> None:
        """End every wait on an upstream connection, from another thread: closing a descriptor wakes no reader.

        One request runs at a time, so the only wait is that request's; idle connections are simply made anew.
        """
        self._interrupted = True
        with self._counting_sockets:
            connections = list(self._sockets)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _watch(self, request: httpx2.Request) -> None:
        self._requests += 1
        self._interrupted = self._awaits_response = False
        request.extensions = {**request.extensions, "trace": self._note}

    def _note(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):  # also through a proxy
            with self._counting_sockets:
                self._sockets.add(info["return_value"].get_extra_info("socket"))
        elif event == "http11.send_request_body.complete":
            # Also after an interruption: the provider may have the request before this thread learns that it is sent.
            self._awaits_response = True
        elif event == "http11.response_closed.started" and not self._interrupted:
            self._awaits_response = False


def timeouts(seconds: float) -> httpx2.Timeout:
    """Bounds for connecting and sending within a call that may take `seconds`; connecting never takes longer than five.

    Reading has none: `SharedClient.deadline` ends every wait, and another bound costs a system call for each chunk.
    """
    import httpx2

    return httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS), read=None)


def events(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The `data` of each server-sent event that arrived whole, i.e. up to its blank line.

    Lines end with LF, CRLF or CR. What follows the last blank line is an event cut off, and is dropped; an event whose
    data is empty is passed over. Source: WHATWG HTML, 9.2.5 and 9.2.6.
    """
    rest = b""
    data: list[bytes] = []
    after_cr = False
    for chunk in _without_bom(chunks):
        # A CR ends its line at once; a LF that follows it in the next chunk belongs to it.
        if after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            after_cr = False
        if not chunk:
            continue
        lines = (rest + chunk).splitlines()
        after_cr = chunk.endswith(b"\r")
        rest = b"" if after_cr or chunk.endswith(b"\n") else lines.pop()
        for line in lines:
            if not line:
                event = b"\n".join(data)
                data = []
                if event and not event.isspace():
                    yield event
            elif line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif line == b"data":
                data.append(b"")


def _without_bom(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks without the byte order mark that may stand before the first, in whatever pieces it arrives."""
    rest = iter(chunks)
    begun = b""
    for chunk in rest:
        begun += chunk
        if len(begun) >= len(BOM_UTF8) or not BOM_UTF8.startswith(begun):
            break
    return itertools.chain((begun.removeprefix(BOM_UTF8),), rest)


def read_json(data: bytes) -> Any:
    """JSON as a provider sent it. Raises ValueError.

    Bytes that are no UTF-8 become U+FFFD, as the source above decodes a stream; half a surrogate pair stays.
    """
    try:
        return from_json(data)  # twice as fast as `json.loads`, but stricter
    except ValueError:
        return json.loads(data.decode("utf-8-sig", errors="replace"))


class HeldBack(BaseTransport):
    """Sends through the shared client and keeps the response for the adapter; the SDK gets an empty 200.

    google-genai has no public way to a raw stream. Its own iterator parses each chunk three times, does not notice a
    missing end marker, and makes further calls of its own accord (continuations).
    """

    def __init__(self, http: SharedClient) -> None:
        self._http = http
        # One call at a time per thread: a response can never be taken for another thread's.
        self._kept = threading.local()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Called by the client that the SDK was given."""
        import httpx2

        timeout = request.extensions.get("timeout", {})
        timeout["connect"] = min(timeout.get("connect") or _CONNECT_SECONDS, _CONNECT_SECONDS)
        timeout["read"] = None  # as in `timeouts`
        self._kept.response = self._http().send(request, stream=True)
        return httpx2.Response(200, content=b"")

    def take(self) -> httpx2.Response:
        """The open response of this thread's last call, once."""
        response: httpx2.Response = self._kept.__dict__.pop("response")
        return response

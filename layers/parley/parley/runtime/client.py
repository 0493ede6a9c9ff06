"""The Runtime API as a client sees it: the next event, a streamed response, an error.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. Each call has a connection of its own, so one that broke
in the middle of a stream leaves nothing behind.
"""

from __future__ import annotations

import base64
import json
import select
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

_API = "/2018-06-01/runtime"
_ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
_ERROR_BODY = "Lambda-Runtime-Function-Error-Body"
# API Gateway reads status and headers from JSON in front of the body; eight zero bytes separate the two.
_PRELUDE_CONTENT_TYPE = "application/vnd.awslambda.http-integration-response"
_PRELUDE_END = bytes(8)
# Seconds between two calls of `on_broken` while the main thread has not stopped.
_PERSISTENCE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event: its bytes, and what its headers say."""

    event: bytes
    request_id: str
    deadline_ms: int
    function_arn: str
    trace_id: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception as the Runtime API takes it."""

    kind: str
    message: str
    stack: list[str]

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """What an exception is called, says and came through, outermost frame first."""
        return cls(type(error).__name__, str(error), traceback.format_tb(error.__traceback__))

    def document(self) -> bytes:
        """The JSON that Lambda shows as the function's error."""
        return json.dumps({"errorMessage": self.message, "errorType": self.kind, "stackTrace": self.stack}).encode()


class CallerGone(Exception):
    """The connection that carried the response broke; nobody reads it any more."""


class RuntimeClient:
    """Talks to the Runtime API at `address` (host:port, AWS_LAMBDA_RUNTIME_API)."""

    def __init__(self, address: str) -> None:
        self._address = address

    def next_invocation(self) -> Invocation:
        """Wait for the next event. Raises OSError when the Runtime API is gone."""
        connection = HTTPConnection(self._address)
        try:
            connection.request("GET", f"{_API}/invocation/next")
            response = connection.getresponse()
            event = response.read()
            if response.status != 200:
                raise ConnectionError(f"the Runtime API answered {response.status} to /next")
            return Invocation(
                event=event,
                request_id=response.headers["Lambda-Runtime-Aws-Request-Id"],
                deadline_ms=int(response.headers["Lambda-Runtime-Deadline-Ms"]),
                function_arn=response.headers.get("Lambda-Runtime-Invoked-Function-Arn", ""),
                trace_id=response.headers.get("Lambda-Runtime-Trace-Id"),
            )
        finally:
            connection.close()

    def post_error(self, request_id: str, failure: Failure) -> None:
        """End an invocation of which nothing was sent yet."""
        self._post(f"/invocation/{request_id}/error", failure.document(), {_ERROR_TYPE: failure.kind})

    def post_init_error(self, failure: Failure) -> None:
        """Report that the handler could not be loaded."""
        self._post("/init/error", failure.document(), {_ERROR_TYPE: failure.kind})

    def post_json(self, request_id: str, document: bytes) -> None:
        """Answer with a JSON value that is no HTTP response (a direct invocation)."""
        self._post(f"/invocation/{request_id}/response", document, {"Content-Type": "application/json"})

    def open_stream(self, request_id: str, prelude: Mapping[str, Any]) -> ResponseStream:
        """Start a streamed response: status and headers are on their way when this returns. Raises CallerGone."""
        connection = HTTPConnection(self._address)
        try:
            connection.putrequest("POST", f"{_API}/invocation/{request_id}/response", skip_accept_encoding=True)
            connection.putheader("Content-Type", _PRELUDE_CONTENT_TYPE)
            connection.putheader("Lambda-Runtime-Function-Response-Mode", "streaming")
            connection.putheader("Transfer-Encoding", "chunked")
            connection.putheader("Trailer", f"{_ERROR_TYPE}, {_ERROR_BODY}")
            connection.endheaders()
            stream = ResponseStream(connection)
            stream.send(json.dumps(prelude).encode() + _PRELUDE_END)
        except OSError as error:
            connection.close()
            raise CallerGone from error
        return stream

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        connection = HTTPConnection(self._address)
        try:
            connection.request("POST", _API + path, body, dict(headers))
            connection.getresponse().read()
        finally:
            connection.close()


class ResponseStream:
    """A response under way. `finish` or `fail` ends it; `close` is called in every case."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._socket: socket.socket = connection.sock
        self._sending = threading.Lock()
        self.sent_at = 0.0
        self.broken = False  # whether the other side has closed; known only while watched
        self._watcher: _Watcher | None = None

    def watch(self, on_broken: Callable[[], None], heartbeat: bytes = b"", seconds: float = 10.0) -> None:
        """From another thread, send `heartbeat` into silence, and once the other side closed call `on_broken` again and
        again until `close`.
        """
        self._watcher = _Watcher(self, self._socket, on_broken, heartbeat, seconds)
        self._watcher.start()

    def send(self, chunk: bytes) -> None:
        """Write one chunk straight to the socket; an empty one is left out, it would be the end. Raises OSError."""
        if chunk:
            with self._sending:
                self._socket.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                self.sent_at = time.monotonic()

    def finish(self) -> None:
        """End the response well. Raises OSError."""
        self._end(b"0\r\n\r\n")

    def fail(self, failure: Failure) -> None:
        """End it as failed, by trailers: status and headers are long gone. Raises OSError."""
        body = base64.b64encode(failure.document()).decode()
        self._end(f"0\r\n{_ERROR_TYPE}: {failure.kind}\r\n{_ERROR_BODY}: {body}\r\n\r\n".encode("latin-1"))

    def close(self) -> None:
        """Stop watching and drop the connection."""
        self._stop_watching()
        self._connection.close()

    def _end(self, tail: bytes) -> None:
        self._stop_watching()  # what arrives from now on is the answer, not a hang-up
        self._socket.sendall(tail)
        # The connection was driven by hand; its state machine only learns here that the request is complete.
        with self._connection.response_class(self._socket, method="POST") as response:
            response.begin()
            response.read()

    def _stop_watching(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()


class _Watcher(threading.Thread):
    """Sees a peer hang up while the main thread waits for a model: the Runtime API sends nothing before the end."""

    def __init__(
        self,
        stream: ResponseStream,
        connection: socket.socket,
        on_broken: Callable[[], None],
        heartbeat: bytes,
        seconds: float,
    ) -> None:
        super().__init__(name="parley-stream-watcher", daemon=True)
        self._stream = stream
        self._connection = connection
        self._on_broken = on_broken
        self._heartbeat = heartbeat
        self._seconds = seconds
        self._wake, self._woken = socket.socketpair()

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while not (ready := {descriptor for descriptor, _ in poll.poll(self._silence_left() * 1000)}):
            self._beat()
            if self._stream.broken:
                break
        if self._woken.fileno() in ready:
            return
        self._stream.broken = True
        poll.unregister(self._connection)
        while True:  # repeated, because the wait to end may begin later: an SDK is loading, a connection being opened
            self._on_broken()
            if poll.poll(_PERSISTENCE_SECONDS * 1000):
                return

    def _silence_left(self) -> float:
        """Seconds until a heartbeat is due; without heartbeats an hour, since nothing has to be done."""
        if not self._heartbeat:
            return 3600.0
        return max(0.0, self._stream.sent_at + self._seconds - time.monotonic())

    def _beat(self) -> None:
        if self._heartbeat and time.monotonic() >= self._stream.sent_at + self._seconds:
            try:
                self._stream.send(self._heartbeat)
            except OSError:
                self._stream.broken = True

    def stop(self) -> None:
        """Return when the thread has ended."""
        if self._wake.fileno() != -1:
            self._wake.send(b"x")
            self.join()
            self._wake.close()
            self._woken.close()

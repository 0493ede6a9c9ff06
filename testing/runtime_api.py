"""Just enough of Lambda's Runtime API to drive one function's process, on a real socket, and to see what it posts."""

from __future__ import annotations

import itertools
import json
import queue
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_PATIENCE = 20.0  # seconds; a test that waits longer has failed


@dataclass
class Posted:
    """What the process posted for one invocation, as it came over the wire."""

    path: str
    headers: dict[str, str]
    chunks: list[bytes] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)
    arrived: queue.Queue[bytes | None] = field(default_factory=queue.Queue)
    hang_up: threading.Event = field(default_factory=threading.Event)
    connection: Any = None

    @property
    def prelude(self) -> dict[str, Any]:
        """Status and headers, which are the whole first chunk."""
        document, separator, rest = self.chunks[0].partition(bytes(8))
        assert (separator, rest) == (bytes(8), b"")
        loaded: dict[str, Any] = json.loads(document)
        return loaded

    @property
    def body(self) -> bytes:
        """What came after the prelude."""
        return b"".join(self.chunks[1:])

    def next_chunk(self) -> bytes | None:
        """The next chunk as it arrives; None at the end. Raises queue.Empty when none comes."""
        return self.arrived.get(timeout=_PATIENCE)

    def complete(self) -> Self:
        """The same, when all of it is there."""
        while self.next_chunk() is not None:
            pass
        return self

    def break_off(self) -> None:
        """Break the connection now: the caller has left."""
        self.hang_up.set()
        self.connection.shutdown(2)


class RuntimeApi(ThreadingHTTPServer):
    """The API for one process at a time: an event is handed out when it asks, and a record kept of what comes back."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Endpoint)
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.posts: queue.Queue[Posted] = queue.Queue()
        self.numbers = itertools.count(1)
        self.leaving = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Take no connection any more."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A process that is killed resets its connections: nothing to tell."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def environment(self, folder: Path, handler: str = "app.lambda_handler") -> dict[str, str]:
        """What Lambda sets for a function whose code lies in `folder`."""
        return {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server_address[1]}",
            "AWS_LAMBDA_FUNCTION_NAME": "chat",
            "LAMBDA_TASK_ROOT": str(folder),
            "_HANDLER": handler,
        }

    def invoke(self, event: dict[str, Any]) -> Posted:
        """Send an event; what the process posts, as soon as it begins. Raises queue.Empty when it does not."""
        self.events.put(event)
        return self.posts.get(timeout=_PATIENCE)

    def leave_before_the_prelude(self, event: dict[str, Any]) -> None:
        """Send an event, and take no connection any more: its answer finds nobody, and the process ends after it."""
        self.leaving.set()
        self.events.put(event)


class _Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: RuntimeApi

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Quiet."""

    def do_GET(self) -> None:
        event = json.dumps(self.server.events.get()).encode()
        if self.server.leaving.is_set():
            self.server.stop()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")  # AWS's client waits for ever without
        self.send_header("Lambda-Runtime-Aws-Request-Id", f"request-{next(self.server.numbers)}")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 60) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-north-1:123456789012:function:chat")
        self.send_header("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1")
        self.send_header("Content-Length", str(len(event)))
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        posted = Posted(self.path, headers, connection=self.connection)
        self.server.posts.put(posted)
        try:
            self._read(posted)
        except (OSError, ValueError):
            if not posted.hang_up.is_set():
                raise
            self.close_connection = True
            return
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        posted.arrived.put(None)

    def _read(self, posted: Posted) -> None:
        if posted.headers.get("transfer-encoding") != "chunked":
            posted.chunks.append(self.rfile.read(int(posted.headers["content-length"])))
            return
        while size := int(self.rfile.readline(), 16):
            posted.chunks.append(self.rfile.read(size))
            if self.rfile.readline() != b"\r\n":
                raise ValueError("a chunk is longer than it says")
            posted.arrived.put(posted.chunks[-1])
        while line := self.rfile.readline().strip():
            name, _, value = line.decode().partition(": ")
            posted.trailers[name] = value

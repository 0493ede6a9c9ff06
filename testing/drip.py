"""A provider that sends its answer byte by byte at times of its own, over a real connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

Step = tuple[float, bytes]

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


class DrippingServer:
    """Answers every connection with the same steps: wait so many seconds, then send these bytes.

    After the last step the connection stays open until the client closes it.

    Attributes:
        sent: how many steps were sent, over all connections.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self.sent = 0
        self._steps = steps
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Stop, whatever was sent."""
        self._stopped.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            for seconds, data in self._steps:
                if self._stopped.wait(seconds):
                    return
                connection.sendall(data)
                self.sent += 1
            connection.settimeout(30)
            while connection.recv(65536):
                pass


@contextmanager
def dripping(*steps: Step) -> Iterator[DrippingServer]:
    """A server with these steps."""
    server = DrippingServer(steps)
    try:
        yield server
    finally:
        server.close()

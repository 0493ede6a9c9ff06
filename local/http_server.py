"""HTTP/1.1 for the gateway and the Runtime API: h11 does the protocol, asyncio the sockets.

What both need and frameworks hide: the answer goes out piece by piece with back-pressure, the moment the other side
leaves is known, and a connection can be broken on purpose.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from http import HTTPStatus

import h11

logger = logging.getLogger(__name__)

Headers = Sequence[tuple[str, str]]
Handler = Callable[["Exchange"], Awaitable[None]]

_HIGH_WATER = 256 * 1024  # bytes that may wait unread before the socket is paused
_DISCARD_BYTES = 32 * 2**20  # an unread body is read to its end so that the client sees the answer, within reason
_DISCARD_SECONDS = 2.0


class Disconnected(ConnectionError):
    """The other side is gone."""


class BodyTooLarge(ValueError):
    """The body is longer than the reader allows."""


class Exchange:
    """One request and the means to answer it.

    `headers` keep the sender's spelling; `trailers` are there once the body has been read; `closed` is set when the
    other side leaves before the answer is complete.
    """

    def __init__(self, connection: Connection, request: h11.Request) -> None:
        self._connection = connection
        self.method = request.method.decode("ascii")
        self.target = request.target.decode("latin-1")
        self.version = request.http_version.decode("ascii")
        self.headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw_items()]
        self.trailers: list[tuple[str, str]] = []
        self.peer = connection.peer
        self.closed = connection.closed
        self.started = False

    def header(self, name: str, default: str = "") -> str:
        """The first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name), default)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises Disconnected when it breaks off."""
        async for chunk, trailers in self._connection.body():
            if trailers is not None:
                self.trailers = trailers
            elif chunk:
                yield chunk

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises BodyTooLarge beyond `limit` bytes, Disconnected when it breaks off."""
        length = self.header("content-length")
        if length.isdigit() and int(length) > limit:
            raise BodyTooLarge
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                raise BodyTooLarge
        return bytes(body)

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head; without a Content-Length the body goes out chunked."""
        self.started = True
        await self._connection.send(_head(status, headers))

    async def send(self, data: bytes) -> None:
        """Send a piece of the body and wait while the other side is slow. Raises Disconnected."""
        await self._connection.send(h11.Data(data=data))

    async def end(self) -> None:
        """The answer is complete."""
        await self._connection.send(h11.EndOfMessage())

    async def respond(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """Send a whole answer in one write; a HEAD request gets its head alone."""
        self.started = True
        names = {name.lower() for name, _ in headers}
        if "content-length" not in names and status not in (204, 304):
            headers = [*headers, ("Content-Length", str(len(body)))]
        keep = b"" if self.method == "HEAD" or status in (204, 304) else body
        await self._connection.send(_head(status, headers), h11.Data(data=keep), h11.EndOfMessage())

    def abort(self) -> None:
        """Break the connection; a task that writes to it gets an error."""
        self._connection.abort()


class Connection(asyncio.Protocol):
    """One connection with keep-alive; its requests are handled one after another."""

    def __init__(self, handler: Handler, connections: set[Connection], max_head: int) -> None:
        self._handler = handler
        self._connections = connections
        self._max_head = max_head
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=max_head)
        self._incoming = bytearray()
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None]
        self.closed = asyncio.Event()
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.peer = (transport.get_extra_info("peername") or ("",))[0]
        self._connections.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._incoming += data
        if len(self._incoming) > _HIGH_WATER:
            self._transport.pause_reading()
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self.closed.set()
        self._news.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def abort(self) -> None:
        """Close at once, throwing away what is not sent yet."""
        self._transport.abort()

    async def body(self) -> AsyncIterator[tuple[bytes, list[tuple[str, str]] | None]]:
        """The pieces of the current request's body, then its trailers."""
        while self._http.their_state is h11.SEND_BODY:
            event = await self._event()
            if isinstance(event, h11.Data):
                yield bytes(event.data), None
            elif isinstance(event, h11.EndOfMessage):
                yield b"", [(name.decode("ascii"), value.decode("latin-1")) for name, value in event.headers]

    async def send(self, *events: h11.Event) -> None:
        """Write, and wait until the other side keeps up."""
        if self.closed.is_set():
            raise Disconnected
        self._transport.write(b"".join(self._http.send(event) or b"" for event in events))
        if not self._writable.is_set():
            await self._writable.wait()
        if self.closed.is_set() and self._http.our_state is not h11.DONE:
            raise Disconnected

    async def _event(self) -> h11.Event:
        """The next thing the other side says. Raises Disconnected, h11.RemoteProtocolError."""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Event):
                return event
            if self._http.they_are_waiting_for_100_continue:
                continue_now = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                self._transport.write(self._http.send(continue_now) or b"")
            if not self._incoming:
                if self.closed.is_set():
                    raise Disconnected
                self._news.clear()
                await self._news.wait()
                if not self._incoming:
                    raise Disconnected
            self._http.receive_data(bytes(self._incoming))
            self._incoming.clear()
            if not self._transport.is_reading() and not self._transport.is_closing():
                self._transport.resume_reading()

    async def _serve(self) -> None:
        try:
            while True:
                request = await self._event()
                if not isinstance(request, h11.Request):
                    break
                # h11 measures a head only while it is incomplete.
                if sum(len(name) + len(value) for name, value in request.headers) > self._max_head:
                    raise h11.RemoteProtocolError("headers too large", error_status_hint=431)
                exchange = Exchange(self, request)
                await self._handle(exchange)
                if self._http.their_state is h11.SEND_BODY:
                    await asyncio.wait_for(self._discard(), _DISCARD_SECONDS)
                if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                    break
                self._http.start_next_cycle()
        except (Disconnected, TimeoutError):
            pass
        except h11.RemoteProtocolError as error:
            self._refuse(error)
        finally:
            self._transport.close()

    async def _handle(self, exchange: Exchange) -> None:
        try:
            await self._handler(exchange)
        except (Disconnected, h11.RemoteProtocolError):
            raise
        except Exception:
            logger.exception("%s %s failed", exchange.method, exchange.target)
            if exchange.started:
                self.abort()
                raise Disconnected from None
            await exchange.respond(500, [("Content-Type", "application/json")], b'{"message": "Internal server error"}')

    async def _discard(self) -> None:
        left = _DISCARD_BYTES
        async for chunk, _ in self.body():
            left -= len(chunk)
            if left < 0:
                raise Disconnected

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = b'{"message": "Bad Request"}'
            headers = [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ]
            head = self._http.send(_head(error.error_status_hint, headers)) or b""
            self._transport.write(head + (self._http.send(h11.Data(data=body)) or b""))


class Listener:
    """A listening socket whose requests go to `handler`; `max_head` bytes of headers are allowed."""

    def __init__(self, handler: Handler, max_head: int) -> None:
        self._handler = handler
        self._max_head = max_head
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, listening: socket.socket | None = None) -> None:
        """Accept connections on a bound socket, or on a free port of loopback."""
        loop = asyncio.get_running_loop()

        def connection() -> Connection:
            return Connection(self._handler, self._connections, self._max_head)

        if listening is None:
            self._server = await loop.create_server(connection, "127.0.0.1", 0)
        else:
            self._server = await loop.create_server(connection, sock=listening)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening and break every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.abort()


def _head(status: int, headers: Headers) -> h11.Response:
    try:
        reason = HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        reason = b""
    encoded = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]
    return h11.Response(status_code=status, headers=encoded, reason=reason)

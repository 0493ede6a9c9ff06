"""HTTP/1.1 on an asyncio protocol: just enough of it, and cheap enough to stand beside a benchmark.

A reply whose pace asks for no waiting is written in one go, without creating a task. Everything a misbehaving provider
does on the wire (late, silent, cut, reset) is a property of the reply's `Pace`, so providers need not know of it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote

MAX_HEAD: Final = 64 * 1024
MAX_BODY: Final = 64 * 1024 * 1024
# RST instead of FIN: closing a socket that lingers for zero seconds discards it.
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}


@dataclass(frozen=True, slots=True)
class Request:
    """One parsed request; header names are lower case, `path` is decoded and without its query."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Pace:
    """When the bytes of a reply go out, in seconds, and where they stop.

    `silence` sends the head and the first chunk (half of an unstreamed body), then nothing for that long, then closes.
    `cut_after` closes the connection after that many bytes of the body; `reset` closes it with a TCP reset before any.
    """

    before: float = 0.0
    between: float = 0.0
    silence: float | None = None
    cut_after: int | None = None
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered: `chunks` of a stream, or one chunk that is the whole body."""

    status: int
    chunks: Sequence[bytes]
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    streamed: bool = False
    pace: Pace = field(default_factory=Pace)

    def paced(self, pace: Pace) -> Reply:
        """The same reply at another pace."""
        return replace(self, pace=pace)

    def with_headers(self, *headers: tuple[str, str]) -> Reply:
        """The same reply with more headers."""
        return replace(self, headers=self.headers + headers)


class Exchange:
    """What the server is told about one request's reply; `record` keeps it for `GET /control/requests`."""

    def answered(self, status: int) -> None:
        """The reply's status is known and its head is about to be sent."""

    def finished(self) -> None:
        """Everything that was to be sent has been handed to the operating system."""

    def abandoned(self) -> None:
        """The client closed the connection before the end."""


Handler = Callable[[Request], tuple[Reply, Exchange]]


class Connection(asyncio.Protocol):
    """One client connection with keep-alive; requests on it are answered one after another."""

    def __init__(self, handler: Handler, open_connections: set[Connection]) -> None:
        self._handler = handler
        self._open_connections = open_connections
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._playing: asyncio.Task[None] | None = None
        self._exchange: Exchange | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open_connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_connections.discard(self)
        if self._exchange is not None:
            self._exchange.abandoned()
            self._exchange = None
        if self._playing is not None:
            self._playing.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._serve()

    def close(self) -> None:
        """Drop the connection, whatever is going on: the server stops."""
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    def _serve(self) -> None:
        """Answer complete requests in the buffer until one needs waiting for."""
        while self._playing is None and self._transport is not None and not self._transport.is_closing():
            try:
                request = self._take_request()
            except ValueError as error:
                refusal = Reply(400, (str(error).encode(),), "text/plain")
                self._transport.write(_head(refusal, closing=True) + refusal.chunks[0])
                self._transport.close()
                return
            if request is None:
                return
            reply, exchange = self._handler(request)
            if reply.pace == Pace():
                exchange.answered(reply.status)
                self._transport.write(_whole(reply))
                exchange.finished()
            else:
                self._exchange = exchange
                self._playing = asyncio.get_running_loop().create_task(self._play(reply, exchange))

    def _take_request(self) -> Request | None:
        """The first complete request of the buffer, which it leaves; None as long as there is none.

        Raises ValueError for what this server does not speak.
        """
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise ValueError("request head too large")
            return None
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        target, _, version = rest.partition(" ")
        if version != "HTTP/1.1":
            raise ValueError("HTTP/1.1 is spoken here")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if "transfer-encoding" in headers:
            raise ValueError("a request body needs a Content-Length")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            raise ValueError("bad Content-Length")
        start = end + 4
        stop = start + int(length)
        if len(self._buffer) < stop:
            if headers.get("expect", "").lower() == "100-continue" and len(self._buffer) == start:
                assert self._transport is not None
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return None
        body = bytes(self._buffer[start:stop])
        del self._buffer[:stop]
        path, _, query = target.partition("?")
        return Request(method, unquote(path), dict(parse_qsl(query)) if query else {}, headers, body)

    async def _play(self, reply: Reply, exchange: Exchange) -> None:
        """Send a reply at its pace, then go on with the next request unless the pace ended the connection."""
        transport, pace = self._transport, reply.pace
        assert transport is not None
        if pace.before:
            await asyncio.sleep(pace.before)
        ending = pace.reset or pace.silence is not None or pace.cut_after is not None
        if pace.reset:
            raw = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        else:
            exchange.answered(reply.status)
            transport.write(_head(reply, closing=ending))
            await self._send_body(reply, transport)
        self._exchange = None
        exchange.finished()
        self._playing = None
        if pace.reset:
            transport.abort()
        elif ending:
            transport.close()
        else:
            self._serve()

    async def _send_body(self, reply: Reply, transport: asyncio.Transport) -> None:
        pace = reply.pace
        left = pace.cut_after
        for number, chunk in enumerate(reply.chunks):
            if number and pace.between:
                await asyncio.sleep(pace.between)
            if left is not None and left < len(chunk):
                transport.write(_framed(chunk[:left]) if reply.streamed and left else chunk[:left])
                return
            if pace.silence is not None:
                transport.write(_framed(chunk) if reply.streamed else chunk[: len(chunk) // 2])
                await asyncio.sleep(pace.silence)
                return
            transport.write(_framed(chunk) if reply.streamed else chunk)
            if left is not None:
                left -= len(chunk)
        if reply.streamed and pace.cut_after is None:
            transport.write(b"0\r\n\r\n")


def _framed(chunk: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(chunk), chunk)


def _head(reply: Reply, closing: bool = False) -> bytes:
    lines = [
        f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Unknown')}",
        f"content-type: {reply.content_type}",
        "transfer-encoding: chunked" if reply.streamed else f"content-length: {sum(map(len, reply.chunks))}",
    ]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    if closing:
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _whole(reply: Reply) -> bytes:
    """All bytes of a reply: many small writes would cost more than the answer itself."""
    if not reply.streamed:
        return b"".join((_head(reply), *reply.chunks))
    return b"".join((_head(reply), *map(_framed, reply.chunks), b"0\r\n\r\n"))

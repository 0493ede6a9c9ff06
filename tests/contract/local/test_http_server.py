"""The gateway's and the Runtime API's HTTP server, over real sockets."""

from __future__ import annotations

import asyncio
import socket

import pytest

from local.http_server import Exchange, Listener
from local.run.platform import bind

REQUEST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\n"


def test_a_small_piece_is_sent_without_waiting_for_the_last_ones_acknowledgement() -> None:
    async def accepted() -> int:
        options: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        class Accepted(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                raw = transport.get_extra_info("socket")
                options.set_result(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

        listening = bind(0)
        server = await asyncio.get_running_loop().create_server(Accepted, sock=listening)
        async with server:
            _, writer = await asyncio.open_connection(*listening.getsockname())
            found = await options
            writer.close()
        return found

    assert asyncio.run(accepted()) != 0


@pytest.mark.parametrize("pieces", [(REQUEST + b"one" + REQUEST + b"two",), (REQUEST, b"one", REQUEST, b"two")])
def test_requests_on_one_connection_are_answered_in_their_order(pieces: tuple[bytes, ...]) -> None:
    async def echo(exchange: Exchange) -> None:
        await exchange.respond(200, [], await exchange.body(10))

    async def talk() -> bytes:
        listener = Listener(echo, 1_000)
        await listener.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        answer = b""
        while answer.count(b"HTTP/1.1 200") < 2 or not answer.endswith(b"two"):
            answer += await asyncio.wait_for(reader.read(1_000), 10)
        writer.close()
        listener.close()
        return answer

    answer = asyncio.run(talk())
    assert answer.index(b"one") < answer.index(b"two")

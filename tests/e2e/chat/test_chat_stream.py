"""Streamed chat over HTTP through the local gateway: piece by piece, and what happens when the client leaves."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

from local.emulator.client import Emulator
from local.run.platform import Platform
from testing.functions import openai_request


def ask(
    platform: Platform, user: str, message: str, path: str = "/api/chat/stream"
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Send a question; the answer as soon as its head is there."""
    body = openai_request(message, "gpt-6-luna", stream=True) if path.startswith("/v1/") else {"message": message}
    address = urlsplit(platform.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    headers = {"Authorization": f"Bearer {platform.token(user)}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(body), headers)
    return connection, connection.getresponse()


def read_until(response: http.client.HTTPResponse, beginning: bytes) -> bytes:
    """The first line that begins like this; empty where the stream ends before."""
    return next((line for line in response if line.startswith(beginning)), b"")


def read(platform: Platform, user: str, path: str) -> Any:
    """What a GET answers."""
    address = urlsplit(platform.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    connection.request("GET", path, headers={"Authorization": f"Bearer {platform.token(user)}"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def test_an_answer_arrives_as_events_over_http(platform: Platform) -> None:
    connection, response = ask(platform, "streamer", "What is a fjord, told slowly?")
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert read_until(response, b"event: delta")
    assert read_until(response, b"event: done")
    connection.close()


def test_a_client_who_leaves_closes_the_call_upstream_and_has_spent_the_unit(platform: Platform) -> None:
    emulator = Emulator.at(platform.emulator_url)
    late = "[[fault:slow delay=0.01 between=0.2]]"
    for user, path, marker, seen in (
        ("left-early", "/api/chat/stream", "[[fault:slow delay=60]]", b"event: start"),
        ("left-late", "/api/chat/stream", late, b"event: delta"),
        ("left-v1", "/v1/chat/completions", late, b"data: "),
    ):
        message = f"{user} asks for a long story {marker}"
        connection, response = ask(platform, user, message, path)
        assert read_until(response, seen)
        number = asked(emulator, message)
        response.close()
        connection.close()
        emulator.closed(number, timeout=1.0)
        deadline = time.monotonic() + 10
        while not (ledger := read(platform, user, "/api/usage/history")["data"]) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [day["calls"] for day in ledger] == [1]
        assert read(platform, user, "/api/usage")["daily"]["used"] == 1


def asked(emulator: Emulator, message: str, seconds: float = 10) -> int:
    """The number of the request that asks the model this, once it is there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for record in emulator.requests():
            if record["body"] and record["body"].get("messages", [{}])[-1].get("content") == message:
                return int(record["number"])
        time.sleep(0.01)
    raise TimeoutError("the model was not asked")

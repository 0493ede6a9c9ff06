"""How tests start an emulator, or reach one that runs elsewhere, and steer it."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from local.emulator.server import Server


class Emulator:
    """An emulator in a thread of this process; `Emulator.at(url)` is one that already runs.

    Everything but starting and stopping goes through the control endpoints, so both behave alike.
    """

    url: str

    def __init__(self, first_token: float = 0.0, between: float = 0.0, host: str = "127.0.0.1", port: int = 0) -> None:
        self.url = ""
        self._server = Server(first_token, between)
        self._address = (host, port)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @classmethod
    def at(cls, url: str) -> Self:
        """The emulator that listens at `url`."""
        emulator = cls()
        emulator.url = url.rstrip("/")
        return emulator

    def start(self) -> Self:
        """Listen in a thread; returns once the port is open."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="emulator", daemon=True)
        self._thread.start()
        if not ready.wait(10) or not self.url:
            raise RuntimeError("the emulator did not start")
        return self

    def stop(self) -> None:
        """Close the port and all connections, and wait until that is done."""
        if self._thread is not None and self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _run(self, ready: threading.Event) -> None:
        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            await self._server.serve(*self._address, listening, self._stop)

        def listening(port: int) -> None:
            self.url = f"http://{self._address[0]}:{port}"
            ready.set()

        try:
            asyncio.run(main())
        finally:
            ready.set()  # a port that is taken is reported at once

    def fault(self, name: str, provider: str = "*", **parameters: Any) -> None:
        """Queue a fault; the parameters are the fields of `local.emulator.faults.Fault`."""
        self._control("POST", "faults", {"fault": name, "provider": provider} | parameters)

    def answer(self, text: str, match: str = "", usage: dict[str, int] | None = None, times: int | None = None) -> None:
        """Make the next answers (all, without `times`) to messages that contain `match` exactly `text`.

        `usage` replaces single counts: prompt, completion, cached, cache_write_5m, cache_write_1h, reasoning.
        """
        self._control("POST", "answers", {"text": text, "match": match, "usage": usage, "times": times})

    def call(self, call: dict[str, Any]) -> None:
        """Have the voice vendor know a call, as `GET /call/{id}` gives it."""
        self._control("POST", "calls", call)

    def calls(self) -> list[str]:
        """The ids of the calls that the voice vendor knows."""
        known: list[str] = self._control("GET", "calls")["calls"]
        return known

    def requests(self, provider: str | None = None) -> list[dict[str, Any]]:
        """The requests recorded, oldest first, of one provider or of all."""
        records: list[dict[str, Any]] = self._control("GET", "requests")["requests"]
        return [record for record in records if provider in (None, record["provider"])]

    def counts(self) -> dict[str, int]:
        """How many requests came, by provider and path: `{"openai /v1/embeddings": 3}`."""
        counts: dict[str, int] = self._control("GET", "counts")["counts"]
        return counts

    def closed(self, number: int, timeout: float = 2.0) -> dict[str, Any]:
        """The record of a request once its client has closed early; TimeoutError if it does not."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for record in self.requests():
                if record["number"] == number and record["closed_at"]:
                    return record
            time.sleep(0.005)
        raise TimeoutError(f"request {number} was not closed within {timeout} s")

    def reset(self) -> None:
        """Forget faults, scripted answers, recorded requests and counts."""
        for what in ("faults", "answers", "requests", "calls"):
            self._control("DELETE", what)

    def _control(self, method: str, what: str, body: dict[str, Any] | None = None) -> Any:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        try:
            connection.request(method, f"/control/{what}", json.dumps(body) if body is not None else None)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise ValueError(json.loads(content)["error"])
        return json.loads(content) if content else None

"""The emulator itself: which provider a request is for, what goes wrong with it, and the control endpoints."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from local.emulator.answers import Script, compose
from local.emulator.anthropic import Anthropic
from local.emulator.call import Call, CallError, Json, Problem, Provider, Twist, dump
from local.emulator.faults import BAD_GATEWAY, BODIES, CONTENTS, ERRORS, TWISTS, Fault, Faults
from local.emulator.google import Google
from local.emulator.http import Connection, Exchange, Pace, Reply, Request
from local.emulator.openai import OpenAI
from local.emulator.vapi import Vapi

# A benchmark sends millions of requests: only so many of the last ones are kept, all are counted.
KEPT_REQUESTS: Final = 2000
# What waiting a provider suggests when the fault does not say.
DEFAULT_RETRY_AFTER: Final = {"rate_limit": "7", "unavailable": "3"}
_SECRETS: Final = ("authorization", "x-api-key", "x-goog-api-key")


@dataclass(slots=True)
class Record(Exchange):
    """One request to a provider, as `GET /control/requests` tells it; times are seconds since the epoch."""

    number: int
    provider: str
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    received_at: float
    operation: str | None = None
    model: str | None = None
    streamed: bool = False
    fault: str | None = None
    status: int | None = None
    finished_at: float | None = None
    closed_at: float | None = None

    def answered(self, status: int) -> None:
        self.status = status

    def finished(self) -> None:
        self.finished_at = time.time()

    def abandoned(self) -> None:
        self.closed_at = time.time()

    def shown(self) -> Json:
        """The record as JSON, keys shortened to their last four characters."""
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__}
        shown["headers"] = {
            name: f"...{value[-4:]}" if name in _SECRETS else value for name, value in self.headers.items()
        }
        return shown


class Server:
    """Three providers behind one port. `first_token` and `between` are the seconds a healthy model takes."""

    def __init__(self, first_token: float = 0.0, between: float = 0.0) -> None:
        self._pace = Pace(before=first_token, between=between)
        self._providers: dict[str, Provider] = {"openai": OpenAI(), "anthropic": Anthropic(), "google": Google()}
        self._vapi = Vapi()
        self._faults = Faults()
        self._scripts: list[Script] = []
        self._records: deque[Record] = deque(maxlen=KEPT_REQUESTS)
        self._counts: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self._connections: set[Connection] = set()

    async def serve(self, host: str, port: int, ready: Callable[[int], None], stop: asyncio.Event) -> None:
        """Listen until `stop` is set; `ready` is told the port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self.handle, self._connections), host, port, backlog=1024)
        try:
            ready(server.sockets[0].getsockname()[1])
            await stop.wait()
        finally:
            server.close()
            for connection in tuple(self._connections):
                connection.close()
            await server.wait_closed()

    def handle(self, request: Request) -> tuple[Reply, Exchange]:
        """The reply to any request, and who is to be told what becomes of it."""
        name, _, rest = request.path.lstrip("/").partition("/")
        if name == "control":
            return self._control(rest, request), Exchange()
        if name == "vapi":
            return self._vapi.reply(rest, request), Exchange()
        provider = self._providers.get(name)
        if provider is None:
            return Reply(404, (b"no such provider\n",), "text/plain"), Exchange()
        path = "/" + rest
        number = next(self._numbers)
        self._counts[f"{name} {path}"] += 1
        record = Record(number, name, request.method, path, request.headers, None, time.time())
        self._records.append(record)
        return self._answer(provider, path, request, record), record

    def _answer(self, provider: Provider, path: str, request: Request, record: Record) -> Reply:
        key = provider.key(request)
        if not key or key == "invalid" or key.startswith("sk-invalid"):
            return provider.problem(Problem("unauthorized" if key else "missing_key", key=key), record.number)
        try:
            record.body = body = json.loads(request.body) if request.body else {}
            if not isinstance(body, dict):
                raise CallError("bad_request", "The request body has to be a JSON object.")
            call = provider.understand(path, request, body)
            record.operation, record.model, record.streamed = call.operation, call.model, call.streamed
            try:
                fault = self._faults.take(record.provider, path, call.model, call.question)
            except ValueError as error:
                # As an answer, not as an error: Parley would tell that as the provider's refusal.
                said = f"The emulator cannot fail like that: {error}"
                print(said, flush=True)
                return provider.reply(call, compose(call, Script(said)), Twist(), record.number)
            if fault is None:
                return self._healthy(provider, call, record.number, None)
            record.fault = fault.fault
            return self._faulty(provider, call, fault, key, record.number)
        except CallError as error:
            return provider.problem(error.problem, record.number)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            # Whatever does not have the shape it should is the caller's mistake, as it is with the providers.
            return provider.problem(
                Problem("bad_request", message=f"Could not read the request: {error}"), record.number
            )

    def _healthy(self, provider: Provider, call: Call, number: int, fault: Fault | None) -> Reply:
        """The right reply, except for what the fault changes in its content or rendering."""
        if call.operation != "complete":
            return provider.data(call, number)
        change = fault.fault if fault and fault.fault in CONTENTS else None
        answer = compose(call, self._script(call), change)
        reply = provider.reply(call, answer, TWISTS.get(fault.fault, Twist()) if fault else Twist(), number)
        if self._pace == Pace():
            return reply
        if call.streamed:
            return reply.paced(self._pace)
        # An unstreamed answer takes as long to generate as a streamed one; a word is about a delta.
        return reply.paced(Pace(before=self._pace.before + self._pace.between * len(answer.text.split())))

    def _faulty(self, provider: Provider, call: Call, fault: Fault, key: str, number: int) -> Reply:
        kind = fault.fault
        if kind == "mid_stream_error" and not call.streamed:
            kind = "server_error"
        if kind == "bad_gateway":
            reply = BAD_GATEWAY
        elif kind in ERRORS:
            retry_after = fault.retry_after or DEFAULT_RETRY_AFTER.get(kind)
            reply = provider.problem(Problem(kind, call.model, key, retry_after, fault.status), number)
        elif kind in BODIES:
            reply = BODIES[kind]
        else:
            reply = self._healthy(provider, call, number, fault)
        return reply.paced(fault.pace(reply, reply.pace))

    def _script(self, call: Call) -> Script | None:
        for script in self._scripts:
            if script.match in call.question:
                if script.times is not None:
                    script.times -= 1
                    if script.times <= 0:
                        self._scripts.remove(script)
                return script
        return None

    def _control(self, path: str, request: Request) -> Reply:
        """The endpoints tests and developers steer the emulator with."""
        try:
            match request.method, path:
                case "GET", "health":
                    return _json({"status": "ok"})
                case "GET", "requests":
                    return _json({"requests": [record.shown() for record in self._records]})
                case "GET", "counts":
                    return _json({"counts": dict(self._counts)})
                case "POST", "faults":
                    self._faults.add(Fault.of(json.loads(request.body)))
                case "POST", "answers":
                    self._scripts.append(Script(**json.loads(request.body)))
                case "POST", "calls":
                    self._vapi.keep(json.loads(request.body))
                case "GET", "calls":
                    return _json({"calls": self._vapi.known()})
                case "DELETE", "calls":
                    self._vapi.forget()
                case "DELETE", "faults":
                    self._faults.clear()
                case "DELETE", "answers":
                    self._scripts.clear()
                case "DELETE", "requests":
                    self._records.clear()
                    self._counts.clear()
                case _:
                    return _json({"error": "no such control"}, 404)
        except (ValueError, TypeError, AttributeError) as error:
            return _json({"error": str(error)}, 400)
        return Reply(204, ())


def _json(value: Json, status: int = 200) -> Reply:
    return Reply(status, (dump(value),))

"""Lambda's Runtime API, and one process that lives on it through AWS's runtime interface client.

Every process has a listener of its own, so a dead process's waiting `/next` can swallow nothing. The API is that of
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, response streaming included.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from local.http_server import BodyTooLarge, Disconnected, Exchange, Listener

# Lambda's limit for a buffered response.
MAX_RESPONSE = 6 * 2**20
# Lambda allows 10 s; a cold disk and two busy cores need more.
_INIT_SECONDS = 60.0
# Runs a module as a child that goes with its parent.
LAUNCHER = Path(__file__).with_name("launch.py")
_JSON = ("Content-Type", "application/json")
# The runtime client reports an error's cause, of up to a megabyte, in a header.
_MAX_HEAD = 2 * 2**20
_API = "/2018-06-01/runtime/"


@dataclass
class Buffered:
    """A whole answer: what the function returned or, with `failed`, the error it ended with."""

    payload: bytes
    failed: bool = False


class Streamed:
    """An answer whose bytes are still coming; reading it to the end, or `abort`, frees the process."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.ended = asyncio.Event()
        self.error_type: str | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes as the function writes them. Raises Disconnected when the function dies meanwhile.

        `error_type` is set afterwards when the function reported an error in the middle.
        """
        try:
            async for chunk in self._exchange.chunks():
                yield chunk
            trailers = {name.lower(): value for name, value in self._exchange.trailers}
            self.error_type = trailers.get("lambda-runtime-function-error-type")
        finally:
            self.ended.set()

    def abort(self) -> None:
        """Break the connection that the function writes to: nobody listens any more."""
        self._exchange.abort()
        self.ended.set()


Answer = Buffered | Streamed


def failure(kind: str, message: str) -> Buffered:
    """What Lambda answers when a function did not."""
    return Buffered(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)


@dataclass
class Invocation:
    """One event on its way through a process."""

    event: bytes
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    answer: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def resolve(self, answer: Answer) -> bool:
        """Set the answer once; False when there is one already."""
        if self.answer.done():
            return False
        self.answer.set_result(answer)
        return True


class Owner(Protocol):
    """Whom a process reports to."""

    def on_idle(self, process: Process) -> None:
        """It asked for its next event."""

    def on_exit(self, process: Process) -> None:
        """It is gone."""

    def on_output(self, line: str) -> None:
        """It wrote a line to standard output or error."""


class Process:
    """One execution environment: a Python process that handles one invocation at a time.

    `ready` is set from its first `/next` on; `retired` marks one that shall not get another event; `init_error` is what
    it reported when its handler could not be loaded.
    """

    def __init__(self, name: str, handler: str, owner: Owner) -> None:
        self.name = name
        self.ready = False
        self.retired = False
        self.init_error: Buffered | None = None
        self.started_at = time.monotonic()
        self.idle_since = 0.0
        self._handler = handler
        self._owner = owner
        self._listener = Listener(self._serve, _MAX_HEAD)
        self._assigned: asyncio.Future[Invocation] | None = None
        self._current: Invocation | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._timeout = 0.0
        self._killed = False
        self._child: asyncio.subprocess.Process | None = None
        self._life: asyncio.Task[None] | None = None

    async def start(self, environment: dict[str, str], directory: Path, wrapper: Sequence[str]) -> None:
        """Spawn it; `wrapper` is what AWS_LAMBDA_EXEC_WRAPPER puts before the interpreter."""
        await self._listener.start()
        environment = environment | {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._listener.port}"}
        command = [*wrapper, sys.executable, "-P", str(LAUNCHER), "awslambdaric", self._handler]
        self._child = await asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=2**20,
            start_new_session=True,
        )
        self._life = asyncio.create_task(self._live(self._child))
        self._watchdog = asyncio.get_running_loop().call_later(_INIT_SECONDS, self._time_out)
        if self.retired:
            self.kill()

    @property
    def failed(self) -> bool:
        """Whether it never got to its first `/next`, for a reason of its own."""
        return not self.ready and (self.init_error is not None or not self._killed)

    @property
    def busy(self) -> bool:
        """Whether an event is with it."""
        return self._current is not None

    def assign(self, invocation: Invocation, timeout: float) -> None:
        """Give the idle process its next event; it is killed when it is not done with it in time."""
        assert self._assigned is not None
        if self.retired:
            invocation.resolve(failure("Runtime.ExitError", "Runtime exited before the event was delivered"))
            return
        self._current = invocation
        self._timeout = timeout
        self._watchdog = asyncio.get_running_loop().call_later(timeout, self._time_out)
        self._assigned.set_result(invocation)

    def retire(self) -> None:
        """No further event; it ends now, or with the one it has."""
        self.retired = True
        if not self.busy:
            self.kill()

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        self.retired = self._killed = True
        if self._child is not None and self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

    async def wait(self) -> None:
        """Return when it is gone."""
        if self._life is not None:
            await self._life

    async def _live(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        while True:
            try:
                line = await child.stdout.readline()
            except ValueError:  # a line longer than the limit: asyncio dropped it
                continue
            if not line:
                break
            # The runtime client joins a traceback's lines by carriage returns, so that CloudWatch keeps them together.
            for part in line.decode("utf-8", "replace").rstrip().split("\r"):
                self._owner.on_output(part)
        status = await child.wait()
        self.retired = True
        self._settle()
        message = f"Runtime exited with error: {ending(status)}"
        if self._current is not None:
            message = f"RequestId: {self._current.request_id} Error: {message}"
            self._current.resolve(failure("Runtime.ExitError", message))
        unheard = self._current is not None or not (self.ready or self.init_error)
        if unheard and not self._killed:
            self._owner.on_output(message)
        self._listener.close()
        self._owner.on_exit(self)

    def _time_out(self) -> None:
        if self._current is None:
            message = f"Init timed out after {_INIT_SECONDS:.2f} seconds"
            self.init_error = failure("Sandbox.Timedout", message)
        else:
            message = f"{self._current.request_id} Task timed out after {self._timeout:.2f} seconds"
            self._current.resolve(failure("Sandbox.Timedout", message))
        self._owner.on_output(message)
        self.kill()

    def _settle(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None

    async def _serve(self, exchange: Exchange) -> None:
        path = exchange.target.removeprefix(_API)
        if path == "invocation/next" and exchange.method == "GET":
            await self._next(exchange)
        elif path == "init/error":
            self.init_error = Buffered(await exchange.body(MAX_RESPONSE), failed=True)
            await _accept(exchange)
        elif self._current is not None and path == f"invocation/{self._current.request_id}/response":
            await self._response(exchange, self._current)
        elif self._current is not None and path == f"invocation/{self._current.request_id}/error":
            self._current.resolve(Buffered(await exchange.body(MAX_RESPONSE), failed=True))
            await _accept(exchange)
        else:
            problem = {"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"}
            await exchange.respond(400, [_JSON], json.dumps(problem).encode())

    async def _next(self, exchange: Exchange) -> None:
        self._settle()
        self._current = None
        self.ready = True
        self.idle_since = time.monotonic()
        assigned = self._assigned = asyncio.get_running_loop().create_future()
        gone = asyncio.ensure_future(exchange.closed.wait())
        self._owner.on_idle(self)
        await asyncio.wait((assigned, gone), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not assigned.done():
            self.kill()
            raise Disconnected
        invocation = assigned.result()
        headers = [
            # Without a Content-Type the client's C++ side waits forever.
            _JSON,
            ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(int((time.time() + self._timeout) * 1000))),
            ("Lambda-Runtime-Invoked-Function-Arn", f"arn:aws:lambda:local:000000000000:function:{self.name}"),
            ("Lambda-Runtime-Trace-Id", f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0"),
        ]
        await exchange.respond(200, headers, invocation.event)

    async def _response(self, exchange: Exchange, invocation: Invocation) -> None:
        if exchange.header("lambda-runtime-function-response-mode").lower() == "streaming":
            stream = Streamed(exchange)
            if not invocation.resolve(stream) or invocation.answer.cancelled():
                stream.abort()
                raise Disconnected
            await stream.ended.wait()
            if not exchange.closed.is_set():
                await _accept(exchange)
            return
        try:
            payload = await exchange.body(MAX_RESPONSE)
        except BodyTooLarge:
            size = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
            invocation.resolve(failure("Function.ResponseSizeTooLarge", size))
            await exchange.respond(413, [_JSON], b'{"errorType": "RequestEntityTooLarge"}')
            return
        invocation.resolve(Buffered(payload))
        await _accept(exchange)


def ending(status: int) -> str:
    """A process's end in words; a negative status is the signal that ended it."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal: {signal.Signals(-status).name}"
    except ValueError:  # real-time signals have no names
        return f"signal: {-status}"


async def _accept(exchange: Exchange) -> None:
    await exchange.respond(202, [_JSON], b'{"status": "OK"}')


LineSink = Callable[[str, str], None]

"""The processes of one function: started at first use, more under load, replaced when their source changes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from pathlib import Path

from local.runtime.process import Answer, Invocation, LineSink, Process, failure
from local.runtime.sources import Sources

# Beyond this many, requests queue; on Lambda that would be the function's reserved concurrency.
MAX_PROCESSES = 16
_IDLE_SECONDS = 600.0


class Function:
    """One Lambda function.

    Args:
        name: its logical id in the template.
        handler: `module.attribute`, as awslambdaric takes it.
        directory: where its code lies, the process's working directory.
        environment: all of the process's environment but the address of its Runtime API.
        timeout: seconds an invocation may take.
        wrapper: what AWS_LAMBDA_EXEC_WRAPPER names, resolved; empty without one.
        sources: what is watched for changes.
        log: called with the function's name and each line it writes.
    """

    def __init__(
        self,
        name: str,
        handler: str,
        directory: Path,
        environment: dict[str, str],
        timeout: float,
        wrapper: list[str],
        sources: Sources,
        log: LineSink,
    ) -> None:
        self.name = name
        self.timeout = timeout
        self._handler = handler
        self._directory = directory
        self._environment = environment
        self._wrapper = wrapper
        self._sources = sources
        self._log = log
        self._processes: set[Process] = set()
        self._idle: list[Process] = []
        self._waiting: deque[asyncio.Future[Process]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def invoke(self, event: bytes) -> Answer:
        """Run the function once. A failure of any kind is an answer too, as Lambda words it."""
        if self._sources.changed():
            for process in list(self._processes):
                process.retire()
            self._idle.clear()
        invocation = Invocation(event)
        try:
            process = await self._acquire()
        except _InitFailed as error:
            return error.answer
        process.assign(invocation, self.timeout)
        return await invocation.answer

    def reap(self) -> None:
        """End processes that nobody needed for ten minutes."""
        for process in [one for one in self._idle if time.monotonic() - one.idle_since > _IDLE_SECONDS]:
            self._idle.remove(process)
            process.kill()

    async def close(self) -> None:
        """End every process and wait until it is gone."""
        self._closed = True
        for process in list(self._processes):
            process.kill()
        await asyncio.gather(*self._tasks, *(process.wait() for process in list(self._processes)))

    async def _acquire(self) -> Process:
        if self._idle:
            return self._idle.pop()
        waiter: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._grow()
        return await waiter

    def _grow(self) -> None:
        """Start what those who wait need, as far as the limit goes."""
        living = [process for process in self._processes if not process.retired]
        starting = sum(not process.ready for process in living)
        for _ in range(min(len(self._waiting) - starting, MAX_PROCESSES - len(living))):
            process = Process(self.name, self._handler, self)
            self._processes.add(process)
            task = asyncio.create_task(self._start(process))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _start(self, process: Process) -> None:
        try:
            await process.start(self._environment, self._directory, self._wrapper)
        except OSError as error:
            process.init_error = failure("Runtime.InvalidEntrypoint", str(error))
            self.on_exit(process)

    def on_idle(self, process: Process) -> None:
        """A process asked for its next event: hand it to the first in line."""
        if process.retired or self._closed:
            process.kill()
            return
        self._idle.append(process)
        while self._idle and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(self._idle.pop())

    def on_exit(self, process: Process) -> None:
        """A process is gone: whoever waited for its start hears why, unless it was us who ended it."""
        self._processes.discard(process)
        if process in self._idle:
            self._idle.remove(process)
        if self._closed:
            return
        if process.failed:
            answer = process.init_error or failure("Runtime.ExitError", "Runtime exited while the function was loading")
            while self._waiting:
                waiter = self._waiting.popleft()
                if not waiter.done():
                    waiter.set_exception(_InitFailed(answer))
                    break
        self._grow()

    def on_output(self, line: str) -> None:
        """A line for the log."""
        self._log(self.name, line)


class _InitFailed(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__("the function could not be loaded")
        self.answer = answer

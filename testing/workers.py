"""Processes that can be killed, each with a pipe to it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

# Processes are forked from one that has loaded what they need and runs nothing: each is real, and starts in no time.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "__main__",
        "parley.container",
        "parley.chat.service",
        "parley.interviews.conduct",
        "parley.api.router",
        "openai",
        "boto3",
    ]
)


class Worker:
    """A process with a pipe to it: `target(connection, *arguments)`."""

    def __init__(self, target: Callable[..., None], *arguments: Any) -> None:
        self.connection, theirs = PROCESSES.Pipe()
        self._process = PROCESSES.Process(target=target, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()

    def send(self, message: Any) -> None:
        """Hand it something."""
        self.connection.send(message)

    def receive(self, seconds: float = 600) -> Any:
        """What it hands back. Raises TimeoutError, and EOFError when it has died."""
        if not self.connection.poll(seconds):
            raise TimeoutError("a process does not answer")
        return self.connection.recv()

    def kill(self) -> None:
        """End it as `kill -9` does, and wait until it is gone."""
        self._process.kill()
        self._process.join()
        self.connection.close()


@contextmanager
def workers(count: int, target: Callable[..., None], *arguments: Any) -> Iterator[list[Worker]]:
    """So many processes, gone afterwards; the number of each comes before the arguments."""
    made = [Worker(target, number, *arguments) for number in range(count)]
    try:
        yield made
    finally:
        for worker in made:
            worker.kill()


def gather(asked: Iterable[Worker]) -> list[Any]:
    """One answer of each."""
    return [worker.receive() for worker in asked]


def silence() -> None:
    """Send this process's logs where nobody reads; what ends it is still seen."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    logging.getLogger("parley.database").setLevel(logging.ERROR)


def messages(connection: Connection) -> Iterator[Any]:
    """What a process is handed, until nobody hands it anything any more."""
    try:
        while True:
            yield connection.recv()
    except EOFError:
        return


class Death:
    """Kills this process at a statement of a database, or at another call that is counted, as `kill -9` does.

    Args:
        at: 1 is before the first statement is sent, 1.5 after its answer has come; 0 is never.

    Attributes:
        sent: how many statements, batches and other calls were sent.
    """

    def __init__(self, database: Any, at: float = 0) -> None:
        self.expect(at)
        database._run = self.counting(database._run)

    def expect(self, at: float) -> None:
        """Count anew, up to another statement."""
        self.sent, self._at = 0, at

    def counting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, counted."""

        def counted(*arguments: Any) -> Any:
            self.sent += 1
            if self.sent == self._at:
                os.kill(os.getpid(), signal.SIGKILL)
            result = call(*arguments)
            if self.sent + 0.5 == self._at:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return counted

"""What the proofs of the gateway share: a server with the whole schema, processes that can be killed, one verdict."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [path for path in (str(CHECKOUT), str(CHECKOUT / "layers" / "parley")) if path not in sys.path]

import psycopg  # noqa: E402

from local.postgres import Server  # noqa: E402
from parley.migrations.logins import create_logins  # noqa: E402
from parley.migrations.runner import up  # noqa: E402
from tests.conftest import ScratchDatabase  # noqa: E402

# Processes are forked from one that has loaded what they need and runs nothing: each is real, and starts in no time.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["__main__", "parley.container", "parley.chat", "parley.api", "openai", "boto3"])


class Verdict:
    """Prints what was found, and remembers what did not hold."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def __call__(self, claim: str, holds: bool, figure: object) -> None:
        """Print one claim with its figure."""
        print(f"{'held  ' if holds else 'MISSED'}  {claim}: {figure}", flush=True)
        if not holds:
            self.missed.append(f"{claim}: {figure}")

    @property
    def status(self) -> int:
        """The program's exit status."""
        return 1 if self.missed else 0


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


@contextmanager
def migrated_server(*, durable: bool = False) -> Iterator[ScratchDatabase]:
    """A server of one's own with the whole schema; `durable` keeps what was committed when the server is killed."""
    with tempfile.TemporaryDirectory(prefix="parley-proof-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder) / "data") if durable else Server.throwaway()
        with server:
            yield migrated(server)


def migrated(server: Server) -> ScratchDatabase:
    """A database of the server's with the whole schema and both logins."""
    database = ScratchDatabase(server, "proof")
    with psycopg.connect(server.url(), autocommit=True) as owner:
        owner.execute("create database proof")
    up(database.owner_url, CHECKOUT / "schema")
    with database.connect() as owner:
        create_logins(owner, server.password("parley_app"), server.password("parley_service"))
    return database


def set_clock(owner: psycopg.Connection[Any], moment: str) -> None:
    """Replace the schema's clock, which only its owner can; everybody's from here on. `moment` is SQL of ours."""
    owner.execute(
        f"create or replace function app.now() returns timestamptz language sql stable parallel safe return {moment}"
    )

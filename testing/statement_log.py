"""What really reached the server: its own log while something ran, and what must not be in it on the hot path.

A connection pooler pins or breaks on session state, so between a request and Postgres there is no SET, no SET ROLE, no
named prepared statement, and no statement over 16 KB.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql

from testing.databases import ScratchDatabase

LONGEST = 16 * 1024
_PREFIX = "%m [%p] database=%d user=%u "
_ENTRY = re.compile(
    r"^\d{4}-\d\d-\d\d \S+ \S+ \[\d+\] database=(?P<database>\S*) user=(?P<user>\S*) (?P<level>[A-Z]+):\s+(?P<text>.*)",
    re.DOTALL,
)
_EXECUTED = re.compile(r"(?:statement|execute (?P<name>[^:]+)): (?P<text>.*)", re.DOTALL)
_SESSION_STATE = re.compile(
    r"\s*(set|reset|discard|prepare|execute|deallocate|listen|unlisten|declare|load|create\s+(local\s+|global\s+)?temp)\b",
    re.IGNORECASE,
)
# Locks that outlive the transaction.
_SESSION_LOCK = re.compile(r"\bpg_(try_)?advisory_lock(_shared)?\s*\(", re.IGNORECASE)
# What PgBouncer itself sends when it hands a connection to a client with other settings.
_OF_THE_POOLER = re.compile(
    r"(set (application_name|client_encoding|datestyle|timezone|standard_conforming_strings)='[^']*';)+"
)


@dataclass(frozen=True)
class LoggedStatement:
    """One statement that the server ran; `name` is that of a prepared statement, empty for the unnamed one."""

    user: str
    name: str
    text: str


class StatementLog:
    """The statements that were logged for one database; complete once its `with` block has ended."""

    def __init__(self) -> None:
        self.statements: list[LoggedStatement] = []

    def complaints(self) -> list[str]:
        """What of it does not belong on the hot path, in words."""
        return [problem for statement in self.statements for problem in _problems(statement)]


@contextmanager
def watch_statements(database: ScratchDatabase, users: Collection[str] = ("parley_app",)) -> Iterator[StatementLog]:
    """Log what `users` send to this database during the block, and nothing that a pooler adds.

    Connections made before it are not logged.
    """
    log = StatementLog()
    path = database.server._state.log  # type: ignore[union-attr]  # the test's own server
    name = sql.Identifier(database.name)
    with database.connect() as owner:
        owner.execute(sql.SQL("alter system set log_line_prefix = {}").format(sql.Literal(_PREFIX)))
        owner.execute("select pg_reload_conf()")
        owner.execute(sql.SQL("alter database {} set log_statement = 'all'").format(name))
        _wait_for_prefix(database)
        start = path.stat().st_size
        try:
            yield log
        finally:
            marker = f"end of the watch {time.monotonic_ns()}"
            with database.connect() as last:
                last.execute(sql.SQL("select {}").format(sql.Literal(marker)))
            text = _read_until(path, start, marker)
            log.statements += [entry for entry in _entries(text, database.name) if entry.user in users]
            owner.execute(sql.SQL("alter database {} reset log_statement").format(name))
            owner.execute("alter system reset log_line_prefix")
            owner.execute("select pg_reload_conf()")


def _wait_for_prefix(database: ScratchDatabase) -> None:
    for _ in range(200):
        with database.connect() as fresh:
            row = fresh.execute("show log_line_prefix").fetchone()
        if row == (_PREFIX,):
            return
        time.sleep(0.01)
    raise AssertionError("the server did not take the log's prefix over")


def _read_until(path: object, start: int, marker: str) -> str:
    for _ in range(200):
        with open(path, "rb") as file:  # type: ignore[call-overload]
            file.seek(start)
            text: str = file.read().decode(errors="replace")
        if marker in text:
            return text
        time.sleep(0.01)
    raise AssertionError("the server's log does not show the end of the watch")


def _entries(text: str, database: str) -> Iterator[LoggedStatement]:
    for part in re.split(r"(?m)^(?=\d{4}-\d\d-\d\d \S+ \S+ \[)", text):
        entry = _ENTRY.match(part)
        if entry is None or entry["database"] != database or entry["level"] != "LOG":
            continue
        executed = _EXECUTED.match(entry["text"])
        if executed is not None and not _OF_THE_POOLER.fullmatch(executed["text"].strip().lower()):
            name = executed["name"] or ""
            yield LoggedStatement(entry["user"], "" if name == "<unnamed>" else name, executed["text"].strip())


def _problems(statement: LoggedStatement) -> Sequence[str]:
    shown = " ".join(statement.text.split())[:80]
    problems = []
    if _SESSION_STATE.match(statement.text):
        problems.append(f"session state: {shown}")
    if _SESSION_LOCK.search(statement.text):
        problems.append(f"a session's lock: {shown}")
    if statement.name:
        problems.append(f"named prepared statement {statement.name}: {shown}")
    if len(statement.text.encode()) > LONGEST:
        problems.append(f"{len(statement.text.encode())} bytes: {shown}")
    return problems

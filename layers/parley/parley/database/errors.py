"""What can go wrong with a query: the database is away, or the query is wrong."""

from __future__ import annotations

import re

import psycopg

# SQLSTATE classes and codes that say nothing about the query: it may be right, and later it may work.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_AWAY = (
    "08",  # connection exceptions
    "53",  # out of connections, memory or disk
    "57P",  # shutdown, crash, starting up, idle session ended
    "25006",  # a write on what has become a replica: a failover
    "25P03",  # idle in a transaction for too long
)
_BUSY = (
    "57014",  # statement_timeout
    "55P03",  # lock_timeout
    "40",  # deadlock, serialization failure
)


class DatabaseUnavailable(Exception):
    """The database could not do it now: away, starting, failing over, or too busy. The same request may work later."""


class LoginRefused(DatabaseUnavailable):
    """The server answers, but does not let the login in: its password, its rights or the database's name are wrong.

    Waiting does not help. Callers get what they get in an outage, but are told so.
    """


class DatabaseError(Exception):
    """The database refused a statement. The message holds neither SQL nor values, so it may be logged.

    Attributes:
        sqlstate: the five characters of the standard; see the appendix on error codes in PostgreSQL's manual.
        constraint: the constraint that was violated, where one was.
        reason: the server's own words, which may repeat values: never for logs or callers as they are. For an error of
            ours (`PLIM1`) the seconds to wait.
    """

    def __init__(self, sqlstate: str, condition: str, constraint: str | None = None, reason: str = "") -> None:
        super().__init__(f"{condition} ({sqlstate})" + (f" on {constraint}" if constraint else ""))
        self.sqlstate = sqlstate
        self.constraint = constraint
        self.reason = reason


# A failed connect has no SQLSTATE in libpq. These are its own words and the server's for 28000, 28P01, 3D000 and 42501,
# and RDS Proxy's for a login that it does not know. A server that speaks another language counts as away.
_REFUSAL = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|is not permitted to log in"
    r"|(role|database) \".*\" does not exist|permission denied for database|no credentials for the role"
)


def refuses_login(error: psycopg.OperationalError) -> bool:
    """Whether a connect failed because the server does not let this login in."""
    return _REFUSAL.search(str(error)) is not None


def is_away(error: psycopg.Error) -> bool:
    """Whether the connection is of no use any more, or the server cannot serve anybody."""
    return (error.sqlstate or "").startswith(_AWAY)


def translate(error: psycopg.Error) -> DatabaseError | DatabaseUnavailable:
    """The driver's error as the rest of Parley knows it."""
    state = error.sqlstate
    if state is None or state.startswith(_AWAY + _BUSY):
        reason = str(error).strip().split("\n", 1)[0] if state is None else type(error).__name__
        return DatabaseUnavailable(f"{reason} ({state})" if state else reason)
    return DatabaseError(state, type(error).__name__, error.diag.constraint_name, error.diag.message_primary or "")

"""The container's one connection and what is sent through it."""

from __future__ import annotations

import json
import logging
import select
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from parley.core.clock import Clock, SystemClock
from parley.core.config import ConfigurationError
from parley.core.errors import Problem
from parley.database.errors import DatabaseUnavailable, LoginRefused, is_away, refuses_login, translate
from parley.database.values import Vector, VectorDumper, Vectors, bound

logger = logging.getLogger(__name__)

Row = dict[str, Any]
Parameters = Sequence[Any]
Statement = tuple[LiteralString, Parameters]
_Result = TypeVar("_Result")

_CONNECTION: Mapping[str, Any] = {
    "connect_timeout": 2,  # the least that libpq takes
    "application_name": "parley",
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0  # seconds between two tries of work that nobody waits for
_RESERVE = 10.0  # seconds of such work that are not spent on connecting
_COOL_DOWN = 0.25  # seconds in which a database that was away is not asked again
_LONGEST_IDLE = (
    240.0  # load balancers forget a silent connection after 350 s, and a frozen container sends no keepalives
)
_IDENTITY: LiteralString = "select pg_catalog.set_config('request.jwt.claims', %s, true)"


class Database:
    """Postgres, through one connection that is made at the first query and made again when it was lost.

    A connection that was lost between two calls is replaced before anything is sent. When it is lost during a call, the
    statement may have been carried out: only what is `idempotent` is sent again, once. Calls from several threads wait
    for each other.

    Args:
        conninfo: libpq URI or keywords, or what gives them; asked at every connect, for tokens and rotated secrets.
            It raises Problem where they cannot be had now.
        patience: seconds after which an answer is no longer waited for. The server's own statement_timeout comes first
            where it is reachable.
        clock: says how long the connection was idle and the database away.
        renewed: asked where nobody can connect with what `conninfo` gave: another answer is tried at once.

    Attributes:
        round_trips: how often an answer of the server was waited for, connecting left out.
    """

    def __init__(
        self, conninfo: str | Callable[[], str], *, patience: float = 10.0, clock: Clock | None = None,
        renewed: Callable[[], str] | None = None,
    ) -> None:  # fmt: skip
        self.round_trips = 0
        self._conninfo = conninfo
        self._patience = patience
        self._clock = clock or SystemClock()
        self._renewed = renewed
        self._seconds_left: Callable[[], float] = lambda: 0.0
        self._lock = threading.Lock()
        self._connection: _Connection | None = None
        self._last_used = 0.0
        self._away_until = float("-inf")
        self._away: type[DatabaseUnavailable] = DatabaseUnavailable

    def call(self, statement: LiteralString, parameters: Parameters = (), *, idempotent: bool = False) -> Any:
        """Run one statement that needs no identity but its own arguments: one round trip.

        Args:
            statement: with `%s` for each parameter.
            parameters: mappings go as jsonb; `Vector` and `jsonb()` mark the rest.
            idempotent: whether it may be sent twice when the connection is lost on the way.

        Returns:
            The first column of the first row; None without a row.

        Raises:
            DatabaseUnavailable: away or too busy; when not idempotent, the statement may have been carried out.
            DatabaseError: the statement was refused.
            ValueError: a parameter that Postgres cannot hold.
        """
        values = bound(parameters)

        def run(connection: _Connection) -> Any:
            self.round_trips += 1
            cursor = connection.execute(statement, values)
            row = cursor.fetchone() if cursor.description else None
            return next(iter(row.values())) if row else None

        return self._run(run, idempotent)

    def query(
        self, identity: Mapping[str, Any], statement: LiteralString, parameters: Parameters = (), *,
        idempotent: bool = False,
    ) -> list[Row]:  # fmt: skip
        """Run one statement as somebody, in one round trip; see `batch`."""
        return self.batch(identity, [(statement, parameters)], idempotent=idempotent)[0]

    def batch(
        self, identity: Mapping[str, Any], batch: Sequence[Statement], *, idempotent: bool = False
    ) -> list[list[Row]]:
        """Run statements as somebody, all or none, in one round trip.

        Args:
            identity: the claims that row-level security reads (docs/database-contract.md).
            batch: statements and their parameters, as for `call`.
            idempotent: as for `call`.

        Returns:
            The rows of each statement; none for one that returns nothing.

        Raises:
            DatabaseUnavailable, DatabaseError, ValueError: as for `call`; nothing of the batch is kept.
        """
        claims = _claims(identity)
        bound_batch = [(statement, bound(parameters)) for statement, parameters in batch]

        def run(connection: _Connection) -> list[list[Row]]:
            self.round_trips += 1
            # What a pipeline carries up to its sync is one transaction, so BEGIN and COMMIT need not be sent.
            with connection.pipeline():
                connection.execute(_IDENTITY, (claims,))
                cursors = [connection.execute(statement, values) for statement, values in bound_batch]
            return [cursor.fetchall() if cursor.description else [] for cursor in cursors]

        return self._run(run, idempotent)

    def check(self) -> None:
        """Have the server answer, which costs one round trip. Raises DatabaseUnavailable where it does not."""
        self.call("select 1", idempotent=True)

    @contextmanager
    def patient(self, seconds_left: Callable[[], float]) -> Iterator[None]:
        """Within the block, connecting is tried again until `seconds_left()` falls below ten: for schedules and queues.

        A paused cluster takes half a minute to resume, and a new container's network may not be up yet.
        """
        self._seconds_left = seconds_left
        try:
            yield
        finally:
            self._seconds_left = lambda: 0.0

    def close(self) -> None:
        """Give the connection back, for instance before a snapshot; the next query makes a new one."""
        with self._lock:
            self._discard()

    def _run(self, work: Callable[[_Connection], _Result], idempotent: bool) -> _Result:
        with self._lock:
            connection = self._ready()
            try:
                return work(connection)
            except psycopg.Error as error:
                self._after(connection, error)
                if not (idempotent and self._connection is None):
                    raise translate(error) from None
            finally:
                self._last_used = self._now()
            connection = self._ready()
            try:
                return work(connection)
            except psycopg.Error as error:
                self._after(connection, error)
                raise translate(error) from None

    def _ready(self) -> _Connection:
        """The connection, looked at without a round trip and replaced where it was lost."""
        if self._connection is not None:
            # An idle server sends nothing, so readable bytes mean that it closed the connection.
            unasked, _, _ = select.select([self._connection.fileno()], [], [], 0)
            if unasked or self._now() - self._last_used > _LONGEST_IDLE:
                self._discard()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> _Connection:
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._connected()
            except (DatabaseUnavailable, Problem):  # of the secret, for which the network may not be up yet either
                if self._seconds_left() < _RESERVE + pause:
                    raise
            self._clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _connected(self) -> _Connection:
        """A new connection, by what is configured, or by what took its place meanwhile."""
        if self._clock.monotonic() < self._away_until:
            raise self._away("the last connect failed a moment ago")
        conninfo = self._conninfo if isinstance(self._conninfo, str) else self._conninfo()
        try:
            try:
                return self._open(conninfo)
            except psycopg.OperationalError:
                # Whatever the reason: libpq gives no SQLSTATE before there is a session, and hosts change too.
                before, conninfo = conninfo, self._renewed() if self._renewed else conninfo
                if conninfo == before:
                    raise
                return self._open(conninfo)
        except psycopg.OperationalError as error:
            self._away_until = self._clock.monotonic() + _COOL_DOWN
            if refuses_login(error):
                self._away = LoginRefused
                logger.error("the database refuses the login %s: %s", conninfo_to_dict(conninfo).get("user"), error)
            else:
                self._away = DatabaseUnavailable
                logger.warning("cannot connect to the database: %s", error)
            raise self._away("cannot connect to the database") from None

    def _open(self, conninfo: str) -> _Connection:
        try:
            options = dict(_CONNECTION) | conninfo_to_dict(conninfo)
        except psycopg.ProgrammingError:
            raise ConfigurationError("the database's address must be a postgresql:// URL") from None
        connection = _Connection.connect(**options, autocommit=True, prepare_threshold=None, row_factory=dict_row)
        connection.patience = self._patience
        for kind in (Vector, Vectors):
            connection.adapters.register_dumper(kind, VectorDumper)
        return connection

    def _after(self, connection: _Connection, error: psycopg.Error) -> None:
        """Let go of a connection that is of no use any more."""
        if connection.broken or connection.closed or is_away(error):
            logger.warning("lost the database connection: %s", error.sqlstate or type(error).__name__)
            self._discard()

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _now(self) -> float:
        # The wall clock, because the monotonic one may stop while Lambda freezes the container.
        return self._clock.now().timestamp()


class _Connection(psycopg.Connection[Row]):
    """A connection that gives up on an answer, and on itself, when it does not come."""

    patience: float | None = None

    def wait(self, gen: PQGen[_Result], interval: float = 0.1, timeout: float | None = None) -> _Result:
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.errors.PipelineAborted:
            raise
        except psycopg.OperationalError as error:
            if error.sqlstate is not None:
                raise
            # The driver's own error: the connection is lost, or the answer is late and would be read by the next query.
            self.pgconn.finish()
            raise psycopg.OperationalError("no answer from the server in time") from None


def _claims(identity: Mapping[str, Any]) -> str:
    return json.dumps(identity, separators=(",", ":"))

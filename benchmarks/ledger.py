"""The ledger and the cache at size: reports, retiring months, cleaning up; and how long the schema takes to apply.

The rows belong to 5,000 users, half of them in one of 100 organizations, and three providers; they are spread from the
beginning of the month that is due to leave until now, which is four to five months. Reports are asked for as the HTTP
login and the service ask, retiring and cleaning are done as the schedules do, a transaction each. What a figure says is
what the schema can do: the fastest of several calls counts, or of several months; of cleaning, the longest transaction
in the best of several rounds. Every sum is compared with the ledger's rows.

    python -m benchmarks.ledger [--rows 1000000]

Exit status 1 when a sum or a count is wrong or, at full size, when a figure is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any, LiteralString

import psycopg

from local.checkout import SCHEMA
from local.postgres.server import Server
from parley.migrations.logins import create_logins
from parley.migrations.runner import up
from testing.figures import Figures

FULL_SIZE = 1_000_000
USERS = 5_000
ORGANIZATIONS = 100
HEAVY_USER_ROWS = 800
REPEATS = 15
ROUNDS = 3
CACHE_ROWS = 100_000
BATCH = 1_000
HEAVY_USER = '{"sub": "user_0", "role": "authenticated"}'
SERVICE = '{"role": "service_role"}'

# Without triggers and foreign keys: loading is not what is measured. The heavy user's rows lie among the others'.
LOAD = """
insert into public.ai_usage
  (user_id, organization_id, request_id, tier, provider, model, operation_type, tokens_prompt, tokens_completion,
   tokens_total, tokens_used, cost, cost_usd, latency_ms, created_at)
select 'user_' || w.number, case when w.number %% 2 = 1 then 'organization_' || w.number / 2 %% %(organizations)s end,
  'request_' || n, 'free', p.name, p.name || '-model-' || n %% 2, case n %% 5 when 0 then 'embedding' else 'chat' end,
  n %% 900, n %% 400, n %% 900 + n %% 400, n %% 900 + n %% 400, n %% 1000 * 0.000001, n %% 1000 * 0.000001,
  200 + n %% 3000, case when w.number = 0
    then now() - random() * interval '88 days' else %(start)s + random() * (now() - %(start)s) end
from generate_series(1, %(rows)s) as n
cross join lateral (
  select case when n %% greatest(%(rows)s / %(heavy)s, 2) = 0
    then 0 else 1 + floor(random() * (%(users)s - 1))::integer end as number) as w
cross join lateral (select (array['openai', 'anthropic', 'google'])[1 + n %% 3] as name) as p
"""
FILL_CACHE = """
insert into public.ai_response_cache
  (query_hash, tenant, provider, model, response, parameters_hash, message, embedding_model, embedding,
   created_at, expires_at)
select n::text, 'user:user_' || n %% 5000, 'openai', 'model', repeat('answer ', 60), 'parameters', 'question ' || n,
  'embedder', case when n %% 20 = 0 then array_fill(0.5, array[1536])::vector end,
  now() - interval '2 days', now() + case when n <= %(expired)s then interval '-1 day' else interval '1 day' end
from generate_series(1, %(expired)s + 10) as n
"""
MINE = "select sum(calls), sum(tokens), sum(cost) from app.my_usage_between(app.today() - 89, app.today())"
OURS = "select sum(calls), sum(tokens), sum(cost) from app.usage_between(app.today() - 89, app.today())"
EVERYTHING = "select sum(calls), sum(tokens), sum(cost) from app.usage_between(app.today() - 400, app.today())"
# How long to keep what so that the month that is due goes, or so many after it.
OLDER: LiteralString = "now() - (date_trunc('month', now() - interval '90 days') + make_interval(months => %s))"
IN_THE_LEDGER = """
select count(*), sum(tokens_total), sum(cost) from public.ai_usage
where created_at >= (app.today() - 89)::timestamp at time zone app.time_zone()
"""


class Ledger:
    """A migrated database with its three logins, filled and measured.

    `wrong` collects what did not come out as it must; `figures` prints and judges the times.
    """

    def __init__(
        self, owner: psycopg.Connection, app: psycopg.Connection, service: psycopg.Connection, *, rows: int
    ) -> None:
        self.figures = Figures()
        self.wrong: list[str] = []
        self._owner, self._app, self._service = owner, app, service
        self._rows = rows
        self._judged = rows >= FULL_SIZE

    def load(self) -> None:
        """Users, months and rows."""
        started = time.monotonic()
        self._owner.execute(
            "insert into public.\"user\" (id) select 'user_' || n from generate_series(0, %s) n", (USERS - 1,)
        )
        start = self._value("select date_trunc('month', now() - interval '90 days') - interval '1 month'")
        self._owner.execute("select app.ensure_usage_partitions(%s)", (start,))
        self._owner.execute("set session_replication_role = replica")
        named = {"rows": self._rows, "users": USERS, "organizations": ORGANIZATIONS, "heavy": HEAVY_USER_ROWS}
        self._owner.execute(LOAD, named | {"start": start})
        self._owner.execute("reset session_replication_role")
        self._owner.execute("vacuum (analyze) public.ai_usage")
        self._equal("rows loaded", self._value("select count(*) from public.ai_usage"), self._rows)
        print(f"{self._rows:,} rows loaded in {time.monotonic() - started:.0f} s")

    def report(self) -> None:
        """Sum the past days, then ask for a user's history and for everybody's usage."""
        milliseconds, days = self._timed(self._service, SERVICE, "select app.roll_up_usage(400)")
        print(f"{days[0][0]} past days summed in {milliseconds / 1000:.1f} s")
        self._owner.execute("vacuum (analyze) app.usage_by_day")
        history = "select * from app.my_usage_between(app.today() - 89, app.today())"
        usage = "select * from app.usage_between(app.today() - 89, app.today())"
        self._show_fastest("a user's history, 90 days", 5, self._app, HEAVY_USER, history)
        self._show_fastest("usage by provider and day, 90 days", 50, self._service, SERVICE, usage)
        theirs = self._row(IN_THE_LEDGER + " and user_id = 'user_0'")
        self._equal("a user's history", self._timed(self._app, HEAVY_USER, MINE)[1][0], theirs)
        self._equal("everybody's usage", self._timed(self._service, SERVICE, OURS)[1][0], self._row(IN_THE_LEDGER))

    def retire(self) -> None:
        """Archive the month that is due and, for more samples, those after it; then drop them, oldest first."""
        totals = self._row("select count(*), sum(tokens_total), sum(cost) from public.ai_usage")
        archiving = [self._retire_month("select app.archive_usage('90 days')")]
        kept, gone = self._row(
            "select extract(epoch from now() - (select min(created_at) from public.ai_usage)) / 86400,"
            " extract(epoch from now() - (select max(created_at) from app.usage_archive)) / 86400"
        )
        print(f"oldest row of the ledger: {kept:.1f} days; newest row of the archive: {gone:.1f} days")
        if gone < 90 or kept > 121:
            self.wrong.append(f"rows live 90 to 121 days: {gone:.2f} to {kept:.2f}")
        archiving += [self._retire_month(f"select app.archive_usage({OLDER})", later) for later in (1, 2)]
        dropping = [self._retire_month(f"select app.drop_archived_usage({OLDER})", later) for later in (0, 1, 2)]
        self._show("a month archived", min(archiving), 50, f"fastest of {len(archiving)}")
        self._show("a month dropped", min(dropping), 50, f"fastest of {len(dropping)}")
        self._equal("sums after their months went", self._timed(self._service, SERVICE, EVERYTHING)[1][0], totals)

    def clean(self, expired: int = CACHE_ROWS) -> None:
        """Delete expired answers as the schedule does; what has not expired stays."""
        longest, whole = [], []
        for _ in range(ROUNDS):
            self._owner.execute("truncate public.ai_response_cache")
            self._owner.execute(FILL_CACHE, {"expired": expired})
            self._owner.execute("vacuum (analyze) public.ai_response_cache")
            times, deleted, batch = [], 0, BATCH
            while batch == BATCH:
                milliseconds, rows = self._timed(
                    self._service, SERVICE, "select app.delete_expired_answers(%s)", (BATCH,)
                )
                batch = rows[0][0]
                deleted += batch
                times.append(milliseconds)
            self._equal("expired answers deleted", deleted, expired)
            self._equal("answers kept", self._value("select count(*) from public.ai_response_cache"), 10)
            longest.append(max(times))
            whole.append(sum(times))
        how = f"best of {ROUNDS} rounds; {min(whole) / 1000:.1f} s in batches of {BATCH:,}"
        self._show(f"longest transaction while {expired:,} expired answers are cleaned", min(longest), 25, how)

    def _retire_month(self, statement: LiteralString, *months_later: int) -> float:
        milliseconds, rows = self._timed(self._service, SERVICE, statement, months_later)
        self._equal(f"months of {statement} {months_later}", rows[0][0], 1)
        return milliseconds

    def _timed(
        self, connection: psycopg.Connection, claims: str, statement: LiteralString, parameters: Sequence[Any] = ()
    ) -> tuple[float, list[Any]]:
        """A statement after its identity, in one round trip and transaction; milliseconds and rows."""
        started = time.perf_counter()
        with connection.pipeline():
            connection.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
            cursor = connection.execute(statement, parameters)
        rows = cursor.fetchall()
        return (time.perf_counter() - started) * 1000, rows

    def _show_fastest(
        self, name: str, at_most: float, connection: psycopg.Connection, claims: str, statement: LiteralString
    ) -> None:
        times = [self._timed(connection, claims, statement)[0] for _ in range(REPEATS)]
        self._show(name, min(times), at_most, f"fastest of {REPEATS}; median {median(times):.1f}")

    def _show(self, name: str, value: float, at_most: float, how: str) -> None:
        self.figures.show(name, value, "ms", how, at_most=at_most if self._judged else None)

    def _equal(self, name: str, found: object, expected: object) -> None:
        if found != expected:
            self.wrong.append(f"{name}: {found}, not {expected}")

    def _row(self, statement: LiteralString) -> Any:
        return self._owner.execute(statement).fetchone()

    def _value(self, statement: LiteralString) -> Any:
        return self._row(statement)[0]


def apply_schema(server: Server, figures: Figures) -> None:
    """Apply schema/ to empty databases; the last is the server's own."""
    seconds = []
    with psycopg.connect(server.url(), autocommit=True) as owner:
        for name in (*(f"empty_{number}" for number in range(1, ROUNDS)), "postgres"):
            if name != "postgres":
                owner.execute(f"create database {name}".encode())
            started = time.perf_counter()
            up(server.url(database=name), SCHEMA)
            seconds.append(time.perf_counter() - started)
    figures.show("schema/ applied to an empty database", min(seconds), "s", f"fastest of {ROUNDS}", at_most=2)


def run(rows: int) -> int:
    """Apply, load, measure and compare; returns the exit status."""
    with ExitStack() as stack:
        server = stack.enter_context(Server.throwaway())
        schema = Figures()
        apply_schema(server, schema)
        owner = stack.enter_context(psycopg.connect(server.url(), autocommit=True))
        create_logins(owner, server.password("parley_app"), server.password("parley_service"))
        app, service = (
            stack.enter_context(psycopg.connect(server.url(login), autocommit=True, prepare_threshold=None))
            for login in ("parley_app", "parley_service")
        )
        ledger = Ledger(owner, app, service, rows=rows)
        ledger.load()
        ledger.report()
        ledger.retire()
        ledger.clean()
    for line in ledger.wrong:
        print(f"WRONG {line}")
    return int(bool(ledger.wrong) or ledger.figures.missed or schema.missed)


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=FULL_SIZE)
    return run(parser.parse_args().rows)


if __name__ == "__main__":
    sys.exit(main())

"""Reservations a second: eight clients that take units of 2,000 users, and eight that take units of one user.

Each reservation is one statement, app.reserve_unit with the caller's claims set beside it, sent as parley_app over the
extended protocol without named statements, as the functions do. The client is pgbench of the embedded distribution.
A figure is the best of the rounds: it says what the schema can do, and the rest is what else the machine did. After
every round the counters and the rows of requests must be as many as pgbench says it made.

Judged on the embedded server of the tests, which does not wait for the disk. With the disk, whoever commits holds the
counter's row until the flush is done, so one user's requests cannot be faster than the disk flushes: that server is
measured too and printed beside the commits a second of one connection, but it is the disk's figure and not judged.

    python -m benchmarks.quota [--seconds 5] [--rounds 4]

Exit status 1 when a unit was not counted exactly once or, at the full duration, when a figure is missed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psycopg

from local.checkout import SCHEMA
from local.postgres.home import binaries
from local.postgres.server import Server
from parley.migrations.logins import create_logins
from parley.migrations.runner import up

FULL_SECONDS = 5
USERS = 2_000
CLIENTS = 8
TARGETS = {USERS: 4_000.0, 1: 2_500.0}

# A select list is evaluated from left to right: the claims are there when the unit is taken.
RESERVE = """\\set number random(1, {users})
select set_config('request.jwt.claims', '{{"sub": "user_' || :number || '", "role": "authenticated"}}', true),
  app.reserve_unit(gen_random_uuid()::text, 'chat', 300);
"""


class Round(NamedTuple):
    """What one run of pgbench made: reservations a second, and whether each was counted exactly once."""

    rate: float
    exact: bool


def prepare(owner: psycopg.Connection) -> None:
    """The users, in a tier whose limits are checked but not reached."""
    owner.execute("update app.ai_tiers set daily_units = 1000000000, monthly_units = 1000000000 where tier = 'premium'")
    owner.execute("insert into public.\"user\" (id) select 'user_' || n from generate_series(1, %s) n", (USERS,))
    owner.execute(
        "insert into public.user_ai_settings (user_id, tier)"
        " select 'user_' || n, 'premium' from generate_series(1, %s) n",
        (USERS,),
    )


def reserve(server: Server, owner: psycopg.Connection, users: int, seconds: int) -> Round:
    """Reserve for `seconds` on empty counters, each time a unit of any of `users`."""
    owner.execute("truncate app.ai_requests")
    owner.execute("update public.user_ai_settings set daily_usage = 0, monthly_usage = 0")
    owner.execute("vacuum (analyze) public.user_ai_settings")
    owner.execute("checkpoint")
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        (script := Path(home) / "reserve.sql").write_text(RESERVE.format(users=users))
        ran = subprocess.run(
            [binaries(server.major, Path(home)) / "pgbench", "--no-vacuum", f"--client={CLIENTS}", "--jobs=2",
             f"--time={seconds}", "--protocol=extended", f"--file={script}", server.url("parley_app")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    said = dict(re.findall(r"^(number of transactions actually processed: |tps = )([\d.]+)", ran.stdout, re.MULTILINE))
    made = int(said["number of transactions actually processed: "])
    counted = owner.execute(
        "select sum(daily_usage), sum(monthly_usage), (select count(*) from app.ai_requests where state = 'reserved')"
        " from public.user_ai_settings"
    ).fetchone()
    return Round(float(said["tps = "]), counted == (made, made, made))


def flushes(owner: psycopg.Connection, seconds: float) -> float:
    """Commits a second of one connection that writes one row each: what the disk allows."""
    owner.execute("create table commits (number integer)")
    until, made = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        owner.execute("insert into commits values (1)")
        made += 1
    owner.execute("drop table commits")
    return made / seconds


def measure(server: Server, seconds: int, rounds: int) -> tuple[dict[int, float], bool]:
    """The best rate by number of users, and whether every unit was counted exactly once."""
    up(server.url(), SCHEMA)
    with psycopg.connect(server.url(), autocommit=True) as owner:
        create_logins(owner, server.password("parley_app"), server.password("parley_service"))
        prepare(owner)
        made = {users: [reserve(server, owner, users, seconds) for _ in range(rounds)] for users in TARGETS}
        for users, ran in made.items():
            print(f"  {users:5} users: " + ", ".join(f"{each.rate:,.0f}/s" for each in ran))
        best = {users: max(each.rate for each in ran) for users, ran in made.items()}
        return best, all(each.exact for ran in made.values() for each in ran)


def run(seconds: int, rounds: int) -> int:
    """Measure without and with the disk; returns the exit status."""
    print("without waiting for the disk:")
    with Server.throwaway() as server:
        best, exact = measure(server, seconds, rounds)
    print("with every commit flushed:")
    with tempfile.TemporaryDirectory(prefix="parley-data-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with Server.ensure(Path(folder) / "data") as durable:
            _, durably_exact = measure(durable, seconds, 1)
            with psycopg.connect(durable.url(), autocommit=True) as owner:
                print(f"  one connection that only inserts a row: {flushes(owner, seconds):,.0f} commits/s")
    missed = [] if exact and durably_exact else ["a unit was not counted exactly once"]
    if seconds >= FULL_SECONDS:
        missed += [
            f"{users} users: {best[users]:,.0f}/s of {target:,.0f}/s"
            for users, target in TARGETS.items()
            if best[users] < target
        ]
    print("MISSED " + "; ".join(missed) if missed else "every unit counted exactly once, both figures met")
    return int(bool(missed))


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=FULL_SECONDS)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    return run(arguments.seconds, arguments.rounds)


if __name__ == "__main__":
    sys.exit(main())

"""Reservations a second: eight clients that take units of 2,000 users, and eight that take units of one.

Each is one statement of app.reserve_unit with the caller's claims set in it, sent as parley_app over the extended
protocol without named statements, as the functions do. The server is an embedded one that keeps every promise of
durability (fsync, synchronous commit). pgbench of the same distribution is the client. Each figure is the best of
several rounds: it says what the database can do, and the rest is what else the machine did. After every round the
counters and the rows of requests are compared with what pgbench says it made.

    python -m benchmarks.quota [--seconds 8] [--rounds 3]

Exit status 1 when a unit was counted wrongly or, at the full duration, when a figure is missed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from local.postgres import Server
from local.postgres_home import binaries, cluster_home
from parley.migrations import create_logins, up

FULL_SECONDS = 8
USERS = 2_000
CLIENTS = 8
JOBS = 2
TARGETS = {USERS: 4_000.0, 1: 2_500.0}
SCHEMA = Path(__file__).resolve().parent.parent / "schema"

# The claims come first in the list, which is evaluated from left to right.
RESERVE = """\\set user random(1, {users})
select set_config('request.jwt.claims', '{{"sub": "user_' || :user || '", "role": "authenticated"}}', true),
  app.reserve_unit(gen_random_uuid()::text, 'chat', 300);
"""


def prepare(owner: psycopg.Connection) -> None:
    """Users of a tier whose limits are checked and not reached."""
    owner.execute("update app.ai_tiers set daily_units = 1000000000, monthly_units = 1000000000 where tier = 'premium'")
    owner.execute("insert into public.\"user\" (id) select 'user_' || n from generate_series(1, %s) n", (USERS,))
    owner.execute(
        "insert into public.user_ai_settings (user_id, tier)"
        " select 'user_' || n, 'premium' from generate_series(1, %s) n",
        (USERS,),
    )


def reserve(server: Server, pgbench: Path, script: Path, seconds: int) -> tuple[float, int]:
    """Run pgbench; reservations a second and how many there were."""
    ran = subprocess.run(
        [pgbench, "--no-vacuum", f"--client={CLIENTS}", f"--jobs={JOBS}", f"--time={seconds}", "--protocol=extended",
         f"--file={script}", server.url("parley_app")],
        env=os.environ | {"PGOPTIONS": ""}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rate = re.search(r"^tps = ([\d.]+)", ran.stdout, re.MULTILINE)
    made = re.search(r"actually processed: (\d+)", ran.stdout)
    failed = re.search(r"failed transactions: (\d+)", ran.stdout)
    if rate is None or made is None or failed is None or failed[1] != "0":
        raise RuntimeError(f"pgbench says: {ran.stdout}{ran.stderr}")
    return float(rate[1]), int(made[1])


def measure(owner: psycopg.Connection, server: Server, users: int, seconds: int, rounds: int) -> tuple[list[float], int]:
    """Rates of the rounds, and how many units were not counted once."""
    rates, wrong = [], 0
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "reserve.sql"
        script.write_text(RESERVE.format(users=users))
        for _ in range(rounds):
            owner.execute("truncate app.ai_requests")
            owner.execute("update public.user_ai_settings set daily_usage = 0, monthly_usage = 0")
            owner.execute("vacuum (analyze) public.user_ai_settings")
            owner.execute("checkpoint")
            rate, made = reserve(server, binaries(server.major, cluster_home(DATA)) / "pgbench", script, seconds)
            counted = owner.execute(
                "select sum(daily_usage), sum(monthly_usage), (select count(*) from app.ai_requests where state = 'reserved')"
                " from public.user_ai_settings"
            ).fetchone()
            wrong += counted != (made, made, made)
            rates.append(rate)
    return rates, wrong

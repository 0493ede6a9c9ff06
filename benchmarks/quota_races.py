"""Units under fire: many processes, kill -9 in mid-call, midnights. Exactly the limit is admitted, never one less.

    python benchmarks/quota_races.py [--processes 64] [--attempts 1000] [--night-attempts 10000]

The race: a user for every four processes, with 10 or 100 units a day, and for every four of these a machine key with 20
of its user's 100. Every process asks for them in turn through parley.admission, holds what it got for up to ten
milliseconds and then settles or gives back. A quarter of the processes are killed while they hold a unit, and replaced.
At half-time the clock passes the end of the dead ones' leases. Every refusal is compared with a log that the processes
keep: there must have been a moment within it in which the limit was held or spent.

The nights: eight processes ask for two users while the clock is moved, in the midst of it, over midnight, both
daylight-saving nights and the end of a month. No schedule runs. Exits 1 when a unit is missing or over.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

import psycopg

from parley.admission.access_keys import AccessKeys
from parley.admission.known_callers import KnownCallers
from parley.admission.records import AdmittedModelCall, ModelCallRequest, Outcome
from parley.admission.refusals import Refused
from parley.admission.requests import Requests
from parley.core.access_keys import access_key_hash, new_access_key
from parley.core.caller import AccessKey, Caller, RequestContext
from parley.core.clock import SystemClock
from parley.database.connection import Database
from testing.databases import ScratchDatabase, migrated_server, set_clock
from testing.figures import Verdict
from testing.workers import PROCESSES, Worker, gather, messages, workers

NIGHT_PROCESSES = 8
RACE_LEASE, NIGHT_LEASE = 3_600, 30 * 86_400  # seconds: the race goes on after its leases, the nights end within them
LIMITS = {"free": 10, "premium": 100}
LIMIT_OF_KEY = 20


class Racer(NamedTuple):
    """Somebody with a limit: a user, or a machine key of a user who has more."""

    user: str
    limit: int
    caller: Caller


@dataclass
class Log:
    """What one process saw of one half, in seconds of a clock that all processes share.

    Attributes:
        refused: (racer, began, ended) of each refusal.
        held: (racer, began, ended) of each hold; `ended` None where it was spent.
        killed: (racer, began) of the hold with which it was killed.
    """

    refused: list[tuple[int, float, float]] = field(default_factory=list)
    held: list[tuple[int, float, float | None]] = field(default_factory=list)
    killed: list[tuple[int, float]] = field(default_factory=list)


def race(connection: Connection, number: int, url: str, racers: Sequence[Racer], seed: int) -> None:
    """A process: takes (attempts, whether to be killed), answers with its `Log` and how many attempts are left."""
    requests = _requests(url)
    chance = random.Random(seed + number)
    for attempts, dies in messages(connection):
        log = Log()
        for left in range(attempts - 1, -1, -1):
            racer, began = chance.randrange(len(racers)), time.monotonic()
            admitted = _begin(requests, racers[racer].caller, RACE_LEASE)
            if admitted is None:
                log.refused.append((racer, began, time.monotonic()))
                continue
            if dies:
                log.killed.append((racer, began))
                connection.send((log, left))
                time.sleep(3600)
            time.sleep(chance.random() / 100)
            spent = chance.random() < 0.6
            outcome = Outcome(
                request_id=admitted.request_id,
                fence=admitted.fence,
                operation="chat",
                occurred_at=datetime.now(UTC),
                state="settled" if spent else "released",
            )
            assert requests.finish(admitted.caller, outcome).state == outcome.state
            log.held.append((racer, began, None if spent else time.monotonic()))
        connection.send((log, 0))


def prove_race(database: ScratchDatabase, verdict: Verdict, processes: int, attempts: int, seed: int = 1) -> None:
    """The race, in two halves with the end of the leases between them."""
    victims = users = processes // 4
    racers = [Racer(f"user-{user}", _limit(user), Caller(user_id=f"user-{user}")) for user in range(users)]
    keys = [new_access_key() for _ in range(max(1, users // 4))]
    racers += [
        Racer(f"of-key-{number}", LIMIT_OF_KEY, Caller(address_hash="here", access_key=_access_key(key)))
        for number, key in enumerate(keys)
    ]
    logs: list[Log] = []
    with database.connect() as owner, workers(processes, race, database.app_url, racers, seed) as running:
        set_clock(owner, "'2026-05-12 10:00+02'::timestamptz")
        for user in range(users):
            _add_user(owner, f"user-{user}", _tier(user))
        for racer, key in zip(racers[users:], keys, strict=True):
            _add_user(owner, racer.user, "premium")
            owner.execute(
                "insert into app.access_keys (user_id, name, key_hash, last_four, scopes, daily_units)"
                " values (%s, 'x', decode(%s, 'hex'), %s, '{chat}', %s)",
                (racer.user, access_key_hash(key), key[-4:], racer.limit),
            )
        for half in (1, 2):
            for number, worker in enumerate(running):
                worker.send((attempts // 2, half == 1 and number < victims))
            for number, worker in enumerate(running):
                log, left = worker.receive()
                logs.append(log)
                if log.killed:
                    worker.kill()
                    running[number] = Worker(race, processes + number, database.app_url, racers, seed)
                    running[number].send((left, False))
                    logs.append(running[number].receive()[0])
            if half == 1:
                expired = time.monotonic()
                set_clock(owner, "'2026-05-12 12:00+02'::timestamptz")
        # Who is at its limit has taken the units of the dead. A key's user is not: there the schedule returns them.
        with database.connect("service") as service:
            service.execute("select set_config('request.jwt.claims', %s, false)", ('{"role": "service_role"}',))
            service.execute("select app.sweep_requests(1000)")
        rows = owner.execute(
            "select user_id, count(*) filter (where state = 'settled' and reserved_day is not null),"
            " count(*) filter (where state = 'reserved') from app.ai_requests group by 1"
        ).fetchall()
        counted: dict[str, int] = dict(
            owner.execute("select user_id, daily_usage from public.user_ai_settings").fetchall()
        )
    spent = {user: units for user, units, _ in rows}
    right = sum(spent.get(racer.user) == counted[racer.user] == racer.limit for racer in racers)
    killed = sum(len(log.killed) for log in logs)
    tried = sum(len(log.refused) + len(log.held) + len(log.killed) for log in logs)
    verdict(
        f"{processes} processes, {tried} attempts, {killed} killed with a unit in hand: users and keys at their limit",
        right == len(racers) and killed == victims,
        f"{right} of {len(racers)} ({sum(spent.values())} units)",
    )
    verdict("holds of the dead that did not return", not any(held for _, _, held in rows), sum(row[2] for row in rows))
    early, refusals = _early_refusals(logs, expired, racers)
    verdict(f"refusals below the limit, of {refusals}", early == 0, early)


def _early_refusals(logs: Sequence[Log], expired: float, racers: Sequence[Racer]) -> tuple[int, int]:
    """Refusals during which the limit was at no moment reached, and all refusals."""
    early = total = 0
    for number, racer in enumerate(racers):
        holds = [hold for log in logs for hold in log.held if hold[0] == number]
        holds += [(number, began, expired) for log in logs for who, began in log.killed if who == number]
        for log in logs:
            for who, began, ended in log.refused:
                if who != number:
                    continue
                total += 1
                held = sum(1 for _, taken, back in holds if taken <= ended and (back is None or back >= began))
                early += held < racer.limit
    return early, total


@dataclass(frozen=True)
class Night:
    """Moments that the clock is moved through, and the days (or months) that begin and end in them."""

    name: str
    moments: tuple[str, ...]
    windows: int
    monthly: bool = False


NIGHTS = (
    Night("an ordinary midnight", ("2026-05-12 23:59:59+02", "2026-05-13 00:00:01+02"), 2),
    Night(
        "the spring night (23 hours)",
        ("2026-03-28 23:59:59+01", "2026-03-29 00:00:01+01", "2026-03-29 01:59:59+01", "2026-03-29 03:00:01+02",
         "2026-03-29 23:59:59+02", "2026-03-30 00:00:01+02"),
        3,
    ),
    Night(
        "the autumn night (25 hours)",
        ("2026-10-24 23:59:59+02", "2026-10-25 00:00:01+02", "2026-10-25 02:59:59+02", "2026-10-25 02:00:01+01",
         "2026-10-25 23:00:01+01", "2026-10-25 23:59:59+01", "2026-10-26 00:00:01+01"),
        3,
    ),
    Night("the end of a month", ("2026-10-31 23:59:59+01", "2026-11-01 00:00:01+01"), 2, monthly=True),
)  # fmt: skip


def ask(connection: Connection, _number: int, url: str, done: Any) -> None:
    """A process: takes (user names, attempts), asks for them in turn, answers with how many were admitted."""
    requests = _requests(url)
    for users, attempts in messages(connection):
        admitted = 0
        for attempt in range(attempts):
            admitted += _begin(requests, Caller(user_id=users[attempt % len(users)]), NIGHT_LEASE) is not None
            with done.get_lock():
                done.value += 1
        connection.send(admitted)


def prove_nights(database: ScratchDatabase, verdict: Verdict, attempts: int, nights: Sequence[Night] = NIGHTS) -> None:
    """Each night: so many attempts, the clock moving on each time that its share of them is made."""

    done = PROCESSES.Value("i", 0)
    with database.connect() as owner, workers(NIGHT_PROCESSES, ask, database.app_url, done) as running:
        for number, night in enumerate(nights):
            set_clock(owner, f"'{night.moments[0]}'::timestamptz")
            names = {tier: f"night-{number}-{tier}" for tier in LIMITS}
            for tier, user in names.items():
                daily, monthly = (None, LIMITS[tier]) if night.monthly else (LIMITS[tier], None)
                owner.execute(
                    "update app.ai_tiers set daily_units = %s, monthly_units = %s where tier = %s",
                    (daily, monthly, tier),
                )
                _add_user(owner, user, tier)
            done.value = 0
            for worker in running:
                worker.send((list(names.values()), attempts // NIGHT_PROCESSES))
            for step, moment in enumerate(night.moments[1:], 1):
                while done.value < attempts * step // len(night.moments):
                    time.sleep(0.002)
                set_clock(owner, f"'{moment}'::timestamptz")
            admitted = sum(gather(running))
            found = owner.execute(
                "select user_id, to_char(reserved_day, %s), count(*) from app.ai_requests"
                " where user_id = any(%s) group by 1, 2 order by 1, 2",
                ("YYYY-MM" if night.monthly else "YYYY-MM-DD", list(names.values())),
            ).fetchall()
            wanted = [limit for _, limit in sorted(LIMITS.items()) for _ in range(night.windows)]
            verdict(
                f"{attempts} attempts of {NIGHT_PROCESSES} processes over {night.name}: admitted",
                [units for _, _, units in found] == wanted and admitted == sum(wanted),
                ", ".join(f"{user.rpartition('-')[2]} {window}: {units}" for user, window, units in found),
            )
        set_clock(owner, "pg_catalog.now()")


def _requests(url: str) -> Requests:
    database, clock = Database(url, patience=120), SystemClock()
    return Requests(database, clock, KnownCallers(), AccessKeys(database, clock))


def _begin(requests: Requests, caller: Caller, lease_seconds: int) -> AdmittedModelCall | None:
    """Take a unit for at least so long; None at the limit."""
    context = RequestContext(caller, request_id=str(uuid.uuid4()), seconds=lease_seconds)
    request = ModelCallRequest(operation="chat", default_provider="openai", default_models={"openai": "gpt"})
    try:
        return requests.begin_model_call(context, request, time.monotonic() + 60)
    except Refused as refused:
        if refused.code != ("quota_exceeded" if caller.access_key is None else "access_key_limit_used_up"):
            raise
        return None


def _access_key(key: str) -> AccessKey:
    return AccessKey(access_key_hash(key), ("chat",))


def _tier(user: int) -> str:
    return "premium" if user % 2 else "free"


def _limit(user: int) -> int:
    return LIMITS[_tier(user)]


def _add_user(owner: psycopg.Connection[Any], user: str, tier: str) -> None:
    owner.execute('insert into public."user" (id) values (%s)', (user,))
    owner.execute("insert into public.user_ai_settings (user_id, tier) values (%s, %s)", (user, tier))


def main() -> int:
    """Run both; 1 when one does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=64)
    parser.add_argument("--attempts", type=int, default=1_000, help="of each process")
    parser.add_argument("--night-attempts", type=int, default=10_000, help="of all processes together, each night")
    options = parser.parse_args()
    verdict = Verdict()
    with migrated_server() as database:
        prove_race(database, verdict, options.processes, options.attempts)
        prove_nights(database, verdict, options.night_attempts)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())

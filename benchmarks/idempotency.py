"""The same Idempotency-Key many times at once, and again after a crash: one call, one unit, one ledger row, one answer.

    python benchmarks/idempotency.py [--processes 50] [--keys 20]

Every process is a container with its own chat function; vendors are emulated and count their calls. At once: all send
the same request while the model takes a third of a second. After a crash: the process that got to call is killed
before it has the answer; the clock passes the end of its lease; all others ask at once. Exits 1 when something differs.
"""

from __future__ import annotations

import argparse
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

if __package__ in (None, ""):
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._gateway import Verdict, Worker, gather, messages, migrated_server, set_clock, silence, workers
from local.emulator import Emulator
from tests.conftest import ScratchDatabase
from tests.integration.conftest import Functions, function_environment, make_token

THINKING_SECONDS = 0.3


def container(connection: Connection, _number: int, environment: dict[str, str]) -> None:
    """A process with a chat function: takes (user, key, message), answers with (status, code, body)."""
    silence()
    functions = Functions(environment)
    functions.module("chat")
    connection.send("ready")
    for user, key, message in messages(connection):
        headers = {"Idempotency-Key": key}
        answer = functions.request(
            "chat", "POST", "/api/chat", {"message": message}, token=make_token(user), headers=headers
        )
        connection.send((answer.status, answer.json.get("code"), answer.text if answer.status == 200 else None))


def prove(database: ScratchDatabase, emulator: Emulator, verdict: Verdict, processes: int, keys: int) -> None:
    """Both parts, with so many keys each."""
    environment = function_environment(database.app_url, emulator.url)
    with workers(processes, container, environment) as running, database.connect() as owner:
        gather(running)
        set_clock(owner, "pg_catalog.now()")
        for crash in (False, True):
            calls: list[int] = []
            bodies: list[set[str]] = []
            codes: set[Any] = set()
            reused: set[Any] = set()
            kind = "crash" if crash else "once"
            for number in range(keys):
                user, key = f"{kind}-{number}", f"key-{number}"
                message = f"What is fjord number {number}, told {kind}?"
                emulator.reset()
                if crash:
                    _crash(emulator, running, container, environment, (user, key, message))
                    later = (number + 1) * 3_600
                    set_clock(owner, f"pg_catalog.now() + interval '{later} seconds'")
                emulator.fault("slow", delay=THINKING_SECONDS)
                before = len(emulator.requests())
                for worker in running:
                    worker.send((user, key, message))
                answers = gather(running)
                codes |= {(status, code) for status, code, _ in answers}
                bodies.append({body for _, _, body in answers if body})
                calls.append(len(emulator.requests()) - before)
                running[0].send((user, key, message + " Really?"))
                reused.add(running[0].receive()[:2])
            rows = owner.execute(
                "select u.user_id, s.daily_usage, (select count(*) from public.ai_usage l where l.user_id = u.user_id),"
                " u.requests from (select user_id, count(*) as requests from app.ai_requests"
                "  where user_id like %s and state = 'settled' group by 1) u"
                " join public.user_ai_settings s using (user_id)",
                (f"{kind}-%",),
            ).fetchall()
            name = f"{keys} keys, {processes} processes at once" + (", after a crash" if crash else "")
            verdict(f"{name}: calls of a model for each key", set(calls) == {1}, sorted(set(calls)))
            verdict(f"{name}: answers", codes == {(200, None)}, codes)
            verdict(f"{name}: different answers", all(len(one) == 1 for one in bodies), max(map(len, bodies)))
            single = len(rows) == keys and all(row[1:] == (1, 1, 1) for row in rows)
            verdict(f"{name}: units, ledger rows, settled requests", single, {row[1:] for row in rows})
            verdict(f"{name}: another body", reused == {(422, "idempotency_key_reused")}, reused)


def _crash(
    emulator: Emulator, running: list[Worker], target: Any, environment: dict[str, str], request: tuple[str, str, str]
) -> None:
    """Send a request to the first process and kill that while the model thinks; another takes its place."""
    emulator.fault("slow", delay=30)
    running[0].send(request)
    patience = time.monotonic() + 20
    while not emulator.requests():
        if time.monotonic() > patience:
            raise TimeoutError("no call was made")
        time.sleep(0.005)
    running[0].kill()
    running[0] = Worker(target, 0, environment)
    running[0].receive()


def main() -> int:
    """Run it; 1 when something differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=50)
    parser.add_argument("--keys", type=int, default=20)
    options = parser.parse_args()
    verdict = Verdict()
    with migrated_server() as database, Emulator() as emulator:
        prove(database, emulator, verdict, options.processes, options.keys)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())

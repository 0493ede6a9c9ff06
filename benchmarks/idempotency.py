"""The same Idempotency-Key many times at once, and again after a crash: one call, one unit, one ledger row, one answer.

    python benchmarks/idempotency.py [--processes 50] [--keys 20]

Chat, search and import, each in the same way. Every process is a container with functions of its own, and every second
one calls with a machine key of the user instead of a token; providers are emulated and count their calls. At once: all
send the same request while the model takes a third of a second. After a crash: the process that got to call is killed
before it has the answer; the clock passes the end of its lease; all others ask at once. Exits 1 when something differs.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

from local.emulator.client import Emulator
from testing.access_keys import make_access_key
from testing.databases import ScratchDatabase, migrated_server, set_clock
from testing.figures import Verdict
from testing.functions import Functions, function_environment, make_token, openai_request
from testing.workers import Worker, gather, messages, silence, workers

THINKING_SECONDS = 0.3
# What creates or spends: the function, the path, and the body for a text.
CASES: dict[str, tuple[str, str, Callable[[str], dict[str, Any]]]] = {
    "chat": ("chat", "/api/chat", lambda text: {"message": text}),
    "wire": ("wire", "/v1/chat/completions", openai_request),
    "search": ("search", "/api/search", lambda text: {"query": text}),
    "documents": ("search", "/api/documents", lambda text: {"documents": [{"content": text}, {"content": text * 2}]}),
}


def container(connection: Connection, _number: int, environment: dict[str, str]) -> None:
    """A process with functions: takes (token, key, case, text), answers with (status, code, body)."""
    silence()
    functions = Functions(environment)
    for function, _, _ in CASES.values():
        functions.module(function)
    connection.send("ready")
    for token, key, case, text in messages(connection):
        function, path, body = CASES[case]
        headers = {"Idempotency-Key": key}
        answer = functions.request(function, "POST", path, body(text), token=token, headers=headers)
        connection.send((answer.status, answer.json.get("code"), answer.text if answer.status < 300 else None))


def prove(database: ScratchDatabase, emulator: Emulator, verdict: Verdict, processes: int, keys: int) -> None:
    """Both parts of every case, with so many keys each."""
    environment = function_environment(database.app_url, emulator.url)
    functions = Functions(environment)
    # From noon on, so that no day turns over between a crash and its retry.
    later = itertools.count(43_200 - int(time.time()) % 86_400, 120)
    with workers(processes, container, environment) as running, database.connect() as owner:
        gather(running)
        set_clock(owner, f"pg_catalog.now() + interval '{next(later)} seconds'")
        for case, crash in itertools.product(CASES, (False, True)):
            calls: list[int] = []
            bodies: list[set[str]] = []
            codes: set[Any] = set()
            reused: set[Any] = set()
            kind = f"{case}-{'crash' if crash else 'once'}"
            for number in range(keys):
                user, key = f"{kind}-{number}", f"key-{number}"
                tokens = (make_token(user), make_access_key(functions, user)["key"])
                text = f"What is fjord number {number}, sent {kind}?"
                emulator.reset()
                if crash:
                    _crash(emulator, running, container, environment, (tokens[number % 2], key, case, text))
                    set_clock(owner, f"pg_catalog.now() + interval '{next(later)} seconds'")
                emulator.fault("slow", delay=THINKING_SECONDS)
                before = len(emulator.requests())
                for place, worker in enumerate(running):
                    worker.send((tokens[place % 2], key, case, text))
                answers = gather(running)
                codes |= {(status, code) for status, code, _ in answers}
                bodies.append({body for _, _, body in answers if body})
                calls.append(len(emulator.requests()) - before)
                running[0].send((tokens[1], key, case, text + " Really?"))
                reused.add(running[0].receive()[:2])
            # Of each user: units, ledger rows, settled requests, searches, documents, and whether what was counted of
            # tokens to embed is what the ledger has.
            rows = owner.execute(
                """
                select s.daily_usage, count(distinct l.id),
                  (select count(*) from app.ai_requests r where r.user_id = s.user_id and r.state = 'settled'),
                  (select count(*) from public.ai_content_searches c where c.user_id = s.user_id),
                  (select count(*) from public.embeddings e where e.user_id = s.user_id),
                  s.daily_embedding_tokens
                    = coalesce(sum(l.tokens_prompt) filter (where l.operation_type = 'embedding'), 0)
                from public.user_ai_settings s left join public.ai_usage l on l.user_id = s.user_id
                where s.user_id like %s
                group by s.user_id, s.daily_usage, s.daily_embedding_tokens
                """,
                (f"{kind}-%",),
            ).fetchall()
            status = 201 if case == "documents" else 200
            left = (int(case in ("chat", "wire")), 1, 1, int(case == "search"), 2 * int(case == "documents"), True)
            name = f"{case}, {keys} keys, {processes} processes at once" + (", after a crash" if crash else "")
            verdict(f"{name}: calls of a model for each key", set(calls) == {1}, sorted(set(calls)))
            verdict(f"{name}: answers", codes == {(status, None)}, codes)
            verdict(f"{name}: different answers", all(len(one) == 1 for one in bodies), max(map(len, bodies)))
            verdict(
                f"{name}: units, ledger rows, settled requests, searches, documents, tokens as in the ledger",
                rows == [left] * keys,
                set(rows),
            )
            verdict(f"{name}: another body", reused == {(422, "idempotency_key_reused")}, reused)
    functions.close()


def _crash(
    emulator: Emulator,
    running: list[Worker],
    target: Any,
    environment: dict[str, str],
    request: tuple[str, str, str, str],
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

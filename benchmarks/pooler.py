"""What a transaction-mode pooler costs: a chat's two statements behind PgBouncer and directly, in turns.

    python benchmarks/pooler.py [--rate 100] [--seconds 5] [--rounds 4] [--clients 200]

Requests are offered at a fixed rate, whether or not earlier ones are answered, and timed from the moment that each was
due. Every client has a connection of its own: directly as many as the server takes, behind the pooler `--clients`, and
those share 20. Exits with 1 where a request fails.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

from parley.database.connection import Database
from testing.claims import user
from testing.databases import migrated_server
from testing.figures import Verdict
from testing.pooler import SERVER_CONNECTIONS, pooled, program

DIRECT_CLIENTS = 100  # the embedded server takes 200 connections in all
_THREADS = 64


def held_request(client: Database, name: str, request_id: str) -> bool:
    """What a model call asks of the database; whether it was admitted and settled."""
    claims = user(name)
    request = {
        "request_id": request_id,
        "operation": "chat",
        "default_provider": "openai",
        "default_models": {"openai": "gpt"},
        "message": f"a question under {request_id}",
        "lease_seconds": 60,
    }
    begun = client.call("select app.begin_request(%s, %s)", (claims, request))
    outcome = {
        "request_id": begun["request_id"],
        "fence": begun["fence"],
        "state": "settled",
        "calls": [{"provider": "openai", "model": "gpt", "operation": "chat", "input_tokens": 9, "output_tokens": 9}],
        "answer": {"text": "An answer."},
    }
    finished = client.call("select app.finish_request(%s, %s)", (claims, outcome), idempotent=True)
    return (begun["outcome"], finished["state"]) == ("admitted", "settled")


def offer(clients: Sequence[Database], name: str, rate: float, seconds: float) -> tuple[list[float], int]:
    """Milliseconds that each request took from when it was due, and how many went wrong."""
    count = int(rate * seconds)
    began = time.perf_counter() + 0.2

    def one(number: int) -> tuple[float, bool]:
        due = began + number / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        who = number % len(clients)
        # Ten units a day: a user of its own for each request.
        right = held_request(clients[who], f"{name}-{number}", f"{name}-{number}")
        return (time.perf_counter() - due) * 1000, right

    with ThreadPoolExecutor(_THREADS) as threads:
        answers = list(threads.map(one, range(count)))
    return [took for took, _ in answers], sum(not right for _, right in answers)


def p95(times: Sequence[float]) -> float:
    """The time that one of twenty exceeds."""
    return statistics.quantiles(times, n=20)[-1]


def main() -> int:
    """Offer, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=100, help="requests a second")
    parser.add_argument("--seconds", type=float, default=5, help="of each round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--clients", type=int, default=200, help="behind the pooler")
    options = parser.parse_args()
    if program() is None:
        print("PgBouncer is not installed (apt-get install pgbouncer)")
        return 1
    verdict = Verdict()
    times: dict[str, list[float]] = {"directly": [], "behind PgBouncer": []}
    wrong = 0
    with migrated_server() as database, pooled(database.server) as pooler, ExitStack() as stack:
        urls = {"directly": database.app_url, "behind PgBouncer": pooler.url(database.app_url)}
        counts = {"directly": DIRECT_CLIENTS, "behind PgBouncer": options.clients}
        clients = {
            way: [stack.enter_context(closing(Database(url))) for _ in range(counts[way])] for way, url in urls.items()
        }
        for way in times:  # a session's first request plans what its others find planned
            offer(clients[way], f"{way}-first", options.rate, counts[way] / options.rate)
        for number in range(options.rounds):
            for way in times if number % 2 else reversed(times):
                took, failed = offer(clients[way], f"{way}-{number}", options.rate, options.seconds)
                times[way] += took
                wrong += failed
        servers = [one for one in pooler.ask(b"show servers") if one["database"] == database.name]
    for way, took in times.items():
        print(f"{way}, {counts[way]} clients, {options.rate:g} requests/s offered, {len(took)} requests: "
              f"p50 {statistics.median(took):.1f} ms, p95 {p95(took):.1f} ms")  # fmt: skip
    print(f"the pooler costs at p95: {p95(times['behind PgBouncer']) - p95(times['directly']):+.1f} ms")
    verdict("requests that went wrong", wrong == 0, wrong)
    verdict(
        f"connections of the pooler, at most {SERVER_CONNECTIONS}", len(servers) <= SERVER_CONNECTIONS, len(servers)
    )
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())

"""Postgres' own CPU for one chat: begin_request and finish_request, new questions of fifty users, two round trips each.

    python benchmarks/database_cpu.py [--rounds 16] [--against COMMIT]

One backend a side, in turns of 150 chats. The other sides are this schema without one of its guarantees, which says
what that one costs, and without all of them. With `--against` there is one other side, the schema of that commit.
Nothing is judged: docs/operations.md ("What a chat costs Postgres") quotes the figures.
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, LiteralString

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

import psycopg

from local.checkout import CHECKOUT, SCHEMA
from local.postgres.server import Server
from parley.database.connection import Database
from parley.migrations.logins import create_logins
from parley.migrations.runner import up
from testing.claims import user
from testing.figures import Figures, cpu_ms, show_load

TURN = 150  # chats
USERS = 50
AS_IT_IS = "a chat"
# What is taken away -> how.
WITHOUT: Mapping[str, LiteralString] = {
    "row-level security": """
        do $$ declare t regclass; begin
          for t in select oid::regclass from pg_class where relrowsecurity loop
            execute format('alter table %s disable row level security', t);
          end loop;
        end $$
    """,
    "CHECK constraints": """
        do $$ declare t regclass; c name; begin
          for t, c in select conrelid::regclass, conname from pg_constraint
            where contype = 'c' and coninhcount = 0 and connamespace in ('app'::regnamespace, 'public'::regnamespace)
              and conrelid <> 0
          loop execute format('alter table %s drop constraint %I', t, c); end loop;
        end $$
    """,
    "foreign keys": """
        do $$ declare t regclass; c name; begin
          for t, c in select conrelid::regclass, conname from pg_constraint where contype = 'f' and conparentid = 0
          loop execute format('alter table %s drop constraint %I', t, c); end loop;
        end $$
    """,
    "a search_path of each function": """
        do $$ declare f regprocedure; begin
          for f in select oid::regprocedure from pg_proc
            where pronamespace = 'app'::regnamespace and not prosecdef and proconfig is not null
          loop execute format('alter function %s reset all', f); end loop;
        end $$
    """,
    "the providers' health": """
        create or replace function app.provider_health() returns jsonb language sql return '{}'::jsonb
    """,
    "the seeds' indexes of the ledger": """
        drop index public.idx_ai_usage_logs_tier, public.idx_ai_usage_logs_provider, public.idx_ai_usage_operation_type,
          public.idx_ai_usage_model
    """,
}


class Side:
    """A database with one schema, and a connection as the functions have it."""

    def __init__(self, server: Server, name: str, folder: Path, changes: Sequence[LiteralString] = ()) -> None:
        self.name = name
        self.rounds: list[float] = []
        database = f"side_{uuid.uuid4().hex}"
        with psycopg.connect(server.url(), autocommit=True) as owner:
            owner.execute(f'create database "{database}"'.encode())
        url = server.url(database=database)
        up(url, folder)
        with psycopg.connect(url, autocommit=True) as owner:
            create_logins(owner, server.password("parley_app"), server.password("parley_service"))
            owner.execute("update app.ai_tiers set daily_units = null")
            for change in changes:
                owner.execute(change)
        self.database = Database(server.url("parley_app", database))
        (row,) = self.database.query(user("ada"), "select pg_backend_pid() as pid")
        self._pid: int = row["pid"]
        self._chats = 0

    def turn(self, chats: int) -> None:
        """So many chats, and the milliseconds of each."""
        before = cpu_ms(self._pid)
        for _ in range(chats):
            self.chat()
        self.rounds.append((cpu_ms(self._pid) - before) / chats)

    def chat(self) -> None:
        """A new question, admitted, answered, settled, in the ledger and in the cache."""
        self._chats += 1
        claims, request_id, prompt = user(f"user_{self._chats % USERS}"), str(uuid.uuid4()), uuid.uuid4().hex
        begun = self.database.call("select app.begin_request(%s, %s)", (claims, begin(request_id, prompt)))
        outcome = finish(request_id, prompt, begun["fence"])
        finished = self.database.call("select app.finish_request(%s, %s)", (claims, outcome), idempotent=True)
        assert (begun["outcome"], finished["state"]) == ("admitted", "settled")


def begin(request_id: str, prompt: str) -> dict[str, Any]:
    """What the completion room asks before a chat."""
    return {
        "operation": "chat", "default_provider": "openai",
        "default_models": {"openai": "gpt-6-luna", "anthropic": "claude-haiku-5-5", "google": "gemini-3.8-flash"},
        "provider": None, "model": None, "offered_models": None, "message": f"What is a fjord, {prompt}?",
        "prompt_hash": prompt, "cache_scope": "tenant", "conversation_id": None, "history_characters": 0,
        "question_tokens": None, "request_id": request_id, "idempotency_key": None, "body_hash": prompt,
        "lease_seconds": 33,
    }  # fmt: skip


def finish(request_id: str, prompt: str, fence: int) -> dict[str, Any]:
    """What it tells afterwards."""
    call = {
        "provider": "openai", "model": "gpt-6-luna", "operation": "chat", "cost": "0.000025200", "estimated": False,
        "latency_ms": 361, "own_key": False, "input_tokens": 7, "output_tokens": 49, "cached_input_tokens": 0,
        "cache_write_tokens": 0, "reasoning_tokens": 0,
    }  # fmt: skip
    attempt = {"provider": "openai", "model": "gpt-6-luna", "ok": True, "error_code": None, "latency_ms": 361}
    text = "A fjord is a long and narrow inlet of the sea between steep slopes, made by a glacier. " * 2
    cached = {
        "prompt_hash": prompt, "provider": "openai", "model": "gpt-6-luna", "scope": "tenant", "ttl_seconds": 86_400,
        "answered_by": {"provider": "openai", "model": "gpt-6-luna"}, "text": text, "tokens": 56,
    }  # fmt: skip
    return {
        "request_id": request_id, "fence": fence, "operation": "chat", "state": "settled", "calls": [call],
        "attempts": [attempt], "takes_unit": True, "error_code": None, "answer": {"id": request_id, "text": text},
        "cache": cached,
    }  # fmt: skip


def measure(sides: Sequence[Side], rounds: int, chats: int = TURN) -> None:
    """Warm up, then so many rounds in which the sides take turns."""
    for side in sides:
        side.turn(2 * chats)
        side.rounds.clear()
    for number in range(rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            side.turn(chats)


def schema_of(commit: str, folder: Path) -> Path:
    """The schema folder as it was in a commit."""
    archive = subprocess.run(["git", "archive", commit, "schema"], cwd=CHECKOUT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder / "schema"


def show(sides: Sequence[Side], figures: Figures) -> None:
    """One line a side: the median of its rounds, and what it is of this schema's."""
    usual = statistics.median(sides[0].rounds)
    for side in sides:
        each = statistics.median(side.rounds)
        how = f"median of {len(side.rounds)} rounds in turns, the backend's own; {100 * (each / usual - 1):+.0f} %"
        figures.show(f"CPU of Postgres, {side.name}", each, "ms", how)


def main(arguments: Iterable[str] | None = None) -> int:
    """All sides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--against", metavar="COMMIT", help="whose schema is measured beside this one")
    options = parser.parse_args(None if arguments is None else list(arguments))
    figures = Figures()
    show_load(figures)
    with Server.throwaway() as server, tempfile.TemporaryDirectory() as folder:
        sides = [Side(server, AS_IT_IS, SCHEMA)]
        if options.against:
            sides.append(
                Side(server, f"with the schema of {options.against}", schema_of(options.against, Path(folder)))
            )
        else:
            sides += [Side(server, f"without {name}", SCHEMA, [change]) for name, change in WITHOUT.items()]
            sides.append(Side(server, "without any of these", SCHEMA, list(WITHOUT.values())))
        measure(sides, options.rounds)
        show(sides, figures)
        for side in sides:
            side.database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

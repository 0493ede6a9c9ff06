"""Migrating a seed's real database, killed at every statement: pg_dump writes the same before and after.

    python benchmarks/interrupted_migration.py [--every 1]

Each that is adopted, with its rows and Supabase around it. An event trigger of the program's own stops the migration
after its n-th statement that changes the catalog; there the migrating process gets SIGKILL, the server goes on to the
end of what it was sent, and pg_dump of schema and data is compared with the one from before. Then the next n, to the
last, and what was interrupted so often is migrated to the end. The databases are migrated beside each other, each on a
server of its own, since logins belong to a server. Exits 1 when a dump differs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

import psycopg

from local.checkout import SCHEMA
from local.postgres.server import Server
from parley.migrations.runner import up
from testing.databases import ScratchDatabase, dump
from testing.figures import Verdict
from testing.supabase import ADOPTED, project, project_url, supabase_server

_LOCK = 1
_PROGRESS = 200  # moments
_VACUUM = 10  # moments
_POLL = 0.02  # seconds
_STOPS = f"""
create schema interruption;
create table interruption.moment (statement integer not null);
insert into interruption.moment values (0);
create sequence interruption.statements;
create function interruption.stop() returns event_trigger language plpgsql security definer as $$
begin
  if nextval('interruption.statements') = (select statement from interruption.moment) then
    perform pg_advisory_xact_lock_shared({_LOCK});
  end if;
end $$;
create event trigger interruption on ddl_command_end execute function interruption.stop();
"""
_MIGRATING = "select count(*) from pg_stat_activity where application_name = 'parley-migrations' and datname = %s"


def prove(server: Server, name: str, verdict: Verdict, every: int = 1, first: int = 1) -> None:
    """Kill the migration of a project's database at the first statement and every so many after it, then finish it."""
    with project(server, name) as database, database.connect() as owner:
        owner.execute(_STOPS)
        before = dump(database)
        changed: list[int] = []
        killed, moment = 0, first
        while kill_at(moment, database, owner):
            killed += 1
            if killed % _PROGRESS == 0:
                print(f"{name}: killed at {killed} moments, {len(changed)} dumps differ", file=sys.stderr, flush=True)
            if killed % _VACUUM == 0:
                owner.execute("vacuum")  # What was rolled back fills the catalog, and would slow all that follows.
            if dump(database) != before:
                changed.append(moment)
            moment += every
        finished = owner.execute("select to_regclass('app.schema_migrations') is not null").fetchone() == (True,)
    verdict(
        f"{name}: migration killed at {killed} moments, and finished then: dumps that differ",
        killed > 0 and finished and not changed,
        changed or 0,
    )


def kill_at(moment: int, database: ScratchDatabase, owner: psycopg.Connection[Any]) -> bool:
    """Migrate, and kill that process when it waits after so many statements; False: it ended before."""
    owner.execute("update interruption.moment set statement = %s", (moment,))
    owner.execute("select pg_advisory_lock(%s)", (_LOCK,))
    migrating = multiprocessing.get_context("fork").Process(target=up, args=(project_url(database), SCHEMA))
    migrating.start()
    try:
        waits = (f"{_MIGRATING} and wait_event_type = 'Lock'", (database.name,))
        while owner.execute(*waits).fetchone() == (0,) and migrating.is_alive():
            time.sleep(_POLL)
        stopped = migrating.is_alive()
        migrating.kill()
        migrating.join()
    finally:
        owner.execute("select pg_advisory_unlock(%s)", (_LOCK,))
    while owner.execute(_MIGRATING, (database.name,)).fetchone() != (0,):
        time.sleep(_POLL)
    owner.execute("update interruption.moment set statement = 0")
    owner.execute("select setval('interruption.statements', 1, false)")
    return stopped


def prove_alone(name: str, every: int) -> None:
    """The same on a server of its own, as a process: its exit status is the verdict."""
    verdict = Verdict()
    with supabase_server() as server:
        prove(server, name, verdict, every)
    sys.exit(verdict.status)


def main(arguments: Iterable[str] | None = None) -> int:
    """Every seed's database, every statement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="statements between two interruptions")
    every = parser.parse_args(None if arguments is None else list(arguments)).every
    processes = [multiprocessing.Process(target=prove_alone, args=(name, every)) for name in ADOPTED]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return int(any(process.exitcode for process in processes))


if __name__ == "__main__":
    sys.exit(main())

"""The schema can be undone and repeated, file by file and with plain psql, also by a migrator who is no superuser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from local.checkout import SCHEMA
from local.postgres.server import Server
from parley.migrations.catalog import catalog_snapshot
from parley.migrations.files import read_migrations
from parley.migrations.runner import down, up
from parley.migrations.verification import verify
from testing.databases import ScratchDatabase, psql

MIGRATIONS = read_migrations(SCHEMA)


def _snapshot(url: str) -> dict[str, str]:
    with psycopg.connect(url, autocommit=True) as connection:
        return catalog_snapshot(connection)


def _without_ledger(snapshot: dict[str, str]) -> dict[str, str]:
    """What the runner adds to a database that psql migrated is its own table."""
    return {name: facts for name, facts in snapshot.items() if "schema_migrations" not in name}


def test_up_down_up_ends_where_it_began_and_each_file_twice_changes_nothing(postgres_url: str) -> None:
    shown: list[str] = []
    verify(postgres_url, SCHEMA, progress=shown.append)
    assert shown[-1] == "up again: the same catalog"


@pytest.fixture
def postgres_url(empty_database: ScratchDatabase) -> str:
    return empty_database.owner_url


def test_down_takes_everything_along(empty_database: ScratchDatabase, database: ScratchDatabase) -> None:
    before = _snapshot(empty_database.owner_url)
    down(database.owner_url, SCHEMA)
    left = {name for name in _snapshot(database.owner_url).keys() - before.keys() if not name.startswith("role ")}
    # Roles belong to the server; other databases may use the extension.
    assert left <= {"schema extensions", "extension vector"}


def test_plain_psql_and_the_runner_make_the_same_database_and_plain_psql_undoes_it(
    empty_database: ScratchDatabase, database: ScratchDatabase
) -> None:
    for _ in range(2):
        for migration in MIGRATIONS:
            done = psql(empty_database.owner_url, migration.script.path)
            assert done.returncode == 0, f"{migration.label}: {done.stderr}"
    assert _without_ledger(_snapshot(empty_database.owner_url)) == _without_ledger(_snapshot(database.owner_url))
    for migration in reversed(MIGRATIONS):
        done = psql(empty_database.owner_url, migration.rollback_path)
        assert done.returncode == 0, f"{migration.label}: {done.stderr}"
    with empty_database.connect() as owner:
        assert owner.execute("select to_regclass('public.ai_conversations'), to_regnamespace('app')").fetchone() == (
            None,
            None,
        )


def test_everything_can_be_undone_after_the_seeds_own_rollbacks(database: ScratchDatabase) -> None:
    """They drop their tables, of which S5's takes all."""
    with database.connect() as owner:
        tables = owner.execute(
            "select string_agg(format('public.%I', tablename), ', ') from pg_tables where schemaname = 'public'"
        )
        (names,) = tables.fetchone() or ("",)
        owner.execute(f"drop table {names} cascade")
    assert len(down(database.owner_url, SCHEMA)) == len(MIGRATIONS)
    assert len(up(database.owner_url, SCHEMA)) == len(MIGRATIONS)


@pytest.fixture(scope="module")
def managed_server(postgres: Server) -> Iterator[Server]:
    """A server of its own, on which nobody has made Parley's roles yet."""
    with Server.throwaway(postgres.major, in_memory=True) as server:
        yield server


@pytest.fixture
def migrator_url(managed_server: Server) -> Iterator[str]:
    """As a role with what a managed service gives: CREATEROLE, CREATEDB and a database with pgvector in it."""
    name = sql.Identifier("managed")
    with psycopg.connect(managed_server.url(), autocommit=True) as owner:
        if not owner.execute("select from pg_roles where rolname = 'migrator'").rowcount:
            password = sql.Literal(managed_server.password("migrator"))
            owner.execute(sql.SQL("create role migrator login createrole createdb password {}").format(password))
        owner.execute(sql.SQL("create database {} owner migrator").format(name))
        with psycopg.connect(managed_server.url(database="managed"), autocommit=True) as inside:
            inside.execute("create schema extensions authorization migrator")
            inside.execute("create extension vector with schema extensions")
        yield managed_server.url("migrator", "managed")
        owner.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.mark.parametrize("tool", ["psql", "runner"])
def test_a_migrator_who_is_no_superuser_can_apply_repeat_and_undo(
    tool: str, managed_server: Server, migrator_url: str
) -> None:
    if tool == "runner":
        assert len(up(migrator_url, SCHEMA)) == len(MIGRATIONS)
        assert len(down(migrator_url, SCHEMA)) == len(MIGRATIONS)
        return
    scripts = [migration.script.path for migration in MIGRATIONS]
    for paths in (scripts, scripts, [migration.rollback_path for migration in reversed(MIGRATIONS)]):
        for path in paths:
            done = psql(migrator_url, path)
            assert done.returncode == 0, f"{path.name}: {done.stderr}"
        if paths is scripts:
            # Points that somebody has earned, and whoever migrates does not see.
            with psycopg.connect(managed_server.url(database="managed"), autocommit=True) as owner:
                owner.execute("insert into \"user\" values ('ada') on conflict do nothing")
                owner.execute("insert into profiles (id, total_xp) values ('ada', 5) on conflict do nothing")


def test_every_file_can_be_applied_repeated_and_undone_on_supabase(managed_server: Server, migrator_url: str) -> None:
    """As `db push` goes: one session, a transaction a file, settings reset in between, and auth.users is another's."""
    with psycopg.connect(managed_server.url(database="managed"), autocommit=True) as owner:
        owner.execute(
            """
            create schema auth; create table auth.users (id uuid primary key);
            grant usage on schema auth to migrator; grant select, trigger on auth.users to migrator
            """
        )
    snapshots: list[dict[str, str]] = []
    with psycopg.connect(migrator_url, autocommit=True) as session:
        for _ in range(2):
            for migration in MIGRATIONS:
                with session.transaction():
                    session.execute(migration.script.sql.encode())
                session.execute("reset all")
            snapshots.append(catalog_snapshot(session))
    assert snapshots[0] == snapshots[1]
    for migration in reversed(MIGRATIONS):
        done = psql(migrator_url, migration.rollback_path)
        assert done.returncode == 0, f"{migration.label}: {done.stderr}"


def test_what_a_migrator_makes_is_what_a_superuser_makes(migrator_url: str, database: ScratchDatabase) -> None:
    up(migrator_url, SCHEMA)
    kinds = ("policy ", "trigger ", "index ", "constraint ", "column ", "relation ", "function ")
    made, wanted = (
        {name: _whoever_owns(facts) for name, facts in snapshot.items() if name.startswith(kinds)}
        for snapshot in map(_without_ledger, (_snapshot(migrator_url), _snapshot(database.owner_url)))
    )
    assert made == wanted


def _whoever_owns(facts: str) -> str:
    """Facts with the owner's name left out, and the access list in one order."""
    text, separator, access = re.sub(r"\b(migrator|postgres)\b", "owner", facts).partition(" access ")
    return text + separator + " ".join(sorted(access.split()))


def test_everything_is_applied_once_while_another_database_of_the_server_is_migrated(
    empty_database: ScratchDatabase, database: ScratchDatabase
) -> None:
    with database.connect(autocommit=False) as other:
        other.execute(MIGRATIONS[0].script.sql.encode())
        steps = up(empty_database.owner_url, SCHEMA)
    print(f"{len(steps)} files in {sum(step.seconds for step in steps):.2f} s")  # noqa: T201  # the target is 2 s
    assert [step.label for step in steps] == [migration.label for migration in MIGRATIONS]
    assert up(empty_database.owner_url, SCHEMA) == []


def test_every_file_has_a_rollback_and_no_rollback_stands_alone() -> None:
    assert {path.name for path in (SCHEMA / "rollback").glob("*.sql")} == {
        migration.script.path.name for migration in MIGRATIONS
    }

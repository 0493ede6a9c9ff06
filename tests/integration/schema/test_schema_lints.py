"""The schema as a linter sees it: nothing to report but for the documented allow-list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from local.checkout import CHECKOUT, SCHEMA
from local.postgres.server import Server
from parley.migrations.runner import up
from testing.databases import ScratchDatabase, new_database
from tests.integration.schema import lints

DECISION = CHECKOUT / "docs/decisions/0001-lint-allow-list.md"


@pytest.fixture(scope="module")
def owner(postgres: Server, migrated_template: str) -> Iterator[psycopg.Connection[Any]]:
    with new_database(postgres, migrated_template) as database, database.connect() as connection:
        yield connection


@pytest.mark.parametrize("lint", sorted(lints.LINTS))
def test_a_lint_finds_just_what_is_allowed(lint: str, owner: psycopg.Connection[Any]) -> None:
    found = lints.findings(owner, lint)
    allowed = lints.ALLOWED.get(lint, frozenset())
    assert found - allowed == set()
    assert allowed - found == set(), "is allowed though nothing is there"


def test_policies_ask_for_the_caller_once_a_statement(owner: psycopg.Connection[Any]) -> None:
    assert lints.per_row_calls(owner) == set()


def test_everything_that_is_allowed_is_in_the_decision() -> None:
    decision = DECISION.read_text(encoding="utf-8")
    for names in lints.ALLOWED.values():
        for name in names:
            assert name.split("(")[0].split(":")[0] in decision, name


FAULTS = {
    "foreign key without an index": 'create table public.x (id int primary key, u text references public."user" (id))',
    "table without a primary key": "create table public.x (id int)",
    "several permissive policies for one role and command": """
        create table public.x (id int primary key);
        create policy a on public.x for select to anon using (false);
        create policy b on public.x to anon using (false)
    """,
    "policy without row-level security": """
        create table public.x (id int primary key); create policy a on public.x for select using (false)
    """,
    "row-level security without a policy": """
        create table public.x (id int primary key); alter table public.x enable row level security
    """,
    "two indexes that are the same": "create index x on public.streaks (user_id)",
    "view that runs with its owner's rights": "create view public.x as select 1 as one",
    "function whose search_path its caller sets": "create function public.x() returns int language sql as 'select 1'",
    "function without a search_path of its own": "create function public.x() returns int language sql return 1",
    "definer function without a fixed search_path": """
        create function public.x() returns int language sql security definer return 1
    """,
    "function whose search_path does not end in pg_temp": """
        create function public.x() returns int language sql set search_path = '' as 'select 1'
    """,
    "definer function whose owner can log in, is a superuser or bypasses row-level security": """
        create function public.x() returns int language sql security definer return 1
    """,
    "role that may make temporary objects": """
        do $$ begin execute format('grant temporary on database %I to parley_app', current_database()); end $$
    """,
    "schema that a login may create in": "grant create on schema public to parley_app",
    "table whose owner row-level security does not hold": "create table public.x (id int primary key)",
    "definer function that does not belong to parley_definer": """
        create function public.x() returns int language sql security definer return 1
    """,
    "table without row-level security": "create table public.x (id int primary key)",
    "user_metadata decides": """
        create function public.x() returns jsonb language sql return app.claims() -> 'user_metadata'
    """,
    "materialized view or foreign table": "create materialized view public.x as select 1 as one",
    "column of a type that pg_upgrade cannot take": "create table public.x (id regproc primary key)",
    "sensitive column that callers can read": """
        create table public.x (id int primary key, api_key text); grant select on public.x to authenticated
    """,
    "policy that is always true": """
        create table public.x (id int primary key); create policy a on public.x for insert to anon with check (true)
    """,
    "definer function that the API's roles can execute": """
        create function public.x() returns int language sql security definer return 1;
        grant execute on function public.x() to authenticated
    """,
    "function that everybody can execute": """
        create function public.x() returns int language sql return 1; grant execute on function public.x() to public
    """,
    "policy that a missing identity satisfies": """
        create table public.x (id int primary key, u text);
        create policy a on public.x for select to anon
          using ((select app.user_id()) is null or u = (select app.user_id()))
    """,
    "autovacuum switched off": "create table public.x (id int primary key) with (autovacuum_enabled = false)",
    "table that everybody may touch": "create table public.x (id int primary key); grant select on public.x to public",
    "table or function without a comment": "create table public.x (id int primary key)",
    "auth.users shown by a view": """
        create schema auth; create table auth.users (id uuid primary key);
        create view public.x as select * from auth.users
    """,
    "foreign key into another product's schema": """
        create schema auth; create table auth.users (id uuid primary key);
        create table public.x (id uuid primary key references auth.users (id))
    """,
}


@pytest.mark.parametrize("lint", sorted(FAULTS))
def test_a_lint_finds_what_it_is_for(lint: str, owner: psycopg.Connection[Any]) -> None:
    with owner.transaction(force_rollback=True):
        before = lints.findings(owner, lint)
        owner.execute(FAULTS[lint].encode())
        assert lints.findings(owner, lint) - before


def test_a_call_for_each_row_is_found_also_beside_one_for_each_statement(owner: psycopg.Connection[Any]) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute(
            """
            create table public.x (id int primary key, u text);
            create policy a on public.x for select to anon
              using (u = (select app.user_id()) or u = app.user_id())
            """
        )
        assert lints.per_row_calls(owner) == {"public.x: a"}


def test_the_migrations_say_nothing_on_an_empty_database(empty_database: ScratchDatabase) -> None:
    """A notice would be a name cut off at 63 bytes, or something replaced that should not be there."""
    assert [note for step in up(empty_database.owner_url, SCHEMA) for note in step.notices] == []

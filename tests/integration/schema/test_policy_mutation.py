"""No policy is there in vain: take one away, or let it allow everything, and the isolation matrix notices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from local.postgres.server import Server
from testing.databases import new_database
from tests.integration.schema import matrix
from tests.integration.schema.expectations import EXPECTED
from tests.integration.schema.matrix import ACTORS, VERBS, Actor, Table, wanted


@pytest.fixture(scope="module")
def owner(postgres: Server, migrated_template: str) -> Iterator[psycopg.Connection[Any]]:
    with new_database(postgres, migrated_template) as database, database.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def tables(owner: psycopg.Connection[Any]) -> dict[str, Table]:
    return matrix.load(owner)


def _policies(owner: psycopg.Connection[Any], table: str) -> list[tuple[str, str, list[str], bool]]:
    """Name, command and roles of each policy of a table, and whether it allows everything as it is."""
    schema, name = table.split(".", 1)
    return owner.execute(
        "select policyname, cmd, roles::text[], coalesce(qual, 'true') || coalesce(with_check, 'true') = 'truetrue'"
        " from pg_policies where schemaname = %s and tablename = %s order by 1",
        (schema, name),
    ).fetchall()


def _is_noticed(owner: psycopg.Connection[Any], table: Table, command: str, roles: list[str]) -> bool:
    """Whether a cell of the table is not as it should be; asked first are those that the policy is about."""
    concerned = {*roles, *({"parley_app"} if "authenticated" in roles else ()), "parley_definer"}
    actors: list[Actor] = sorted(ACTORS, key=lambda actor: actor.role not in concerned)
    verbs = sorted(VERBS, key=lambda verb: command not in ("ALL", verb.upper()))
    return any(
        matrix.measure(owner, table, actor, verb) != wanted(table, actor)[verb] for actor in actors for verb in verbs
    )


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_matrix_notices_each_policy_that_is_dropped_or_opened(
    name: str, owner: psycopg.Connection[Any], tables: dict[str, Table]
) -> None:
    survivors = []
    for table in (table for table in tables.values() if matrix.expectation_name(table.name) == name):
        for policy, command, roles, is_open in _policies(owner, table.name):
            opened = {
                "SELECT": "using (true)",
                "DELETE": "using (true)",
                "INSERT": "with check (true)",
            }.get(command, "using (true) with check (true)")
            names = sql.SQL("policy {} on {}").format(sql.Identifier(policy), table.identifier)
            opening = [] if is_open else [sql.SQL("alter {} " + opened).format(names)]
            for mutation in (sql.SQL("drop {}").format(names), *opening):
                with owner.transaction(force_rollback=True):
                    owner.execute(mutation)
                    if not _is_noticed(owner, table, command, roles):
                        survivors.append(mutation.as_string(owner))
    assert survivors == []


def test_an_untouched_table_raises_no_notice(owner: psycopg.Connection[Any], tables: dict[str, Table]) -> None:
    with owner.transaction(force_rollback=True):
        assert not _is_noticed(owner, tables["public.embeddings"], "ALL", ["authenticated"])

"""Every table x {anonymous, users of two organizations, admin, service, nobody} x {select, insert, update, delete}.

As the API's roles with SET ROLE, as the two logins, and as the role that the definer functions run as.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from local.postgres.server import Server
from testing.databases import new_database
from tests.integration.schema import matrix
from tests.integration.schema.expectations import EXPECTED, ROWS
from tests.integration.schema.matrix import Table


@pytest.fixture(scope="module")
def owner(postgres: Server, migrated_template: str) -> Iterator[psycopg.Connection[Any]]:
    """The superuser's connection to a database with everybody's rows; nothing that a test does there stays."""
    with new_database(postgres, migrated_template) as database, database.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def tables(owner: psycopg.Connection[Any]) -> dict[str, Table]:
    return matrix.load(owner)


def test_every_table_has_an_expectation_and_every_expectation_a_table(tables: dict[str, Table]) -> None:
    found = {matrix.expectation_name(name) for name in tables}
    assert found == set(EXPECTED), "add the table to EXPECTED (and its rows to ROWS), or remove what is gone"
    assert set(ROWS) <= found


def test_every_row_that_is_told_apart_is_there(tables: dict[str, Table]) -> None:
    for name in ROWS:
        assert set(tables[name].keys) == set(ROWS[name]), name


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_actor_reaches_just_the_rows_it_should(
    name: str, owner: psycopg.Connection[Any], tables: dict[str, Table]
) -> None:
    members = [table for table in tables.values() if matrix.expectation_name(table.name) == name]
    assert members
    assert [surprise for table in members for surprise in matrix.surprises(owner, table)] == []


def test_what_an_actor_reaches_does_not_depend_on_who_came_before(
    owner: psycopg.Connection[Any], tables: dict[str, Table]
) -> None:
    ledger = tables["public.ai_usage"]
    service, keeper = (
        next(actor for actor in matrix.ACTORS if actor.role == role) for role in ("service_role", "parley_owner")
    )
    owner.execute("discard plans")
    assert matrix.measure(owner, ledger, service, "insert") == frozenset(ledger.keys)
    assert matrix.measure(owner, ledger, keeper, "insert") == frozenset()

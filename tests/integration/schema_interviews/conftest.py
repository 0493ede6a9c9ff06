"""Two people with profiles, and the connections of the tables' owner and of the HTTP functions."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.conftest import ScratchDatabase
from tests.integration.schema_interviews.activities import ALICE, BOB


@pytest.fixture
def owner(database: ScratchDatabase) -> Iterator[psycopg.Connection]:
    with database.connect() as connection:
        connection.execute('insert into "user" (id) values (%s), (%s)', (ALICE, BOB))
        connection.execute(
            "insert into profiles (id, email) values (%s, 'a@example.org'), (%s, 'b@example.org')", (ALICE, BOB)
        )
        yield connection


@pytest.fixture
def app(database: ScratchDatabase) -> Iterator[psycopg.Connection]:
    with database.connect("app", autocommit=False) as connection:
        yield connection

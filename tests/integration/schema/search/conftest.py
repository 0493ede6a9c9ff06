"""The two users, and the connections of the tables' owner and of the HTTP functions."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from testing.databases import ScratchDatabase
from tests.integration.schema.search.documents import ALICE, BOB


@pytest.fixture
def owner(database: ScratchDatabase) -> Iterator[psycopg.Connection]:
    with database.connect() as connection:
        connection.execute('insert into "user" (id) values (%s), (%s)', (ALICE, BOB))
        yield connection


@pytest.fixture
def app(database: ScratchDatabase) -> Iterator[psycopg.Connection]:
    with database.connect("app", autocommit=False) as connection:
        yield connection

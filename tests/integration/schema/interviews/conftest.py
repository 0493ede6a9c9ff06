"""Two people with profiles, and the connections of the tables' owner and of the HTTP functions."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from testing.databases import ScratchDatabase
from tests.integration.schema.activities import add_people


@pytest.fixture
def owner(database: ScratchDatabase) -> Iterator[psycopg.Connection]:
    with database.connect() as connection:
        add_people(connection)
        yield connection


@pytest.fixture
def app(database: ScratchDatabase) -> Iterator[psycopg.Connection]:
    with database.connect("app", autocommit=False) as connection:
        yield connection

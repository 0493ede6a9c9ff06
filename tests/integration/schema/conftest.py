"""The two logins and the owner of a test's own database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.integration.schema.calls import Caller

if TYPE_CHECKING:
    from testing.databases import ScratchDatabase


@pytest.fixture
def app(database: ScratchDatabase) -> Iterator[Caller]:
    """The HTTP functions' login."""
    with database.connect("app") as connection:
        yield Caller(connection)


@pytest.fixture
def service(database: ScratchDatabase) -> Iterator[Caller]:
    """The schedules' login."""
    with database.connect("service") as connection:
        yield Caller(connection)


@pytest.fixture
def owner(database: ScratchDatabase) -> Iterator[psycopg.Connection[Any]]:
    """The role that ran the migrations."""
    with database.connect("owner") as connection:
        yield connection

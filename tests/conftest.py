"""The fixtures everybody shares: a real Postgres, a database of one's own, and the providers' emulator.

`PARLEY_TEST_POSTGRES=16` runs everything on PostgreSQL 16. Under pytest-xdist each worker has a server of its own:
roles belong to the whole cluster, and a start costs half a second.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from local.checkout import SCHEMA
from local.postgres.server import DEFAULT_MAJOR, Server
from parley.migrations.logins import create_logins
from parley.migrations.runner import up
from testing.databases import ScratchDatabase, new_database

if TYPE_CHECKING:
    from local.emulator.client import Emulator


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--deployed`: what asks a running API asks a stack in MiniStack, and not `make run`."""
    parser.addoption("--deployed", action="store_true", default=False)


# A busy machine finds no fault.
settings.register_profile("parley", deadline=None, suppress_health_check=[HealthCheck.too_slow])


def pytest_configure() -> None:
    """Let Ctrl-C through: a shell that starts the suite in the background makes it, and all its children, ignore it."""
    settings.load_profile("parley")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The embedded server: one for the session, without fsync, in memory where it fits, gone afterwards."""
    server = Server.throwaway(int(os.environ.get("PARLEY_TEST_POSTGRES", DEFAULT_MAJOR)), in_memory=True)
    yield server
    server.stop()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder for a server that the test starts itself; `tmp_path` is closed to the user that it runs as."""
    with tempfile.TemporaryDirectory(prefix="parley-data-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "data"


@pytest.fixture(scope="session")
def migrated_template(postgres: Server) -> str:
    """The name of a database with the whole schema, to be cloned; both logins can log in from here on."""
    name = "migrated_template"
    with psycopg.connect(postgres.url(), autocommit=True) as owner:
        owner.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    up(postgres.url(database=name), SCHEMA)
    with psycopg.connect(postgres.url(database=name), autocommit=True) as owner:
        create_logins(owner, postgres.password("parley_app"), postgres.password("parley_service"))
        # What the migrations replaced in the catalog is copied with every clone otherwise: 18 MB in place of 11.
        tables = owner.execute(
            "select oid::regclass::text from pg_class where relnamespace = 'pg_catalog'::regnamespace and relkind = 'r'"
        )
        for (table,) in tables.fetchall():
            owner.execute(sql.SQL("vacuum full {}").format(sql.SQL(table)))
    return name


@pytest.fixture
def database(postgres: Server, migrated_template: str) -> Iterator[ScratchDatabase]:
    """A database of the test's own, with the whole schema and no rows but the schema's."""
    with new_database(postgres, migrated_template) as made:
        yield made


@pytest.fixture
def empty_database(postgres: Server) -> Iterator[ScratchDatabase]:
    """A database of the test's own, with nothing in it."""
    with new_database(postgres, "template1") as made:
        yield made


@pytest.fixture(scope="session")
def _running_emulator() -> Iterator[Emulator]:
    from local.emulator.client import Emulator

    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(_running_emulator: Emulator) -> Emulator:
    """The providers' emulator, with no faults queued, nothing scripted and nothing recorded."""
    _running_emulator.reset()
    return _running_emulator

"""The fixtures everybody shares: a real Postgres, a database of one's own, and the vendors' emulator.

`PARLEY_TEST_POSTGRES=16` runs everything on PostgreSQL 16. Under pytest-xdist each worker has a server of its own:
roles belong to the whole cluster, and a start costs half a second.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from local.postgres import DEFAULT_MAJOR, Server
from parley.migrations.logins import create_logins
from parley.migrations.runner import up

if TYPE_CHECKING:
    from local.emulator import Emulator

CHECKOUT = Path(__file__).resolve().parent.parent
SCHEMA = CHECKOUT / "schema"

_numbers = itertools.count(1)


def pytest_configure() -> None:
    """Let Ctrl-C through: a shell that starts the suite in the background makes it, and all its children, ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class ScratchDatabase:
    """One database on the test server, and how to come in."""

    server: Server
    name: str

    @property
    def owner_url(self) -> str:
        """As the superuser, who also ran the migrations."""
        return self.server.url(database=self.name)

    @property
    def app_url(self) -> str:
        """As parley_app, the login of the HTTP functions."""
        return self.server.url("parley_app", self.name)

    @property
    def service_url(self) -> str:
        """As parley_service, the login of schedules and webhooks."""
        return self.server.url("parley_service", self.name)

    def connect(self, role: str = "owner", **options: Any) -> psycopg.Connection:
        """A connection as `owner`, `app` or `service`, in autocommit; the caller closes it."""
        url = {"owner": self.owner_url, "app": self.app_url, "service": self.service_url}[role]
        return psycopg.connect(url, **{"autocommit": True, "prepare_threshold": None} | options)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The embedded server: one for the session, without fsync, gone afterwards."""
    server = Server.throwaway(int(os.environ.get("PARLEY_TEST_POSTGRES", DEFAULT_MAJOR)))
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
    return name


@pytest.fixture
def database(postgres: Server, migrated_template: str) -> Iterator[ScratchDatabase]:
    """A database of the test's own, with the whole schema and no rows but the schema's."""
    with _new_database(postgres, migrated_template) as made:
        yield made


@pytest.fixture
def empty_database(postgres: Server) -> Iterator[ScratchDatabase]:
    """A database of the test's own, with nothing in it."""
    with _new_database(postgres, "template1") as made:
        yield made


@contextlib.contextmanager
def _new_database(server: Server, template: str) -> Iterator[ScratchDatabase]:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.url(), autocommit=True) as owner:
        owner.execute(
            sql.SQL("create database {} template {} strategy {}").format(
                sql.Identifier(name), sql.Identifier(template), sql.SQL("file_copy")
            )
        )
        # ALTER DATABASE .. SET belongs to the database's name and is not cloned.
        settings = owner.execute(
            """
            select unnest(s.setconfig) from pg_catalog.pg_db_role_setting as s
            inner join pg_catalog.pg_database as d on d.oid = s.setdatabase
            where d.datname = %s and s.setrole = 0
            """,
            (template,),
        ).fetchall()
        for (setting,) in settings:
            key, _, value = setting.partition("=")
            owner.execute(
                sql.SQL("alter database {} set {} = {}").format(
                    sql.Identifier(name), sql.Identifier(key), sql.SQL(value)
                )
            )
        yield ScratchDatabase(server, name)
        owner.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def _running_emulator() -> Iterator[Emulator]:
    from local.emulator import Emulator

    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(_running_emulator: Emulator) -> Emulator:
    """The vendors' emulator, with no faults queued, nothing scripted and nothing recorded."""
    _running_emulator.reset()
    return _running_emulator

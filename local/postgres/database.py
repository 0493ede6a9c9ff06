"""The database of a local run: its schema applied, its two logins let in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
from psycopg.conninfo import make_conninfo

from local.checkout import CHECKOUT, SCHEMA
from local.postgres.home import PostgresError
from local.run.keys import Keys
from parley.migrations.files import OtherFilesError
from parley.migrations.logins import create_logins
from parley.migrations.runner import Step, up

_Progress = Callable[[str], None]


@dataclass(frozen=True)
class Logins:
    """Connection URLs of one database: its owner, and what HTTP functions and schedules log in as."""

    owner: str
    app: str
    service: str


def prepare(
    owner: str,
    keys: Keys,
    progress: _Progress | None = None,
    schema: Path = SCHEMA,
    *,
    embedded: Path | None = None,
) -> Logins:
    """Apply what is pending of the schema and set the logins' passwords.

    Args:
        owner: connection URL of a role that may do both.
        keys: where the passwords come from.
        progress: told the name of each file that was applied.
        schema: the folder of migrations.
        embedded: the data folder, where the database is the embedded one.

    Raises:
        PostgresError: the database is not there, refuses, or is an embedded one that other schema files made.
        parley.migrations.MigrationError: the schema does not fit what is there.
    """

    def tell(step: Step) -> None:
        if progress is not None:
            progress(step.label)

    passwords = {login: keys.password(login) for login in ("parley_app", "parley_service")}
    try:
        up(owner, schema, progress=tell)
        with psycopg.connect(owner) as connection:
            create_logins(connection, passwords["parley_app"], passwords["parley_service"])
    except OtherFilesError as error:
        if embedded is None:
            raise
        remedy = "`make clean`" if embedded == CHECKOUT / ".parley" else f"`rm -r {embedded}`"
        raise PostgresError(
            f"the embedded database was made by other schema files; {remedy} deletes it with its data, "
            "the next `make run` makes a new one"
        ) from error
    except psycopg.Error as error:
        raise PostgresError(f"the database refuses: {' '.join(str(error).split())}") from error
    urls = {login: as_login(owner, login, password) for login, password in passwords.items()}
    return Logins(owner=owner, app=urls["parley_app"], service=urls["parley_service"])


def as_login(url: str, user: str, password: str) -> str:
    """The same database as another user; `url` may also be in keyword form."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        return make_conninfo(url, user=user, password=password)
    hosts = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{hosts}").geturl()

"""The database of a local run: its schema applied, its two logins let in."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from local.checkout import CHECKOUT, SCHEMA
from local.postgres.home import PostgresError
from local.run.keys import Keys
from parley.core.config import Settings
from parley.database.errors import refuses_login
from parley.migrations.deployment import deploy
from parley.migrations.files import OtherFilesError
from parley.migrations.runner import Step

_Progress = Callable[[str], None]
_SUPAVISOR = ".pooler.supabase.com"


@dataclass(frozen=True)
class Logins:
    """Connection URLs of one database: its owner, and what HTTP functions and schedules log in as."""

    owner: str
    app: str
    service: str


def named_database() -> str | None:
    """The database that DATABASE_URL names; None without one.

    Raises PostgresError for what names none. Its message does not repeat it, for it may hold a password.
    """
    url = os.environ.get("DATABASE_URL", "").strip()
    if not url:
        return None
    try:
        if not url.startswith(("postgresql://", "postgres://")):
            raise ValueError("libpq's keywords, or another database")
        conninfo_to_dict(url)
    except (ValueError, psycopg.ProgrammingError):
        raise PostgresError(
            "DATABASE_URL is not the address of a Postgres database; "
            "write postgresql://USER:PASSWORD@HOST:5432/DATABASE, with %-escapes for what is special in a password, "
            "or unset it for the embedded one"
        ) from None
    return url


def prepare(
    owner: str,
    keys: Keys,
    progress: _Progress | None = None,
    schema: Path = SCHEMA,
    *,
    embedded: Path | None = None,
) -> Logins:
    """Apply what is pending of the schema, and set the logins' passwords and the time zone of PARLEY_TIMEZONE.

    Args:
        owner: connection URL of a role that may do both.
        keys: where the passwords come from.
        progress: told the name of each file that was applied, and what was adopted, replaced or left by it.
        schema: the folder of migrations.
        embedded: the data folder, where the database is the embedded one.

    Raises:
        PostgresError: the database is not there, refuses, is an embedded one that other schema files made, or shares
            its server with another stack, whose logins have other passwords.
        parley.migrations.MigrationError: the schema does not fit what is there.
    """

    def tell(step: Step) -> None:
        if progress is not None:
            for line in (step.label, *(f"  {notice}" for notice in step.notices)):
                progress(line)

    passwords = {login: keys.password(login) for login in ("parley_app", "parley_service")}
    # As the functions read it, which get it too.
    time_zone = Settings.from_environment({"PARLEY_TIMEZONE": os.environ.get("PARLEY_TIMEZONE", "")}).timezone
    try:
        if embedded is None:
            _refuse_logins_of_others(owner, passwords)
        deploy(owner, schema, passwords["parley_app"], passwords["parley_service"], time_zone, progress=tell)
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


def _refuse_logins_of_others(owner: str, passwords: Mapping[str, str]) -> None:
    """Logins belong to a whole server: setting their passwords would lock out a stack with another database there."""
    with psycopg.connect(owner) as connection:
        found = connection.execute(
            "select rolname from pg_catalog.pg_roles where rolcanlogin and rolname = any (%s)", ([*passwords],)
        ).fetchall()
    for (login,) in found:
        try:
            psycopg.connect(as_login(owner, login, passwords[login])).close()
        except psycopg.OperationalError as error:
            if not refuses_login(error):
                raise
            raise PostgresError(
                f"another stack uses the login {login} of this Postgres server, with another password: start with that "
                "stack's PARLEY_DATA_DIR or use another server; if that stack is gone, first run "
                f"`alter role {' nologin; alter role '.join(passwords)} nologin` on it"
            ) from error


def as_login(url: str, user: str, password: str) -> str:
    """The same database as another user. Supavisor finds the database by what stands behind the user's name: at its
    hosts `postgres.project` becomes `parley_app.project`.
    """
    parts = conninfo_to_dict(url)
    if str(parts.get("host", "")).endswith(_SUPAVISOR):
        user += "".join(str(parts.get("user", "")).partition(".")[1:])
    # libpq takes every part as a parameter, and reads a URL otherwise than urllib does: a password may have # and /.
    return f"postgresql:///?{urlencode({**parts, 'user': user, 'password': password}, quote_via=quote)}"

"""Applying and undoing migrations."""

from __future__ import annotations

import math
import re
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Literal, LiteralString

import psycopg
from psycopg import sql
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from parley.migrations.files import (
    Migration,
    MigrationError,
    OtherFilesError,
    Script,
    Statement,
    read_migrations,
    statements,
)

# One number for all runners of all versions; taken from the first eight bytes of SHA-256("parley.migrations"), signed.
_LOCK = 3702163473396093542
_SHOWN = 300  # characters of a failing statement, and of where it is
_LONGEST_WAIT = 3600.0  # seconds between two looks at the time
# By SQLSTATE: what an error of the server's means here.
_WORDS = {
    "55P03": "another session holds a lock on what this changes; end its transaction, or migrate again after it",
    "57014": "time is up; apply what takes longer before the deployment, with `make migrate` and DATABASE_URL",
}
# The context of what a file refuses by itself, in words that need no statement.
_REFUSAL = re.compile(r"PL/pgSQL function inline_code_block line \d+ at RAISE")
# The innermost function of an error's context; unless it is one of Parley's, an event trigger or a trigger called it.
_INNERMOST = re.compile(r"^PL/pgSQL function (.+?) line \d", re.MULTILINE)
_PARLEYS = ("inline_code_block", "app.")

_LEDGER = b"""
create schema if not exists app;
create table app.schema_migrations (
  version integer primary key,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default pg_catalog.now()
);
alter table app.schema_migrations enable row level security;
comment on table app.schema_migrations is 'Files of the schema folder that were applied, as they were then.';
"""
_DROP_LEDGER = b"drop table app.schema_migrations"
# Of schema app, and of what parley_* may touch elsewhere. Partitions come and go, and follow their parents.
_RIGHTS: LiteralString = """
    select pg_catalog.md5(pg_catalog.string_agg(r.fact, e'\\n' order by r.fact collate "C")) from (
      select pg_catalog.format('%s.%s %s %s %s', c.relnamespace::regnamespace, c.relname, c.relowner::regrole,
        array(select a::text from pg_catalog.unnest(c.relacl) as a order by 1), c.relforcerowsecurity)
      from pg_catalog.pg_class as c
      where c.relkind in ('r', 'p', 'v') and not c.relispartition
        and (c.relnamespace = 'app'::regnamespace or c.relacl::text like '%parley\\_%')
      union all
      select pg_catalog.format('%s %s %s %s %s', p.proname, p.proargtypes::text <> '', p.proowner::regrole,
        array(select a::text from pg_catalog.unnest(p.proacl) as a order by 1), p.proconfig)
      from pg_catalog.pg_proc as p
      where p.pronamespace = 'app'::regnamespace
      union all
      select pg_catalog.format('%s %s', c.relname, p.polname)
      from pg_catalog.pg_policy as p inner join pg_catalog.pg_class as c on c.oid = p.polrelid
      where p.polroles && array(select r.oid from pg_catalog.pg_roles as r where r.rolname like 'parley\\_%')
      union all
      select pg_catalog.format('%s %s', s.setconfig, pg_catalog.has_database_privilege('public', d.oid, 'temporary'))
      from pg_catalog.pg_database as d
      left join pg_catalog.pg_db_role_setting as s on s.setdatabase = d.oid and s.setrole = 0
      where d.datname = pg_catalog.current_database()
      union all
      select pg_catalog.format('%s %s', m.member::regrole, m.roleid::regrole) from pg_catalog.pg_auth_members as m
      where m.member::regrole::text in ('parley_app', 'parley_service')
        and m.roleid::regrole::text in ('authenticated', 'service_role')
    ) as r (fact)
"""


@dataclass
class Step:
    """One file that was run, or after a restore all of them: label, duration, the database's notices and warnings."""

    label: str
    seconds: float = 0.0
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Status:
    """Where one migration stands; `applied_at` is None for a pending one."""

    version: int
    label: str
    state: Literal["applied", "pending", "changed", "unknown"]
    applied_at: datetime | None


Progress = Callable[[Step], None]
SecondsLeft = Callable[[], float]


def without_end() -> float:
    """A run that may take as long as it takes."""
    return math.inf


def up(
    conninfo: str, folder: Path, *, accept_newer: bool = False, progress: Progress | None = None,
    seconds_left: SecondsLeft = without_end,
) -> list[Step]:  # fmt: skip
    """Apply what is pending, in order and in one transaction, so that a refusal or a crash leaves everything as it was.

    Where rights, owners or policies are not as the last run left them, as after a restore, the applied files run again.
    Only a file marked `-- no-transaction` ends it, runs by itself and begins another. Runners that start at the same
    time wait for each other.

    Args:
        conninfo: libpq URI or keywords of a role that may create schemas, extensions and roles.
        folder: the schema folder.
        accept_newer: a database that has all files of the folder, and others, was migrated by a newer release and is
            left as it is. By default that is an error.
        progress: told of each file after it was committed.
        seconds_left: how long the run may still take; what the server is at when there are none is cancelled.

    Raises:
        OtherFilesError: an applied file was changed or is not in the folder.
        MigrationError: a file failed, or time is up; nothing of its transaction stays.
        psycopg.OperationalError: the database cannot be reached.
    """
    migrations = read_migrations(folder)
    steps: list[Step] = []
    with _connect(conninfo) as connection:
        while True:
            done: list[Step] = []
            with _transaction(connection, seconds_left):
                # Made after the first file, which looks at what is there before anything changes.
                applied = _applied(connection) if (has_ledger := _has_ledger(connection)) else {}
                if accept_newer and _is_newer(applied, migrations):
                    return steps
                _refuse_drift(applied, migrations, folder)
                pending = [migration for migration in migrations if migration.version not in applied]
                if applied and not steps and _rights(connection) != _noted_rights(connection):
                    # A dump carries neither roles nor what belongs to the database's name. The files may be run again.
                    again = Step("every file again: rights, owners or policies were not as they left them")
                    for migration in migrations:
                        if migration.version in applied and migration.script.transactional:
                            step = _run(connection, conninfo, migration.label, migration.script, seconds_left)
                            again.seconds += step.seconds
                            again.notices += step.notices
                    done.append(again)
                    _note_rights(connection)
                if not pending and not done:
                    return steps
                together = list(takewhile(lambda migration: migration.script.transactional, pending)) or pending[:1]
                for migration in together:
                    done.append(_run(connection, conninfo, migration.label, migration.script, seconds_left))
                    if not has_ledger:
                        connection.execute(_LEDGER)
                        has_ledger = True
                    connection.execute(
                        "insert into app.schema_migrations (version, name, checksum) values (%s, %s, %s)",
                        (migration.version, migration.name, migration.checksum),
                    )
                _note_rights(connection)
            for step in done:
                steps.append(step)
                if progress:
                    progress(step)


def down(conninfo: str, folder: Path, count: int | None = None, *, progress: Progress | None = None) -> list[Step]:
    """Undo the last `count` applied migrations, newest first; all of them without a count.

    Tables that were there before the first `up` stay: the rollbacks see to it, and the steps' notices name what was
    left. With the last file the runner's own table goes too.

    Raises:
        MigrationError: a rollback is missing or failed; what came before it stays undone, nothing of it does.
        psycopg.OperationalError: the database cannot be reached.
    """
    known = {migration.version: migration for migration in read_migrations(folder)}
    steps: list[Step] = []
    with _connect(conninfo) as connection:
        while count is None or len(steps) < count:
            with _transaction(connection):
                applied = _applied(connection) if _has_ledger(connection) else {}
                if not applied:
                    break
                version = max(applied)
                if version not in known:
                    raise MigrationError(
                        f"version {version} is applied but not in {folder}; undo it from its own release"
                    )
                connection.execute("delete from app.schema_migrations where version = %s", (version,))
                if len(applied) == 1:
                    connection.execute(_DROP_LEDGER)  # so that the first file's rollback finds its schema empty
                step = _run(connection, conninfo, known[version].label, known[version].rollback())
                if len(applied) > 1:
                    _note_rights(connection)
            steps.append(step)
            if progress:
                progress(step)
    return steps


def status(conninfo: str, folder: Path) -> list[Status]:
    """Where each migration stands, in order: of the folder, and of the database where the folder lacks it (unknown).

    Raises:
        MigrationError: the folder is not one of migrations.
        psycopg.OperationalError: the database cannot be reached.
    """
    known = {migration.version: migration for migration in read_migrations(folder)}
    with _connect(conninfo) as connection:
        applied = _applied(connection) if _has_ledger(connection) else {}
    found = []
    for version in sorted(known.keys() | applied.keys()):
        row = applied.get(version)
        if version not in known:
            found.append(Status(version, applied[version].name, "unknown", applied[version].applied_at))
        elif row is None:
            found.append(Status(version, known[version].label, "pending", None))
        else:
            state: Literal["applied", "changed"] = "applied" if row.checksum == known[version].checksum else "changed"
            found.append(Status(version, known[version].label, state, row.applied_at))
    return found


@dataclass(frozen=True)
class _Applied:
    version: int
    name: str
    checksum: str
    applied_at: datetime


def _connect(conninfo: str) -> psycopg.Connection:
    connection = psycopg.connect(
        conninfo, autocommit=True, prepare_threshold=None, application_name="parley-migrations"
    )
    # Each statement sees what was committed before it: of a table that was locked and is copied then, every row.
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    return connection


@contextmanager
def _transaction(connection: psycopg.Connection, seconds_left: SecondsLeft = without_end) -> Iterator[None]:
    """A transaction that holds the runners' lock. Raises MigrationError where another runner has it for too long.

    The lock is polled, because a statement that waits for it keeps a snapshot, and `create index concurrently` in the
    runner that has the lock would wait for that snapshot for ever.
    """
    while True:
        with connection.transaction():
            row = connection.execute(
                """
                select
                  pg_catalog.pg_try_advisory_xact_lock(%s),
                  pg_catalog.set_config('lock_timeout', '10s', true),
                  pg_catalog.set_config('statement_timeout', '0', true),
                  pg_catalog.set_config('client_min_messages', 'notice', true),
                  -- Ends the connection, and is not in version 16.
                  (select pg_catalog.set_config(s.name, '0', true) from pg_catalog.pg_settings as s
                   where s.name = 'transaction_timeout')
                """,
                (_LOCK,),
            ).fetchone()
            if row and row[0]:
                yield
                return
        if seconds_left() <= 0:
            raise MigrationError("somebody else has been migrating this database all the while; try again later")
        time.sleep(0.05)


def _has_ledger(connection: psycopg.Connection) -> bool:
    # Another tool's ledger may have this name; the first file refuses it.
    row = connection.execute(
        """
        select pg_catalog.count(*) = 3 from pg_catalog.pg_attribute as a
        inner join pg_catalog.pg_class as c on c.oid = a.attrelid
        where c.relnamespace = pg_catalog.to_regnamespace('app') and c.relname = 'schema_migrations'
          and a.attname in ('name', 'checksum', 'applied_at') and not a.attisdropped
        """
    ).fetchone()
    return bool(row and row[0])


def _applied(connection: psycopg.Connection) -> dict[int, _Applied]:
    try:
        rows = connection.execute("select version, name, checksum, applied_at from app.schema_migrations").fetchall()
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationError(
            "another role migrated this database: migrate as that one, or as a member of it"
        ) from error
    return {row[0]: _Applied(*row) for row in rows}


def _rights(connection: psycopg.Connection) -> str:
    """A digest of what a restore can lose: policies, owners, grants, paths, and what belongs to the database itself."""
    row = connection.execute(_RIGHTS).fetchone()
    return str(row[0]) if row else ""


def _noted_rights(connection: psycopg.Connection) -> str:
    row = connection.execute(
        "select pg_catalog.substring(pg_catalog.obj_description('app.schema_migrations'::regclass), 'rights (\\w+)')"
    ).fetchone()
    return str(row[0]) if row else ""


def _note_rights(connection: psycopg.Connection) -> None:
    comment = (
        f"Files of the schema folder that were applied, as they were then. They left the rights {_rights(connection)}"
    )
    connection.execute(sql.SQL("comment on table app.schema_migrations is {}").format(sql.Literal(comment)))


def _is_newer(applied: dict[int, _Applied], migrations: Sequence[Migration]) -> bool:
    """Whether the database has every file as it is here, and more."""
    ours = {(migration.version, migration.name, migration.checksum) for migration in migrations}
    return ours < {(row.version, row.name, row.checksum) for row in applied.values()}


def _refuse_drift(applied: dict[int, _Applied], migrations: Sequence[Migration], folder: Path) -> None:
    known = {migration.version: migration for migration in migrations}
    for row in applied.values():
        migration = known.get(row.version)
        if migration is None or migration.name != row.name:
            raise OtherFilesError(
                f"the database has {row.version:02d}_{row.name}, which is not in {folder}: "
                "it belongs to a newer release; migrate with that one, or undo it from there"
            )
        if migration.checksum != row.checksum:
            raise OtherFilesError(
                f"{migration.script.path} was changed after it was applied on {row.applied_at:%Y-%m-%d %H:%M %Z}: "
                "restore it and put the change into a new file, or undo it with `down` before the change"
            )


def run_script(conninfo: str, label: str, script: Script) -> Step:
    """Run one script outside the ledger, as psql would in one transaction.

    Raises:
        MigrationError: it failed, and left nothing behind where it is transactional.
    """
    with _connect(conninfo) as connection, _transaction(connection):
        return _run(connection, conninfo, label, script)


def _run(
    connection: psycopg.Connection, conninfo: str, label: str, script: Script, seconds_left: SecondsLeft = without_end
) -> Step:
    """Run one script: in the open transaction, or statement by statement beside it, under its lock."""
    step = Step(label)

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        message = diagnostic.message_primary or ""
        if not message.endswith(", skipping"):
            step.notices.append(message)

    started = time.perf_counter()
    if script.transactional:
        connection.add_notice_handler(note)
        try:
            _send(connection, script, Statement(0, 1, script.sql), seconds_left)
        finally:
            connection.remove_notice_handler(note)
        if connection.info.transaction_status != TransactionStatus.INTRANS:
            raise MigrationError(f"{script.path} ends the transaction itself; the runner does that")
    else:
        with _connect(conninfo) as beside:
            beside.add_notice_handler(note)
            for statement in statements(script.sql):
                _send(beside, script, statement, seconds_left)
    step.seconds = time.perf_counter() - started
    return step


def _send(connection: psycopg.Connection, script: Script, part: Statement, seconds_left: SecondsLeft) -> None:
    """Run a part of a script by the simple query protocol, which takes many statements as they are."""
    connection.pgconn.send_query(part.sql.encode())
    completed, failure = 0, None
    for result in _results(connection, seconds_left):
        match result.status:
            case ExecStatus.COMMAND_OK | ExecStatus.TUPLES_OK:
                completed += 1
            case ExecStatus.FATAL_ERROR:
                failure = result
            case ExecStatus.COPY_IN | ExecStatus.COPY_OUT:
                connection.close()
                raise MigrationError(f"{script.path} uses copy with the client, which needs psql")
    if failure is not None:
        raise MigrationError(_explain(failure, script, part, completed))


def _results(connection: psycopg.Connection, seconds_left: SecondsLeft) -> Iterator[PGresult]:
    """What the server answers to a query that was sent. When time is up the server is told to stop, and answers that.

    A statement_timeout would begin anew with each statement of a script.
    """
    pgconn = connection.pgconn
    while pgconn.flush():
        select.select([], [pgconn.socket], [])
    may_be_cancelled = True
    while True:
        while pgconn.is_busy():
            wait = min(max(0.0, seconds_left()), _LONGEST_WAIT) if may_be_cancelled else None
            if select.select([pgconn.socket], [], [], wait)[0]:
                pgconn.consume_input()
            elif seconds_left() <= 0:
                connection.cancel_safe()
                may_be_cancelled = False
        result = pgconn.get_result()
        if result is None:
            return
        yield result


def _explain(failure: PGresult, script: Script, part: Statement, completed: int) -> str:
    """File, line, reason and statement of an error.

    Syntax errors and unknown names come with a position; anything else is in the statement after the completed ones.
    """

    def field_of(name: DiagnosticField) -> str:
        return (failure.error_field(name) or b"").decode(errors="replace")

    parts = list(statements(part.sql))
    if position := field_of(DiagnosticField.STATEMENT_POSITION):
        offset = int(position) - 1
        line = part.sql.count("\n", 0, offset) + 1
        failing = next((found.sql for found in reversed(parts) if found.offset <= offset), "")
    elif completed < len(parts):
        line, failing = parts[completed].line, parts[completed].sql
    else:
        line, failing = 1, ""
    reason = field_of(DiagnosticField.MESSAGE_PRIMARY) or failure.get_error_message().strip()
    if words := _WORDS.get(field_of(DiagnosticField.SQLSTATE)):
        reason += f" ({words})"
    lines = [f"{script.path}:{part.line + line - 1}: {reason}"]
    context = field_of(DiagnosticField.CONTEXT)
    is_worded = bool(_REFUSAL.fullmatch(context))
    for title, text in (
        ("detail", field_of(DiagnosticField.MESSAGE_DETAIL)),
        ("hint", field_of(DiagnosticField.MESSAGE_HINT)),
        ("where", "" if is_worded else _shortened(context)),
        ("statement", "" if is_worded else _shortened(failing)),
    ):
        if text:
            lines.append(f"  {title}: {text}")
    if (innermost := _INNERMOST.search(context)) and not innermost[1].startswith(_PARLEYS):
        lines.append(
            f"  hint: {innermost[1]} is the application's own and refused this; for the migration, "
            "disable the event trigger or trigger that calls it"
        )
    return "\n".join(lines)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " ..."

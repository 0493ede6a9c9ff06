"""The schema runner, on small schemas of its own; on Parley's it is tried in ../schema/test_reversibility.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from local.checkout import CHECKOUT
from local.postgres.server import Server
from parley.migrations.__main__ import main
from parley.migrations.catalog import catalog_snapshot
from parley.migrations.files import MigrationError, OtherFilesError, read_migrations, statements
from parley.migrations.logins import create_logins
from parley.migrations.runner import down, status, up
from parley.migrations.verification import verify
from testing.databases import ScratchDatabase

PLATFORM = """
create schema if not exists app;
do $$
begin
  if to_regclass('app.adopted_tables') is null then
    create table app.adopted_tables as
    select schemaname as schema_name, tablename as table_name from pg_tables where schemaname = 'public';
  end if;
end $$;
create or replace function app.drop_table_unless_adopted(p_schema text, p_table text) returns void
  language plpgsql as $$
begin
  if exists (select from app.adopted_tables where schema_name = p_schema and table_name = p_table) then
    raise notice 'left table %.%', p_schema, p_table;
  else
    execute format('drop table if exists %I.%I', p_schema, p_table);
  end if;
end $$;
"""
UNDO_PLATFORM = """
drop function app.drop_table_unless_adopted(text, text);
drop table app.adopted_tables;
drop schema app;
"""
BOOKS = "create table if not exists public.books (id integer primary key, title text not null);"
LOANS = "create table if not exists public.loans (book integer references public.books, lent date);"


class Write(Protocol):
    """Writes a migration and its rollback; returns the schema folder."""

    def __call__(self, name: str, sql: str, rollback: str = "select 1;") -> Path: ...


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, sql: str, rollback: str = "select 1;") -> Path:
        (tmp_path / "rollback").mkdir(exist_ok=True)
        (tmp_path / f"{name}.sql").write_text(sql)
        (tmp_path / "rollback" / f"{name}.sql").write_text(rollback)
        return tmp_path

    return write


@pytest.fixture
def library(write: Write) -> Path:
    """Two migrations that depend on each other, behind one that makes what rollbacks need."""
    write("00_platform", PLATFORM, UNDO_PLATFORM)
    write("10_books", BOOKS, "select app.drop_table_unless_adopted('public', 'books');")
    return write("20_loans", LOANS, "select app.drop_table_unless_adopted('public', 'loans');")


def tables(database: ScratchDatabase) -> list[str]:
    with database.connect() as connection:
        rows = connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        )
        return sorted(row[0] for row in rows)


def states(database: ScratchDatabase, folder: Path) -> list[tuple[str, str]]:
    return [(row.label, row.state) for row in status(database.owner_url, folder)]


def test_up_applies_what_is_pending_in_order_and_only_once(empty_database: ScratchDatabase, library: Path) -> None:
    assert states(empty_database, library) == [
        ("00_platform", "pending"),
        ("10_books", "pending"),
        ("20_loans", "pending"),
    ]
    assert [step.label for step in up(empty_database.owner_url, library)] == ["00_platform", "10_books", "20_loans"]
    assert up(empty_database.owner_url, library) == []
    assert tables(empty_database) == ["books", "loans"]
    assert {state for _, state in states(empty_database, library)} == {"applied"}


def test_down_undoes_the_newest_first_and_as_many_as_asked(empty_database: ScratchDatabase, library: Path) -> None:
    up(empty_database.owner_url, library)
    assert [step.label for step in down(empty_database.owner_url, library, 1)] == ["20_loans"]
    assert tables(empty_database) == ["books"]
    assert down(empty_database.owner_url, library, 0) == []
    assert [step.label for step in down(empty_database.owner_url, library)] == ["10_books", "00_platform"]
    assert tables(empty_database) == []


def test_down_to_nothing_leaves_nothing(empty_database: ScratchDatabase, library: Path) -> None:
    with empty_database.connect() as connection:
        before = catalog_snapshot(connection)
        up(empty_database.owner_url, library)
        assert catalog_snapshot(connection) != before
        down(empty_database.owner_url, library)
        assert catalog_snapshot(connection) == before


def test_down_never_drops_a_table_that_was_there_before_and_says_so(
    empty_database: ScratchDatabase, library: Path
) -> None:
    with empty_database.connect() as connection:
        connection.execute("create table books (id integer primary key, title text not null)")
        connection.execute("insert into books values (1, 'Momo')")
        up(empty_database.owner_url, library)
        steps = down(empty_database.owner_url, library)
        assert [notice for step in steps for notice in step.notices] == ["left table public.books"]
        assert connection.execute("select title from books").fetchall() == [("Momo",)]
    assert tables(empty_database) == ["books"]


def test_a_file_changed_after_it_was_applied_is_refused_and_nothing_is_done(
    empty_database: ScratchDatabase, library: Path
) -> None:
    up(empty_database.owner_url, library)
    (library / "10_books.sql").write_text(BOOKS + "-- changed")
    (library / "30_more.sql").write_text("create table public.more ();")
    with pytest.raises(MigrationError, match=r"10_books\.sql was changed after it was applied .* a new file"):
        up(empty_database.owner_url, library)
    assert "more" not in tables(empty_database)
    assert ("10_books", "changed") in states(empty_database, library)


def test_a_database_of_a_newer_release_is_refused(empty_database: ScratchDatabase, library: Path) -> None:
    up(empty_database.owner_url, library)
    (library / "20_loans.sql").unlink()
    with pytest.raises(MigrationError, match=r"20_loans, which is not in .*: it belongs to a newer release"):
        up(empty_database.owner_url, library)
    with pytest.raises(MigrationError, match="version 20 is applied but not in"):
        down(empty_database.owner_url, library)
    assert ("loans", "unknown") in states(empty_database, library)
    (library / "20_guests.sql").write_text("create table public.guests ();")
    with pytest.raises(OtherFilesError, match=r"20_loans, which is not in .*: it belongs to a newer release"):
        up(empty_database.owner_url, library)
    assert tables(empty_database) == ["books", "loans"]


@pytest.mark.parametrize(
    ("sql", "line", "reason", "statement"),
    [
        (
            "create table a ();\n\n-- why\nselect\n  nothing;\n",
            5,
            'column "nothing" does not exist',
            "select\n  nothing",
        ),
        ("create table a ();\n\n-- why\ncreate table a ();", 4, 'relation "a" already exists', "create table a ()"),
        ("select 1;\nselect ';', $$;$$;\nselect 1 / 0;\nselect 2;", 3, "division by zero", "select 1 / 0"),
        ("create table a ();\nselect 'open", 2, "unterminated quoted string", "select 'open"),
    ],
)
def test_a_failing_file_leaves_nothing_and_names_line_reason_and_statement(
    empty_database: ScratchDatabase, library: Path, write: Write,
    sql: str, line: int, reason: str, statement: str,
) -> None:  # fmt: skip
    write("30_wrong", sql)
    with pytest.raises(MigrationError) as caught:
        up(empty_database.owner_url, library)
    message = str(caught.value)
    assert message.startswith(f"{library / '30_wrong.sql'}:{line}: {reason}")
    assert f"statement: {statement}" in message
    assert tables(empty_database) == []
    assert {state for _, state in states(empty_database, library)} == {"pending"}


def test_a_failing_rollback_keeps_its_migration(empty_database: ScratchDatabase, library: Path, write: Write) -> None:
    write("30_more", "create table public.more ();", "drop table public.more;\ndrop table public.never;")
    up(empty_database.owner_url, library)
    with pytest.raises(MigrationError, match=r'rollback/30_more\.sql:2: table "never" does not exist'):
        down(empty_database.owner_url, library, 1)
    assert "more" in tables(empty_database)
    assert ("30_more", "applied") in states(empty_database, library)


def test_a_file_that_commits_by_itself_is_refused(empty_database: ScratchDatabase, tmp_path: Path) -> None:
    (tmp_path / "00_own.sql").write_text("create table public.a (); commit;")
    with pytest.raises(MigrationError, match="ends the transaction itself"):
        up(empty_database.owner_url, tmp_path)


def test_statements_that_refuse_a_transaction_run_where_the_file_says_so(
    empty_database: ScratchDatabase, library: Path, write: Write
) -> None:
    concurrently = "create index concurrently if not exists titles on public.books (title);\nselect 1;"
    write("30_index", concurrently, "drop index public.titles;")
    with pytest.raises(MigrationError, match="cannot run inside a transaction block"):
        up(empty_database.owner_url, library)
    write("30_index", f"-- 30: an index.\n-- no-transaction\n\n{concurrently}", "drop index public.titles;")
    labels = [step.label for step in up(empty_database.owner_url, library)]
    assert labels == ["00_platform", "10_books", "20_loans", "30_index"]
    with empty_database.connect() as connection:
        assert "index public.titles" in catalog_snapshot(connection)


def test_what_the_application_or_another_session_refuses_is_said_in_words(
    library: Path, write: Write, empty_database: ScratchDatabase
) -> None:
    with empty_database.connect() as owner:
        owner.execute(
            """
            create schema guard;
            create function guard.refuse() returns event_trigger language plpgsql as
              'begin perform (''not '' || ''today'')::integer; end';
            create event trigger guard on ddl_command_end execute function guard.refuse();
            """
        )
        with pytest.raises(MigrationError, match="not today") as caught:
            up(empty_database.owner_url, library)
        assert "hint: guard.refuse() is the application's own and refused this" in str(caught.value)
        owner.execute("drop event trigger guard; create table books (id integer)")
        # Ours is ten seconds.
        write("05_wait", "set local lock_timeout = '10ms'; lock table books; reset lock_timeout")
        with owner.transaction():
            owner.execute("lock table books in access share mode")
            with pytest.raises(MigrationError, match="another session holds a lock on what this changes"):
                up(empty_database.owner_url, library)


def test_settings_of_the_logins_own_do_not_change_how_a_transaction_runs(
    write: Write, empty_database: ScratchDatabase
) -> None:
    write("00_platform", PLATFORM, UNDO_PLATFORM)
    folder = write(
        "10_asserted",
        """
        do $$ begin
          assert current_setting('transaction_isolation') = 'read committed';
          assert coalesce(current_setting('transaction_timeout', true), '0') = '0';
        end $$
        """,
    )
    settings = {"default_transaction_isolation": "serializable", "transaction_timeout": "10s"}
    with empty_database.connect() as owner:
        for name, value in settings.items():
            if owner.execute("select from pg_settings where name = %s", (name,)).rowcount:
                owner.execute(f"alter database {empty_database.name} set {name} = '{value}'".encode())
    assert len(up(empty_database.owner_url, folder)) == 2


def test_whoever_did_not_migrate_the_database_is_told_so(library: Path, empty_database: ScratchDatabase) -> None:
    up(empty_database.owner_url, library)
    stranger = make_conninfo(empty_database.owner_url, options="-c role=pg_monitor")
    with pytest.raises(MigrationError, match="another role migrated this database"):
        up(stranger, library)


@pytest.mark.parametrize("marker", ["", "-- no-transaction\n"])
def test_runners_that_start_together_apply_each_file_once(
    empty_database: ScratchDatabase, library: Path, write: Write, marker: str
) -> None:
    for number in range(30, 36):
        index = "concurrently" if marker else ""
        write(
            f"{number}_more", f"{marker}create table public.t{number} (n int); create index {index} on t{number} (n);"
        )
    command = [
        sys.executable,
        "-m",
        "parley.migrations",
        "up",
        "--url",
        empty_database.owner_url,
        "--schema",
        str(library),
    ]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT / "layers/parley")}
    runners = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(4)
    ]
    outputs = [runner.communicate(timeout=60)[0] for runner in runners]
    assert [runner.returncode for runner in runners] == [0, 0, 0, 0], outputs
    for migration in read_migrations(library):
        assert sum(output.count(f"applied {migration.label} ") for output in outputs) == 1
    assert {state for _, state in states(empty_database, library)} == {"applied"}


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ([], "no migrations in"),
        (["platform.sql"], "is not named NN_name.sql"),
        (["1_a.sql", "01_b.sql"], "have the same number"),
    ],
)
def test_a_folder_that_is_not_one_of_migrations_is_refused(tmp_path: Path, files: list[str], complaint: str) -> None:
    for file in files:
        (tmp_path / file).touch()
    with pytest.raises(MigrationError, match=complaint):
        read_migrations(tmp_path)


def test_a_missing_rollback_is_named(empty_database: ScratchDatabase, library: Path) -> None:
    up(empty_database.owner_url, library)
    (library / "rollback/20_loans.sql").unlink()
    with pytest.raises(MigrationError, match=r"cannot read .*rollback/20_loans\.sql: No such file"):
        down(empty_database.owner_url, library, 1)


def test_scripts_are_split_where_statements_end() -> None:
    script = """-- first; comment
        select ';', e'\\';', "a;b"; /* ; */
        create function f() returns int language sql as $body$ select 1; $body$;
        create function g() returns int language sql begin atomic select case when true then 1 end; select 2; end;
        create rule r as on insert to t do also (delete from a; delete from b);;
        select 1"""
    assert [(found.line, found.sql.split("(")[0].split()[:2]) for found in statements(script)] == [
        (2, ["select", "';',"]),
        (3, ["create", "function"]),
        (4, ["create", "function"]),
        (5, ["create", "rule"]),
        (6, ["select", "1"]),
    ]


def test_verify_names_what_does_not_come_back(empty_database: ScratchDatabase, library: Path) -> None:
    verify(empty_database.owner_url, library)
    (library / "rollback/20_loans.sql").write_text("select 1;")
    (library / "20_loans.sql").write_text("create table if not exists public.loans as select now()::text as lent;")
    verify(empty_database.owner_url, library)
    (library / "30_more.sql").write_text(
        "create or replace view public.late as select count(*) as n from public.loans;"
    )
    (library / "rollback/30_more.sql").write_text("alter table public.loans add column late integer;")
    with pytest.raises(
        MigrationError, match=r"down and up again end with another catalog:\n  new: column public\.loans\.late"
    ):
        verify(empty_database.owner_url, library)


def test_verify_names_a_file_that_is_not_a_no_op_the_second_time(
    empty_database: ScratchDatabase, library: Path, write: Write
) -> None:
    write("30_more", "alter table public.books add check (id > 0);")
    with pytest.raises(MigrationError, match=r"30_more\.sql run a second time changes the catalog:\n  new: constraint"):
        verify(empty_database.owner_url, library)
    with empty_database.connect() as connection:
        assert not connection.execute("select from pg_database where datname like 'parley_verify%'").fetchall()


@pytest.mark.parametrize(
    "change",
    [
        "alter table books alter column title set default 'none'",
        "alter table books alter column title set storage plain",
        "alter table books enable row level security",
        'create policy "readers read" on books using (true)',
        "grant select (title) on books to pg_monitor",
        "alter default privileges in schema public grant select on tables to pg_monitor",
        "comment on column books.title is 'as printed'",
        "create index on books (title)",
        "alter table books add constraint positive check (id > 0)",
        "create trigger t before update on books for each row execute function suppress_redundant_updates_trigger()",
        "create function one() returns int language sql return 1",
        "create type mood as enum ('ok')",
        "alter database {database} set work_mem = '8MB'",
    ],
)
def test_the_snapshot_sees_every_kind_of_change(empty_database: ScratchDatabase, change: str) -> None:
    with empty_database.connect() as connection:
        connection.execute(BOOKS.encode())
        before = catalog_snapshot(connection)
        assert catalog_snapshot(connection) == before
        connection.execute(change.replace("{database}", empty_database.name).encode())
        assert catalog_snapshot(connection) != before


def test_the_logins_come_in_with_their_password_and_their_time_limits(database: ScratchDatabase) -> None:
    with database.connect("app") as app, database.connect("service") as service:
        assert app.execute("select current_user, current_setting('statement_timeout')").fetchone() == (
            "parley_app",
            "5s",
        )
        assert service.execute("show statement_timeout").fetchone() == ("1min",)
    with database.connect() as owner:
        create_logins(owner, database.server.password("parley_app"), database.server.password("parley_service"))
        verifier = owner.execute("select rolpassword from pg_authid where rolname = 'parley_app'").fetchone()
        assert verifier is not None
        assert verifier[0].startswith("SCRAM-SHA-256$")
    with database.connect("app") as app:
        assert app.execute("show lock_timeout").fetchone() == ("2s",)


def test_the_command_line_tells_what_it_did(
    empty_database: ScratchDatabase, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--url", empty_database.owner_url, "--schema", str(library)]
    assert main(["up", *options]) == 0
    assert [line.split(" (")[0] for line in capsys.readouterr().out.splitlines()] == [
        "applied 00_platform", "applied 10_books", "applied 20_loans", "3 applied",
    ]  # fmt: skip
    assert main([*options, "up"]) == 0
    assert capsys.readouterr().out == "nothing to apply\n"
    assert main(["down", "1", *options]) == 0
    assert capsys.readouterr().out.endswith("1 undone\n")
    assert main(["status", *options]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "pending  20_loans"
    assert main(["verify", *options]) == 0
    assert capsys.readouterr().out.endswith("up again: the same catalog\n")
    (library / "30_wrong.sql").write_text("selec 1")
    assert main(["up", *options]) == 1
    assert '30_wrong.sql:1: syntax error at or near "selec"' in capsys.readouterr().err


def test_the_command_line_says_when_the_database_is_away(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--url", "postgresql://127.0.0.1:1/none", "--schema", str(library)]) == 1
    assert capsys.readouterr().err.startswith("error: connection failed")


def test_a_clone_of_the_template_has_the_same_catalog(postgres: Server, database: ScratchDatabase) -> None:
    with psycopg.connect(postgres.url(database="migrated_template"), autocommit=True) as template:
        expected = catalog_snapshot(template)
    with database.connect() as clone:
        assert catalog_snapshot(clone) == expected

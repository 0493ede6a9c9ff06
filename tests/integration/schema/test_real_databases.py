"""The seeds' real databases, with Supabase around them: adopted with all that they did, or refused and left alone."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from local.checkout import CHECKOUT, SCHEMA
from local.postgres.server import Server
from parley.migrations.files import MigrationError
from parley.migrations.runner import up
from testing.databases import ScratchDatabase, dump, new_database, postgres_programs, psql
from testing.supabase import ADOPTED, REFUSED, connect_as, project, project_url, supabase_server
from tests.integration.schema import seeds
from tests.integration.schema.applications import STATEMENTS, Result, Statement, differs
from tests.integration.schema.test_adoption import Rows, assert_kept, content, rights

PAGE = (CHECKOUT / "docs/seeds.md").read_text(encoding="utf-8")
# What an application has beside a seed's tables -> what the refusal says of it, and what makes it as it says.
NEIGHBOURS = {
    ("s2", "create view talks as select user_id from ai_conversations where user_id = auth.uid()"): (
        "view talks depends on ai_conversations.user_id",
        "drop view talks",
        "create view talks as select user_id from ai_conversations where user_id = auth.uid()",
    ),
    ("s2", "create table notes (talk uuid constraint notes_talk references ai_conversations (id))"): (
        "foreign key notes_talk of notes depends on ai_conversations.id",
        "alter table notes drop constraint notes_talk",
        "alter table notes alter talk type text; alter table notes add foreign key (talk) references ai_conversations",
    ),
    (
        "s3_published",
        "create policy talkers on members using (exists (select from ai_conversations c where c.user_id = members.id))",
    ): (
        "policy talkers on members depends on ai_conversations.user_id",
        "drop policy talkers on members",
        "create policy talkers on members using (exists (select from ai_conversations c where c.user_id = members.id))",
    ),
    ("s3_published", "create view spent as select user_id, sum(cost) as cost from ai_usage group by user_id"): (
        "view spent depends on ai_usage",
        "drop view spent",
        "create view spent as select user_id, sum(cost) as cost from ai_usage group by user_id",
    ),
}
KEPT = {
    "s1_published": 'create table notes (organization_id text references organization, author text references "user")',
    "s2": "create view searches as select query from ai_content_searches",
    "s3_published": "create table notes (talk text references ai_conversations, document text references embeddings)",
}


SIGN_UP = """
    create function handle_new_user() returns trigger language plpgsql security definer as
      'begin insert into public.user_ai_settings (user_id) values (new.id); return new; end';
    create trigger on_auth_user_created after insert on auth.users for each row execute function handle_new_user()
"""


@pytest.fixture(scope="module")
def supabase(postgres: Server) -> Iterator[Server]:
    with supabase_server(postgres.major) as server:
        yield server


@dataclass(frozen=True)
class Adopted:
    """A project's database after its adoption, to be cloned; what it held and did before, and what `up` said."""

    template: str
    before: dict[str, Rows]
    results: dict[Statement, Result]
    said: list[str]


@pytest.fixture(scope="module")
def projects(supabase: Server) -> Iterator[dict[str, Adopted]]:
    with ExitStack() as stack:
        made = {}
        for name in ADOPTED:
            database = stack.enter_context(project(supabase, name))
            did = results(database, name)
            with connect_as(database, "project") as owner:
                owner.execute(KEPT[name].encode())
                if name == "s2":
                    owner.execute(SIGN_UP)
            with database.connect() as owner:
                before = {table: rows for table, rows in content(owner).items() if rows}
            steps = up(project_url(database), SCHEMA)
            made[name] = Adopted(database.name, before, did, [notice for step in steps for notice in step.notices])
        yield made


@contextmanager
def adopted(supabase: Server, made: Adopted) -> Iterator[ScratchDatabase]:
    """A copy of one of them, which belongs to the project's owner as well."""
    with new_database(supabase, made.template) as database:
        with database.connect() as owner:
            owner.execute(sql.SQL("alter database {} owner to project").format(sql.Identifier(database.name)))
        yield database


def results(database: ScratchDatabase, name: str) -> dict[Statement, Result]:
    """What each statement of a project comes to."""
    with connect_as(database, "authenticator") as visitor, connect_as(database, "project") as owner:
        return {
            statement: statement.result(owner if statement.role == "project" else visitor)
            for statement in STATEMENTS[name]
        }


def listed(name: str) -> set[tuple[str, str]]:
    """Role and statement of what docs/seeds.md says does something else after adoption."""
    section = PAGE.partition("## What an adopted application has to change")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (S\d) \| (\w+) \| `(.*?)` \|", section, re.MULTILINE)
    return {(role, statement) for seed, role, statement in rows if seed == name[:2].upper()}


@pytest.mark.parametrize("name", ADOPTED)
def test_each_statement_of_a_project_does_what_it_did_or_is_listed_with_its_reason(
    name: str, supabase: Server, projects: dict[str, Adopted]
) -> None:
    before = projects[name].results
    with adopted(supabase, projects[name]) as database:
        after = results(database, name)
    changed = {statement for statement in before if differs(before[statement], after[statement])}
    assert {(statement.role, statement.text) for statement in changed} == listed(name)
    assert len(changed) < len(before) / 2


@pytest.mark.parametrize("name", ADOPTED)
def test_a_real_database_is_adopted_in_words_with_every_row_and_its_neighbours(
    name: str, supabase: Server, projects: dict[str, Adopted]
) -> None:
    before, said = projects[name].before, projects[name].said
    with adopted(supabase, projects[name]) as database, database.connect() as owner:
        assert_kept(before, content(owner))
        done = psql(database.owner_url, seeds.check_path(name[:2].upper()))
        assert done.returncode == 0, done.stderr
    tables = {re.split(r"[ .]", notice)[2].strip('"') for notice in said if notice.startswith("adopted table ")}
    assert tables == {table for table in before if table in seeds.tables(name[:2].upper())}


@pytest.mark.parametrize("name", ADOPTED)
def test_an_adopted_table_has_the_policies_grants_and_functions_of_a_new_one(
    name: str, supabase: Server, projects: dict[str, Adopted], database: ScratchDatabase
) -> None:
    with adopted(supabase, projects[name]) as made, made.connect() as old, database.connect() as new:
        found, wanted = rights(old, "project"), rights(new, "postgres")
    differing = {key for key in wanted if found.get(key) != wanted[key]}
    # S1's own server goes on writing what the application keeps of them.
    assert differing == (
        {"relation public.organization", 'relation public."user"'} if name == "s1_published" else set()
    )
    assert {key for key in found if key.startswith("policy ")} <= set(wanted), (
        "a policy of the seed's would allow beside ours"
    )


@pytest.mark.parametrize("name", ["s2", "s3_published"])
def test_people_sign_up_and_leave_after_adoption(name: str, supabase: Server, projects: dict[str, Adopted]) -> None:
    with adopted(supabase, projects[name]) as database, database.connect() as owner:
        written = {"s2": "user_ai_settings", "s3_published": "ai_conversations"}[name]
        rows = (
            f"select count(*) from {written} as w inner join auth.users as u on w.user_id = u.id where u.email = 'new'"
        )
        with owner.transaction():
            owner.execute("set local role supabase_auth_admin")
            owner.execute("insert into auth.users (email) values ('new')")
        assert owner.execute(rows.encode()).fetchone() == (1,)
        before = owner.execute('select count(*) from "user"').fetchone()
        with owner.transaction():
            owner.execute("set local role supabase_auth_admin")
            owner.execute("delete from auth.users where email = 'new'")
        assert before
        assert owner.execute('select count(*) + 1 from "user"').fetchone() == before


@pytest.mark.parametrize("name", ADOPTED)
def test_what_the_application_makes_later_is_open_to_whom_it_was(
    name: str, supabase: Server, projects: dict[str, Adopted]
) -> None:
    with (
        adopted(supabase, projects[name]) as database,
        connect_as(database, "project") as owner,
        connect_as(database, "authenticator") as visitor,
    ):
        owner.execute("create table later (n serial); create function later() returns int language sql return 1")
        with visitor.transaction():
            visitor.execute("set local role authenticated")
            visitor.execute("insert into later default values")
            assert visitor.execute("select n, later() from later").fetchall() == [(1, 1)]


def test_ids_compare_with_an_account_of_supabase_by_an_index(supabase: Server, projects: dict[str, Adopted]) -> None:
    with adopted(supabase, projects["s2"]) as database, database.connect() as owner:
        owner.execute("set enable_seqscan = off")
        for condition in ("c.user_id = auth.uid()", "auth.uid() = c.user_id"):
            plan = owner.execute(f"explain select from ai_conversations as c where {condition}".encode()).fetchall()
            assert any("Index Cond: (user_id = " in line for (line,) in plan), plan


@pytest.mark.parametrize(("name", "neighbour"), list(NEIGHBOURS))
def test_what_a_refusal_says_to_do_makes_the_database_one_that_is_adopted(
    name: str, neighbour: str, supabase: Server
) -> None:
    complaint, undo, redo = NEIGHBOURS[name, neighbour]
    with project(supabase, name) as database, connect_as(database, "project") as owner:
        owner.execute(neighbour.encode())
        before = dump(database)
        with pytest.raises(MigrationError, match=re.escape(complaint)):
            up(project_url(database), SCHEMA)
        assert dump(database) == before
        owner.execute(undo.encode())
        up(project_url(database), SCHEMA)
        owner.execute(redo.encode())


@pytest.mark.parametrize("name", REFUSED)
def test_a_real_database_that_is_refused_stays_as_it_was_and_all_that_is_in_the_way_is_named(
    name: str, supabase: Server
) -> None:
    with project(supabase, name) as database, database.connect() as owner:
        before = dump(database)
        with pytest.raises(MigrationError, match="that Parley does not take over; nothing was changed") as caught:
            up(project_url(database), SCHEMA)
        assert dump(database) == before
        ours = {table for seed in seeds.NAMES for table in seeds.tables(seed)}
        tables = {table for table in content(owner) if table in ours}
        complaints = [line for line in str(caught.value).splitlines() if "rename it" in line or "make it again" in line]
        named = {match[1] for line in complaints if (match := re.search(r"\btable (\w+) is not as", line))}
        assert named == tables
        with owner.transaction():
            owner.execute("set local role supabase_auth_admin")
            owner.execute("insert into auth.users (email) values ('new@example.com')")


def test_parley_works_in_a_database_of_its_own_beside_one_that_is_refused(supabase: Server, tmp_path: Path) -> None:
    """The commands of docs/seeds.md."""
    section = PAGE.partition("## A database that is refused")[2]
    commands = "\n".join(re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))
    with project(supabase, "s4_published") as database:
        before = dump(database)
        environment = os.environ | {
            "APPLICATION_URL": database.owner_url,
            "DATABASE_URL": supabase.url(database="parley"),
            "PARLEY_DATA_DIR": str(tmp_path),
            "PATH": f"{postgres_programs(supabase.major)}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["sh", "-e", "-c", commands], cwd=CHECKOUT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert dump(database) == before
    with psycopg.connect(supabase.url(database="parley"), autocommit=True) as parley:
        talks = parley.execute(
            "select distinct created_at at time zone 'UTC', context from ai_conversations"
        ).fetchall()
        assert [(str(moment), context) for moment, context in talks] == [("2026-10-31 23:30:00", {"page": "cart"})]
        found = parley.execute(
            "select app.match_precomputed_response('Hello, where is my order?') ->> 'text'"
        ).fetchone()
        assert found == ("Your orders are under My Orders.",)
        assert parley.execute("select app.match_precomputed_response('opening hours')").fetchone() == (None,)
    with psycopg.connect(supabase.url(), autocommit=True) as owner:
        owner.execute("drop database parley with (force)")

"""What is adopted and what is refused: one look before anything changes, and one transaction for all that follows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from local.checkout import SCHEMA
from local.postgres.server import Server
from parley.migrations.files import MigrationError
from parley.migrations.runner import down, up
from testing.databases import ScratchDatabase, dump, new_database, psql
from tests.integration.schema import seeds

# What a new database has beside the rest -> what the refusal says of it.
NEIGHBOURS = {
    "create table ai_provider_preferences (user_id text, modality text, provider text)":
        "table ai_provider_preferences is not as S1 has it",
    "create table ai_usage (key text primary key, used integer)": "table ai_usage is not as S3 has it",
    "create view leaderboard as select 1 as rank": "leaderboard is not a table: rename or drop it",
    "create materialized view streaks as select 1 as days": "streaks is not a table: rename or drop it",
    "create sequence profiles": "profiles is not a table: rename or drop it",
    "create table user_progress (id uuid) partition by hash (id)":
        "table user_progress is partitioned, as no seed's is: rename it",
    "create type achievements as (title text)": "achievements is a type and has a name of ours: rename it",
    "create domain embeddings as text": "type embeddings has a name of ours: rename it",
    "create table scores (n integer); create index voice_analytics on scores (n)":
        "voice_analytics is an index and has a name of ours: rename it",
    # As a renamed table leaves it: what is made `if not exists` would not be made.
    "create table members (email text); create index idx_profiles_email on members (email)":
        "index idx_profiles_email has a name of ours: rename it",
    "create table content_items (id integer primary key)": "table content_items is not one that a seed has: rename it",
    "create type ai_provider as enum ('openai', 'mistral')": "type public.ai_provider has values of its own: rename it",
    "create domain vector as text": "type vector hides pgvector's: rename it",
    "create function match_embeddings(integer) returns integer language sql return 1":
        "function match_embeddings(integer) has a name of ours, and its seed's table is not here: rename it",
    """
    create function update_updated_at() returns trigger language plpgsql as
      'begin new.updated_at = now(); return new; end'
    """: "function update_updated_at() has a name of ours, and its seed's table is not here: rename it",
    "create procedure clean_expired_ai_cache() language sql as 'select 1'":
        "function clean_expired_ai_cache() has a name of ours, and its seed's table is not here: rename it",
    "create schema app; create table app.orders (id integer)": "schema app holds app.orders: rename that schema",
    "create schema if not exists app; create function app.user_id() returns uuid return gen_random_uuid()":
        "schema app holds app.user_id(): rename that schema",
    "create schema if not exists app; create table app.schema_migrations (version text primary key)":
        "schema app holds app.schema_migrations: rename that schema",
    """
    create function same(text, uuid) returns boolean return $1 = $2::text;
    create operator public.= (leftarg = text, rightarg = uuid, function = same)
    """: "operator =(text,uuid) is ours on Supabase: drop it",
    "create cast (uuid as text) with inout as implicit":
        "cast from uuid to text is implicit, which makes statements ambiguous",
    "alter default privileges grant execute on functions to anon":
        "default privileges of postgres open what it makes in any schema to anon",
    "create schema places; create extension vector with schema places":
        "extension vector is in schema places: alter extension vector set schema extensions",
    "create schema auth; create view auth.users as select gen_random_uuid() as id":
        "auth.users is not a table whose id is never null: rename schema auth",
    "set local quote_all_identifiers = on": "setting quote_all_identifiers is on here",
    "set local transaction_isolation = 'repeatable read'":
        "setting transaction_isolation is repeatable read here: set default_transaction_isolation to read committed",
    "set local standard_conforming_strings = off": "setting standard_conforming_strings is off here",
    "set local DateStyle = 'German'": "setting DateStyle is German, DMY here: set it to ISO for this database",
}  # fmt: skip
_TRIGGER = """
    create table notes (who uuid);
    create function note() returns trigger language plpgsql as
      'begin insert into notes values (new.user_id); return new; end';
    create trigger notes after insert on {} for each row execute function note()
"""
# What the database of S1 or S2 has beside what is the seed's.
ADDITIONS = {
    # Other columns and constraints: the table is another one.
    ("s2", "alter table ai_conversations add unnamed text generated always as (user_id::text) stored"):
        "table ai_conversations is not as S2 has it (has unnamed text generated)",
    ("s2", "create domain auth.text as varchar; alter table ai_conversations alter model_used type auth.text"):
        "(lacks model_used text; has model_used auth.text)",
    ("s2", 'alter table ai_conversations alter model_used type text collate "C"'):
        '(lacks model_used text; has model_used text collate "C")',
    ("s2", "alter table ai_conversations add check (model_used in ('gpt-4o-mini', 'gemini-pro'))"):
        "is not as S2 has it (has CHECK ((model_used = ANY (ARRAY['gpt-4o-mini'::text, 'gemini-pro'::text]))))",
    ("s2", "create unique index one_each on ai_conversations (user_id, tokens_used)"): "(has unique index one_each)",
    ("s2", "alter table ai_conversations drop constraint ai_conversations_pkey"): "(lacks PRIMARY KEY (id))",
    ("s2", "alter table user_ai_settings drop constraint user_ai_settings_user_id_key"): "(lacks UNIQUE (user_id))",
    ("s2", "alter table user_ai_settings drop constraint user_ai_settings_tier_check"): "lacks CHECK ((tier = ANY (",
    ("s2", """
    alter table ai_content_searches add foreign key (selected_content_id) references ai_conversations not valid
    """):
        "has FOREIGN KEY (selected_content_id) REFERENCES ai_conversations(id)",
    ("s1", """
    create schema o; create type o.ai_provider as enum ('openai', 'gemini');
    alter table ai_provider_preferences alter preferred_provider drop default,
      alter preferred_provider type o.ai_provider using preferred_provider::text::o.ai_provider
    """):
        "(lacks preferred_provider ai_provider; has preferred_provider o.ai_provider)",
    # What refers to a table follows it to its new name; a text that names it does not.
    ("s2", """
    alter table ai_conversations add pinned boolean; create view talks as select user_id from ai_conversations;
    create function talked() returns bigint language sql as 'select count(*) from public.ai_conversations'
    """):
        "(has pinned boolean): rename it, or make it so; where it is renamed, change what names it in the text of talk",
    ("s2", "alter table ai_conversations add key text; create view talks as select user_id from ai_conversations"):
        "changes under what depends on it, unless it is renamed; drop each, migrate, and make it again: view talks",
    ("s1", "alter table organization add slug text"):
        'table "user" has the foreign key user_organization_id_fkey to organization, which is not as a seed has it:',
    # What an adopted table would keep, lose or break.
    ("s2", "create table talks () inherits (ai_conversations)"):
        "table ai_conversations has the child table talks: detach it",
    ("s2", "create table base (id uuid); alter table ai_conversations inherit base"):
        "table ai_conversations is a child table of base: detach it",
    ("s2", "alter table ai_conversations set unlogged"): "table ai_conversations is unlogged: make it logged",
    ("s2", "create rule kept as on delete to ai_conversations do instead nothing"):
        "table ai_conversations has the rule kept: drop it",
    ("s2", "alter table ai_conversations alter user_id set default auth.uid()"):
        "table ai_conversations has a default for user_id, which becomes text",
    ("s2", "create index mine on ai_conversations (model_used) where user_id = '00000000-0000-0000-0000-000000000001'"):
        "table ai_conversations has an expression or a condition on user_id in index mine",
    ("s2", "create policy admins on ai_conversations using (exists (select from ai_usage_logs))"):
        "table ai_conversations has a policy that no seed has, admins: drop it",
    ("s2", "create policy firm on ai_conversations as restrictive using (true)"):
        "table ai_conversations has a policy that no seed has, firm: drop it",
    ("s1", "create role analyst; grant select on organization to analyst"):
        "table organization is open to analyst, whom Parley's policies do not know: revoke that",
    ("s2", _TRIGGER.format("ai_conversations")):
        "trigger notes on table ai_conversations sees rows with other types afterwards",
    ("s2", _TRIGGER.format("ai_usage_logs")):
        "trigger notes on table ai_usage_logs sees rows with other types afterwards",
    ("s2", "create table notes (talk ai_conversations)"):
        "column talk of table notes uses rows of table ai_conversations as a type",
    ("s2", "create function talks() returns setof ai_usage_logs language sql as 'select * from ai_usage_logs'"):
        "function talks() uses rows of table ai_usage_logs as a type",
    ("s1", "create table notes (id integer default nextval('ai_provider_preferences_id_seq'))"):
        "default value for column id of table notes draws from ai_provider_preferences_id_seq",
    ("s1", "create table notes (preference integer constraint preferred references ai_provider_preferences)"):
        "foreign key preferred of notes depends on ai_provider_preferences.id, which loses what a newer row",
    # Functions of the names that are replaced.
    ("s2", "create function reset_daily_ai_usage(integer) returns integer language sql return 1"):
        "function reset_daily_ai_usage(integer) has a name of ours, as another has",
    ("s2", "create function reset() returns void begin atomic select reset_daily_ai_usage(); end"):
        "function reset() calls function reset_daily_ai_usage(), which is replaced: drop it, migrate, and make it",
    # What depends on what changes.
    ("s2", "create view talks as select user_id from ai_conversations"):
        "view talks depends on ai_conversations.user_id, which becomes text",
    ("s2", "create view talks as select tokens_used from ai_conversations"):
        "view talks depends on ai_conversations.tokens_used, which becomes bigint",
    ("s2", "create table notes (talk uuid constraint notes_talk references ai_conversations (id))"):
        "foreign key notes_talk of notes depends on ai_conversations.id, which becomes text: drop it, migrate, "
        "make its own column text, and make it again",
    ("s2", """
    create table notes (id integer); alter table notes enable row level security;
    create policy "of talkers" on notes using (exists (select from ai_conversations c where c.user_id is null))
    """): "depends on ai_conversations.user_id",
    ("s2", "create function talkers() returns bigint begin atomic select count(user_id) from ai_conversations; end"):
        "function talkers() depends on ai_conversations.user_id",
    ("s2", "create publication talks for table ai_conversations where (user_id is not null)"):
        "publication of table ai_conversations in publication talks depends on ai_conversations.user_id",
    ("s2", "create view spent as select tokens_used from ai_usage_logs"): "view spent depends on ai_usage_logs",
    ("s2", "create table notes (spent uuid constraint note references ai_usage_logs)"):
        "note of notes depends on ai_usage_logs.id, which becomes another table: drop it, for no key can refer",
    ("s2", "create publication spending for table ai_usage_logs"):
        "in publication spending depends on ai_usage_logs, which becomes another table",
}  # fmt: skip
_FIRST_FILE = (SCHEMA / "00_platform.sql").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def databases(postgres: Server, migrated_template: str) -> Iterator[dict[str, ScratchDatabase]]:
    """A new database, and those of S1 and S2, on a server with Parley's roles; none is changed."""
    with ExitStack() as stack:
        made = {name: stack.enter_context(new_database(postgres, "template1")) for name in ("new", "s1", "s2")}
        for name in ("s1", "s2"):
            original(name, made[name])
        yield made


def original(name: str, database: ScratchDatabase) -> None:
    done = psql(database.owner_url, seeds.ORIGINALS / f"{name}.sql")
    assert done.returncode == 0, done.stderr


def look(owner: psycopg.Connection[Any], *preparations: str) -> list[str]:
    """What the first file finds in the way after these statements; all of it is undone."""
    with owner.transaction(force_rollback=True):
        for statement in preparations:
            owner.execute(statement.encode())
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as caught:
            owner.execute(_FIRST_FILE.encode())
    return (caught.value.diag.message_detail or "").splitlines()


# What a refusal says is the same on every version; that it changes nothing is shown below.
@pytest.mark.parametrize("statement", NEIGHBOURS)
def test_what_only_shares_a_name_is_refused(statement: str, databases: dict[str, ScratchDatabase]) -> None:
    with databases["new"].connect() as owner:
        complaints = look(owner, statement)
    assert [complaint[: len(NEIGHBOURS[statement])] for complaint in complaints] == [NEIGHBOURS[statement]]


@pytest.mark.parametrize(("name", "statement"), ADDITIONS)
def test_what_a_seed_does_not_have_is_named_with_what_to_do_about_it(
    name: str, statement: str, databases: dict[str, ScratchDatabase]
) -> None:
    with databases[name].connect() as owner:
        complaints = look(owner, statement)
    assert any(ADDITIONS[name, statement] in complaint for complaint in complaints), complaints


@pytest.mark.usefixtures("migrated_template")  # for the roles
def test_all_that_is_in_the_way_is_said_at_once_and_nothing_is_changed(empty_database: ScratchDatabase) -> None:
    lasting = [statement for statement in NEIGHBOURS if not statement.startswith("set local")]
    with empty_database.connect() as owner:
        for statement in lasting:
            owner.execute(statement.encode())
    before = dump(empty_database)
    with pytest.raises(MigrationError, match=f"this database has {len(lasting)} things") as caught:
        up(empty_database.owner_url, SCHEMA)
    assert [statement for statement in lasting if NEIGHBOURS[statement] not in str(caught.value)] == []
    assert "statement:" not in str(caught.value)
    assert dump(empty_database) == before


def test_whoever_does_not_own_what_is_there_is_told_whose_it_is(
    postgres: Server, databases: dict[str, ScratchDatabase]
) -> None:
    with databases["s2"].connect() as owner:
        allowed = f"grant temporary on database {databases['s2'].name} to stranger"
        held = "alter table ai_conversations owner to stranger; alter table ai_conversations force row level security"
        complaints = look(owner, "create role stranger", allowed, held, "set local role stranger")
        left = "comment on table ai_conversations is 'Left by Parley, which had adopted it.'"
        of_the_left = look(owner, "create role stranger", allowed, held, left, "set local role stranger")
    assert {f"table {table} belongs to postgres: give it to stranger" for table in seeds.tables("S2")} - set(
        complaints
    ) == {"table ai_conversations belongs to postgres: give it to stranger"}
    for said in (complaints, of_the_left):
        assert "table ai_conversations shows stranger only some rows, by row-level security: alter it to no force" in (
            " ".join(said)
        )
    assert any(re.match(r"database \w+ belongs to postgres: migrate as a role that is", line) for line in complaints)
    assert "function reset_daily_ai_usage() belongs to postgres: give it to stranger" in complaints
    assert any(line.startswith("schema public belongs to ") for line in complaints)
    assert (
        "stranger may not mirror the accounts of auth.users: grant usage on schema auth, and select and trigger on"
        in (" ".join(complaints))
    )


def test_whoever_may_not_make_or_grant_the_roles_is_told_what_to_ask_for(databases: dict[str, ScratchDatabase]) -> None:
    with databases["new"].connect() as owner:
        complaints = look(
            owner,
            "create role stranger",
            f"grant temporary on database {databases['new'].name} to stranger",
            "alter role parley_service rename to somebody",
            "revoke authenticated from parley_app",
            "create schema auth; create table auth.users (id uuid primary key); grant usage on schema auth to stranger",
            "grant select, trigger on auth.users to stranger; alter table auth.users enable row level security",
            "set local role stranger",
        )
    told = dict(line.split(": as an administrator, ") for line in complaints if "administrator" in line)
    assert told == {
        "auth.users shows stranger only some accounts, by row-level security": "alter role stranger bypassrls",
        "role authenticated is not stranger's to grant to parley_app":
            "grant authenticated to stranger with admin option",
        "role parley_definer is not stranger's to use": "grant parley_definer to stranger with inherit true, set true",
        "role parley_owner is not stranger's to use": "grant parley_owner to stranger with inherit true, set true",
        "role parley_service is missing, and stranger may not make it": "alter role stranger createrole",
        "role service_role is not stranger's to grant to parley_service":
            "grant service_role to stranger with admin option",
    }  # fmt: skip


def test_a_search_path_of_the_applications_own_is_not_replaced(empty_database: ScratchDatabase) -> None:
    with empty_database.connect() as owner:
        owner.execute(f"alter database {empty_database.name} set search_path = api, public".encode())
        (complaint,) = look(owner)
    assert complaint.startswith("the database has search_path=api, public, where Parley's own goes: set it for the app")


def test_a_database_that_is_read_only_is_left_with_a_word(empty_database: ScratchDatabase) -> None:
    with empty_database.connect() as owner:
        owner.execute(f"alter database {empty_database.name} set default_transaction_read_only = on".encode())
    with pytest.raises(MigrationError, match="this database is read only here; nothing was changed"):
        up(empty_database.owner_url, SCHEMA)


def test_the_first_file_knows_every_index_of_ours_in_public(database: ScratchDatabase) -> None:
    with database.connect() as owner:
        made = owner.execute(
            """
            select c.relname from pg_index as i inner join pg_class as c on c.oid = i.indexrelid
            where c.relnamespace = 'public'::regnamespace and not i.indisprimary
            union all
            select c.relname from pg_class as c where c.relnamespace = 'public'::regnamespace and c.relkind = 'S'
            """
        ).fetchall()
    known = re.search(r"v_indexes constant text\[\] := string_to_array\((.*?), ' '\);", _FIRST_FILE, re.DOTALL)
    assert known
    assert sorted("".join(re.findall(r"'([^']*)'", known[1])).split()) == sorted(name for (name,) in made)


# Constraints have the names that somebody gave them, columns another order, and a sequence stands by itself.
def test_a_seeds_own_shape_is_adopted_whatever_its_constraints_are_called(empty_database: ScratchDatabase) -> None:
    original("s2", empty_database)
    original("s1", empty_database)
    with empty_database.connect() as owner:
        (complaint,) = look(owner)
        assert "ai_provider lacks anthropic or google, which user_ai_settings names: alter type" in complaint
        owner.execute("alter type ai_provider add value 'anthropic'")
        owner.execute("alter type ai_provider add value 'google'")
        owner.execute(
            """
            alter table ai_content_searches rename constraint ai_content_searches_content_type_check to kinds;
            alter table user_ai_settings rename constraint user_ai_settings_user_id_key to one_each;
            alter table ai_conversations drop column updated_at, drop constraint ai_conversations_user_id_fkey;
            alter table ai_conversations add updated_at timestamptz default now();
            alter table ai_provider_preferences alter id drop default;
            drop sequence ai_provider_preferences_id_seq;
            create table kept (talk text, at timestamptz, updated_at timestamptz);
            create function stamp() returns trigger language plpgsql as
              'BEGIN NEW.updated_at := CURRENT_TIMESTAMP; RETURN NEW; END;';
            create trigger stamp before update on ai_conversations for each row execute function stamp();
            create trigger stamp before update on kept for each row execute function stamp();
            create policy servers on ai_conversations using (auth.uid() is null);
            """
        )
        steps = up(empty_database.owner_url, SCHEMA)
        owner.execute("insert into ai_content_searches (query, content_type) values ('q', 'document')")
        owner.execute(
            "insert into ai_provider_preferences (organization_id) select id from organization where id = 'org_456'"
        )
        triggers = owner.execute("select tgrelid::regclass::text from pg_trigger where tgname = 'stamp'").fetchall()
    assert triggers == [("kept",)]
    assert "replaced trigger stamp of table ai_conversations" in [notice for step in steps for notice in step.notices]


def test_down_leaves_a_function_that_the_applications_triggers_use(empty_database: ScratchDatabase) -> None:
    original("s3", empty_database)
    with empty_database.connect() as owner:
        owner.execute(
            "create table kept (updated_at timestamptz); "
            "create trigger stamp before update on kept for each row execute function update_updated_at()"
        )
        up(empty_database.owner_url, SCHEMA)
        steps = down(empty_database.owner_url, SCHEMA)
        assert owner.execute("select to_regprocedure('update_updated_at()') is not null").fetchone() == (True,)
    assert any("left function update_updated_at()" in notice for step in steps for notice in step.notices)
    up(empty_database.owner_url, SCHEMA)

"""What is adopted and what is refused: one look before anything changes, and one transaction for all that follows."""

from __future__ import annotations

import re

import pytest

from local.checkout import SCHEMA
from parley.migrations.files import MigrationError
from parley.migrations.runner import up
from testing.databases import ScratchDatabase, dump, psql
from tests.integration.schema import seeds

_UUID_USERS = "create schema auth; create table auth.users (id uuid primary key); "
# What only shares a name, and what depends from outside on what would change -> what the refusal says of it.
NEIGHBOURS = {
    "create table ai_provider_preferences (user_id text, modality text, provider text)":
        "table ai_provider_preferences is not as S1 has it",
    "create table ai_usage (key text primary key, used integer)": "table ai_usage is not as S3 has it",
    "create view leaderboard as select 1 as rank": "leaderboard is not a table: rename or drop it",
    "create materialized view streaks as select 1 as days": "streaks is not a table: rename or drop it",
    "create sequence profiles": "profiles is not a table: rename or drop it",
    "create table content_items (id integer primary key)": "table content_items is not one that a seed has: rename it",
    "create type ai_provider as enum ('openai', 'mistral')": "type public.ai_provider has values of its own: rename it",
    "create function match_embeddings(integer) returns integer language sql return 1":
        "function match_embeddings(integer) has a name of ours and no table of its seed is here: rename it",
    "create schema app; create table app.orders (id integer)": "schema app holds app.orders: rename that schema",
}  # fmt: skip
DEPENDENTS = {
    "create view talks as select user_id from ai_conversations": "view talks depends on ai_conversations.user_id",
    "create table notes (talk uuid constraint notes_talk references ai_conversations (id))":
        "foreign key notes_talk of notes depends on ai_conversations.id, which becomes text: drop it, migrate, "
        "make its own column text, and make it again",
    """
    create table notes (id integer); alter table notes enable row level security;
    create policy "of talkers" on notes using (exists (select from ai_conversations c where c.user_id is null))
    """: "depends on ai_conversations.user_id",
    "create function talkers() returns bigint begin atomic select count(user_id) from ai_conversations; end":
        "function talkers() depends on ai_conversations.user_id",
    "alter table ai_conversations add unnamed text generated always as (user_id::text) stored":
        "table ai_conversations is not as S2 has it",
    """
    create function note() returns trigger language plpgsql as 'begin return null; end';
    create trigger notes after update of user_id on ai_conversations for each row execute function note()
    """: "trigger notes on table ai_conversations depends on ai_conversations.user_id",
    "create publication talks for table ai_conversations where (user_id is not null)":
        "publication of table ai_conversations in publication talks depends on ai_conversations.user_id",
    "create view spent as select tokens_used from ai_usage_logs": "view spent depends on ai_usage_logs",
    "create publication spending for table ai_usage_logs":
        "in publication spending depends on ai_usage_logs, which becomes another table",
    """
    create function note() returns trigger language plpgsql as 'begin return null; end';
    create trigger notes after insert on ai_usage_logs for each row execute function note()
    """: "trigger notes on table ai_usage_logs depends on ai_usage_logs",
}  # fmt: skip


def _original(name: str, database: ScratchDatabase) -> None:
    done = psql(database.owner_url, seeds.ORIGINALS / f"{name}.sql")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("statement", NEIGHBOURS)
def test_what_only_shares_a_name_is_refused_and_left_as_it_was(statement: str, empty_database: ScratchDatabase) -> None:
    with empty_database.connect() as owner:
        owner.execute(statement.encode())
    before = dump(empty_database)
    with pytest.raises(MigrationError, match=re.escape(NEIGHBOURS[statement])):
        up(empty_database.owner_url, SCHEMA)
    assert dump(empty_database) == before


@pytest.mark.parametrize("statement", DEPENDENTS)
def test_what_depends_on_a_column_that_changes_is_named_before_anything_does(
    statement: str, empty_database: ScratchDatabase
) -> None:
    _original("s2", empty_database)
    with empty_database.connect() as owner:
        owner.execute(statement.encode())
    before = dump(empty_database)
    with pytest.raises(MigrationError, match=re.escape(DEPENDENTS[statement])):
        up(empty_database.owner_url, SCHEMA)
    assert dump(empty_database) == before


def test_all_that_is_in_the_way_is_said_at_once(empty_database: ScratchDatabase) -> None:
    with empty_database.connect() as owner:
        for statement in NEIGHBOURS:
            owner.execute(statement.encode())
    with pytest.raises(MigrationError, match="this database has 8 things") as caught:
        up(empty_database.owner_url, SCHEMA)
    # The function is excused by the tables, which are in the way themselves.
    assert [text for text in NEIGHBOURS.values() if text not in str(caught.value)] == [
        "function match_embeddings(integer) has a name of ours and no table of its seed is here: rename it"
    ]

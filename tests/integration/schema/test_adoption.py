"""A database that holds one seed's own tables becomes Parley's without losing a row, and can be left again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from local.checkout import CHECKOUT, SCHEMA
from local.postgres.server import Server
from parley.migrations.catalog import catalog_snapshot
from parley.migrations.logins import create_logins
from parley.migrations.runner import down, up
from testing.claims import SERVICE, user
from testing.databases import ScratchDatabase, new_database, psql
from tests.integration.schema import seeds

Rows = list[dict[str, str | None]]

# The seed's own queries over its data, and what shows the rest of it.
QUERIES: Mapping[str, Sequence[str]] = {
    "S1": (
        "select * from ai_provider_preferences where organization_id = 'org_123' and user_id = 'user_456'",
        """
        select preferred_provider, count(*) from ai_provider_preferences
        where organization_id = 'org_123' group by preferred_provider order by preferred_provider
        """,
    ),
    "S2": (
        "select tier, count(*) from user_ai_settings group by tier order by 1",
        """
        select sum(tokens_used) as total_tokens, sum(cost_usd) as total_cost from ai_usage_logs
        where created_at >= now() - interval '7 days'
        """,
        """
        select user_id, count(*) as conversation_count from ai_conversations
        group by user_id order by conversation_count desc limit 10
        """,
    ),
    "S3": (
        "select * from ai_conversations where id = 'test-conv-1'",
        "select count(*) from match_embeddings(array_fill(0.1, array[1536])::vector, 0.5, 5, '{}'::jsonb)",
        "select count(*) from ai_usage where created_at < now() - interval '90 days'",
        "select operation_type, model, sum(tokens_total) as tokens, sum(cost) as cost from ai_usage group by 1, 2",
    ),
    "S4": (
        "select * from ai_precomputed_responses order by pattern",
        "select * from ai_conversations order by id",
    ),
    "S5": (
        "select user_id, total_score, total_xp, rank from leaderboard order by rank",
        "select id, title, status, overall_score from interview_sessions order by id",
    ),
}
# Columns whose values adoption may change, each with why.
CHANGED: Mapping[str, str] = {
    "user_ai_settings.daily_usage": "null counters become 0",
    "user_ai_settings.monthly_usage": "null counters become 0",
    "ai_usage.id": "a number becomes a UUID",
    "embeddings.metadata": "null becomes {}",
    "user_interactions.metadata": "null becomes {}",
    "ai_conversations.total_tokens": "null becomes 0",
    "ai_conversations.tokens_used": "null becomes 0",
    "ai_conversations.total_cost": "null becomes 0",
    "ai_conversations.cost_usd": "null becomes 0",
    "interview_responses.sequence_number": "turns of an interview are numbered apart",
    "achievements.achievement_type": "repeats keep a name of their own",
    "user_progress.skill": "repeats keep a name of their own",
}


def _adopt(seed: str, database: ScratchDatabase) -> None:
    done = psql(database.owner_url, seeds.ORIGINALS / f"{seed.lower()}.sql")
    assert done.returncode == 0, done.stderr


def _rows(owner: psycopg.Connection[Any], query: str) -> Rows:
    cursor = owner.execute(query.encode())
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, map(_text, row), strict=True)) for row in cursor.fetchall()]


def _text(value: object) -> str | None:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, date) and not isinstance(value, datetime):
        # Where a date became an instant it is the midnight that begins it.
        return datetime.combine(value, time(), ZoneInfo("Europe/Stockholm")).astimezone(UTC).isoformat(" ")
    return None if value is None else str(value)


def content(owner: psycopg.Connection[Any]) -> dict[str, Rows]:
    """Every row of every table in public, as text."""
    names = owner.execute(
        """
        select c.relname from pg_class as c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by 1
        """
    ).fetchall()
    found = {}
    for (name,) in names:
        found[name] = _rows(owner, sql.SQL("select * from public.{}").format(sql.Identifier(name)).as_string(owner))
    return found


def _comparable(rows: Rows, columns: Sequence[str]) -> list[tuple[str, ...]]:
    return sorted(tuple(str(row[column]) for column in columns) for row in rows)


def assert_kept(before: dict[str, Rows], after: dict[str, Rows]) -> None:
    for table, rows in before.items():
        columns = [column for column in rows[0] if f"{table}.{column}" not in CHANGED]
        assert _comparable(after[table], columns) == _comparable(rows, columns), table


@dataclass(frozen=True)
class Adopted:
    """A seed's database after its adoption, to be cloned, and what it held before."""

    template: str
    before: dict[str, Rows]
    answers: list[Rows]


@pytest.fixture(scope="module")
def adoptions(postgres: Server) -> Iterator[dict[str, Adopted]]:
    with ExitStack() as stack:
        made = {}
        for seed in seeds.NAMES:
            database = stack.enter_context(new_database(postgres, "template1"))
            _adopt(seed, database)
            with database.connect() as owner:
                before = content(owner)
                answers = [_rows(owner, query) for query in QUERIES[seed]]
            up(database.owner_url, SCHEMA)
            made[seed] = Adopted(database.name, before, answers)
        yield made


@pytest.fixture
def adopted(postgres: Server, adoptions: dict[str, Adopted], seed: str) -> Iterator[ScratchDatabase]:
    """A copy of one of them."""
    with new_database(postgres, adoptions[seed].template) as made:
        yield made


@pytest.mark.parametrize("seed", list(seeds.NAMES))
def test_a_seeds_database_is_adopted_without_losing_a_row(
    seed: str, adoptions: dict[str, Adopted], adopted: ScratchDatabase
) -> None:
    before, answers = adoptions[seed].before, adoptions[seed].answers
    assert all(before.values())
    assert all(answers)
    with adopted.connect() as owner:
        assert_kept(before, content(owner))
        for query, answer in zip(QUERIES[seed], answers, strict=True):
            found = [{name: row[name] for name in answer[0]} for row in _rows(owner, query)]
            assert found == answer, query
    done = psql(adopted.owner_url, seeds.check_path(seed))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("seed", list(seeds.NAMES))
def test_an_adopted_table_has_the_policies_grants_and_functions_of_a_new_one(
    seed: str, adopted: ScratchDatabase, database: ScratchDatabase
) -> None:
    with adopted.connect() as old, database.connect() as new:
        found, wanted = rights(old), rights(new)
    if seed == "S1":
        # Its own server goes on writing what the application keeps of them.
        for name in ("relation public.organization", 'relation public."user"'):
            wanted[name] = re.sub(r"(?<=service_role=)ard(?=/)", "arwd", wanted[name])
    assert {name: found.get(name) for name in wanted} == wanted
    strangers = {name for name in found if name.startswith("policy ")} - set(wanted)
    assert strangers == set(), "a policy of the seed's would allow beside ours"


def rights(owner: psycopg.Connection[Any], migrator: str = "postgres") -> dict[str, str]:
    """Policies, and who may touch which relation and function, wherever pgvector lives and whoever migrated."""
    found = {}
    for name, facts in catalog_snapshot(owner).items():
        if name.startswith(("policy ", "function ", "relation ")):
            plain = re.sub(r"\b(public|extensions)\.(?=vector)", "", name)
            access = re.sub(rf"\b{migrator}\b", "migrator", facts.rpartition(" access ")[2])
            found[plain] = facts if name.startswith("policy ") else " ".join(sorted(re.split(r"[{}, ]+", access)))
    return found


@pytest.mark.parametrize("seed", list(seeds.NAMES))
@pytest.mark.usefixtures("seed")
def test_an_adopted_database_serves_requests(adopted: ScratchDatabase) -> None:
    server = adopted.server
    with adopted.connect() as owner:
        create_logins(owner, server.password("parley_app"), server.password("parley_service"))
        known = [name for (name,) in owner.execute('select id from "user" order by 1 limit 1')]
    with adopted.connect("app") as app:
        # Two callers with the same prompt: neither is served the other's answer, both are stored.
        for number, subject in enumerate([*known, "newcomer"]):
            request_id = f"request-{number}"
            request = {
                "request_id": request_id, "operation": "chat", "body_hash": "b", "default_provider": "openai",
                "default_models": dict.fromkeys(("openai", "anthropic", "google"), "m"),
                "message": "what no pattern knows",
                "prompt_hash": "hash-1", "cache_scope": "user", "lease_seconds": 60,
            }  # fmt: skip
            claims = Jsonb(user(subject))
            begun = _call(app, "select app.begin_request(%s, %s)", claims, Jsonb(request))
            assert begun["outcome"] == "admitted"
            call = {
                "provider": "openai", "model": "m", "operation": "chat", "input_tokens": 1, "output_tokens": 2,
                "cost": "0.000001", "latency_ms": 5,
            }  # fmt: skip
            outcome = {
                "request_id": request_id, "fence": begun["fence"], "state": "settled", "calls": [call],
                "attempts": [{"provider": "openai", "model": "m", "ok": True, "latency_ms": 5}],
                "answer": {"text": "t"},
                "cache": {
                    "prompt_hash": "hash-1", "provider": "openai", "model": "m", "scope": "user", "ttl_seconds": 60,
                    "text": "t", "tokens": 3,
                },
                "conversation": {
                    "id": f"conversation-{number}", "title": "t", "context": None,
                    "messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "t"}],
                },
            }  # fmt: skip
            finished = _call(app, "select app.finish_request(%s, %s)", claims, Jsonb(outcome))
            assert finished["state"] == "settled"
            again = _call(app, "select app.begin_request(%s, %s)", claims, Jsonb(request | {"request_id": "again"}))
            assert again["outcome"] == "cache_hit"


def _call(app: psycopg.Connection[Any], statement: str, *arguments: Jsonb) -> dict[str, Any]:
    row = app.execute(statement.encode(), arguments).fetchone()
    assert row
    answer: dict[str, Any] = row[0]
    return answer


@pytest.mark.parametrize("seed", list(seeds.NAMES))
def test_adopted_tables_outlive_down_with_their_rows(
    seed: str, adoptions: dict[str, Adopted], adopted: ScratchDatabase
) -> None:
    before = adoptions[seed].before
    with adopted.connect() as owner:
        catalog = catalog_snapshot(owner)
    steps = down(adopted.owner_url, SCHEMA)
    with adopted.connect() as owner:
        after = content(owner)
        held = owner.execute("select relname from pg_class where relforcerowsecurity").fetchall()
    assert held == [], "who owns a table and does not bypass row-level security would not see its rows"
    assert set(after) == set(before)
    assert_kept(before, after)
    left = " ".join(notice for step in steps for notice in step.notices)
    for table in before:
        assert table in left, f"down does not say that it left {table}"
    up(adopted.owner_url, SCHEMA)
    with adopted.connect() as owner:
        assert_kept(before, content(owner))
        assert catalog_snapshot(owner) == catalog


@pytest.mark.parametrize("seed", ["S2"])
@pytest.mark.usefixtures("seed")
def test_an_adopted_user_can_be_deleted_and_the_ledger_that_is_kept_aside_forgets_it(adopted: ScratchDatabase) -> None:
    with adopted.connect() as owner:
        kept = owner.execute("select count(*) from app.adopted_ai_usage_logs").fetchall()
        owner.execute("delete from auth.users")
        left = owner.execute("select count(*), count(user_id) from app.adopted_ai_usage_logs").fetchall()
    assert left == [(*kept[0], 0)]


@pytest.mark.parametrize("seed", ["S4"])
@pytest.mark.parametrize(
    "upsert",
    [
        """
        insert into ai_response_cache (query_hash, query_text, response, model_used) values ('h', 'q', 'r', 'm')
        on conflict (query_hash) do update set hit_count = ai_response_cache.hit_count + 1
        """,
        """
        insert into user_ai_usage (user_id, request_count, period_start, period_end)
        select id::text, 1, current_date, current_date from auth.users limit 1
        on conflict (user_id, period_start) do update set request_count = user_ai_usage.request_count + 1
        """,
    ],
)
def test_s4s_upserts_find_no_unique_index_as_the_map_of_the_seeds_says(
    upsert: str, seed: str, empty_database: ScratchDatabase, adopted: ScratchDatabase
) -> None:
    _adopt(seed, empty_database)
    with empty_database.connect() as owner:
        owner.execute(upsert.replace("id::text", "id").encode())
    refused = pytest.raises(psycopg.errors.InvalidColumnReference, match="no unique or exclusion constraint")
    with adopted.connect() as owner, refused:
        owner.execute(upsert.encode())
    target = re.search(r"on conflict \(.*\)", upsert)
    assert target is not None
    assert f"`{target[0]}`" in " ".join((CHECKOUT / "docs/seeds.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("seed", ["S4"])
@pytest.mark.usefixtures("seed")
def test_what_an_adopted_user_asked_the_cache_goes_with_the_user(adopted: ScratchDatabase) -> None:
    with adopted.connect() as owner:
        owner.execute("delete from auth.users")
        assert owner.execute("select query_text from ai_response_cache").fetchall() == [("two",)]


def test_ledger_rows_with_odd_dates_are_adopted_without_months_of_their_own(empty_database: ScratchDatabase) -> None:
    _adopt("S2", empty_database)
    with empty_database.connect() as owner:
        owner.execute(
            """
            insert into ai_usage_logs (tier, provider, tokens_used, created_at)
            select 'free', 'openai', 1000, moment
            from unnest(array['1970-01-01', '2009-05-05', '-infinity', 'infinity', '9999-12-31', null]::timestamptz[])
              as moment
            """
        )
        figures = "select count(*), sum(tokens_used) from ai_usage_logs"
        before = owner.execute(figures).fetchone()
        up(empty_database.owner_url, SCHEMA)
    with empty_database.connect() as owner:
        months = "select count(*) from pg_inherits where inhparent = 'ai_usage_logs'::regclass"
        assert owner.execute(figures).fetchone() == before
        # Five years, the month that has begun, two ahead, and the rest.
        assert owner.execute(months).fetchone() == (5 * 12 + 4,)
        assert owner.execute("select count(*) from app.ai_usage_rest").fetchone() == (5,)
        owner.execute("select set_config('request.jwt.claims', %s, false)", (json.dumps(SERVICE),))
        owner.execute("select app.archive_usage()")
        kept = "select count(*) + (select count(*) from app.usage_archive) from ai_usage"
        assert before
        assert owner.execute(kept).fetchone() == (before[0],)
        # Days are summed from the first month on, not from 1970 or from the beginning of time.
        assert owner.execute("select count(*) <= 41 from app.rolled_up_days").fetchone() == (True,)
        reported = owner.execute("select day, calls from app.usage_between('1969-12-31', '1970-01-02')").fetchall()
        assert reported == [(date(1970, 1, 1), 1)]


def test_an_adopted_answer_that_never_expired_expires(empty_database: ScratchDatabase) -> None:
    _adopt("S4", empty_database)
    with empty_database.connect() as owner:
        owner.execute("alter table ai_response_cache alter column expires_at drop not null")
        owner.execute("update ai_response_cache set expires_at = null where query_text = 'two'")
        up(empty_database.owner_url, SCHEMA)
        owner.execute(
            "create or replace function app.now() returns timestamptz language sql stable parallel safe "
            "return now() + interval '25 hours'"
        )
        owner.execute("select app.delete_expired_answers()")
        assert owner.execute("select count(*) from ai_response_cache").fetchone() == (0,)


def test_adopted_preferences_refer_to_their_organization_whether_they_did_or_not(
    empty_database: ScratchDatabase,
) -> None:
    _adopt("S1", empty_database)
    with empty_database.connect() as owner:
        owner.execute(
            "alter table ai_provider_preferences drop constraint ai_provider_preferences_organization_id_fkey"
        )
        owner.execute("insert into ai_provider_preferences (organization_id) values ('org_nobody_made')")
        up(empty_database.owner_url, SCHEMA)
        assert owner.execute("select id from organization where name is null").fetchall() == [("org_nobody_made",)]
        owner.execute("delete from organization where name is null")
        left = owner.execute(
            "select count(*), count(*) filter (where organization_id = 'org_nobody_made') from ai_provider_preferences"
        ).fetchone()
    assert left == (5, 0)


def test_settings_of_nobody_are_adopted_and_kept(empty_database: ScratchDatabase) -> None:
    _adopt("S2", empty_database)
    with empty_database.connect() as owner:
        owner.execute("insert into user_ai_settings (tier, preferred_provider) values ('byok', 'google')")
        before = content(owner)
        up(empty_database.owner_url, SCHEMA)
        assert_kept(before, content(owner))
        nobodys = owner.execute("select count(*) from ai_provider_preferences where user_id is null").fetchall()
    assert nobodys == [(0,)]


@seeds.needs_documents
@pytest.mark.parametrize("seed", ["S1", "S2"])
def test_the_originals_have_the_seeds_own_ddl(seed: str) -> None:
    held = {seeds.normalized(text) for text in seeds.check_statements(seeds.ORIGINALS / f"{seed.lower()}.sql")}
    for block in seeds.document_blocks(seed):
        for statement in block.statements:
            is_ddl = re.match(r"create (table|type|index|policy|or replace function)", statement, re.IGNORECASE)
            if is_ddl and "(commented out)" not in block.heading:
                assert seeds.normalized(statement) in held, statement


def test_preferences_without_a_date_are_adopted_and_the_last_of_them_counts(empty_database: ScratchDatabase) -> None:
    _adopt("S1", empty_database)
    with empty_database.connect() as owner:
        owner.execute("insert into organization (id, name) values ('org_undated', 'x')")
        owner.execute(
            "insert into ai_provider_preferences (organization_id, preferred_provider, updated_at) "
            "values ('org_undated', 'openai', null), ('org_undated', 'gemini', null)"
        )
        up(empty_database.owner_url, SCHEMA)
        kept = "select preferred_provider::text from ai_provider_preferences where organization_id = 'org_undated'"
        assert owner.execute(kept).fetchall() == [("gemini",)]


def test_interviews_whose_feedback_is_gone_are_adopted(empty_database: ScratchDatabase) -> None:
    _adopt("S5", empty_database)
    with empty_database.connect() as owner:
        before = owner.execute("update interview_sessions set feedback_id = gen_random_uuid()").rowcount
        up(empty_database.owner_url, SCHEMA)
        after = owner.execute("select count(*), count(feedback_id) from interview_sessions").fetchone()
    assert after == (before, 0)


def test_counters_that_were_null_count_from_nothing(empty_database: ScratchDatabase) -> None:
    _adopt("S5", empty_database)
    with empty_database.connect() as owner:
        owner.execute("update profiles set total_xp = null, level = null where id = 'user_b'")
        owner.execute(
            "update leaderboard set total_score = null, total_xp = null, weekly_score = null, monthly_score = null"
        )
        owner.execute("update streaks set current_streak = null, longest_streak = null, streak_data = null")
        up(empty_database.owner_url, SCHEMA)
        owner.execute("select set_config('request.jwt.claims', %s, false)", (json.dumps(SERVICE),))
        owner.execute(
            "select app.record_activity(user_id, 'practice', id) from practice_attempts where user_id = 'user_b'"
        )
        assert owner.execute("select total_xp > 0, level >= 1 from profiles where id = 'user_b'").fetchone() == (
            True,
            True,
        )
        nulls = owner.execute(
            """
            select count(*) filter (where num_nulls(l.total_score, l.total_xp, l.weekly_score, l.monthly_score) > 0)
              + (select count(*) from streaks where num_nulls(current_streak, longest_streak, streak_data) > 0)
            from leaderboard as l
            """
        ).fetchone()
    assert nulls == (0,)


def test_usage_that_was_null_counts_from_nothing(empty_database: ScratchDatabase) -> None:
    _adopt("S4", empty_database)
    with empty_database.connect() as owner:
        owner.execute("update user_ai_usage set request_count = null, token_count = null, cost_estimate = null")
        up(empty_database.owner_url, SCHEMA)
        figures = "select distinct request_count, token_count, cost_estimate::integer from user_ai_usage"
        assert owner.execute(figures).fetchall() == [(0, 0, 0)]

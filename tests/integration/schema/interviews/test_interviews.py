"""Interviews in the schema: what may change, who sees and who writes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from local.checkout import SCHEMA
from parley.migrations.runner import up
from testing.claims import SERVICE, set_claims
from testing.claims import user as claims_of
from testing.databases import ScratchDatabase
from tests.integration.schema.activities import ALICE, BOB, NOON, completed, give_feedback, one, practised, record


@pytest.mark.parametrize(("old", "new"), [
    ("completed", "in_progress"), ("failed", "completed"), ("in_progress", "pending"), ("abandoned", "in_progress"),
])  # fmt: skip
def test_a_finished_interview_never_goes_back(owner: psycopg.Connection, old: str, new: str) -> None:
    owner.execute(
        "insert into interview_sessions (user_id, status, started_at, completed_at) values ('alice', %s, %s, %s)",
        (old, NOON if old == "in_progress" else None, NOON if old == "completed" else None),
    )
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        owner.execute("update interview_sessions set status = %s, completed_at = null", (new,))


@pytest.mark.parametrize(("old", "new"), [
    ("pending", "in_progress"), ("pending", "completed"), ("in_progress", "abandoned"), ("abandoned", "completed"),
])  # fmt: skip
def test_an_interview_goes_forward(owner: psycopg.Connection, old: str, new: str) -> None:
    owner.execute(
        "insert into interview_sessions (user_id, status, started_at) values ('alice', %s, %s)",
        (old, NOON if old == "in_progress" else None),
    )
    ended = NOON if new == "completed" else None
    owner.execute("update interview_sessions set status = %s, started_at = %s, completed_at = %s", (new, NOON, ended))
    assert one(owner, "select status from interview_sessions") == new


def test_a_turn_has_one_place_in_the_transcript(owner: psycopg.Connection) -> None:
    interview = completed(owner)
    statement = (
        "insert into interview_responses (interview_id, role, content, sequence_number) values (%s, 'user', 'hi', 1)"
    )
    owner.execute(statement, (interview,))
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute(statement, (interview,))


def test_a_webhook_event_is_stored_once(database: ScratchDatabase) -> None:
    statement = (
        "insert into app.webhook_events (provider, event_key, type, payload) values ('vapi', 'call:end', 'end', '{}') "
        "on conflict do nothing"
    )
    with database.connect("service", autocommit=False) as service:
        set_claims(service, SERVICE)
        assert [service.execute(statement.encode()).rowcount for _ in range(2)] == [1, 0]


@pytest.mark.parametrize(
    "statement",
    ["update interview_sessions set overall_score = 100", "update interview_sessions set status = 'completed'",
     "update practice_attempts set score = 100", "select app.record_activity('alice', 'practice', gen_random_uuid())",
     "insert into interview_sessions (user_id, interview_type) values ('alice', 'voice')",
     "insert into practice_attempts (user_id, question) values ('alice', '1 + 1?')"],
)  # fmt: skip
def test_a_token_at_a_rest_api_decides_no_score(owner: psycopg.Connection, statement: str) -> None:
    owner.execute("begin; set local role authenticated")
    set_claims(owner, claims_of(ALICE))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute(statement.encode())
    owner.execute("rollback")


def test_a_calls_events_go_with_its_interview_and_say_nothing_once_they_are_done(owner: psycopg.Connection) -> None:
    owner.execute(
        "insert into app.webhook_events (provider, event_key, type, call_id, payload) "
        "select 'vapi', c, 'end', c, '{}' from unnest(array['mine', 'another']) as c"
    )
    with pytest.raises(psycopg.errors.CheckViolation):
        owner.execute("update app.webhook_events set status = 'processed'")
    owner.execute("update app.webhook_events set status = 'processed', payload = null")
    interview = completed(owner, vapi_call_id="mine")
    owner.execute("delete from interview_sessions where id = %s", (interview,))
    assert owner.execute("select call_id from app.webhook_events").fetchall() == [("another",)]


DUE = "select coalesce(array_agg(call_id order by call_id), '{}') from app.due_call_deletions(10)"


def as_service(owner: psycopg.Connection, statement: str, *parameters: Any) -> Any:
    with owner.transaction():
        set_claims(owner, SERVICE)
        return one(owner, statement, *parameters)


@pytest.mark.parametrize("role", ["app", "service", "authenticated"])
def test_whoever_deletes_an_interview_leaves_its_call_to_be_deleted_with_the_deletion(
    role: str, database: ScratchDatabase
) -> None:
    login = "owner" if role == "authenticated" else role
    with database.connect() as owner, database.connect(login, autocommit=False) as somebody:
        owner.execute("insert into \"user\" (id) values ('alice')")
        completed(owner, vapi_call_id="mine")
        for end, left in ((somebody.rollback, []), (somebody.commit, ["mine"])):
            if role == "authenticated":
                somebody.execute("set local role authenticated")
            set_claims(somebody, SERVICE if role == "service" else claims_of(ALICE))
            somebody.execute("delete from interview_sessions")
            end()
            assert as_service(owner, DUE) == left


def test_accounts_that_are_deleted_elsewhere_leave_their_calls_to_be_deleted(empty_database: ScratchDatabase) -> None:
    account = "00000000-0000-0000-0000-000000000001"
    with empty_database.connect() as owner:
        owner.execute("create schema auth; create table auth.users (id uuid primary key)")
        owner.execute("insert into auth.users (id) values (%s)", (account,))
        up(empty_database.owner_url, SCHEMA)
        owner.execute("insert into interview_sessions (user_id, vapi_call_id) values (%s, 'mine')", (account,))
        owner.execute("delete from auth.users")
        assert owner.execute("select call_id, interview_id, deleted_at from app.call_deletions").fetchall() == [
            ("mine", None, None)
        ]


def test_a_call_that_an_interview_is_bound_to_is_never_due(owner: psycopg.Connection) -> None:
    owner.execute("insert into app.call_deletions (call_id) values ('mine'), ('nobodys')")
    completed(owner, vapi_call_id="mine")
    assert as_service(owner, DUE) == ["nobodys"]


def test_a_deletion_does_not_end_what_was_asked_for_since_it_began(owner: psycopg.Connection) -> None:
    requested, finish = (
        "select requested_at from app.due_call_deletions(1)",
        "select app.finish_call_deletion('mine', %s, true)",
    )
    owner.execute("insert into app.call_deletions (call_id) values ('mine')")
    begun = as_service(owner, requested)
    owner.execute("update app.call_deletions set requested_at = requested_at + interval '1 second'")
    as_service(owner, finish, begun)
    assert as_service(owner, DUE) == ["mine"]
    as_service(owner, finish, as_service(owner, requested))
    assert as_service(owner, DUE) == []


@pytest.mark.parametrize("statement", ["select app.due_call_deletions(1)", "select * from app.call_deletions"])
def test_no_caller_learns_which_calls_are_to_be_deleted(app: psycopg.Connection, statement: str) -> None:
    set_claims(app, claims_of(ALICE))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement.encode())


def test_others_interviews_are_invisible(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    interview = completed(owner)
    owner.execute("insert into voice_analytics (interview_id) values (%s)", (interview,))
    count = """
        select (select count(*) from interview_sessions) + (select count(*) from interview_responses)
          + (select count(*) from interview_feedback) + (select count(*) from voice_analytics)
    """
    set_claims(app, claims_of(ALICE))
    assert one(app, count) == 4
    set_claims(app, claims_of(BOB))
    assert one(app, count) == 0


def test_statistics_are_the_callers_and_empty_for_others(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    for day, score in enumerate((50, 60, 70)):
        interview = completed(
            owner, score=None, completed_at=NOON + timedelta(days=day), duration_minutes=10, category="technical"
        )
        give_feedback(owner, interview, ALICE, score, scores=[{"key": "sql", "score": score}])
    owner.execute("insert into interview_sessions (user_id, status) values ('alice', 'abandoned')")
    statement = """
        select total_interviews, completed_interviews, abandoned, average_score, best_score, last_score, score_trend,
          total_minutes, by_type, by_competency from get_user_interview_stats('alice')
    """
    set_claims(app, claims_of(ALICE))
    assert one(app, statement) == (4, 3, 1, 60, 70, 70, 10, 30, {"mixed": 1, "technical": 3}, {"sql": 60})
    recent = app.execute(
        "select overall_score, hiring_recommendation from get_recent_interviews_with_feedback('alice', 2)"
    )
    assert recent.fetchall() == [(70, "hire"), (60, "hire")]
    set_claims(app, claims_of(BOB))
    assert one(app, statement)[:3] == (0, 0, 0)
    assert app.execute("select count(*) from get_recent_interviews_with_feedback('alice')").fetchone() == (0,)


def test_deleting_a_user_leaves_nothing_behind(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    record(owner, "interview", completed(owner))
    record(owner, "practice", practised(owner))
    owner.execute("delete from \"user\" where id = 'alice'")
    for table in (
        "profiles", "practice_attempts", "interview_sessions", "interview_feedback", "achievements", "user_progress",
        "leaderboard", "streaks",
    ):  # fmt: skip
        column = "id" if table == "profiles" else "user_id"
        statement = sql.SQL("select count(*) from {} where {} = 'alice'").format(
            sql.Identifier(table), sql.Identifier(column)
        )
        assert owner.execute(statement).fetchone() == (0,), table
    assert (
        one(owner, "select (select count(*) from app.xp_events) + (select sum(members) from app.leaderboard_histogram)")
        == 0
    )

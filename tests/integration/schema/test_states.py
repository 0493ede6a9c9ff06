"""A state and its columns cannot contradict each other, and docs/states.md names every check that sees to it."""

from __future__ import annotations

import re

import psycopg
import pytest

from local.checkout import CHECKOUT
from testing.databases import ScratchDatabase

TABLES = (
    "app.ai_requests", "public.ai_response_cache", "public.interview_sessions", "public.interview_responses",
    "app.webhook_events", "app.call_deletions",
)  # fmt: skip
# Of single columns: words that they may hold.
PLAIN = {"webhook_events_status_check", "ai_requests_reserved_tokens_check", "interview_responses_role_check"}


def test_the_page_names_each_check_of_a_table_with_states(database: ScratchDatabase) -> None:
    with database.connect() as owner:
        rows = owner.execute(
            "select conname from pg_constraint where contype = 'c' and conrelid = any(%s::regclass[])", (list(TABLES),)
        ).fetchall()
    page = (CHECKOUT / "docs/states.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(\w+_check)`", page)) == {name for (name,) in rows} - PLAIN


@pytest.mark.parametrize(
    ("constraint", "columns"),
    [
        ("ai_requests_state_check", "state = 'lost'"),
        ("ai_requests_reserved_check", "lease_until = null"),
        ("ai_requests_reserved_check", "finished_at = now()"),
        ("ai_requests_reserved_check", "error_code = 'cancelled'"),
        ("ai_requests_settled_check", "state = 'settled', lease_until = null"),
        ("ai_requests_settled_check", "state = 'settled', finished_at = now()"),
        ("ai_requests_released_check", "state = 'released', finished_at = now(), lease_until = null"),
        ("ai_requests_released_check", "state = 'released', finished_at = now(), error_code = 'cancelled'"),
        ("ai_requests_answer_check", "state = 'settled', finished_at = now(), lease_until = null, answer = '{}'"),
    ],
)
def test_a_request_whose_columns_contradict_its_state_is_refused(
    constraint: str, columns: str, database: ScratchDatabase
) -> None:
    with database.connect() as owner:
        owner.execute(
            "insert into app.ai_requests (id, caller_key, operation, lease_until) values ('r', 'c', 'chat', now())"
        )
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            owner.execute(f"update app.ai_requests set {columns}".encode())
        assert caught.value.diag.constraint_name == constraint


@pytest.mark.parametrize(
    ("constraint", "statement"),
    [
        (
            "ai_response_cache_answer_check",
            "insert into ai_response_cache (query_hash, tenant, response, model) values ('h', 't', 'r', 'm')",
        ),
        (
            "ai_response_cache_semantic_check",
            "insert into ai_response_cache (query_hash, parameters_hash, message) values ('h', 'p', 'm')",
        ),
        (
            "interview_sessions_times_check",
            "insert into interview_sessions (user_id, status) values ('ada', 'completed')",
        ),
        (
            "interview_sessions_times_check",
            "insert into interview_sessions (user_id, status, completed_at) values ('ada', 'pending', now())",
        ),
        ("interview_sessions_words_check", "insert into interview_sessions (user_id, status) values ('ada', 'lost')"),
        (
            "interview_sessions_feedback_check",
            "insert into interview_sessions (user_id, feedback_status) values ('ada', 'pending')",
        ),
        (
            "interview_sessions_feedback_check",
            "insert into interview_sessions (user_id, feedback_status) values ('ada', 'failed')",
        ),
        (
            "interview_sessions_feedback_check",
            "insert into interview_sessions (user_id, feedback_error) values ('ada', 'upstream_error')",
        ),
        (
            "interview_sessions_feedback_check",
            "insert into interview_sessions (user_id, feedback_lease_until) values ('ada', now())",
        ),
        (
            "interview_sessions_feedback_check",
            "insert into interview_sessions (user_id, feedback_samples) values ('ada', 6)",
        ),
        (
            "interview_sessions_started_check",
            "insert into interview_sessions (user_id, status) values ('ada', 'in_progress')",
        ),
        (
            "interview_sessions_started_check",
            "insert into interview_sessions (user_id, started_at) values ('ada', now())",
        ),
        (
            "interview_sessions_conduct_check",
            "insert into interview_sessions (user_id, follow_up_depth) values ('ada', 'endless')",
        ),
        (
            "interview_responses_stage_check",
            """
            with made as (insert into interview_sessions (user_id) values ('ada') returning id)
            insert into interview_responses (interview_id, role, stage, content) select id, 'user', 'question', 'x'
            from made
            """,
        ),
        (
            "webhook_events_payload_check",
            "insert into app.webhook_events (provider, event_key, type) values ('vapi', 'k', 't')",
        ),
        (
            "call_deletions_deleted_check",
            """
            with made as (insert into interview_sessions (user_id) values ('ada') returning id)
            insert into app.call_deletions (call_id, interview_id, deleted_at) select 'c', id, now() from made
            """,
        ),
    ],
)
def test_another_row_whose_columns_contradict_its_state_is_refused(
    constraint: str, statement: str, database: ScratchDatabase
) -> None:
    with database.connect() as owner:
        owner.execute("""insert into "user" (id) values ('ada')""")
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            owner.execute(statement.encode())
        assert caught.value.diag.constraint_name == constraint

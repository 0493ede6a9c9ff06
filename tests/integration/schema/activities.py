"""Two people, their interviews and practice, and the recording of these as the backend does it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from testing.claims import set_claims
from testing.claims import user as claims_of
from testing.databases import ScratchDatabase

ALICE, BOB = "alice", "bob"
NOON = datetime(2026, 10, 20, 12, tzinfo=UTC)
ACTIVITY = "select app.record_activity(%s, %s, %s, %s)"


@pytest.fixture
def owner(database: ScratchDatabase) -> Iterator[psycopg.Connection]:
    """The tables' owner, with Alice and Bob and their profiles."""
    with database.connect() as connection:
        connection.execute('insert into "user" (id) values (%s), (%s)', (ALICE, BOB))
        connection.execute(
            "insert into profiles (id, email) values (%s, 'a@example.org'), (%s, 'b@example.org')", (ALICE, BOB)
        )
        yield connection


@pytest.fixture
def app(database: ScratchDatabase) -> Iterator[psycopg.Connection]:
    """The HTTP functions' login, in transactions that a test ends itself."""
    with database.connect("app", autocommit=False) as connection:
        yield connection


def one(connection: psycopg.Connection, statement: str, *parameters: Any) -> Any:
    row = connection.execute(statement.encode(), parameters).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def completed(
    owner: psycopg.Connection,
    user: str = ALICE,
    score: float | None = 70,
    answer: str = "We measured it.",
    **columns: Any,
) -> UUID:
    """A completed interview with an answer; with a score, its feedback is there too."""
    values = {"user_id": user, "status": "completed", "completed_at": NOON, "overall_score": score} | columns
    statement = sql.SQL("insert into interview_sessions ({}) values ({}) returning id").format(
        sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join([sql.Placeholder()] * len(values))
    )
    row = owner.execute(statement, list(values.values())).fetchone()
    assert row is not None
    owner.execute(
        "insert into interview_responses (interview_id, role, stage, content, sequence_number) "
        "values (%s, 'user', %s, %s, 2)",
        (row[0], "answer" if answer else "skipped", answer),
    )
    if score is not None:
        give_feedback(owner, row[0], user, score)
    return UUID(str(row[0]))


def give_feedback(
    owner: psycopg.Connection, interview: UUID, user: str, score: float, recommendation: str = "hire", version: int = 1,
    scores: Any = (),
) -> None:  # fmt: skip
    owner.execute(
        """
        with made as (
          insert into interview_feedback (interview_id, user_id, overall_score, hiring_recommendation, version, scores)
          values (%s, %s, %s, %s, %s, %s) returning id
        )
        update interview_sessions set feedback_id = made.id, overall_score = %s
        from made where interview_sessions.id = %s
        """,
        (interview, user, score, recommendation, version, Jsonb(list(scores)), score, interview),
    )


def practised(owner: psycopg.Connection, user: str = ALICE, score: float | None = None, skill: str = "sql") -> UUID:
    statement = "insert into practice_attempts (user_id, skill, score) values (%s, %s, %s) returning id"
    return UUID(str(one(owner, statement, user, skill, score)))


def record(
    owner: psycopg.Connection, kind: str, reference: UUID, at: datetime = NOON, user: str = ALICE
) -> dict[str, Any]:
    """As the functions that complete an interview, write feedback or keep a practice do: no login may by itself."""
    with owner.transaction():
        set_claims(owner, claims_of(user))
        outcome: dict[str, Any] = one(owner, ACTIVITY, user, kind, reference, at)
    return outcome


def ledger(owner: psycopg.Connection, user: str = ALICE) -> dict[str, int]:
    return dict(owner.execute("select event_key, amount from app.xp_events where user_id = %s", (user,)).fetchall())

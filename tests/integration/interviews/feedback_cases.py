"""Interviews that are over, and the worker that writes their feedback."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from psycopg.types.json import Jsonb

from parley.interviews.record import InterviewRecord
from testing.claims import SERVICE, set_claims
from testing.functions import Functions
from testing.interviews import make_record

USER = "ada"


def complete(database: Any, record: InterviewRecord | None = None, user: str = USER, **columns: Any) -> str:
    """Hold an interview as the services do, as far as its feedback depends on it; returns its id."""
    record = record or make_record(Random(3), questions=3)
    values = {"user_id": user, "language": record.language, "category": record.category, "role": record.role} | columns
    with database.connect() as owner:
        owner.execute('insert into "user" (id) values (%s) on conflict do nothing', (user,))
        names, slots = ", ".join(values), ", ".join(["%s"] * len(values))
        interview: str = owner.execute(
            f"insert into interview_sessions ({names}, questions, status, started_at)"
            f" values ({slots}, %s, 'in_progress', now() - interval '10 minutes') returning id::text",
            (*values.values(), Jsonb([{"id": f"q{n}", "question": text} for n, text in enumerate(record.questions)])),
        ).fetchone()[0]
        for turn in record.turns:
            owner.execute(
                "insert into interview_responses (interview_id, role, stage, content, sequence_number, question_index)"
                " values (%s, %s, %s, %s, %s, %s)",
                (interview, turn.role, "answer" if turn.role == "user" else "question", turn.content,
                 turn.sequence_number, turn.question_index),
            )  # fmt: skip
        with owner.transaction():
            set_claims(owner, SERVICE)
            owner.execute(
                "update interview_sessions set status = 'completed', completed_at = now() where id = %s", (interview,)
            )
    return interview


def message(interview: str, number: int = 1) -> dict[str, Any]:
    """The queue's record."""
    return {"messageId": f"m{number}", "body": json.dumps({"task": "interview_feedback", "id": interview})}


def run_worker(schedules: Functions, *interviews: str, seconds: float = 120) -> list[str]:
    """Deliver one message for each; returns the interviews to be delivered again."""
    records = [message(interview, number) for number, interview in enumerate(interviews)]
    answer = schedules.invoke("worker", {"Records": records}, seconds)
    failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
    return [interview for interview, record in zip(interviews, records, strict=True) if record["messageId"] in failed]


def session(database: Any, interview: str) -> dict[str, Any]:
    """The interview's row."""
    with database.connect() as owner:
        row = owner.execute("select to_jsonb(s) from interview_sessions s where id = %s", (interview,)).fetchone()
    assert row is not None
    found: dict[str, Any] = row[0]
    return found


def rows(database: Any, statement: str, *parameters: Any) -> list[Any]:
    """What the owner reads."""
    with database.connect() as owner:
        return [row[0] if len(row) == 1 else row for row in owner.execute(statement.encode(), parameters).fetchall()]

"""Feedback on an interview, as callers ask for it and read it.

An interview that is completed is due for feedback in the same transaction (schema/75). The function `worker` writes it
(`feedback_writer`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from parley.admission.refusals import refusal
from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem
from parley.core.queues import WorkQueue
from parley.database.connection import Database
from parley.interviews.feedback_schemas import FeedbackState, InterviewFeedback
from parley.interviews.sessions import interview_not_found, interview_uuid

_MOST_REGENERATIONS = 3

# By request_feedback's outcome: code, status, and what the caller can do.
_REFUSALS = {
    "idempotency_key_reused": (
        "idempotency_key_reused",
        422,
        "This Idempotency-Key was used with another body; use a new key.",
    ),
    "interview_not_completed": (
        "interview_not_completed",
        409,
        "Feedback comes with the end of the interview; complete it first.",
    ),
    "feedback_limit_reached": (
        "feedback_limit_reached",
        409,
        "No more feedback is written on this interview; GET has each version, and another interview gets its own.",
    ),
}


class FeedbackRequests:
    """What callers do with feedback.

    Args:
        queue: asks the worker to write it.
    """

    def __init__(self, database: Database, queue: WorkQueue) -> None:
        self._database = database
        self._queue = queue

    def request(self, context: RequestContext, interview_id: str, samples: int) -> tuple[FeedbackState, bool]:
        """Have feedback written, anew or after it failed; while some is written, nothing more is asked for. Also says
        whether an earlier request with this idempotency key has asked.

        Raises Problem (404, 409, 422, 429).
        """
        caller = context.caller
        request_id = None if context.idempotency_key is None else UUID(context.new_ids(1)[0])
        found: dict[str, Any] = self._database.query(
            caller.claims,
            "select app.request_feedback(%s, %s, %s, %s) as found",
            (caller.user_id, interview_uuid(interview_id), samples, request_id),
            idempotent=True,
        )[0]["found"]
        outcome = found["outcome"]
        if outcome == "interview_not_found":
            raise interview_not_found()
        if outcome == "quota_exceeded":
            raise refusal(found)
        if outcome in _REFUSALS:
            code, status, detail = _REFUSALS[outcome]
            raise Problem(code, detail, status=status)
        # Also where it was due already: its message may be lost, and one too many changes nothing.
        self._queue.send(interview_id)
        return self.read(caller, interview_id), outcome == "repeated"

    def read(self, caller: Caller, interview_id: str, version: int | None = None) -> FeedbackState:
        """Where the feedback is, with the version that is asked for, or the latest. Raises Problem (404)."""
        rows = self._database.query(
            caller.claims,
            """
            select s.feedback_status, s.feedback_error, s.feedback_requested_at,
              (select count(*) from public.interview_feedback v where v.interview_id = s.id) as versions,
              (select count(*) from public.interview_feedback v
               where v.interview_id = s.id and v.version >= s.feedback_counted_from
                 and v.rule_version is not null) as counted,
              to_jsonb(f) as feedback
            from public.interview_sessions s
            left join public.interview_feedback f
              on f.interview_id = s.id and (f.version = %s or %s::integer is null and f.id = s.feedback_id)
                -- What Parley did not write may have any form.
                and f.rule_version is not null
            where s.id = %s and s.user_id = %s
            """,
            (version, version, interview_uuid(interview_id), caller.user_id),
            idempotent=True,
        )
        if not rows:
            raise interview_not_found()
        found = rows[0]
        if version is not None and found["feedback"] is None:
            raise Problem("feedback_not_found", "There is no such version of this interview's feedback.", status=404)
        return {
            "interview_id": interview_id,
            "feedback_status": found["feedback_status"],
            "error": found["feedback_error"],
            "requested_at": found["feedback_requested_at"],
            "versions": found["versions"],
            "regenerations_left": _MOST_REGENERATIONS - max(0, min(_MOST_REGENERATIONS, found["counted"] - 1)),
            "feedback": found["feedback"] and _shown(found["feedback"]),
        }


def _shown(row: Mapping[str, Any]) -> InterviewFeedback:
    """A row of interview_feedback as callers see it."""
    score = row["overall_score"]
    return {
        "version": row["version"],
        "overall_score": None if score is None else round(score),
        "hiring_recommendation": row["hiring_recommendation"],
        "competencies": row["scores"],
        "questions": row["questions"],
        "strengths": row["strengths"],
        "improvements": row["improvements"],
        "next_steps": row["recommendations"],
        "summary": row["detailed_feedback"] or "",
        "coverage": row["coverage"],
        "samples": row["samples"],
        "agreement": row["agreement"],
        "rejected_quotes": row["evidence_rejected"],
        "verified_transcript": row["is_verified"],
        "rubric_version": row["rubric_version"],
        "rule_version": row["rule_version"],
        "prompt_version": row["prompt_version"],
        "provider": row["provider"],
        "model": row["model"],
        "created_at": datetime.fromisoformat(row["created_at"]),
    }

"""Feedback on an interview: asked for and read by callers, written by the function `worker`.

An interview that is completed is due for feedback in the same transaction (schema/75). Whoever writes it holds a lease;
the feedback, the interview's score, what it earns and the usage become visible together (schema/88).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from parley.admission.refusals import Refused, refusal
from parley.completion.prompt import Prompt
from parley.core.caller import SERVICE, Caller, RequestContext
from parley.core.errors import Problem
from parley.core.observability import log_fault, logger
from parley.database.connection import Database
from parley.database.errors import DatabaseUnavailable
from parley.interviews.assessment import (
    PROMPT_VERSION,
    Assessment,
    messages_for,
    most_tokens_of_answer,
    read,
    schema_for,
)
from parley.interviews.record import InterviewRecord
from parley.interviews.rubric import Rubric, rubric_for
from parley.interviews.scoring import RULE_VERSION, Feedback, feedback_from
from parley.interviews.sessions import interview_not_found, interview_uuid

if TYPE_CHECKING:
    from parley.completion.call import ModelCall
    from parley.completion.completions import Completions
    from parley.core.queues import WorkQueue
    from parley.interviews.feedback_schemas import FeedbackState, InterviewFeedback

_MOST_REGENERATIONS = 3
# Of a task's time, what is kept for writing the end of it.
_MARGIN_SECONDS = 15.0

# What the user mends, and then asks again; no later delivery would.
_FOR_THE_USER = frozenset({"own_key_rejected", "own_key_quota_exhausted"})

# By request_feedback's outcome: code, status, and what the caller can do.
_REFUSALS = {
    "interview_not_completed": (
        "interview_not_completed",
        409,
        "Feedback comes with the end of the interview; complete it first.",
    ),
    "feedback_limit_reached": (
        "feedback_limit_reached",
        409,
        "The feedback was written anew three times already; GET has all versions.",
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

    def request(self, caller: Caller, interview_id: str, samples: int) -> FeedbackState:
        """Have feedback written, anew or after it failed; while some is written, nothing more is asked for.

        Raises Problem (404, 409, 429).
        """
        found: dict[str, Any] = self._database.query(
            caller.claims,
            "select app.request_feedback(%s, %s, %s) as found",
            (caller.user_id, interview_uuid(interview_id), samples),
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
        return self.read(caller, interview_id)

    def read(self, caller: Caller, interview_id: str, version: int | None = None) -> FeedbackState:
        """Where the feedback is, with the version that is asked for, or the latest. Raises Problem (404)."""
        rows = self._database.query(
            caller.claims,
            """
            select s.feedback_status, s.feedback_error, s.feedback_requested_at,
              (select count(*) from public.interview_feedback v where v.interview_id = s.id) as versions,
              to_jsonb(f) as feedback
            from public.interview_sessions s
            left join public.interview_feedback f
              on f.interview_id = s.id and (f.version = %s or %s::integer is null and f.id = s.feedback_id)
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
            "regenerations_left": _MOST_REGENERATIONS - max(0, min(_MOST_REGENERATIONS, found["versions"] - 1)),
            "feedback": found["feedback"] and _shown(found["feedback"]),
        }


class FeedbackWriter:
    """What the worker does."""

    def __init__(self, database: Database, completions: Completions) -> None:
        self._database = database
        self._completions = completions

    def write(self, interview_id: str, seconds: float) -> bool:
        """Write the feedback that is due.

        Returns False where the queue should deliver the message again: somebody else is at it and may die, or no model
        gave an answer that can be used, which another hour may cure. Raises DatabaseUnavailable.
        """
        due: dict[str, Any] = self._database.query(
            SERVICE.claims, "select app.begin_feedback(%s::uuid, %s) as due", (interview_id, int(seconds) + 1)
        )[0]["due"]
        if due["outcome"] != "due":
            return bool(due["outcome"] == "not_due")
        try:
            self._write(interview_id, due, seconds - _MARGIN_SECONDS)
        except DatabaseUnavailable:
            raise  # the lease ends by itself
        except Refused as refused:
            # What the user's own account or organization forbids is theirs to change, and then to ask again.
            return self._failed(interview_id, due, refused.code, again=False)
        except Problem as problem:
            return self._failed(interview_id, due, problem.code, again=problem.code not in _FOR_THE_USER)
        except Exception as error:
            log_fault("feedback could not be written", error)
            return self._failed(interview_id, due, "internal_error", again=True)
        return True

    def _failed(self, interview_id: str, due: Mapping[str, Any], code: str, *, again: bool) -> bool:
        logger.warning("no feedback", interview=interview_id, code=code)
        self._database.query(
            SERVICE.claims,
            "select app.fail_feedback(%s::uuid, %s, %s)",
            (interview_id, due["fence"], code),
            idempotent=True,
        )
        return not again

    def _write(self, interview_id: str, due: Mapping[str, Any], seconds: float) -> None:
        record = InterviewRecord.from_json(due["interview"])
        rubric = rubric_for(record.category, record.criteria)
        caller = Caller(user_id=due["user_id"], organization_id=due["organization_id"])
        # The same one for each try at this version, so that a later try takes over what an earlier one still holds.
        context = RequestContext(caller, f"feedback-{interview_id}-{due['version']}", seconds)
        prompt = Prompt(
            operation="interview_feedback",
            messages=messages_for(rubric, record),
            max_output_tokens=most_tokens_of_answer(rubric, record),
            # Several samples are asked for to see how far they differ.
            temperature=0.0 if due["samples"] == 1 else None,
            schema=schema_for(rubric, record),
            schema_name="interview_feedback",
            cache_mode="off",
            keeps_turns=True,
            takes_unit=due["takes_unit"],
        )
        with self._completions.admit(context, prompt) as call:
            samples = _assess(call, rubric, record, due["samples"]) if record.said else []
            feedback = _columns(feedback_from(samples, rubric, record), rubric, record, call)
            finish = (caller.user_id, interview_id, due["fence"], feedback)
            call.settle(
                {},
                takes_unit=due["takes_unit"],
                statements=[("select app.finish_feedback(%s, %s::uuid, %s, %s)", finish)],
            )


def _assess(call: ModelCall, rubric: Rubric, record: InterviewRecord, count: int) -> list[Assessment]:
    """As many assessments as are asked for; where models fail on the way, those that came. Raises Problem for none."""
    samples: list[Assessment] = []
    for left in range(count, 0, -1):
        try:
            samples.append(
                call.complete_valid(
                    lambda rejected: messages_for(rubric, record, rejected),
                    lambda text: read(text, rubric, record),
                    call.seconds_left / left,
                )
            )
        except Problem as problem:
            if not samples:
                raise
            logger.warning("fewer samples than asked for", code=problem.code, samples=len(samples), asked=count)
            break
    return samples


def _columns(feedback: Feedback, rubric: Rubric, record: InterviewRecord, call: ModelCall) -> dict[str, Any]:
    """The feedback as columns of interview_feedback."""
    is_scored = feedback.overall_score is not None
    return {
        "overall_score": feedback.overall_score,
        "hiring_recommendation": feedback.recommendation,
        "scores": [
            {
                "key": item.key,
                "name": item.name,
                "level": item.level,
                "score": item.score if is_scored else None,
                "evidence": [asdict(evidence) for evidence in item.evidence],
                "evidenced": bool(item.evidence),
                "reasoning": item.reasoning,
                "spread": item.spread,
            }
            for item in feedback.competencies
        ],
        "questions": [
            {
                "question_index": item.index,
                "status": item.status,
                "summary": item.summary,
                "missing_points": item.missing_points,
                "better_answer": item.better_answer,
            }
            for item in feedback.questions
        ],
        "strengths": feedback.strengths,
        "improvements": [asdict(item) for item in feedback.improvements],
        "recommendations": feedback.next_steps,
        "detailed_feedback": feedback.summary,
        "coverage": round(feedback.coverage, 3),
        "agreement": None if feedback.agreement is None else round(feedback.agreement, 3),
        "samples": feedback.samples,
        "evidence_rejected": feedback.rejected,
        "fully_evidenced": feedback.is_fully_evidenced,
        "is_verified": record.is_verified,
        "rule_version": RULE_VERSION,
        "prompt_version": PROMPT_VERSION,
        "rubric_version": rubric.version,
        "provider": call.answered_by and call.answered_by.provider,
        "model": call.answered_by and call.answered_by.model,
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

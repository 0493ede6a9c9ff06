"""How the worker writes an interview's feedback.

Whoever writes holds a lease (schema/75). Feedback, the interview's score, what it earns and the usage become visible
together (schema/88).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from parley.admission.refusals import Refused
from parley.completion.prompt import Prompt
from parley.core.caller import SERVICE, Caller, RequestContext
from parley.core.errors import Problem
from parley.core.observability import log_fault, logger
from parley.database.connection import Database
from parley.database.errors import DatabaseError, DatabaseUnavailable
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

if TYPE_CHECKING:
    from parley.completion.call import ModelCall
    from parley.completion.completions import Completions

# Of a task's time, what is kept for writing the end of it.
_MARGIN_SECONDS = 15.0

# What app.finish_feedback raises where there is nothing left to write, and what that means.
_DONE = {
    "P0002": "the interview was deleted while its feedback was written",
    "55000": "somebody else writes the feedback: the lease had ended, or the report of the call came",
}

# What the user mends, and then asks again; no later delivery would.
_FOR_THE_USER = frozenset({"own_key_rejected", "own_key_quota_exhausted"})


class FeedbackWriter:
    """Writes the feedback of one interview after another."""

    def __init__(self, database: Database, completions: Completions) -> None:
        self._database = database
        self._completions = completions

    def write(self, interview_id: str, seconds: float) -> bool:
        """Write the feedback that is due.

        Args:
            seconds: how long it may take.

        Returns False where the queue should deliver the message again: somebody else is at it and may die, or no model
        gave an answer that can be used, which waiting may cure. Raises DatabaseUnavailable.
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
            if isinstance(error, DatabaseError) and error.sqlstate in _DONE:
                logger.info(_DONE[error.sqlstate], interview=interview_id)
                return True
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
            # There is nothing to ask a model about where nothing was said, or no questions are known (adopted rows).
            has_answers = bool(record.said and record.questions)
            samples = _assess(call, rubric, record, due["samples"]) if has_answers else []
            feedback = _columns(feedback_from(samples, rubric, record), rubric, record, call)
            finish = (caller.user_id, interview_id, due["fence"], feedback)
            call.settle(
                {},
                # Where models failed on the way, those that came may be covered after all.
                takes_unit=len(samples) > due["covered"],
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
                "evidence": [evidence.as_json() for evidence in item.evidence],
                "evidenced": item.is_evidenced,
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

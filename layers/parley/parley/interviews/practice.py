"""Practice: single answers, graded as an interview's are, by one competency of the rubric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, LiteralString, cast
from uuid import UUID

from parley.completion.call import ModelAnswer, ModelCall
from parley.completion.completions import Completions
from parley.completion.prompt import Prompt
from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem, subject_deleted
from parley.core.paging import PageQuery, a_text, a_time
from parley.database.connection import Database
from parley.database.errors import DatabaseError
from parley.interviews.assessment import PROMPT_VERSION, messages_for, most_tokens_of_answer, read, schema_for
from parley.interviews.record import InterviewRecord
from parley.interviews.rubric import Rubric, rubric_of
from parley.interviews.scoring import RULE_VERSION, Feedback, feedback_from
from parley.interviews.session_records import Turn

if TYPE_CHECKING:
    from parley.interviews.practice_schemas import PracticeAttempt, PracticeAttemptList, PracticeRequest

# An interview is judged by a hundred words, over several answers.
_LEAST_WORDS = 25
_GONE = "P0002"  # app.record_practice's SQLSTATE

_READ: LiteralString = """
select a.id::text, a.skill, a.question, a.answer, a.difficulty, a.language, a.score::float8,
  case when a.feedback ? 'rule_version' then a.feedback end as feedback, a.created_at
from public.practice_attempts a
"""


@dataclass(frozen=True, slots=True)
class Practice:
    """The practice service."""

    database: Database
    completions: Completions

    def attempt(self, context: RequestContext, request: PracticeRequest) -> ModelAnswer:
        """Have an answer graded, and keep it with what it earns. It takes a unit. Raises Problem."""
        record, rubric = _record(request), rubric_of(request.skill)
        prompt = Prompt(
            operation="practice",
            messages=messages_for(rubric, record),
            max_output_tokens=most_tokens_of_answer(rubric, record),
            temperature=0.0,
            schema=schema_for(rubric, record),
            schema_name="interview_feedback",
            cache_mode="off",
            keeps_turns=True,
        )
        with self.completions.admit(context, prompt) as call:
            if call.replay is not None:
                return call.answered(self.read(context.caller, call.replay["practice_attempt_id"]))
            assessment = call.complete_valid(
                lambda rejected: messages_for(rubric, record, rejected), lambda text: read(text, rubric, record)
            )
            feedback = feedback_from([assessment], rubric, record, least_words=_LEAST_WORDS)
            (attempt_id,) = context.new_ids(1)
            attempt = request.model_dump() | {
                "id": attempt_id,
                "score": feedback.overall_score,
                "feedback": _told(feedback, rubric, call),
            }
            try:
                # What was answered is kept once, and goes with the attempt.
                call.settle(
                    {"practice_attempt_id": attempt_id},
                    statements=[("select app.record_practice(%s, %s)", (context.caller.user_id, attempt))],
                )
            except DatabaseError as error:
                if error.sqlstate == _GONE:
                    raise subject_deleted() from None
                raise
            return call.answered(self.read(context.caller, attempt_id))

    def read(self, caller: Caller, attempt_id: str) -> PracticeAttempt:
        """One attempt. Raises Problem (404)."""
        try:
            key = UUID(attempt_id)
        except ValueError:
            raise _not_found() from None
        rows = self.database.query(
            caller.claims, _READ + "where a.id = %s and a.user_id = %s", (key, caller.user_id), idempotent=True
        )
        if not rows:
            raise _not_found()
        return cast("PracticeAttempt", rows[0])

    def page(self, caller: Caller, query: PageQuery) -> PracticeAttemptList:
        """The caller's attempts, the newest first."""
        moment, key = query.after(a_time, _an_id)
        rows = self.database.query(
            caller.claims,
            _READ
            + """
            where a.user_id = %s and (%s::timestamptz is null or (a.created_at, a.id) < (%s, %s::uuid))
            order by a.created_at desc, a.id desc
            limit %s
            """,
            (caller.user_id, moment, moment, key, query.limit + 1),
            idempotent=True,
        )
        data, following = query.page(rows, "created_at", "id")
        return {"data": data, "next_cursor": following}


def _record(request: PracticeRequest) -> InterviewRecord:
    """The question and the answer as an interview of one question."""
    now = datetime.now(UTC)  # no prompt tells it
    return InterviewRecord(
        language=request.language,
        category="",
        role="",
        experience_level="",
        questions=[request.question],
        turns=[
            Turn(1, "assistant", "question", request.question, 0, now),
            Turn(2, "user", "answer", request.answer, 0, now),
        ],
    )


def _told(feedback: Feedback, rubric: Rubric, call: ModelCall) -> Mapping[str, Any]:
    """The feedback as it is kept and shown: PracticeFeedback."""
    (competency,), (question,) = feedback.competencies, feedback.questions
    return {
        "level": competency.level,
        "evidence": [evidence.as_json() for evidence in competency.evidence],
        "evidenced": competency.is_evidenced,
        "reasoning": competency.reasoning,
        "summary": question.summary or feedback.summary,
        "missing_points": question.missing_points,
        "better_answer": question.better_answer,
        "strengths": feedback.strengths,
        "improvements": [asdict(item) for item in feedback.improvements],
        "next_steps": feedback.next_steps,
        "rejected_quotes": feedback.rejected,
        "rubric_version": rubric.version,
        "rule_version": RULE_VERSION,
        "prompt_version": PROMPT_VERSION,
        "provider": call.answered_by and call.answered_by.provider,
        "model": call.answered_by and call.answered_by.model,
    }


def _an_id(value: Any) -> str:
    return str(UUID(a_text(value)))


def _not_found() -> Problem:
    return Problem("practice_attempt_not_found", "You have no such practice attempt.", status=404)

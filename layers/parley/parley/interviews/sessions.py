"""Text interviews: made, conducted turn by turn, and ended.

The database conducts them (schema/71_interview_sessions.sql): it holds the sequence, the budget of follow-ups and the
time limits, and stores an answer before any model is asked, so nothing that was said is lost. This service asks the
model for follow-ups. An interview's unit is taken when it starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from parley.admission.quota import Quota
from parley.completion.completions import Completions
from parley.completion.prompt import Prompt
from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem, subject_deleted
from parley.core.observability import logger
from parley.core.paging import a_time
from parley.database.connection import Database, Statement
from parley.database.errors import DatabaseError
from parley.database.values import jsonb
from parley.interviews.session_follow_ups import follow_up, follow_up_prompt
from parley.interviews.session_records import Question, Stage, State, Turn
from parley.interviews.session_schemas import (
    AnswerRequest,
    Asked,
    Interview,
    InterviewChange,
    InterviewList,
    InterviewQuery,
    InterviewRequest,
    InterviewState,
    NewQuestion,
    SkipRequest,
    Transcript,
)

_NOT_FOUND, _WRONG_STATE = "P0002", "55000"  # SQLSTATEs of the functions that conduct interviews
# A follow-up that no model may or can give is left out, and the interview goes on.
_WITHOUT_FOLLOW_UP = ("own_key_missing", "provider_not_allowed")


@dataclass(frozen=True, slots=True)
class Interviews:
    """The interview service.

    Args:
        daily_limit: how many interviews one user may make in a day: making one costs no unit.
    """

    database: Database
    completions: Completions
    daily_limit: int

    # Making and reading.

    def create(self, context: RequestContext, request: InterviewRequest) -> tuple[Interview, bool]:
        """Prepare an interview; and whether an earlier request with this key had made it. Raises Problem."""
        questions = [asdict(question) for question in _questions(request.questions or ())]
        session = {
            "title": request.title or request.role or questions[0]["question"][:80],
            "description": request.description,
            "questions": questions,
            "category": request.category or "mixed",
            "role": request.role,
            "experience_level": request.level,
            "language": request.language or "en",
            "purpose": request.purpose,
            "competencies": [],
            "follow_up_depth": request.follow_up_depth,
            "time_limit_seconds": request.time_limit_seconds,
            "metadata": request.metadata,
        }
        return self._make(context, session)

    def _make(self, context: RequestContext, session: Mapping[str, Any]) -> tuple[Interview, bool]:
        caller, interview_id = context.caller, context.new_ids(1)[0]
        made = self.database.query(
            caller.claims,
            "select app.create_interview(%s, %s, %s) as made",
            (
                caller.user_id,
                jsonb({**session, "id": interview_id, "request_hash": context.body_hash}),
                self.daily_limit,
            ),
            idempotent=True,
        )[0]["made"]
        outcome = made["outcome"]
        if outcome == "subject_deleted":
            raise subject_deleted()
        if outcome == "idempotency_key_reused":
            raise Problem(
                "idempotency_key_reused",
                "This Idempotency-Key was used with another body; use a new key.",
                status=422,
            )
        if outcome == "daily_limit_reached":
            raise Problem(
                "daily_limit_reached",
                "That many interviews can be made in a day; go on when it is over.",
                status=429,
                retry_after=made["retry_after"],
            )
        return self.read(caller, interview_id), outcome == "repeated"

    def read(self, caller: Caller, interview_id: str) -> Interview:
        """One interview. Raises Problem (404)."""
        rows = self.database.query(
            caller.claims,
            """
            select s.id, s.title, s.description, s.interview_type, s.status, s.feedback_status, s.category, s.role,
              s.experience_level as level, s.language, s.purpose, jsonb_array_length(s.questions) as question_count,
              s.started_at, s.completed_at, s.duration_minutes::float8, s.overall_score::float8, s.ended_reason,
              s.created_at, s.questions, s.competencies, s.follow_up_depth, s.time_limit_seconds, s.retry_of,
              s.metadata, s.updated_at
            from public.interview_sessions s where s.id = %s and s.user_id = %s
            """,
            (_uuid(interview_id), caller.user_id),
            idempotent=True,
        )
        if not rows:
            raise _not_found()
        return cast("Interview", rows[0])

    def page(self, caller: Caller, query: InterviewQuery) -> InterviewList:
        """The caller's interviews, the newest first, without their questions."""
        moment, key = query.after(a_time, UUID)
        rows = self.database.query(
            caller.claims,
            """
            select s.id, s.title, s.description, s.interview_type, s.status, s.feedback_status, s.category, s.role,
              s.experience_level as level, s.language, s.purpose, jsonb_array_length(s.questions) as question_count,
              s.started_at, s.completed_at, s.duration_minutes::float8, s.overall_score::float8, s.ended_reason,
              s.created_at
            from public.interview_sessions s
            where s.user_id = %s
              and s.status = coalesce(%s, s.status)
              and s.interview_type = coalesce(%s, s.interview_type)
              and s.category = coalesce(%s, s.category)
              and s.created_at >= coalesce(%s, '-infinity'::timestamptz)
              and s.created_at < coalesce(%s, 'infinity'::timestamptz)
              and (%s::timestamptz is null or (s.created_at, s.id) < (%s, %s))
            order by s.created_at desc, s.id desc
            limit %s
            """,
            (
                caller.user_id, query.status, query.interview_type, query.category, query.from_, query.to,
                moment, moment, key, query.limit + 1,
            ),
            idempotent=True,
        )  # fmt: skip
        data, following = query.page(rows, "created_at", "id")
        return {"data": data, "next_cursor": following}

    def transcript(self, caller: Caller, interview_id: str) -> Transcript:
        """All that was said, in order. Raises Problem (404)."""
        session, turns = self.database.batch(
            caller.claims,
            [
                (
                    "select id::text, status from public.interview_sessions where id = %s and user_id = %s",
                    (_uuid(interview_id), caller.user_id),
                ),
                (
                    """
                    select r.sequence_number, r.role, r.stage, r.content, r.question_index, r."timestamp",
                      r.confidence::float8, r.analysis
                    from public.interview_responses r join public.interview_sessions s on s.id = r.interview_id
                    where s.id = %s and s.user_id = %s
                    order by r.sequence_number
                    """,
                    (_uuid(interview_id), caller.user_id),
                ),
            ],
            idempotent=True,
        )
        if not session:
            raise _not_found()
        return {**session[0], "data": turns}  # type: ignore[typeddict-item]

    def change(self, caller: Caller, interview_id: str, change: InterviewChange) -> Interview:
        """Change what describes an interview. Raises Problem (404)."""
        self.database.query(
            caller.claims,
            """
            update public.interview_sessions
            set title = coalesce(%s, title), description = coalesce(%s, description), metadata = coalesce(%s, metadata)
            where id = %s and user_id = %s
            """,
            (change.title, change.description, change.metadata, _uuid(interview_id), caller.user_id),
            idempotent=True,
        )
        return self.read(caller, interview_id)

    def delete(self, caller: Caller, interview_id: str) -> None:
        """Delete an interview with all that was said and judged in it. Raises Problem (404)."""
        deleted = self.database.query(
            caller.claims,
            "delete from public.interview_sessions where id = %s and user_id = %s returning id",
            (_uuid(interview_id), caller.user_id),
        )
        if not deleted:
            raise _not_found()

    # Conducting. Each answers with how the interview stands then.

    def state(self, caller: Caller, interview_id: str) -> InterviewState:
        """How it stands. Raises Problem (404)."""
        return _shown(self._move(caller, interview_id, "look"))

    def start(self, context: RequestContext, interview_id: str) -> tuple[InterviewState, Quota | None]:
        """Take the unit and ask the first question; where it has begun already, go on. The quota, where one was taken.

        Raises Problem: 404, 409 where the interview is over, and what refuses a unit.
        """
        state, quota = self._move(context.caller, interview_id, "look"), None
        if state.awaits is None:
            raise _over()
        if state.awaits == "start":
            quota = self._take_unit(context, state)
            state = self._move(context.caller, interview_id, "look")
        return _shown(self._go_on(context, state)), quota

    def answer(self, context: RequestContext, interview_id: str, answer: AnswerRequest) -> InterviewState:
        """Store an answer, once by its submission id, and go on.

        Raises Problem: 404; 409 where it answers another turn or the interview is over; 422 where the id was used with
        another answer.
        """
        parameters = (answer.sequence_number, answer.submission_id, answer.content)
        return _shown(self._go_on(context, self._move(context.caller, interview_id, "answer", *parameters)))

    def skip(self, caller: Caller, interview_id: str, skip: SkipRequest) -> InterviewState:
        """Leave the question. Raises Problem as `answer` does."""
        return _shown(self._move(caller, interview_id, "skip", skip.sequence_number))

    def complete(self, caller: Caller, interview_id: str) -> InterviewState:
        """End it, with feedback from what is there. Raises Problem: 404, 409 where it is not in progress."""
        return _shown(self._move(caller, interview_id, "complete"))

    def abandon(self, caller: Caller, interview_id: str) -> InterviewState:
        """Give it up, without feedback. Raises Problem: 404, 409 where it is over."""
        return _shown(self._move(caller, interview_id, "abandon"))

    def _move(
        self,
        caller: Caller,
        interview_id: str,
        move: str,
        sequence_number: int | None = None,
        submission_id: str | None = None,
        content: str | None = None,
    ) -> State:
        parameters = (caller.user_id, _uuid(interview_id), move, sequence_number, submission_id, content)
        try:
            moved = self.database.query(
                caller.claims,
                "select app.move_interview(%s, %s, %s, %s, %s, %s) as moved",
                parameters,
                idempotent=True,
            )[0]["moved"]
        except DatabaseError as error:
            if error.sqlstate == _NOT_FOUND:
                raise _not_found() from None
            raise
        if moved["outcome"] in _REFUSALS:
            code, status, detail = _REFUSALS[moved["outcome"]]
            raise Problem(code, detail, status=status)
        return State.from_json(moved["state"])

    def _take_unit(self, context: RequestContext, state: State) -> Quota:
        """Spend the unit and start the interview, both or neither. Who starts twice at once waits for the first."""
        session = state.session
        prompt = Prompt(operation="interview", messages=[], max_output_tokens=1, cache_mode="off")
        with self.completions.admit(_step(context, session.id, "start"), prompt) as call:
            if call.replay is None:
                try:
                    call.settle(
                        {"interview_id": session.id},
                        statements=[("select app.start_interview(%s, %s)", (session.user_id, UUID(session.id)))],
                    )
                except DatabaseError as error:
                    if error.sqlstate in (_WRONG_STATE, _NOT_FOUND):  # given up, or deleted, at this moment
                        raise _over() from None
                    raise
            return call.quota

    def _go_on(self, context: RequestContext, state: State) -> State:
        """Where the interviewer is to speak: ask a model for a follow-up, and ask it or the next question.

        The step has a key of its own, so that however often an answer is sent, a model is asked once.
        Raises Problem: 409 while another request asks, 503 while the database is away; the answer is stored.
        """
        if state.awaits != "interviewer":
            return state
        session, after = state.session, state.last_sequence_number
        prompt = follow_up_prompt(state)
        try:
            with self.completions.admit(_step(context, session.id, f"turn {after + 1}"), prompt) as call:
                if call.replay is None:
                    question: str | None = None
                    try:
                        question = follow_up(call.complete().text, state)
                    except Problem as problem:
                        logger.warning("an answer is not followed up", code=problem.code)
                    answer = {"follow_up": question}
                    call.settle(answer, takes_unit=False, statements=[self._follow_up_written(state, question)])
        except Problem as problem:
            if problem.code not in _WITHOUT_FOLLOW_UP:
                raise
            logger.warning("an answer is not followed up", code=problem.code)
            self.database.batch(context.caller.claims, [self._follow_up_written(state, None)], idempotent=True)
        return self._move(context.caller, session.id, "look")

    @staticmethod
    def _follow_up_written(state: State, question: str | None) -> Statement:
        session = state.session
        parameters = (session.user_id, UUID(session.id), state.last_sequence_number, question)
        return "select app.ask_follow_up(%s, %s, %s, %s)", parameters


_REFUSALS = {
    "submission_id_reused": (
        "submission_id_reused",
        422,
        "This submission_id was used with another answer; use a new one.",
    ),
    "sequence_conflict": (
        "sequence_conflict",
        409,
        "This does not answer what was asked last; read the state and answer under its answer_sequence_number.",
    ),
    "not_in_progress": (
        "interview_not_in_progress",
        409,
        "The interview has not begun or is over; its status says which.",
    ),
}


def _step(context: RequestContext, interview_id: str, step: str) -> RequestContext:
    """The request that carries out one step of an interview, under a key that all who try it share."""
    key = f"interview {interview_id} {step}"
    return replace(
        context, request_id=f"{context.request_id}.{step.replace(' ', '')}", idempotency_key=key, body_hash=key
    )


def _questions(questions: Sequence[NewQuestion]) -> list[Question]:
    return [Question(id=f"q{number}", **question.model_dump()) for number, question in enumerate(questions, start=1)]


def _shown(state: State) -> InterviewState:
    session = state.session
    asked = state.turns[-1] if state.awaits == "answer" else None
    return {
        "id": session.id,
        "status": session.status,
        "feedback_status": session.feedback_status,
        "awaits": state.awaits,
        "asked": None if asked is None else _asked(asked),
        "answer_sequence_number": None if asked is None else asked.sequence_number + 1,
        "question_index": state.question_index,
        "question_count": len(session.questions),
        "follow_ups_left": state.follow_ups_left,
        "question_seconds_left": _seconds_left(state, state.question_ends_at),
        "interview_seconds_left": _seconds_left(state, state.interview_ends_at),
        "ended_reason": session.ended_reason,
    }


def _asked(turn: Turn) -> Asked:
    return {
        "sequence_number": turn.sequence_number,
        "stage": cast("Stage", turn.stage),
        "content": turn.content,
        "timestamp": turn.timestamp,
    }


def _seconds_left(state: State, until: datetime | None) -> int | None:
    return None if until is None else max(0, int((until - state.now).total_seconds()))


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _not_found() from None


def _not_found() -> Problem:
    return Problem("interview_not_found", "There is no such interview of yours.", status=404)


def _over() -> Problem:
    code, status, detail = _REFUSALS["not_in_progress"]
    return Problem(code, detail, status=status)

"""Conducting a text interview: start, answers, skips, and the end.

The database holds the sequence, the budget of follow-ups and the time limits (schema/71_interview_sessions.sql), and
stores an answer before any model is asked, so nothing that was said is lost. This service asks the model for
follow-ups. An interview's unit is taken when it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from parley.admission.quota import Quota
from parley.completion.completions import Completions
from parley.completion.prompt import Prompt
from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem
from parley.core.observability import logger
from parley.core.queues import WorkQueue
from parley.database.connection import Database, Statement
from parley.database.errors import DatabaseError
from parley.interviews.session_follow_ups import follow_up, follow_up_prompt
from parley.interviews.session_records import Stage, State, Turn
from parley.interviews.session_schemas import (
    AnswerRequest,
    Asked,
    InterviewState,
    SkipRequest,
    StartedInterview,
    VoiceCall,
)
from parley.interviews.sessions import interview_not_found, interview_uuid
from parley.interviews.voice_assistant import VoiceAssistants
from parley.interviews.words import words_in

_NOT_FOUND, _WRONG_STATE = "P0002", "55000"  # SQLSTATEs of the functions that conduct interviews
# A follow-up that no model may or can give is left out, and the interview goes on.
_WITHOUT_FOLLOW_UP = ("own_key_missing", "provider_not_allowed")


@dataclass(frozen=True, slots=True)
class Conduct:
    """Conducts interviews. Each move answers with how the interview stands then.

    Args:
        feedback_queue: asks the worker for the feedback of an interview that is completed.
        voice_assistants: makes what a voice interview's call is started with.
    """

    database: Database
    completions: Completions
    feedback_queue: WorkQueue
    voice_assistants: Callable[[], VoiceAssistants]

    def state(self, caller: Caller, interview_id: str) -> InterviewState:
        """How it stands. Raises Problem (404)."""
        return _shown(self._move(caller, interview_id, "look"))

    def start(self, context: RequestContext, interview_id: str) -> tuple[StartedInterview, Quota | None]:
        """Take the unit and ask the first question, or say how to make the call; where it has begun already, go on. The
        quota, where one was taken.

        Raises Problem: 404, 409 where the interview is over, and what refuses a unit; ConfigurationError where nothing
        is set up for voice.
        """
        state = self._move(context.caller, interview_id, "look")
        quota: Quota | None = None
        voice: VoiceCall | None = None
        session = state.session
        is_voice = session.interview_type == "voice"
        if state.awaits is None and not (is_voice and session.status == "in_progress"):
            raise _over()
        if is_voice:
            if session.vapi_call_id is not None:
                raise Problem(
                    "call_already_made", "The interview's call was made; retry makes another interview.", status=409
                )
            # Before the unit is taken: what cannot be held costs nothing.
            voice = self.voice_assistants().call_of(context.caller, session)
        if state.awaits == "start":
            quota = self._take_unit(context, state)
            state = self._move(context.caller, interview_id, "look")
        return {**_shown(self._go_on(context, state)), "voice": voice}, quota

    def answer(self, context: RequestContext, interview_id: str, answer: AnswerRequest) -> InterviewState:
        """Store an answer, once by its submission id, and go on.

        Raises Problem: 404; 409 where it answers another turn or the interview is over; 422 where the id was used with
        another answer.
        """
        parameters = (answer.sequence_number, answer.submission_id, answer.content, words_in(answer.content))
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
        words: int | None = None,
    ) -> State:
        parameters = (
            caller.user_id,
            interview_uuid(interview_id),
            move,
            sequence_number,
            submission_id,
            content,
            words,
        )
        with _refused_moves():
            moved = self.database.query(
                caller.claims,
                "select app.move_interview(%s, %s, %s, %s, %s, %s, %s) as moved",
                parameters,
                idempotent=True,
            )[0]["moved"]
        if moved["completed"]:
            self.feedback_queue.send(interview_id)
        if moved["outcome"] in _REFUSALS:
            code, status, detail = _REFUSALS[moved["outcome"]]
            raise Problem(code, detail, status=status)
        return State.from_json(moved["state"])

    def _take_unit(self, context: RequestContext, state: State) -> Quota:
        """Spend the unit and start the interview, both or neither. Who starts twice at once waits for the first."""
        session = state.session
        prompt = Prompt(operation="interview", messages=[], max_output_tokens=1, cache_mode="off")
        with _refused_moves(), self.completions.admit(_step(context, session.id, "start"), prompt) as call:
            if call.replay is None:
                call.settle(
                    {"interview_id": session.id},
                    statements=[("select app.start_interview(%s, %s)", (session.user_id, UUID(session.id)))],
                )
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
            with (
                _refused_moves(),
                self.completions.admit(_step(context, session.id, f"turn {after + 1}"), prompt) as call,
            ):
                if call.replay is None:
                    question: str | None = None
                    try:
                        question = follow_up(call.complete().text, state)
                    except Problem as problem:
                        logger.warning("an answer is not followed up", code=problem.code)
                    # What was asked is in the transcript, and goes with it.
                    answer = {"interview_id": session.id}
                    call.settle(answer, takes_unit=False, statements=[self._follow_up_written(state, question)])
        except Problem as problem:
            if problem.code not in _WITHOUT_FOLLOW_UP:
                raise
            logger.warning("an answer is not followed up", code=problem.code)
            self.database.batch(context.caller.claims, [self._follow_up_written(state, None)], idempotent=True)
        state = self._move(context.caller, session.id, "look")
        if state.session.status == "completed":
            self.feedback_queue.send(session.id)
        return state

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
        "Start the interview where its status is pending, retry it where it is over; a spoken one is held by its call.",
    ),
}


@contextmanager
def _refused_moves() -> Iterator[None]:
    """Within the block, raises Problem (404, 409) where an interview was deleted or ended at this moment."""
    try:
        yield
    except DatabaseError as error:
        if error.sqlstate == _NOT_FOUND:
            raise interview_not_found() from None
        if error.sqlstate == _WRONG_STATE:
            raise _over() from None
        raise


def _step(context: RequestContext, interview_id: str, step: str) -> RequestContext:
    """The request that carries out one step of an interview, under a key that all who try it share. No caller can send
    one like it: theirs have no line feeds.
    """
    key = f"interview\n{interview_id}\n{step}"
    request_id = f"{context.request_id}.{step.replace(' ', '')}"
    return context._replace(request_id=request_id, idempotency_key=key, body_hash=key)


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
        "answer_seconds_left": _seconds_left(state, state.answer_ends_at),
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


def _over() -> Problem:
    code, status, detail = _REFUSALS["not_in_progress"]
    return Problem(code, detail, status=status)

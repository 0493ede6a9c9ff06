"""An interview as it is stored: its questions, its turns, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

Status = Literal["pending", "in_progress", "completed", "abandoned", "failed"]
FeedbackStatus = Literal["none", "pending", "ready", "failed"]
InterviewType = Literal["voice", "text"]
FollowUpDepth = Literal["light", "moderate", "deep"]
Awaits = Literal["start", "answer", "interviewer"]
Role = Literal["user", "assistant", "system"]
Stage = Literal["question", "follow_up", "answer", "skipped", "expired"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a session.

    Attributes:
        id: unique within its session.
        expected_points: what a good answer says.
        follow_ups: what may be asked next.
        time_limit_seconds: for each answer, to it and to its follow-ups; None for no limit.
    """

    id: str
    question: str
    competency: str = "general"
    type: str = "mixed"
    difficulty: str = "medium"
    expected_points: tuple[str, ...] = ()
    follow_ups: tuple[str, ...] = ()
    time_limit_seconds: int | None = None

    @classmethod
    def all_of(cls, found: Any) -> tuple[Question, ...]:
        """Read a session's `questions`; an adopted session's may be texts, or lack what ours have."""
        items = found if isinstance(found, list) else []
        return tuple(cls._of(item, f"q{number}") for number, item in enumerate(items, start=1))

    @classmethod
    def _of(cls, item: Any, default_id: str) -> Question:
        if not isinstance(item, dict):
            return cls(default_id, str(item))
        known = {field.name: item[field.name] for field in fields(cls) if item.get(field.name) is not None}
        for name in ("expected_points", "follow_ups"):
            known[name] = tuple(map(str, known[name])) if isinstance(known.get(name), list) else ()
        return cls(**{"id": default_id, "question": "", **known})


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the transcript.

    Attributes:
        sequence_number: from 1, without gaps.
        role, stage: assistant: question, follow_up; user: answer, skipped; system: expired (time ran out). Skipped and
            expired turns have no content. The stage is None for a spoken turn.
        question_index: which of the questions it is about, from 0; None for a spoken turn that cannot be placed.
        analysis: of a typed answer `words`, and `seconds` since it was asked.
    """

    sequence_number: int
    role: Role
    stage: Stage | None
    content: str
    question_index: int | None
    timestamp: datetime
    confidence: float | None = None
    analysis: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Turn:
        """Read a row of interview_responses, as such or as JSON."""
        confidence = found["confidence"]
        return cls(
            sequence_number=found["sequence_number"],
            role=found["role"],
            stage=found["stage"],
            content=found["content"],
            question_index=found["question_index"],
            timestamp=_time(found["timestamp"]),
            confidence=None if confidence is None else float(confidence),
            analysis=found["analysis"],
        )


@dataclass(frozen=True, slots=True)
class Session:
    """One interview without its turns.

    Attributes:
        organization_id: whom its user acted for when it was made.
        category: technical, behavioral, situational, system_design or mixed.
        language: a BCP 47 tag.
        ended_reason: finished, ended_by_candidate, time_limit, silence or abandoned, or the voice vendor's; None before
            the end.
        vapi_call_id: the voice call that it is bound to.
    """

    id: str
    user_id: str
    organization_id: str | None
    title: str | None
    status: Status
    feedback_status: FeedbackStatus
    interview_type: InterviewType
    category: str
    role: str | None
    experience_level: str | None
    language: str
    purpose: str
    questions: tuple[Question, ...]
    follow_up_depth: FollowUpDepth
    time_limit_seconds: int | None
    started_at: datetime | None
    completed_at: datetime | None
    ended_reason: str | None
    vapi_call_id: str | None = None

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Session:
        """Read a row of interview_sessions, as such or as JSON."""
        return cls(
            id=str(found["id"]),
            user_id=found["user_id"],
            organization_id=found["organization_id"],
            title=found["title"],
            status=found["status"],
            feedback_status=found["feedback_status"],
            interview_type=found["interview_type"],
            category=found["category"],
            role=found["role"],
            experience_level=found["experience_level"],
            language=found["language"],
            purpose=found["purpose"],
            questions=Question.all_of(found["questions"]),
            follow_up_depth=found["follow_up_depth"],
            time_limit_seconds=found["time_limit_seconds"],
            started_at=_time_or_none(found["started_at"]),
            completed_at=_time_or_none(found["completed_at"]),
            ended_reason=found["ended_reason"],
            vapi_call_id=found["vapi_call_id"],
        )


@dataclass(frozen=True, slots=True)
class State:
    """How an interview stands, and what it waits for: what app.interview_state returns.

    Attributes:
        awaits: None once it is over, and where its turns are not typed: a voice call's, an adopted interview's.
        question_index: of the question at the end of the transcript; None before the start.
        turns: about that question.
        asked: all that the interviewer has asked.
        follow_ups_left, answer_ends_at, interview_ends_at: while it is in progress.
        now: the database's clock.
    """

    session: Session
    awaits: Awaits | None
    last_sequence_number: int
    question_index: int | None
    turns: tuple[Turn, ...]
    asked: tuple[str, ...]
    follow_ups_left: int | None
    answer_ends_at: datetime | None
    interview_ends_at: datetime | None
    now: datetime

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> State:
        """Read the function's reply."""
        return cls(
            session=Session.from_json(found["session"]),
            awaits=found["awaits"],
            last_sequence_number=found["last_sequence_number"],
            question_index=found["question_index"],
            turns=tuple(Turn.from_json(turn) for turn in found["turns"]),
            asked=tuple(found["asked"]),
            follow_ups_left=found["follow_ups_left"],
            answer_ends_at=_time_or_none(found["answer_ends_at"]),
            interview_ends_at=_time_or_none(found["interview_ends_at"]),
            now=_time(found["now"]),
        )


def _time(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _time_or_none(value: datetime | str | None) -> datetime | None:
    return None if value is None else _time(value)

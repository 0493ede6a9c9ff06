"""Interviews: made, listed, read, exported and deleted. They are conducted in `conduct`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from parley.admission.quota import Quota
from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem, subject_deleted
from parley.core.ids import path_uuid
from parley.core.paging import PageQuery, a_number, a_time
from parley.database.connection import Database
from parley.database.values import jsonb
from parley.interviews.schemas import QuestionsRequest
from parley.interviews.session_records import Question
from parley.interviews.session_schemas import (
    ExportedFeedback,
    Interview,
    InterviewChange,
    InterviewExport,
    InterviewList,
    InterviewQuery,
    InterviewRequest,
    InterviewStatistics,
    InterviewTurn,
    NewQuestion,
    RecentInterview,
    RecentInterviewList,
    RecentQuery,
    ResponseList,
)

if TYPE_CHECKING:
    from parley.interviews.service import QuestionGenerator

_LONGEST_TITLE = 80


@dataclass(frozen=True, slots=True)
class Made:
    """An interview that was asked for.

    Attributes:
        replayed: whether an earlier request with this idempotency key had made it.
        quota: the caller's, where its questions took a unit.
    """

    interview: Interview
    replayed: bool
    quota: Quota | None = None


@dataclass(frozen=True, slots=True)
class Interviews:
    """The interview service.

    Args:
        generator: writes the questions for a role; asked for when there are some to write.
        daily_limit: how many interviews one user may have made in a day when making another one costs no unit.
    """

    database: Database
    generator: Callable[[], QuestionGenerator]
    daily_limit: int

    def create(self, context: RequestContext, request: InterviewRequest) -> Made:
        """Prepare an interview. Raises Problem, DatabaseUnavailable."""
        quota: Quota | None = None
        found: Mapping[str, Any] = {}
        if request.questions is not None:
            questions = [_stored(number, question) for number, question in enumerate(request.questions, start=1)]
        elif request.generation_id is not None:
            found = self._generation(context.caller, request.generation_id)
            questions = found["questions"]
        else:
            generated = self.generator().generate(context, _generation_request(request), needs_database=True)
            quota, found, questions = generated.quota, generated.body, generated.body["questions"]
        role = request.role or found.get("role")
        session = {
            "title": request.title or role or questions[0]["question"][:_LONGEST_TITLE],
            "description": request.description or found.get("description"),
            "questions": questions,
            "category": request.category or found.get("category") or "mixed",
            "role": role,
            "experience_level": request.level or found.get("experience_level"),
            "language": request.language or found.get("language") or "en",
            "purpose": request.purpose,
            "competencies": [criterion.as_json() for criterion in request.competencies],
            "follow_up_depth": request.follow_up_depth,
            "time_limit_seconds": request.time_limit_seconds,
            "interview_type": request.interview_type,
            "metadata": request.metadata,
        }
        # Questions that a model wrote have taken a unit, and are not refused after that.
        made = self._make(context, session, self.daily_limit if found.get("degraded", True) else None)
        return replace(made, quota=quota)

    def retry(self, context: RequestContext, interview_id: str) -> Made:
        """Prepare another interview with the questions of one that is over. Raises Problem: 404, 409 while it runs."""
        interview = self.read(context.caller, interview_id)
        if interview["status"] in ("pending", "in_progress"):
            raise Problem("interview_not_over", "This interview is not over; complete or abandon it first.", status=409)
        same = (
            "title", "description", "questions", "category", "role", "language", "purpose", "competencies",
            "follow_up_depth", "time_limit_seconds", "interview_type", "metadata",
        )  # fmt: skip
        session: dict[str, Any] = {name: value for name, value in interview.items() if name in same}
        session |= {"experience_level": interview["level"], "retry_of": interview_id}
        # The body says nothing of which interview this is.
        return self._make(context._replace(body_hash=f"retry of {interview_id}"), session, self.daily_limit)

    def _generation(self, caller: Caller, generation_id: str) -> Mapping[str, Any]:
        rows = self.database.query(
            caller.claims,
            """
            select questions, description, role, experience_level, category, language from app.question_generations
            where id = %s and user_id = %s
            """,
            (generation_id, caller.user_id),
            idempotent=True,
        )
        if not rows:
            raise Problem(
                "generation_not_found",
                "No questions of yours were generated under this id; it is the id of their answer.",
                status=404,
            )
        return rows[0]

    def _make(self, context: RequestContext, session: Mapping[str, Any], daily_limit: int | None) -> Made:
        caller, interview_id = context.caller, context.new_ids(1)[0]
        made = self.database.query(
            caller.claims,
            "select app.create_interview(%s, %s, %s) as made",
            (
                caller.user_id,
                jsonb({**session, "id": interview_id, "request_hash": context.body_hash}),
                daily_limit,
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
        return Made(self.read(caller, interview_id), replayed=outcome == "repeated")

    def read(self, caller: Caller, interview_id: str) -> Interview:
        """One interview. Raises Problem (404)."""
        rows = self.database.query(
            caller.claims,
            """
            select s.id, s.title, s.description, s.interview_type, s.status, s.feedback_status, s.category, s.role,
              s.experience_level as level, s.language, s.purpose, app.question_count(s) as question_count,
              s.started_at, s.completed_at, s.duration_minutes::float8, s.overall_score::float8, s.ended_reason,
              s.created_at, s.questions, s.competencies, s.follow_up_depth, s.time_limit_seconds, s.retry_of,
              s.metadata, s.updated_at
            from public.interview_sessions s where s.id = %s and s.user_id = %s
            """,
            (interview_uuid(interview_id), caller.user_id),
            idempotent=True,
        )
        if not rows:
            raise interview_not_found()
        found = rows[0]
        # An adopted interview may keep something else, or nothing.
        kept = found["competencies"] if isinstance(found["competencies"], list) else []
        changed: dict[str, Any] = {
            "questions": [asdict(question) for question in Question.all_of(found["questions"])],
            "competencies": [criterion for criterion in kept if isinstance(criterion, dict)],
            "metadata": found["metadata"] if isinstance(found["metadata"], dict) else {},
        }
        return cast("Interview", found | changed)

    def page(self, caller: Caller, query: InterviewQuery) -> InterviewList:
        """The caller's interviews, the newest first, without their questions."""
        moment, key = query.after(a_time, UUID)
        rows = self.database.query(
            caller.claims,
            """
            select s.id, s.title, s.description, s.interview_type, s.status, s.feedback_status, s.category, s.role,
              s.experience_level as level, s.language, s.purpose, app.question_count(s) as question_count,
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

    def responses(self, caller: Caller, interview_id: str, query: PageQuery) -> ResponseList:
        """All that was said, in order. Raises Problem (404)."""
        (after,) = query.after(a_number)
        session, turns = self.database.batch(
            caller.claims,
            [
                (
                    "select id from public.interview_sessions where id = %s and user_id = %s",
                    (interview_uuid(interview_id), caller.user_id),
                ),
                (
                    """
                    select r.sequence_number, r.role, r.stage, r.content, r.question_index, r."timestamp",
                      r.confidence::float8, r.analysis
                    from public.interview_responses r join public.interview_sessions s on s.id = r.interview_id
                    where s.id = %s and s.user_id = %s and r.sequence_number > coalesce(%s, 0)
                    order by r.sequence_number
                    limit %s
                    """,
                    (interview_uuid(interview_id), caller.user_id, after, query.limit + 1),
                ),
            ],
            idempotent=True,
        )
        if not session:
            raise interview_not_found()
        data, following = query.page(turns, "sequence_number")
        return {"data": data, "next_cursor": following}

    def export(self, caller: Caller, interview_id: str) -> InterviewExport:
        """All there is of an interview: its turns, and its feedback as it stands. Raises Problem (404)."""
        interview = self.read(caller, interview_id)
        turns, feedback = self.database.batch(
            caller.claims,
            [
                (
                    """
                    select r.sequence_number, r.role, r.stage, r.content, r.question_index, r."timestamp",
                      r.confidence::float8, r.analysis
                    from public.interview_responses r join public.interview_sessions s on s.id = r.interview_id
                    where s.id = %s and s.user_id = %s
                    order by r.sequence_number
                    """,
                    (interview["id"], caller.user_id),
                ),
                (
                    """
                    select f.version, f.overall_score::float8, f.hiring_recommendation, f.scores, f.strengths,
                      f.improvements, f.recommendations, f.detailed_feedback, f.created_at
                    from public.interview_feedback f join public.interview_sessions s on s.feedback_id = f.id
                    where s.id = %s and s.user_id = %s
                    """,
                    (interview["id"], caller.user_id),
                ),
            ],
            idempotent=True,
        )
        lists = ("scores", "strengths", "improvements", "recommendations")
        return {
            "interview": interview,
            "turns": cast("list[InterviewTurn]", turns),
            "feedback": cast("ExportedFeedback", _with_lists(feedback[0], lists)) if feedback else None,
        }

    def statistics(self, caller: Caller) -> InterviewStatistics:
        """S5's get_user_interview_stats."""
        rows = self.database.query(
            caller.claims,
            """
            select total_interviews, completed_interviews, abandoned, average_score::float8, best_score::float8,
              last_score::float8, score_trend, total_minutes::float8, voice_count, text_count, by_type, by_competency,
              current_streak, longest_streak, total_xp, level
            from public.get_user_interview_stats(%s)
            """,
            (caller.user_id,),
            idempotent=True,
        )
        return cast("InterviewStatistics", rows[0])

    def recent(self, caller: Caller, query: RecentQuery) -> RecentInterviewList:
        """S5's get_recent_interviews_with_feedback."""
        rows = self.database.query(
            caller.claims,
            """
            select id, title, description, interview_type, category, role, status, feedback_status, started_at,
              completed_at, duration_minutes::float8, created_at, feedback_id, overall_score::float8,
              hiring_recommendation, strengths, improvements
            from public.get_recent_interviews_with_feedback(%s, %s)
            """,
            (caller.user_id, query.limit),
            idempotent=True,
        )
        # Null is an interview without feedback.
        lists = ("strengths", "improvements")
        data = [_with_lists(row, lists) if row["feedback_id"] else row for row in rows]
        return {"data": cast("list[RecentInterview]", data), "next_cursor": None}

    def change(self, caller: Caller, interview_id: str, change: InterviewChange) -> Interview:
        """Change what describes an interview. Raises Problem (404)."""
        self.database.query(
            caller.claims,
            """
            update public.interview_sessions
            set title = coalesce(%s, title), description = coalesce(%s, description), metadata = coalesce(%s, metadata)
            where id = %s and user_id = %s
            """,
            (change.title, change.description, change.metadata, interview_uuid(interview_id), caller.user_id),
            idempotent=True,
        )
        return self.read(caller, interview_id)

    def delete(self, caller: Caller, interview_id: str) -> None:
        """Delete an interview with all that was said and judged in it; a trigger notes its call, for the vendor.

        Raises Problem (404).
        """
        deleted = self.database.query(
            caller.claims,
            "delete from public.interview_sessions where id = %s and user_id = %s returning id",
            (interview_uuid(interview_id), caller.user_id),
        )
        if not deleted:
            raise interview_not_found()


def _a_list(value: Any) -> list[Any]:
    """What adopted feedback keeps as a list, or as one thing, or not at all."""
    if isinstance(value, list):
        return value
    return [value] if value else []


def _with_lists(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {**row, **{name: _a_list(row[name]) for name in names}}


def _stored(number: int, question: NewQuestion) -> dict[str, Any]:
    return asdict(Question(id=f"q{number}", **question.model_dump()))


def _generation_request(request: InterviewRequest) -> QuestionsRequest:
    return QuestionsRequest(
        role=request.role or "",
        level=request.level,
        number=request.number or 5,
        type=request.category or "mixed",
        difficulty=request.difficulty,
        language=request.language or "en",
        competencies=[criterion.key for criterion in request.competencies],
    )


def interview_uuid(text: str) -> UUID:
    """An interview's id in a path, as answers spell it. Raises Problem (404) for what is none."""
    found = path_uuid(text, interview_not_found)
    if str(found) != text:
        raise interview_not_found()  # messages and answers hold the id as it came
    return found


def interview_not_found() -> Problem:
    """The answer where there is no interview, or somebody else's."""
    return Problem("interview_not_found", "There is no such interview of yours.", status=404)

"""Interviews: /api/interviews, from their questions to the last answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley.api.problems import MODEL_CALL
from parley.api.quota_headers import model_headers, quota_headers
from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.container import Container
from parley.core.paging import PageQuery
from parley.interviews.feedback_schemas import FeedbackQuery, FeedbackRequest, FeedbackState
from parley.interviews.practice_schemas import PracticeAttempt, PracticeAttemptList, PracticeRequest
from parley.interviews.session_export import as_csv, as_markdown, as_transcript
from parley.interviews.session_schemas import (
    AnswerRequest,
    ExportQuery,
    Interview,
    InterviewChange,
    InterviewExport,
    InterviewList,
    InterviewQuery,
    InterviewRequest,
    InterviewState,
    InterviewStatistics,
    RecentInterviewList,
    RecentQuery,
    ResponseList,
    SkipRequest,
    StartedInterview,
)

if TYPE_CHECKING:
    from parley.interviews.sessions import Made

services = Container.from_environment(calls_models=True)
api = Api(services.settings)
_NOT_FOUND, _NO_ATTEMPT = "interview_not_found", "practice_attempt_not_found"
_ENDS = (_NOT_FOUND, "interview_not_in_progress")
_MOVES = (*_ENDS, "sequence_conflict", "request_in_progress")


@api.post(
    "/api/interviews",
    access="user",
    status=201,
    answer=Interview,
    idempotent=True,
    errors=[*MODEL_CALL, "daily_limit_reached", "generation_not_found"],
)
def create_interview(request: Request, body: InterviewRequest) -> Reply:
    """Prepare an interview from given questions, from a generation, or for a role."""
    return _made(services.interviews.create(request.context, body))


@api.get("/api/interviews", access="user", answer=InterviewList)
def list_interviews(request: Request, query: InterviewQuery) -> InterviewList:
    """The caller's interviews, the newest first."""
    return services.interviews.page(request.caller, query)


@api.get("/api/interviews/stats", access="user", answer=InterviewStatistics)
def get_interview_statistics(request: Request) -> InterviewStatistics:
    """Figures about the caller's interviews."""
    return services.interviews.statistics(request.caller)


@api.get("/api/interviews/recent", access="user", answer=RecentInterviewList)
def list_recent_interviews(request: Request, query: RecentQuery) -> RecentInterviewList:
    """The caller's interviews with what their feedback says in short, the last completed first."""
    return services.interviews.recent(request.caller, query)


@api.get("/api/interviews/{interview_id}", access="user", answer=Interview, errors=[_NOT_FOUND])
def get_interview(request: Request) -> Interview:
    """One interview with its questions."""
    return services.interviews.read(request.caller, request.path["interview_id"])


@api.patch("/api/interviews/{interview_id}", access="user", answer=Interview, errors=[_NOT_FOUND])
def change_interview(request: Request, body: InterviewChange) -> Interview:
    """Change title, description or metadata."""
    return services.interviews.change(request.caller, request.path["interview_id"], body)


@api.delete("/api/interviews/{interview_id}", access="user", status=204, answer=None, errors=[_NOT_FOUND])
def delete_interview(request: Request) -> None:
    """Delete an interview with all that was said and judged in it."""
    services.interviews.delete(request.caller, request.path["interview_id"])


@api.post(
    "/api/interviews/{interview_id}/start",
    access="user",
    answer=StartedInterview,
    errors=[*_ENDS, "call_already_made", *MODEL_CALL],
)
def start_interview(request: Request) -> Reply:
    """Start an interview, or go on where it stopped; of one by voice, how to make its call."""
    state, quota = services.conduct.start(request.context, request.path["interview_id"])
    return Reply(state, {} if quota is None else quota_headers(quota))


@api.get("/api/interviews/{interview_id}/state", access="user", answer=InterviewState, errors=[_NOT_FOUND])
def get_interview_state(request: Request) -> InterviewState:
    """What the interview waits for, and the time and the follow-ups that are left."""
    return services.conduct.state(request.caller, request.path["interview_id"])


@api.get("/api/interviews/{interview_id}/responses", access="user", answer=ResponseList, errors=[_NOT_FOUND])
def list_interview_responses(request: Request, query: PageQuery) -> ResponseList:
    """All turns, in order."""
    return services.interviews.responses(request.caller, request.path["interview_id"], query)


@api.get("/api/interviews/{interview_id}/transcript", access="user", answer={"text/plain": str}, errors=[_NOT_FOUND])
def get_interview_transcript(request: Request) -> Reply:
    """What was said, as text to read."""
    export = services.interviews.export(request.caller, request.path["interview_id"])
    return Reply(as_transcript(export["turns"]), content_type="text/plain; charset=utf-8")


@api.get(
    "/api/interviews/{interview_id}/export",
    access="user",
    answer={"application/json": InterviewExport, "text/csv": str, "text/markdown": str},
    errors=[_NOT_FOUND],
)
def export_interview(request: Request, query: ExportQuery) -> Reply | InterviewExport:
    """All there is of an interview, as JSON, CSV or Markdown."""
    export = services.interviews.export(request.caller, request.path["interview_id"])
    if query.format == "csv":
        return Reply(as_csv(export["turns"]), content_type="text/csv; charset=utf-8")
    if query.format == "md":
        return Reply(as_markdown(export), content_type="text/markdown; charset=utf-8")
    return export


@api.post(
    "/api/interviews/{interview_id}/responses",
    access="user",
    answer=InterviewState,
    errors=[*_MOVES, "submission_id_reused"],
)
def answer_interview_question(request: Request, body: AnswerRequest) -> InterviewState:
    """Answer what was asked last."""
    return services.conduct.answer(request.context, request.path["interview_id"], body)


@api.post("/api/interviews/{interview_id}/skip", access="user", answer=InterviewState, errors=_MOVES)
def skip_interview_question(request: Request, body: SkipRequest) -> InterviewState:
    """Leave the current question."""
    return services.conduct.skip(request.caller, request.path["interview_id"], body)


@api.post("/api/interviews/{interview_id}/complete", access="user", status=202, answer=InterviewState, errors=_ENDS)
def complete_interview(request: Request) -> InterviewState:
    """End an interview; feedback comes from what is there."""
    return services.conduct.complete(request.caller, request.path["interview_id"])


@api.post("/api/interviews/{interview_id}/abandon", access="user", answer=InterviewState, errors=_ENDS)
def abandon_interview(request: Request) -> InterviewState:
    """Give an interview up."""
    return services.conduct.abandon(request.caller, request.path["interview_id"])


@api.post(
    "/api/interviews/{interview_id}/retry",
    access="user",
    status=201,
    answer=Interview,
    idempotent=True,
    errors=[_NOT_FOUND, "interview_not_over", "daily_limit_reached", "subject_deleted"],
)
def retry_interview(request: Request) -> Reply:
    """Prepare another interview with the same questions."""
    return _made(services.interviews.retry(request.context, request.path["interview_id"]))


@api.get(
    "/api/interviews/{interview_id}/feedback",
    access="user",
    answer=FeedbackState,
    errors=[_NOT_FOUND, "feedback_not_found"],
)
def get_interview_feedback(request: Request, query: FeedbackQuery) -> Reply:
    """Where the feedback is, and its latest version or the one asked for."""
    state = services.feedback.read(request.caller, request.path["interview_id"], query.version)
    return Reply(state, {"Retry-After": "2"} if state["feedback_status"] == "pending" else {})


@api.post(
    "/api/interviews/{interview_id}/feedback",
    access="user",
    status=202,
    answer=FeedbackState,
    idempotent=True,
    errors=[_NOT_FOUND, "interview_not_completed", "feedback_limit_reached", "quota_exceeded"],
)
def request_interview_feedback(request: Request, body: FeedbackRequest) -> Reply:
    """Have feedback written anew, or again after it failed."""
    state, repeated = services.feedback.request(request.context, request.path["interview_id"], body.samples)
    return Reply(state, replayed=repeated)


@api.post(
    "/api/practice-attempts",
    access="user",
    status=201,
    answer=PracticeAttempt,
    idempotent=True,
    errors=[*MODEL_CALL, _NO_ATTEMPT],
)
def create_practice_attempt(request: Request, body: PracticeRequest) -> Reply:
    """Have an answer to a single question graded."""
    answered = services.practice.attempt(request.context, body)
    return Reply(answered.body, model_headers(answered.quota, answered.degraded), replayed=answered.replayed)


@api.get("/api/practice-attempts", access="user", answer=PracticeAttemptList)
def list_practice_attempts(request: Request, query: PageQuery) -> PracticeAttemptList:
    """The caller's graded answers, the newest first."""
    return services.practice.page(request.caller, query)


@api.get("/api/practice-attempts/{attempt_id}", access="user", answer=PracticeAttempt, errors=[_NO_ATTEMPT])
def get_practice_attempt(request: Request) -> PracticeAttempt:
    """One graded answer."""
    return services.practice.read(request.caller, request.path["attempt_id"])


def _made(made: Made) -> Reply:
    headers = {} if made.quota is None else quota_headers(made.quota)
    return Reply(made.interview, headers, replayed=made.replayed)


lambda_handler = api.handler

"""Interviews: /api/interviews, from their questions to the last answer."""

from __future__ import annotations

from parley.api.problems import MODEL_CALL
from parley.api.quota_headers import quota_headers
from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.container import Container
from parley.interviews.session_schemas import (
    AnswerRequest,
    Interview,
    InterviewChange,
    InterviewList,
    InterviewQuery,
    InterviewRequest,
    InterviewState,
    SkipRequest,
    Transcript,
)

services = Container.from_environment(calls_models=True)
api = Api(services.settings)
_NOT_FOUND = "interview_not_found"
_ENDS = (_NOT_FOUND, "interview_not_in_progress")
_MOVES = (*_ENDS, "sequence_conflict", "request_in_progress")


@api.post(
    "/api/interviews",
    access="user",
    status=201,
    answer=Interview,
    idempotent=True,
    errors=[*MODEL_CALL, "daily_limit_reached"],
)
def create_interview(request: Request, body: InterviewRequest) -> Reply:
    """Prepare an interview from given questions, from a generation, or for a role."""
    interview, repeated = services.interviews.create(request.context, body)
    return Reply(interview, replayed=repeated)


@api.get("/api/interviews", access="user", answer=InterviewList)
def list_interviews(request: Request, query: InterviewQuery) -> InterviewList:
    """The caller's interviews, the newest first."""
    return services.interviews.page(request.caller, query)


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


@api.post("/api/interviews/{interview_id}/start", access="user", answer=InterviewState, errors=[*_ENDS, *MODEL_CALL])
def start_interview(request: Request) -> Reply:
    """Start an interview, or go on where it stopped."""
    state, quota = services.interviews.start(request.context, request.path["interview_id"])
    return Reply(state, {} if quota is None else quota_headers(quota))


@api.get("/api/interviews/{interview_id}/state", access="user", answer=InterviewState, errors=[_NOT_FOUND])
def get_interview_state(request: Request) -> InterviewState:
    """What the interview waits for, and the time and the follow-ups that are left."""
    return services.interviews.state(request.caller, request.path["interview_id"])


@api.get("/api/interviews/{interview_id}/responses", access="user", answer=Transcript, errors=[_NOT_FOUND])
def list_interview_responses(request: Request) -> Transcript:
    """All turns, in order."""
    return services.interviews.transcript(request.caller, request.path["interview_id"])


@api.post(
    "/api/interviews/{interview_id}/responses",
    access="user",
    answer=InterviewState,
    errors=[*_MOVES, "submission_id_reused"],
)
def answer_interview_question(request: Request, body: AnswerRequest) -> InterviewState:
    """Answer what was asked last."""
    return services.interviews.answer(request.context, request.path["interview_id"], body)


@api.post("/api/interviews/{interview_id}/skip", access="user", answer=InterviewState, errors=_MOVES)
def skip_interview_question(request: Request, body: SkipRequest) -> InterviewState:
    """Leave the current question."""
    return services.interviews.skip(request.caller, request.path["interview_id"], body)


@api.post("/api/interviews/{interview_id}/complete", access="user", status=202, answer=InterviewState, errors=_ENDS)
def complete_interview(request: Request) -> InterviewState:
    """End an interview; feedback comes from what is there."""
    return services.interviews.complete(request.caller, request.path["interview_id"])


@api.post("/api/interviews/{interview_id}/abandon", access="user", answer=InterviewState, errors=_ENDS)
def abandon_interview(request: Request) -> InterviewState:
    """Give an interview up."""
    return services.interviews.abandon(request.caller, request.path["interview_id"])


lambda_handler = api.handler

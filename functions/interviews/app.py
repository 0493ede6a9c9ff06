"""Interviews: /api/interviews, from their questions to the last answer."""

from __future__ import annotations

from parley.api.problems import MODEL_CALL
from parley.api.quota_headers import model_headers, quota_headers
from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.container import Container
from parley.core.paging import PageQuery
from parley.interviews import session_schemas as schemas
from parley.interviews.feedback_schemas import FeedbackQuery, FeedbackRequest, FeedbackState
from parley.interviews.practice_schemas import PracticeAttempt, PracticeAttemptList, PracticeRequest
from parley.interviews.session_export import exported
from parley.interviews.voice_schemas import AcousticsRequest, VoiceAnalytics

services = Container.from_environment(calls_models=True)
api = Api(services.settings)
_ALL, _ONE = "/api/interviews", "/api/interviews/{interview_id}"
_MISSING = ("interview_not_found",)
_ENDS = (*_MISSING, "interview_not_in_progress")
_MOVES = (*_ENDS, "sequence_conflict", "request_in_progress")
_STARTS = (*_ENDS, "call_already_made", *MODEL_CALL)
_MAKES = (*MODEL_CALL, "daily_limit_reached", "generation_not_found")
_REPEATS = (*_MISSING, "interview_not_over", "daily_limit_reached", "subject_deleted")
_ASKS = (*_MISSING, "interview_not_completed", "feedback_limit_reached", "quota_exceeded")
_RECORDINGS = (*_MISSING, "recording_unavailable", "upstream_error")
_SPOKEN = (*_MISSING, "voice_analytics_unavailable")
_PRACTICE, _NO_ATTEMPT = "/api/practice-attempts", "practice_attempt_not_found"
_PRACTISES = (*MODEL_CALL, _NO_ATTEMPT)
_EXPORTS = {"application/json": schemas.InterviewExport, "text/csv": str, "text/markdown": str}


@api.post(_ALL, access="user", status=201, answer=schemas.Interview, idempotent=True, errors=_MAKES)
def create_interview(request: Request, body: schemas.InterviewRequest) -> Reply:
    """Prepare an interview from given questions, from a generation, or for a role."""
    made = services.interviews.create(request.context, body)
    return Reply(made.interview, quota_headers(made.quota) if made.quota else {}, replayed=made.replayed)


@api.get(_ALL, access="user", answer=schemas.InterviewList)
def list_interviews(request: Request, query: schemas.InterviewQuery) -> schemas.InterviewList:
    """The caller's interviews, the newest first."""
    return services.interviews.page(request.caller, query)


@api.get(f"{_ALL}/stats", access="user", answer=schemas.InterviewStatistics)
def get_interview_statistics(request: Request) -> schemas.InterviewStatistics:
    """Figures about the caller's interviews."""
    return services.interviews.statistics(request.caller)


@api.get(f"{_ALL}/recent", access="user", answer=schemas.RecentInterviewList)
def list_recent_interviews(request: Request, query: schemas.RecentQuery) -> schemas.RecentInterviewList:
    """The caller's interviews with what their feedback says in short, the last completed first."""
    return services.interviews.recent(request.caller, query)


@api.get(_ONE, access="user", answer=schemas.Interview, errors=_MISSING)
def get_interview(request: Request) -> schemas.Interview:
    """One interview with its questions."""
    return services.interviews.read(request.caller, request.path["interview_id"])


@api.patch(_ONE, access="user", answer=schemas.Interview, errors=_MISSING)
def change_interview(request: Request, body: schemas.InterviewChange) -> schemas.Interview:
    """Change title, description or metadata."""
    return services.interviews.change(request.caller, request.path["interview_id"], body)


@api.delete(_ONE, access="user", status=204, answer=None, errors=_MISSING)
def delete_interview(request: Request) -> None:
    """Delete an interview with all that was said and judged in it; the recording of a call follows soon after."""
    services.interviews.delete(request.caller, request.path["interview_id"])


@api.post(f"{_ONE}/start", access="user", answer=schemas.StartedInterview, errors=_STARTS)
def start_interview(request: Request) -> Reply:
    """Start an interview, or go on where it stopped; of one by voice, how to make its call."""
    state, quota = services.conduct.start(request.context, request.path["interview_id"])
    return Reply(state, quota_headers(quota) if quota else {})


@api.get(f"{_ONE}/state", access="user", answer=schemas.InterviewState, errors=_MISSING)
def get_interview_state(request: Request) -> schemas.InterviewState:
    """What the interview waits for, and the time and the follow-ups that are left."""
    return services.conduct.state(request.caller, request.path["interview_id"])


@api.get(f"{_ONE}/responses", access="user", answer=schemas.ResponseList, errors=_MISSING)
def list_interview_responses(request: Request, query: PageQuery) -> schemas.ResponseList:
    """All turns, in order."""
    return services.interviews.responses(request.caller, request.path["interview_id"], query)


@api.get(f"{_ONE}/transcript", access="user", answer={"text/plain": str}, errors=_MISSING)
def get_interview_transcript(request: Request) -> Reply:
    """What was said, as text to read. What is larger than 6 MB comes from /responses, in pages."""
    body, content_type = exported(services.interviews.export(request.caller, request.path["interview_id"]), "txt")
    return Reply(body, content_type=content_type)


@api.get(f"{_ONE}/export", access="user", answer=_EXPORTS, errors=_MISSING)
def export_interview(request: Request, query: schemas.ExportQuery) -> Reply:
    """All there is of an interview, as JSON, CSV or Markdown; /responses and /feedback have what exceeds 6 MB."""
    export = services.interviews.export(request.caller, request.path["interview_id"])
    body, content_type = exported(export, query.format)
    return Reply(body, content_type=content_type)


@api.post(f"{_ONE}/responses", access="user", answer=schemas.InterviewState, errors=(*_MOVES, "submission_id_reused"))
def answer_interview_question(request: Request, body: schemas.AnswerRequest) -> schemas.InterviewState:
    """Answer what was asked last."""
    return services.conduct.answer(request.context, request.path["interview_id"], body)


@api.post(f"{_ONE}/skip", access="user", answer=schemas.InterviewState, errors=_MOVES)
def skip_interview_question(request: Request, body: schemas.SkipRequest) -> schemas.InterviewState:
    """Leave the current question."""
    return services.conduct.skip(request.caller, request.path["interview_id"], body)


@api.post(f"{_ONE}/complete", access="user", status=202, answer=schemas.InterviewState, errors=_ENDS)
def complete_interview(request: Request) -> schemas.InterviewState:
    """End an interview; feedback comes from what is there."""
    return services.conduct.complete(request.caller, request.path["interview_id"])


@api.post(f"{_ONE}/abandon", access="user", answer=schemas.InterviewState, errors=_ENDS)
def abandon_interview(request: Request) -> schemas.InterviewState:
    """Give an interview up."""
    return services.conduct.abandon(request.caller, request.path["interview_id"])


@api.post(f"{_ONE}/retry", access="user", status=201, answer=schemas.Interview, idempotent=True, errors=_REPEATS)
def retry_interview(request: Request) -> Reply:
    """Prepare another interview with the same questions."""
    made = services.interviews.retry(request.context, request.path["interview_id"])
    return Reply(made.interview, replayed=made.replayed)


@api.get(f"{_ONE}/feedback", access="user", answer=FeedbackState, errors=(*_MISSING, "feedback_not_found"))
def get_interview_feedback(request: Request, query: FeedbackQuery) -> Reply:
    """Where the feedback is, and its latest version or the one asked for."""
    state = services.feedback.read(request.caller, request.path["interview_id"], query.version)
    return Reply(state, {"Retry-After": "2"} if state["feedback_status"] == "pending" else {})


@api.post(f"{_ONE}/feedback", access="user", status=202, answer=FeedbackState, idempotent=True, errors=_ASKS)
def request_interview_feedback(request: Request, body: FeedbackRequest) -> Reply:
    """Have feedback written anew, or again after it failed."""
    state, repeated = services.feedback.request(request.context, request.path["interview_id"], body.samples)
    return Reply(state, replayed=repeated)


@api.post(_PRACTICE, access="user", status=201, answer=PracticeAttempt, idempotent=True, errors=_PRACTISES)
def create_practice_attempt(request: Request, body: PracticeRequest) -> Reply:
    """Have an answer to a single question graded."""
    answered = services.practice.attempt(request.context, body)
    return Reply(answered.body, model_headers(answered.quota, answered.degraded), replayed=answered.replayed)


@api.get(_PRACTICE, access="user", answer=PracticeAttemptList)
def list_practice_attempts(request: Request, query: PageQuery) -> PracticeAttemptList:
    """The caller's graded answers, the newest first."""
    return services.practice.page(request.caller, query)


@api.get(f"{_PRACTICE}/{{attempt_id}}", access="user", answer=PracticeAttempt, errors=(_NO_ATTEMPT,))
def get_practice_attempt(request: Request) -> PracticeAttempt:
    """One graded answer."""
    return services.practice.read(request.caller, request.path["attempt_id"])


@api.get(f"{_ONE}/recording", access="user", status=302, answer=None, errors=_RECORDINGS)
def get_interview_recording(request: Request) -> Reply:
    """Where the recording of a voice interview can be heard for a while."""
    location = services.voice_records.recording_url(request.caller, request.path["interview_id"])
    return Reply(None, {"Location": location})


@api.get(f"{_ONE}/voice-analytics", access="user", answer=VoiceAnalytics, errors=_SPOKEN)
def get_voice_analytics(request: Request) -> VoiceAnalytics:
    """How the candidate spoke in a voice interview."""
    return services.voice_records.analytics(request.caller, request.path["interview_id"])


@api.post(f"{_ONE}/voice-analytics", access="user", answer=VoiceAnalytics, errors=_SPOKEN)
def add_voice_acoustics(request: Request, body: AcousticsRequest) -> VoiceAnalytics:
    """Add what the client measured of the candidate's sound."""
    return services.voice_records.add_acoustics(request.caller, request.path["interview_id"], body)


lambda_handler = api.handler

"""POST /api/generate-interview-questions: FoloUp's contract, and the fuller one around it."""

from __future__ import annotations

from parley.api.problems import MODEL_CALL
from parley.api.quota_headers import model_headers
from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.container import Container
from parley.interviews.schemas import InterviewQuestions, QuestionsRequest

services = Container.from_environment(calls_models=True)
api = Api(services.settings, lambda: services.access_keys)


@api.post(
    "/api/generate-interview-questions",
    access="anyone",
    scope="chat",
    answer=InterviewQuestions,
    idempotent=True,
    errors=MODEL_CALL,
)
def generate_interview_questions(request: Request, body: QuestionsRequest) -> Reply:
    """Generate exactly as many questions as were asked for."""
    answered = services.questions.generate(request.context, body)
    headers = model_headers(answered.quota, answered.degraded)
    return Reply(answered.body, headers, replayed=answered.replayed)


lambda_handler = api.handler

"""POST /api/generate-interview-questions: FoloUp's contract, and the fuller one around it."""

from __future__ import annotations

from parley.api.quota_headers import model_headers
from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.container import Container
from parley.interviews.schemas import QuestionsRequest

services = Container.from_environment(calls_models=True)
api = Api(services.settings)


@api.post("/api/generate-interview-questions", "anyone")
def generate(request: Request, body: QuestionsRequest) -> Reply:
    """Generate exactly as many questions as were asked for."""
    answered = services.questions.generate(request.context, body)
    return Reply(answered.body, headers=model_headers(answered.quota, answered.degraded))


lambda_handler = api.handler

"""POST /api/generate-interview-questions: FoloUp's contract, and the fuller one around it."""

from __future__ import annotations

from parley.api import Api, Reply, Request
from parley.api.rate_limits import model_headers
from parley.assembly import Assembly
from parley.interviews import QuestionsRequest

parley = Assembly.from_environment(calls_models=True)
api = Api(parley.settings)


@api.post("/api/generate-interview-questions", "anyone")
def generate(request: Request, body: QuestionsRequest) -> Reply:
    """Generate exactly as many questions as were asked for."""
    answer, quota, degraded = parley.questions.generate(request.context, body)
    return Reply(answer, headers=model_headers(quota, degraded))


lambda_handler = api.handler

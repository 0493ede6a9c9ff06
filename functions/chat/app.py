"""POST /api/chat: one answer, whole."""

from __future__ import annotations

from typing import Annotated

from parley.api import Api, Reply, Request
from parley.api.rate_limits import model_headers
from parley.assembly import Assembly
from parley.chat import ChatAnswer, ChatRequest

parley = Assembly.from_environment(calls_models=True)
api = Api(parley.settings)


@api.post("/api/chat", "anyone")
def chat(request: Request, body: ChatRequest) -> Annotated[Reply, ChatAnswer]:
    """Answer a message, alone or as a turn of a conversation."""
    answer, quota, degraded = parley.chat.answer(request.context, body)
    return Reply(answer, headers=model_headers(quota, degraded))


lambda_handler = api.handler

"""POST /api/chat: one answer, whole."""

from __future__ import annotations

from typing import Annotated

from parley.api.quota_headers import model_headers
from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.chat.schemas import ChatAnswer, ChatRequest
from parley.container import Container

services = Container.from_environment(calls_models=True)
api = Api(services.settings)


@api.post("/api/chat", "anyone")
def chat(request: Request, body: ChatRequest) -> Annotated[Reply, ChatAnswer]:
    """Answer a message, alone or as a turn of a conversation."""
    answered = services.chat.answer(request.context, body)
    return Reply(answered.body, headers=model_headers(answered.quota, answered.degraded))


lambda_handler = api.handler

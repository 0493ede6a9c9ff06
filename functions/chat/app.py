"""POST /api/chat: one answer, whole."""

from __future__ import annotations

from parley.api.problems import MODEL_CALL
from parley.api.quota_headers import model_headers
from parley.api.request import LARGEST_BODY_WITH_MEDIA, Request
from parley.api.router import Api, Reply
from parley.chat.schemas import ChatAnswer, ChatRequest
from parley.container import Container

services = Container.from_environment(calls_models=True)
api = Api(services.settings)


@api.post(
    "/api/chat",
    access="anyone",
    scope="chat",
    admitted=True,
    answer=ChatAnswer,
    idempotent=True,
    errors=[*MODEL_CALL, "conversation_not_found", "schema_unsupported"],
    largest_body=LARGEST_BODY_WITH_MEDIA,
)
def create_chat_completion(request: Request, body: ChatRequest) -> Reply:
    """Answer a message, alone or as a turn of a conversation."""
    answered = services.chat.answer(request.context, body)
    headers = model_headers(answered.quota, answered.degraded)
    return Reply(answered.body, headers, replayed=answered.replayed)


lambda_handler = api.handler

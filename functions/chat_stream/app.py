"""POST /api/chat/stream: one answer as server-sent events (start, delta, usage, error, done)."""

from __future__ import annotations

from parley.api import sse
from parley.api.problems import MODEL_CALL
from parley.api.quota_headers import model_headers
from parley.api.request import LARGEST_BODY_WITH_MEDIA, Request
from parley.api.router import Api, Stream
from parley.chat.schemas import ChatEvents, ChatRequest
from parley.container import Container

services = Container.from_environment()
api = Api(services.settings)


@api.post(
    "/api/chat/stream",
    access="anyone",
    scope="chat",
    admitted=True,
    answer={sse.MEDIA_TYPE: ChatEvents},
    idempotent=True,
    errors=[*MODEL_CALL, "conversation_not_found", "schema_unsupported"],
    largest_body=LARGEST_BODY_WITH_MEDIA,
)
def stream_chat_completion(request: Request, body: ChatRequest) -> Stream:
    """Answer a message piece by piece; refusals come as problem documents, before the stream begins."""
    stream = services.chat.stream(request.context, body)
    headers = model_headers(stream.quota, stream.degraded)
    return Stream(stream.events, stream.cancel, stream.close, headers, stream.replayed)


lambda_handler = api.handler

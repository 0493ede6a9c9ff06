"""POST /api/chat/stream: one answer as server-sent events (start, delta, usage, error, done)."""

from __future__ import annotations

from parley.api.quota_headers import model_headers
from parley.api.request import Request
from parley.api.router import Api
from parley.api.sse import Stream
from parley.chat.schemas import ChatRequest
from parley.container import Container

services = Container.from_environment()
api = Api(services.settings)


@api.post("/api/chat/stream", "anyone")
def chat_stream(request: Request, body: ChatRequest) -> Stream:
    """Answer a message piece by piece; refusals come as problem documents, before the stream begins."""
    stream = services.chat.stream(request.context, body)
    return Stream(stream.events, stream.cancel, stream.close, model_headers(stream.quota, stream.degraded))


lambda_handler = api.handler

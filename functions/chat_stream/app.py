"""POST /api/chat/stream: one answer as server-sent events (start, delta, usage, error, done)."""

from __future__ import annotations

from parley.api import Api, Request, Stream
from parley.api.rate_limits import model_headers
from parley.assembly import Assembly
from parley.chat import ChatRequest

parley = Assembly.from_environment()
api = Api(parley.settings)


@api.post("/api/chat/stream", "anyone")
def chat_stream(request: Request, body: ChatRequest) -> Stream:
    """Answer a message piece by piece; refusals come as problem documents, before the stream begins."""
    stream = parley.chat.stream(request.context, body)
    return Stream(stream.events, stream.cancel, stream.close, model_headers(stream.quota, stream.degraded))


lambda_handler = api.handler

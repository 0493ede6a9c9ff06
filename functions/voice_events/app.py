"""POST /api/webhooks/vapi: voice calls' events. Each is kept and answered at once; the worker does the rest."""

from __future__ import annotations

from parley.api.request import Request
from parley.api.router import Api
from parley.container import Container
from parley.interviews.voice_schemas import EventReceipt

services = Container.from_environment()
api = Api(services.settings)

_LARGEST_EVENT = 6 * 1024 * 1024  # bytes; beyond its own limit the inbox still reads whose call it is


@api.post(
    "/api/webhooks/vapi",
    access="sender",
    answer=EventReceipt,
    errors=["webhook_unauthorized", "body_too_large"],
    largest_body=_LARGEST_EVENT,
)
def receive_voice_event(request: Request) -> EventReceipt:
    """Take in an event of a voice call."""
    return services.voice_inbox.take(request.headers, request.body)


lambda_handler = api.handler

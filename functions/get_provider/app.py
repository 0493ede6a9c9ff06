"""GET /api/ai-provider: the provider this caller gets, and where that choice comes from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.container import Container

services = Container.from_environment()
api = Api(services.settings)


class Query(BaseModel):
    """`scope` asks for what is saved at one level."""

    scope: Literal["user", "organization"] | None = None


@api.get("/api/ai-provider", "anyone")
def get_provider(request: Request, query: Query) -> Reply:
    """The effective provider, or the one saved at `scope`."""
    found: dict[str, Any] = (
        services.preferences.at(request.caller, query.scope)
        if query.scope
        else services.preferences.effective(request.caller)
    )
    degraded = found.pop("degraded")
    return Reply(found, headers={"X-Parley-Degraded": "database"} if degraded else {})


lambda_handler = api.handler

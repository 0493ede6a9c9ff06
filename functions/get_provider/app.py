"""GET /api/ai-provider: the provider this caller gets, and where that choice comes from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from parley.api import Api, Reply, Request
from parley.assembly import Assembly

parley = Assembly.from_environment()
api = Api(parley.settings)


class Query(BaseModel):
    """`scope` asks for what is saved at one level."""

    scope: Literal["user", "organization"] | None = None


@api.get("/api/ai-provider", "anyone")
def get_provider(request: Request, query: Query) -> Reply:
    """The effective provider, or the one saved at `scope`."""
    found: dict[str, Any] = (
        parley.preferences.at(request.caller, query.scope)
        if query.scope
        else parley.preferences.effective(request.caller)
    )
    degraded = found.pop("degraded")
    return Reply(found, headers={"X-Parley-Degraded": "database"} if degraded else {})


lambda_handler = api.handler

"""POST and DELETE /api/ai-provider: save or soft-delete a preference, one's own or the organization's."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from parley.api import Api, Request
from parley.assembly import Assembly

parley = Assembly.from_environment()
api = Api(parley.settings)


class Preference(BaseModel):
    """The body of POST."""

    model_config = ConfigDict(extra="forbid")
    provider: str
    scope: Literal["user", "organization"] = "user"


class Query(BaseModel):
    """The query of DELETE."""

    scope: Literal["user", "organization"] = "user"


@api.post("/api/ai-provider", "user")
def save(request: Request, body: Preference) -> dict[str, Any]:
    """Save; the spelling that was sent comes back."""
    return parley.preferences.save(request.caller, body.scope, body.provider)


@api.delete("/api/ai-provider", "user")
def delete(request: Request, query: Query) -> dict[str, Any]:
    """Delete; what applies from now on comes back."""
    found = parley.preferences.delete(request.caller, query.scope)
    return {"provider": found["provider"], "source": found["source"]}


lambda_handler = api.handler

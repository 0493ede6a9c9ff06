"""POST and DELETE /api/ai-provider, PUT /api/ai-provider/policy: preferences, and what an organization may use."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from parley.api.request import Request
from parley.api.router import Api
from parley.container import Container

services = Container.from_environment()
api = Api(services.settings)


class Preference(BaseModel):
    """The body of POST."""

    model_config = ConfigDict(extra="forbid")
    provider: Annotated[str, Field(description="openai, anthropic, google (or gemini)")]
    scope: Literal["user", "organization"] = "user"


class Policy(BaseModel):
    """The body of PUT /api/ai-provider/policy; null for both allows every provider."""

    model_config = ConfigDict(extra="forbid")
    allowed: Annotated[list[str], Field(min_length=1, max_length=10)] | None = None
    forbidden: Annotated[list[str], Field(max_length=10)] | None = None


class Query(BaseModel):
    """The query of DELETE."""

    scope: Literal["user", "organization"] = "user"


@api.post("/api/ai-provider", "user")
def save(request: Request, body: Preference) -> dict[str, Any]:
    """Save; the spelling that was sent comes back."""
    return services.preferences.save(request.caller, body.scope, body.provider)


@api.delete("/api/ai-provider", "user")
def delete(request: Request, query: Query) -> dict[str, Any]:
    """Delete; what applies from now on comes back."""
    found = services.preferences.delete(request.caller, query.scope)
    return {"provider": found["provider"], "source": found["source"]}


@api.put("/api/ai-provider/policy", "organization_admin")
def restrict(request: Request, body: Policy) -> dict[str, Any]:
    """Allow or forbid providers to the organization; what is allowed from now on comes back."""
    return services.preferences.restrict(request.caller, body.allowed, body.forbidden)


lambda_handler = api.handler

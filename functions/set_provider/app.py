"""POST and DELETE /api/ai-provider, PUT /api/ai-provider/policy: preferences, and what an organization may use."""

from __future__ import annotations

from parley.account.schemas import (
    AllowedProviders,
    EffectiveProvider,
    ProviderPolicy,
    ProviderPreference,
    SavedPreference,
    ScopeQuery,
)
from parley.api.request import Request
from parley.api.router import Api
from parley.container import Container

services = Container.from_environment()
api = Api(services.settings)
SCOPED = ("organization_admin_required", "organization_required")


@api.post(
    "/api/ai-provider",
    access="user",
    answer=SavedPreference,
    errors=["invalid_provider", "provider_not_allowed", "subject_deleted", *SCOPED],
)
def save_provider(request: Request, body: ProviderPreference) -> SavedPreference:
    """Save; the spelling that was sent comes back."""
    return services.preferences.save(request.caller, body.scope, body.provider)


@api.delete("/api/ai-provider", access="user", answer=EffectiveProvider, errors=SCOPED)
def delete_provider(request: Request, query: ScopeQuery) -> EffectiveProvider:
    """Delete; what applies from now on comes back."""
    return services.preferences.delete(request.caller, query.scope)


@api.put(
    "/api/ai-provider/policy",
    access="organization_admin",
    answer=AllowedProviders,
    errors=["invalid_provider", "organization_required", "subject_deleted"],
)
def set_provider_policy(request: Request, body: ProviderPolicy) -> AllowedProviders:
    """Allow or forbid providers to the organization; what is allowed from now on comes back."""
    return services.preferences.restrict(request.caller, body.allowed_providers, body.forbidden_providers)


lambda_handler = api.handler

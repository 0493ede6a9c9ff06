"""GET /api/ai-provider: the provider this caller gets, and where that choice comes from."""

from __future__ import annotations

from parley.account.schemas import EffectiveProvider, ProviderQuery
from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.container import Container

services = Container.from_environment()
api = Api(services.settings)


@api.get("/api/ai-provider", access="anyone", answer=EffectiveProvider)
def get_provider(request: Request, query: ProviderQuery) -> Reply | EffectiveProvider:
    """The effective provider, or the one saved at `scope`."""
    if query.scope:
        return services.preferences.at(request.caller, query.scope)
    effective = services.preferences.effective(request.caller)
    return Reply(effective.provider, {"X-Parley-Degraded": "database"} if effective.degraded else {})


lambda_handler = api.handler

"""PUT and DELETE /api/settings/api-keys/{provider}: the only function that may encrypt, and it cannot decrypt."""

from __future__ import annotations

from typing import Any

from parley.api.request import Request
from parley.api.router import Api
from parley.container import Container
from parley.own_keys.schemas import OwnKey

services = Container.from_environment()
api = Api(services.settings)


@api.put("/api/settings/api-keys/{provider}", "user")
def store(request: Request, body: OwnKey) -> dict[str, Any]:
    """Store a key; only its last four characters ever come back."""
    return services.key_store.store(request.caller, request.path["provider"], body)


@api.delete("/api/settings/api-keys/{provider}", "user")
def delete(request: Request) -> dict[str, Any]:
    """Delete a key; without a verified one left, byok becomes free."""
    return services.key_store.delete(request.caller, request.path["provider"])


lambda_handler = api.handler

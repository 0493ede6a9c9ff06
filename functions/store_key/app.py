"""PUT and DELETE /api/settings/api-keys/{provider}: the only function that may encrypt, and it cannot decrypt."""

from __future__ import annotations

from parley.api.request import Request
from parley.api.router import Api
from parley.container import Container
from parley.own_keys.schemas import DeletedKey, OwnKey, StoredKey

services = Container.from_environment()
api = Api(services.settings)


@api.put(
    "/api/settings/api-keys/{provider}",
    access="user",
    answer=StoredKey,
    errors=["invalid_provider", "own_keys_unavailable", "subject_deleted"],
)
def store_api_key(request: Request, body: OwnKey) -> StoredKey:
    """Store a key; only its last four characters ever come back."""
    return services.key_store.store(request.caller, request.path["provider"], body)


@api.delete(
    "/api/settings/api-keys/{provider}",
    access="user",
    answer=DeletedKey,
    errors=["invalid_provider", "own_key_not_found"],
)
def delete_api_key(request: Request) -> DeletedKey:
    """Delete a key; without a verified one left, byok becomes free."""
    return services.key_store.delete(request.caller, request.path["provider"])


lambda_handler = api.handler

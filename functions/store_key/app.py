"""PUT and DELETE /api/settings/api-keys/{provider}: the only function that may encrypt, and it cannot decrypt."""

from __future__ import annotations

from typing import Any

from parley.account import OwnKey
from parley.api import Api, Request
from parley.assembly import Assembly

parley = Assembly.from_environment()
api = Api(parley.settings)


@api.put("/api/settings/api-keys/{provider}", "user")
def store(request: Request, body: OwnKey) -> dict[str, Any]:
    """Store a key; only its last four characters ever come back."""
    return parley.key_store.store(request.caller, request.path["provider"], body)


@api.delete("/api/settings/api-keys/{provider}", "user")
def delete(request: Request) -> dict[str, Any]:
    """Delete a key; without a verified one left, byok becomes free."""
    return parley.key_store.delete(request.caller, request.path["provider"])


lambda_handler = api.handler

"""POST /api/settings/api-keys/{provider}/verify: asks the vendor whether the stored key works."""

from __future__ import annotations

from typing import Any

from parley.api.request import Request
from parley.api.router import Api
from parley.container import Container

services = Container.from_environment(calls_models=True)
api = Api(services.settings)


@api.post("/api/settings/api-keys/{provider}/verify", "user")
def verify(request: Request) -> dict[str, Any]:
    """Verify; the first key that works makes a free caller byok."""
    return services.key_verifier.verify(request.caller, request.path["provider"], request.seconds)


lambda_handler = api.handler

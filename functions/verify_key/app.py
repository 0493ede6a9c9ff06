"""POST /api/settings/api-keys/{provider}/verify: asks the provider whether the stored key works."""

from __future__ import annotations

from parley.api.problems import OWN_KEY
from parley.api.request import Request
from parley.api.router import Api
from parley.container import Container
from parley.own_keys.schemas import VerifiedKey

services = Container.from_environment(calls_models=True)
api = Api(services.settings)


@api.post("/api/settings/api-keys/{provider}/verify", access="user", answer=VerifiedKey, errors=OWN_KEY)
def verify_api_key(request: Request) -> VerifiedKey:
    """Verify; the first key that works makes a free caller byok."""
    return services.key_verifier.verify(request.caller, request.path["provider"], request.seconds)


lambda_handler = api.handler

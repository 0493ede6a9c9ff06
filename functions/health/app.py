"""GET /api/health: liveness, and with `?ready=true` readiness. GET /api/openapi.json: the contract."""

from __future__ import annotations

from pathlib import Path

from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.container import Container
from parley.operations.schemas import Contract, Health, HealthQuery

services = Container.from_environment()
api = Api(services.settings)


@api.get("/api/health", access="anyone", answer=Health)
def get_health(_request: Request, query: HealthQuery) -> Health:
    """Whether the function runs, and with `ready=true` whether the database answers; 503 when it does not."""
    if not query.ready:
        return {"status": "ok"}
    services.database.check()
    return {"status": "ok", "database": "ok"}


@api.get("/api/openapi.json", access="anyone", answer=Contract)
def get_contract(_request: Request) -> Reply:
    """The contract, as generated from the routes."""
    return Reply(Path(__file__).with_name("openapi.json").read_text())


lambda_handler = api.handler

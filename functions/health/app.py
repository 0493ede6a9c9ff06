"""GET /api/health: liveness, and with `?ready=true` readiness. GET /api/openapi.json: the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.container import Container
from parley.database.errors import DatabaseUnavailable

services = Container.from_environment()
api = Api(services.settings)


class Query(BaseModel):
    """`ready=true` asks whether requests can be served, not only whether the function runs."""

    ready: bool = False


@api.get("/api/health", "anyone")
def health(request: Request, query: Query) -> Reply | dict[str, Any]:
    """`{"status": "ok"}`, or 503 when asked for readiness and the database is away."""
    if not query.ready:
        return {"status": "ok"}
    try:
        services.database.call("select 1", idempotent=True)
    except DatabaseUnavailable:
        return Reply({"status": "unavailable", "database": "away"}, 503, {"Retry-After": "1"})
    return {"status": "ok", "database": "ok"}


@api.get("/api/openapi.json", "anyone")
def openapi(_request: Request) -> Reply:
    """The contract, as generated from the routes."""
    return Reply(Path(__file__).with_name("openapi.json").read_text())


lambda_handler = api.handler

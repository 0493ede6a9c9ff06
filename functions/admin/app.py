"""/api/admin: tiers, FAQs, analytics and maintenance, for the service role."""

from __future__ import annotations

import time
from typing import Any

from pydantic import BaseModel, ConfigDict

from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.container import Container
from parley.core.period import Period
from parley.operations.maintenance import Task
from parley.operations.schemas import Faq, Tier, UserTier

services = Container.from_environment()
api = Api(services.settings)


class MaintenanceRequest(BaseModel):
    """The body of POST /api/admin/maintenance; not in its service, whose schedules need no pydantic."""

    model_config = ConfigDict(extra="forbid")
    task: Task


@api.get("/api/admin/tiers", "service")
def tiers(_request: Request) -> dict[str, Any]:
    """Every tier with its limits."""
    return services.admin.tiers()


@api.put("/api/admin/tiers/{tier}", "service")
def change_tier(request: Request, body: Tier) -> dict[str, Any]:
    """Change a tier's limits."""
    return services.admin.change_tier(request.path["tier"], body)


@api.put("/api/admin/users/{user_id}/tier", "service")
def change_user_tier(request: Request, body: UserTier) -> dict[str, Any]:
    """Move a user to a tier."""
    return services.admin.change_user_tier(request.path["user_id"], body)


@api.delete("/api/admin/users/{user_id}", "service")
def delete_user(request: Request) -> Reply:
    """Delete a user with everything personal."""
    services.admin.delete_user(request.path["user_id"])
    return Reply(None, 204)


@api.get("/api/admin/faqs", "service")
def faqs(_request: Request) -> dict[str, Any]:
    """Every precomputed response."""
    return services.admin.faqs()


@api.post("/api/admin/faqs", "service")
def add_faq(request: Request, body: Faq) -> Reply:
    """Add a precomputed response."""
    return Reply(services.admin.add_faq(body), 201)


@api.put("/api/admin/faqs/{faq_id}", "service")
def change_faq(request: Request, body: Faq) -> dict[str, Any]:
    """Replace a precomputed response."""
    return services.admin.change_faq(request.path["faq_id"], body)


@api.delete("/api/admin/faqs/{faq_id}", "service")
def delete_faq(request: Request) -> Reply:
    """Delete a precomputed response."""
    services.admin.delete_faq(request.path["faq_id"])
    return Reply(None, 204)


@api.get("/api/admin/analytics", "service")
def analytics(request: Request, query: Period) -> dict[str, Any]:
    """Usage, tiers and preferences across everybody."""
    return services.admin.analytics(query)


@api.post("/api/admin/maintenance", "service")
def maintain(request: Request, body: MaintenanceRequest) -> dict[str, Any]:
    """Run a schedule's work now."""
    until = time.monotonic() + request.seconds
    return services.maintenance.run(body.task, lambda: until - time.monotonic())


lambda_handler = api.handler

"""/api/admin: tiers, FAQs, analytics and maintenance; and the writing of /api/content. For the service role."""

from __future__ import annotations

import time

from parley.api.problems import CONTENT
from parley.api.request import Request
from parley.api.router import Api
from parley.container import Container
from parley.core.paging import PageQuery
from parley.core.period import Period
from parley.operations.schemas import (
    Analytics,
    CacheCleanup,
    ContentBatch,
    ContentDeleteQuery,
    ContentFields,
    DeletedContent,
    Faq,
    FaqList,
    MaintenanceRequest,
    NewFaq,
    StoredContent,
    Tier,
    TierLimits,
    TierList,
    UsageReset,
    UserTier,
    UserTierChange,
)

services = Container.from_environment(calls_models=True)
api = Api(services.settings)


@api.get("/api/admin/tiers", access="service", answer=TierList)
def list_tiers(_request: Request) -> TierList:
    """Every tier with its limits."""
    return services.admin.tiers()


@api.put("/api/admin/tiers/{tier}", access="service", answer=Tier)
def update_tier(request: Request, body: TierLimits) -> Tier:
    """Change a tier's limits."""
    return services.admin.change_tier(request.path["tier"], body)


@api.put("/api/admin/users/{user_id}/tier", access="service", answer=UserTier, errors=["subject_deleted"])
def set_user_tier(request: Request, body: UserTierChange) -> UserTier:
    """Move a user to a tier."""
    return services.admin.change_user_tier(request.path["user_id"], body)


@api.delete("/api/admin/users/{user_id}", access="service", status=204, answer=None, errors=["user_referenced"])
def delete_user(request: Request) -> None:
    """Delete a user with everything personal."""
    services.admin.delete_user(request.path["user_id"])


@api.get("/api/admin/faqs", access="service", answer=FaqList)
def list_all_faqs(_request: Request, query: PageQuery) -> FaqList:
    """The precomputed responses, inactive ones too."""
    return services.faqs.page(query)


@api.post("/api/admin/faqs", access="service", status=201, answer=Faq, errors=["faq_exists"])
def create_faq(_request: Request, body: NewFaq) -> Faq:
    """Add a precomputed response."""
    return services.faqs.add(body)


@api.put("/api/admin/faqs/{faq_id}", access="service", answer=Faq)
def replace_faq(request: Request, body: NewFaq) -> Faq:
    """Replace a precomputed response."""
    return services.faqs.change(request.path["faq_id"], body)


@api.delete("/api/admin/faqs/{faq_id}", access="service", status=204, answer=None)
def delete_faq(request: Request) -> None:
    """Delete a precomputed response."""
    services.faqs.delete(request.path["faq_id"])


@api.put("/api/content/{type}", access="service", answer=StoredContent, errors=CONTENT)
def store_content(request: Request, body: ContentBatch) -> StoredContent:
    """Embed and store content of a type, each item in the place of the one with its id; all types share the ids."""
    return services.content_keeper.store(request.path["type"], body, request.seconds)


@api.put("/api/content/{type}/{content_id}", access="service", answer=StoredContent, errors=CONTENT)
def put_content(request: Request, body: ContentFields) -> StoredContent:
    """Embed and store one item of content."""
    return services.content_keeper.put(request.path["type"], request.path["content_id"], body, request.seconds)


@api.delete("/api/content/{type}", access="service", answer=DeletedContent)
def delete_matching_content(request: Request, query: ContentDeleteQuery) -> DeletedContent:
    """Delete content of a type by metadata, or all of it."""
    return services.content_keeper.delete_matching(request.path["type"], query)


@api.delete("/api/content/{type}/{content_id}", access="service", status=204, answer=None)
def delete_content(request: Request) -> None:
    """Delete one item of content."""
    services.content_keeper.delete(request.path["type"], request.path["content_id"])


@api.get("/api/admin/analytics", access="service", answer=Analytics)
def get_analytics(_request: Request, query: Period) -> Analytics:
    """Usage, tiers and preferences across everybody."""
    return services.admin.analytics(query)


@api.post("/api/admin/maintenance", access="service", answer=UsageReset | CacheCleanup)
def run_maintenance(request: Request, body: MaintenanceRequest) -> UsageReset | CacheCleanup:
    """Run a schedule's work now."""
    until = time.monotonic() + request.seconds
    return services.maintenance.run(body.task, lambda: until - time.monotonic())


lambda_handler = api.handler

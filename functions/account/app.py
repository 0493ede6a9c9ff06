"""What a caller sees of itself: settings, usage, conversations; and of Parley: providers and FAQs."""

from __future__ import annotations

from typing import Any

from parley.account.schemas import SettingsChange
from parley.account.usage import HistoryQuery
from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.chat.conversations import ReadQuery, Rename
from parley.container import Container
from parley.core.paging import PageQuery
from parley.search.interactions import InteractionsRequest, RecommendationsQuery

services = Container.from_environment()
api = Api(services.settings)


@api.get("/api/settings", "user")
def settings(request: Request) -> dict[str, Any]:
    """Tier, limits, preferred provider, own keys as last four."""
    return services.account.settings(request.caller)


@api.patch("/api/settings", "user")
def change_settings(request: Request, body: SettingsChange) -> dict[str, Any]:
    """Change the preferred provider."""
    services.preferences.save(request.caller, "user", body.preferred_provider)
    return services.account.settings(request.caller)


@api.get("/api/usage", "user")
def usage(request: Request) -> dict[str, Any]:
    """Today and this month against the limits."""
    return services.usage.current(request.caller)


@api.get("/api/usage/history", "user")
def history(request: Request, query: HistoryQuery) -> dict[str, Any]:
    """Calls, tokens and cost over time."""
    return services.usage.history(request.caller, query)


@api.get("/api/usage/providers", "user")
def provider_usage(request: Request, query: HistoryQuery) -> dict[str, Any]:
    """How the providers did for the caller, or for the admin's organization."""
    return services.usage.providers(request.caller, query)


@api.get("/api/ai-providers", "anyone")
def providers(request: Request) -> dict[str, Any]:
    """Providers, models, prices, and health as known."""
    return services.usage.catalogue_of(request.caller)


@api.get("/api/faqs", "anyone")
def faqs(request: Request) -> dict[str, Any]:
    """The precomputed responses."""
    return services.usage.faqs(request.caller)


@api.get("/api/conversations", "user")
def conversations(request: Request, query: PageQuery) -> dict[str, Any]:
    """The caller's conversations, the latest first."""
    return services.conversations.page(request.caller, query)


@api.get("/api/conversations/{conversation_id}", "user")
def conversation(request: Request, query: ReadQuery) -> Reply | dict[str, Any]:
    """One conversation; `format=markdown` exports it as a document."""
    conversation_id = request.path["conversation_id"]
    if query.format == "markdown":
        document = services.conversations.markdown(request.caller, conversation_id)
        return Reply(document, content_type="text/markdown; charset=utf-8")
    return services.conversations.read(request.caller, conversation_id)


@api.patch("/api/conversations/{conversation_id}", "user")
def rename(request: Request, body: Rename) -> dict[str, Any]:
    """Give a conversation another title."""
    return services.conversations.rename(request.caller, request.path["conversation_id"], body)


@api.delete("/api/conversations/{conversation_id}", "user")
def delete_conversation(request: Request) -> Reply:
    """Delete a conversation."""
    services.conversations.delete(request.caller, request.path["conversation_id"])
    return Reply(None, 204)


@api.post("/api/interactions", "user")
def record_interactions(request: Request, body: InteractionsRequest) -> Reply:
    """Record what the caller looked at, clicked, added to a cart."""
    return Reply(services.interactions.record(request.context, body), 201)


@api.get("/api/interactions", "user")
def interactions(request: Request, query: PageQuery) -> dict[str, Any]:
    """The caller's interactions, newest first."""
    return services.interactions.page(request.caller, query)


@api.get("/api/recommendations", "user")
def recommendations(request: Request, query: RecommendationsQuery) -> dict[str, Any]:
    """What the caller may like next."""
    return services.interactions.recommendations(request.caller, query)


lambda_handler = api.handler

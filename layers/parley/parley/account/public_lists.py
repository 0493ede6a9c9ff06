"""The lists that everybody may see: providers with their models and prices, and FAQs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from parley.account.schemas import Prices, ProviderHealth, ProviderList, PublicFaq, PublicFaqList
from parley.core.caller import Caller
from parley.core.clock import Clock
from parley.core.paging import PageQuery, a_number_or_none, a_text
from parley.core.provider_names import PROVIDERS
from parley.database.connection import Database
from parley.database.errors import DatabaseUnavailable
from parley.providers.catalogue import Catalogue, Price


@dataclass(frozen=True, slots=True)
class PublicLists:
    """What an application needs to offer its users a choice."""

    database: Database
    catalogue: Catalogue
    clock: Clock

    def providers(self, caller: Caller) -> ProviderList:
        """Providers with their models, today's prices, and health of the last minute as far as it is known."""
        try:
            health = self.database.query(caller.claims, "select app.provider_health() as health", idempotent=True)
            known = health[0]["health"]
        except DatabaseUnavailable:
            known = {}
        now = self.clock.now()
        defaults = self.catalogue.default_chat_models()
        return {
            "data": [
                {
                    "provider": provider,
                    "default_model": defaults[provider],
                    "health": _health(known.get(provider)),
                    "models": [
                        {
                            "id": model.id,
                            "capabilities": sorted(model.capabilities),
                            "context_window": model.context_window,
                            "usd_per_million_tokens": _prices(model.price(None, 0, now)),
                            "retires_at": model.retires,
                        }
                        for model in self.catalogue.models()
                        if model.provider == provider
                    ],
                }
                for provider in PROVIDERS
            ],
            "next_cursor": None,
        }

    def faqs(self, caller: Caller, query: PageQuery) -> PublicFaqList:
        """The precomputed responses, the first to match first."""
        priority, pattern, key = query.after(a_number_or_none, a_text, uuid.UUID)
        rows = self.database.query(
            caller.claims,
            """
            select id, pattern, response, priority from public.ai_precomputed_responses
            where is_active
              and (%s::uuid is null
                or (coalesce(-priority::bigint, 2147483648), -length(pattern), pattern, id)
                  > (coalesce(-%s::bigint, 2147483648), -length(%s), %s, %s))
            order by coalesce(-priority::bigint, 2147483648), -length(pattern), pattern, id
            limit %s
            """,
            (key, priority, pattern, pattern, key, query.limit + 1),
            idempotent=True,
        )
        data, following = query.page(rows, "priority", "pattern", "id")
        shown = [{name: value for name, value in row.items() if name != "id"} for row in data]
        return {"data": cast("list[PublicFaq]", shown), "next_cursor": following}


def _health(found: Mapping[str, Any] | None) -> ProviderHealth | None:
    if found is None:
        return None
    return {"calls": found["calls"], "errors": found["errors"], "p50_latency_ms": found["p50_ms"]}


def _prices(price: Price | None) -> Prices | None:
    if price is None:
        return None
    return {"input": price.input, "cached_input": price.cached_input, "output": price.output}

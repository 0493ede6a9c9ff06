"""What a caller used: today and this month against the limits, series, and how the providers did."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

from parley.account.schemas import (
    HistoryQuery,
    Prices,
    ProviderHealth,
    ProviderList,
    ProviderReport,
    ProviderReportQuery,
    ProviderReports,
    PublicFaq,
    PublicFaqList,
    QuotaWindow,
    Usage,
    UsageHistory,
    UsageSum,
)
from parley.core.caller import Caller
from parley.core.clock import Clock
from parley.core.errors import Problem, subject_deleted
from parley.core.paging import PageQuery, a_number_or_none, a_text
from parley.core.provider_names import PROVIDERS
from parley.database.connection import Database
from parley.database.errors import DatabaseUnavailable
from parley.providers.catalogue import Catalogue, Price


@dataclass(frozen=True, slots=True)
class UsageReports:
    """The usage service."""

    database: Database
    catalogue: Catalogue
    clock: Clock

    def current(self, caller: Caller) -> Usage:
        """Tier, and for today, this month and embedding tokens what is used, the limit, and when it starts anew.

        Raises Problem (403) for a deleted user.
        """
        quota: dict[str, Any] | None = self.database.call(
            "select app.read_quota(%s)", (caller.claims,), idempotent=True
        )
        if quota is None:
            raise subject_deleted()
        return usage_of(quota)

    def history(self, caller: Caller, query: HistoryQuery) -> UsageHistory:
        """Calls, tokens and cost, summed by day, provider, model or operation. Raises Problem (403)."""
        rows = self._rows(caller, query)
        key = {"operation": "operation_type"}.get(query.group_by, query.group_by)
        groups: dict[Any, dict[str, Any]] = defaultdict(lambda: {"calls": 0, "total_tokens": 0, "cost_usd": Decimal(0)})
        for row in rows:
            group = groups[row[key]]
            group["calls"] += row["calls"]
            group["total_tokens"] += row["tokens"]
            group["cost_usd"] += row["cost"] or 0
        data = [{query.group_by: name, **sums} for name, sums in sorted(groups.items(), key=lambda item: str(item[0]))]
        return {"data": cast("list[UsageSum]", data), "next_cursor": None}

    def providers(self, caller: Caller, query: ProviderReportQuery) -> ProviderReports:
        """By provider: calls, tokens, cost, median and 95th percentile latency, attempts and successes.

        Raises Problem (403).
        """
        start, end = self._period(caller, query)
        reports = self.database.call(
            "select app.provider_report(%s, %s, %s, %s)",
            (caller.claims, start, end, query.scope == "organization"),
            idempotent=True,
        )
        data = [
            {
                "provider": report["provider"],
                "calls": report["calls"],
                "total_tokens": report["tokens"],
                "cost_usd": report["cost_usd"],
                "p50_latency_ms": report["p50_ms"],
                "p95_latency_ms": report["p95_ms"],
                "attempts": report["attempts"],
                "succeeded": report["succeeded"],
            }
            for report in reports
        ]
        return {"data": cast("list[ProviderReport]", data), "next_cursor": None}

    def catalogue_of(self, caller: Caller) -> ProviderList:
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

    def _rows(self, caller: Caller, query: HistoryQuery) -> list[dict[str, Any]]:
        period = self._period(caller, query)
        if query.scope == "organization":
            return self.database.query(
                caller.claims, "select * from app.usage_between(%s, %s)", period, idempotent=True
            )
        return self.database.query(caller.claims, "select * from app.my_usage_between(%s, %s)", period, idempotent=True)

    def _period(self, caller: Caller, query: HistoryQuery | ProviderReportQuery) -> tuple[date, date]:
        if query.scope == "organization" and not caller.is_organization_admin:
            raise Problem("organization_admin_required", "Only an organization's admin may see its usage.", status=403)
        return query.bounds(self.clock.now())


def usage_of(quota: Mapping[str, Any]) -> Usage:
    """The JSON of app.read_quota as the answer that a caller gets."""
    return {
        "tier": quota["tier"],
        "daily": _window(quota["daily"]),
        "monthly": _window(quota["monthly"]),
        "embedding_tokens": _window(quota["embedding_tokens"]),
    }


def _window(found: Mapping[str, Any]) -> QuotaWindow:
    return {
        "limit": found["limit"],
        "used": found["used"],
        "resets_at": datetime.fromisoformat(found["resets_at"]),
    }


def _health(found: Mapping[str, Any] | None) -> ProviderHealth | None:
    if found is None:
        return None
    return {"calls": found["calls"], "errors": found["errors"], "p50_latency_ms": found["p50_ms"]}


def _prices(price: Price | None) -> Prices | None:
    if price is None:
        return None
    return {"input": price.input, "cached_input": price.cached_input, "output": price.output}

"""What a caller used: today and this month against the limits, series, and how the providers did."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import cast

from parley.account.schemas import (
    HistoryQuery,
    ProviderReport,
    ProviderReportQuery,
    ProviderReports,
    QuotaWindow,
    SearchReport,
    Usage,
    UsageHistory,
    UsageSum,
)
from parley.admission.quota import QuotaJson, Window, WindowJson
from parley.core.caller import Caller
from parley.core.clock import Clock
from parley.core.errors import Problem, subject_deleted
from parley.core.fields import SearchesOfType
from parley.core.period import Period
from parley.database.connection import Database, Row


@dataclass(slots=True)
class _Sum:
    """What the calls of one group come to; see `UsageSum`."""

    calls: int = 0
    total_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced_calls: int = 0

    def add(self, row: Row) -> None:
        """Add a day's sums of app.usage_between or app.my_usage_between."""
        self.calls += row["calls"]
        self.total_tokens += row["tokens"]
        self.cost_usd += row["cost"] or 0
        self.unpriced_calls += row["unpriced_calls"]


@dataclass(frozen=True, slots=True)
class UsageReports:
    """The usage service."""

    database: Database
    clock: Clock

    def current(self, caller: Caller) -> Usage:
        """Tier, and for today, this month and embedding tokens what is used, the limit, and when it starts anew.

        Raises Problem (403) for a deleted user.
        """
        quota: QuotaJson | None = self.database.call("select app.read_quota(%s)", (caller.claims,), idempotent=True)
        if quota is None:
            raise subject_deleted()
        return usage_of(quota)

    def history(self, caller: Caller, query: HistoryQuery) -> UsageHistory:
        """Calls, tokens and cost, summed by day, provider, model or operation. Raises Problem (403)."""
        key = {"operation": "operation_type"}.get(query.group_by, query.group_by)
        groups: dict[date | str | None, _Sum] = defaultdict(_Sum)
        for row in self._rows(caller, query):
            groups[row[key]].add(row)
        named = sorted(groups.items(), key=lambda group: str(group[0]))
        data = [{query.group_by: name} | asdict(group) for name, group in named]
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
            ProviderReport(
                provider=report["provider"],
                calls=report["calls"],
                total_tokens=report["tokens"],
                cost_usd=report["cost_usd"],
                unpriced_calls=report["unpriced_calls"],
                p50_latency_ms=report["p50_ms"],
                p95_latency_ms=report["p95_ms"],
                attempts=report["attempts"],
                succeeded=report["succeeded"],
            )
            for report in reports
        ]
        return {"data": data, "next_cursor": None}

    def searches(self, caller: Caller, period: Period) -> SearchReport:
        """The caller's searches by type, and from how many something was chosen."""
        rows = self.database.query(
            caller.claims,
            "select * from app.searches_between(%s, %s)",
            period.bounds(self.clock.now()),
            idempotent=True,
        )
        return {"data": cast("list[SearchesOfType]", rows), "next_cursor": None}

    def _rows(self, caller: Caller, query: HistoryQuery) -> list[Row]:
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


def usage_of(quota: QuotaJson) -> Usage:
    """The quota as the answer that a caller gets."""
    return {
        "tier": quota["tier"],
        "daily": _window(quota["daily"]),
        "monthly": _window(quota["monthly"]),
        "embedding_tokens": _window(quota["embedding_tokens"]),
    }


def _window(found: WindowJson) -> QuotaWindow:
    window = Window.of(found)
    return {"limit": window.limit, "used": window.used, "resets_at": window.resets_at}

"""What a caller used: today and this month against the limits, series, and how the providers did."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from parley.caller import Caller
from parley.clock import Clock
from parley.database import Database
from parley.errors import Problem

_LONGEST_PERIOD = 366  # days


class HistoryQuery(BaseModel):
    """The query of /api/usage/history and /api/usage/providers; by default the last 30 days."""

    group_by: Literal["day", "provider", "model", "operation"] = "day"
    scope: Literal["user", "organization"] = "user"
    start: Annotated[date | None, Field(alias="from")] = None
    end: Annotated[date | None, Field(alias="to")] = None

    @model_validator(mode="after")
    def _in_order(self) -> HistoryQuery:
        if self.start and self.end and not (0 <= (self.end - self.start).days <= _LONGEST_PERIOD):
            raise ValueError(f"from must not be after to, and at most {_LONGEST_PERIOD} days before it")
        return self


@dataclass(frozen=True, slots=True)
class UsageReports:
    """The usage service."""

    database: Database
    clock: Clock

    def current(self, caller: Caller) -> dict[str, Any]:
        """Tier, and for today, this month and embedding tokens what is used, the limit, and when it starts anew."""
        quota: dict[str, Any] = self.database.query(
            caller.claims, "select app.quota() as quota", idempotent=True
        )[0]["quota"]
        return quota

    def history(self, caller: Caller, query: HistoryQuery) -> dict[str, Any]:
        """Calls, tokens and cost, summed by day, provider, model or operation. Raises Problem (403)."""
        rows = self._rows(caller, query)
        key = {"operation": "operation_type"}.get(query.group_by, query.group_by)
        groups: dict[Any, dict[str, Any]] = defaultdict(lambda: {"calls": 0, "tokens": 0, "cost_usd": Decimal(0)})
        for row in rows:
            group = groups[row[key]]
            group["calls"] += row["calls"]
            group["tokens"] += row["tokens"]
            group["cost_usd"] += row["cost"] or 0
        data = [{query.group_by: name, **sums} for name, sums in sorted(groups.items(), key=lambda item: str(item[0]))]
        return {"data": data, "next_cursor": None}

    def _rows(self, caller: Caller, query: HistoryQuery) -> list[dict[str, Any]]:
        end = query.end or self.clock.now().date() + timedelta(days=1)
        start = query.start or end - timedelta(days=30)
        if query.scope == "organization":
            if not caller.is_organization_admin:
                raise Problem(
                    "organization_admin_required", "Only an organization's admin may see its usage.", status=403
                )
            return self.database.query(
                caller.claims, "select * from app.usage_between(%s, %s)", (start, end), idempotent=True
            )
        return self.database.query(
            caller.claims, "select * from app.my_usage_between(%s, %s)", (start, end), idempotent=True
        )

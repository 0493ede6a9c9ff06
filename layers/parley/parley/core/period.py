"""The days that a report is about: the `from` and `to` of its query."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from parley.core.errors import Problem

_USUAL, _LONGEST = 30, 366  # days
Day = Annotated[date, Field(ge=date(2000, 1, 1))]


class Period(BaseModel):
    """Days from `from` up to and without `to`; by default the last 30 up to today."""

    start: Annotated[Day | None, Field(alias="from")] = None
    end: Annotated[Day | None, Field(alias="to")] = None

    def bounds(self, now: datetime) -> tuple[date, date]:
        """Both days, the defaults filled in. Raises Problem (400) for an empty or endless period."""
        # In the quotas' time zone it may be tomorrow already.
        end = self.end or now.date() + timedelta(days=1)
        start = self.start or end - timedelta(days=_USUAL)
        if not 0 <= (end - start).days <= _LONGEST:
            detail = f"`from` must not be after `to`, and at most {_LONGEST} days before it."
            raise Problem("invalid_request", detail, status=400)
        return start, end

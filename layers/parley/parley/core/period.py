"""The days that a report is about: the `from` and `to` of its query."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from parley.core.errors import Problem
from parley.core.fields import QUERY

_USUAL, _LONGEST = 30, 366  # days
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]", re.ASCII)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _iso_date(value: Any) -> Any:
    """Pydantic would also take seconds since 1970, and times at midnight."""
    if isinstance(value, str) and not _ISO_DATE.fullmatch(value):
        raise ValueError("send a date as YYYY-MM-DD")
    return value


def _iso_moment(value: Any) -> Any:
    if isinstance(value, str) and not _MOMENT.match(value):
        raise ValueError("send a time as YYYY-MM-DDTHH:MM:SSZ")
    return value


Day = Annotated[date, BeforeValidator(_iso_date), Field(ge=date(2000, 1, 1))]
# A moment as RFC 3339 writes it; pydantic would also take a number of seconds.
Moment = Annotated[AwareDatetime, BeforeValidator(_iso_moment)]


class Period(BaseModel):
    """Days (YYYY-MM-DD, 2000 or later) from `from` up to and including `to`; by default the last 30."""

    model_config = QUERY
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

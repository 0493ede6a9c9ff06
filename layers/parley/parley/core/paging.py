"""Pages of a list, newest first. A cursor says where the next one begins by the last row's own values, so that it
holds also when that row was changed or deleted in between."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from parley.core.errors import Problem
from parley.core.fields import QUERY

Cursor = Annotated[str, StringConstraints(max_length=1_000, pattern=r"^[A-Za-z0-9_-]+={0,2}$")]


class PageQuery(BaseModel):
    """`cursor` is `next_cursor` of the page before."""

    model_config = QUERY
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: Cursor | None = None

    def after(self, key: Callable[[str], Any] = str) -> tuple[datetime | None, Any]:
        """Time and id of the row that the page before ended with; None for both on the first page.

        Args:
            key: reads the id.

        Raises Problem (400) for a cursor that no page gave.
        """
        if self.cursor is None:
            return None, None
        try:
            moment, name = json.loads(base64.urlsafe_b64decode(self.cursor))
            at = datetime.fromisoformat(moment)
            if at.tzinfo is None or not name.isprintable():
                raise ValueError
            return at, key(name)
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise Problem("invalid_request", "Send `next_cursor` of the page before as `cursor`.", status=400) from None

    def page(self, rows: Sequence[dict[str, Any]], moment: str) -> tuple[list[Any], str | None]:
        """The page's rows, of up to one row more than the limit, and `next_cursor`; None where the list ends.

        Args:
            moment: the column that the rows are ordered by, before `id`.
        """
        kept = list(rows[: self.limit])
        if len(rows) <= self.limit:
            return kept, None
        last = [kept[-1][moment].isoformat(), str(kept[-1]["id"])]
        return kept, base64.urlsafe_b64encode(json.dumps(last).encode()).decode()

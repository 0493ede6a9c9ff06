"""Pages of a list, bounded in rows and in bytes. A cursor says where the next one begins by the last row's own values,
so that it holds also when that row was changed or deleted in between."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from parley.core.encoding import encode, size_in_answer
from parley.core.errors import Problem
from parley.core.fields import QUERY

Cursor = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[A-Za-z0-9_-]+={0,2}$")]

# Bytes of a page's rows, as they count in the answer. The rest of `LARGEST_ANSWER` is for what is answered beside them,
# such as a conversation's context. What a body of 512 KiB brought takes at most three times that.
_LARGEST_PAGE = 4_500_000


class PageQuery(BaseModel):
    """`cursor` is `next_cursor` of the page before. A page may have fewer rows than `limit`, and others after it."""

    model_config = QUERY
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: Cursor | None = None

    def after(self, *readers: Callable[[Any], Any]) -> tuple[Any, ...]:
        """The values of the row that the page before ended with; None for each on the first page.

        Args:
            readers: read the values of the columns that `page` is given; raise ValueError or TypeError.

        Raises Problem (400) for a cursor that no page gave.
        """
        if self.cursor is None:
            return (None,) * len(readers)
        return tuple(read_cursor(self.cursor, *readers))

    def page(self, rows: Sequence[dict[str, Any]], *order: str) -> tuple[list[Any], str | None]:
        """The page's rows, of up to one row more than the limit, and `next_cursor`; None where the list ends.

        Args:
            order: the columns that the rows are ordered by.
        """
        kept = list(rows[: how_many_fit(rows[: self.limit])])
        if len(kept) == len(rows):
            return kept, None
        return kept, write_cursor([kept[-1][column] for column in order])


def how_many_fit(rows: Iterable[Any]) -> int:
    """How many rows from the first on an answer holds: one at least."""
    count = size = 0
    for row in rows:
        size += size_in_answer(encode(row))
        if count and size > _LARGEST_PAGE:
            break
        count += 1
    return count


def write_cursor(values: Sequence[Any]) -> str:
    """JSON values, times and ids as a cursor."""
    return base64.urlsafe_b64encode(encode(values).encode()).decode()


def read_cursor(cursor: str, *readers: Callable[[Any], Any]) -> list[Any]:
    """What `write_cursor` was given, each value by its reader. Raises Problem (400) for anything else."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor))
        return [reader(value) for reader, value in zip(readers, values, strict=True)]
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Problem("invalid_request", "Send `next_cursor` of the page before as `cursor`.", status=400) from None


def a_time(value: Any) -> datetime:
    """Reads a time of a cursor."""
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return at


def a_text(value: Any) -> str:
    """Reads an id or another text of a cursor, which Postgres must be able to hold."""
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError("no text")
    value.encode()
    return value


def a_number(value: Any) -> int:
    """Reads a whole number of a cursor, of the size of Postgres's integer."""
    if type(value) is not int or abs(value) >= 2**31:
        raise ValueError("no whole number")
    return value


def a_long_number(value: Any) -> int:
    """Reads a whole number of a cursor, of the size of Postgres's bigint."""
    if type(value) is not int or abs(value) >= 2**63:
        raise ValueError("no whole number")
    return value


def a_number_or_none(value: Any) -> int | None:
    """Reads what `a_number` does, or null."""
    return None if value is None else a_number(value)

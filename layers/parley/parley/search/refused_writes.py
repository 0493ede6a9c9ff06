"""Writes that the database refuses: of a user who was deleted meanwhile, or beyond the day's rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from parley.core.errors import Problem, subject_deleted
from parley.database.errors import DatabaseError

_FOREIGN_KEY_VIOLATION = "23503"  # the rows of this room refer to nothing but their user
_DAILY_LIMIT = "PLIM1"  # app.bound_free_writes


@contextmanager
def refused_writes() -> Iterator[None]:
    """Within the block, raises Problem: 403 where the user was deleted meanwhile, 429 beyond the rows of a day."""
    try:
        yield
    except DatabaseError as error:
        if error.sqlstate == _FOREIGN_KEY_VIOLATION:
            raise subject_deleted() from None
        if error.sqlstate == _DAILY_LIMIT:
            raise Problem(
                "daily_limit_reached",
                "That many interactions, or searches by words, are kept for one user in a day; go on when it is over.",
                status=429,
                retry_after=int(error.reason),
            ) from None
        raise

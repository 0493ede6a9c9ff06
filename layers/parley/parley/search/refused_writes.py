"""What the database refuses to write for a user, as the caller is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from parley.core.errors import Problem, subject_deleted
from parley.database.errors import DatabaseError

_FOREIGN_KEY_VIOLATION = "23503"  # the rows of this room refer to nothing but their user
_DAILY_LIMIT = "PLIM1"  # app.bound_free_writes


@contextmanager
def refused_writes() -> Iterator[None]:
    """Raises Problem: 403 where a row was to be written for a user who is gone, 429 beyond the day's rows."""
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

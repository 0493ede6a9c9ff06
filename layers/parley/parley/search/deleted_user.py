"""A user who was deleted while something was written for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from parley.core.errors import subject_deleted
from parley.database.errors import DatabaseError

_FOREIGN_KEY_VIOLATION = "23503"  # the rows of this room refer to nothing but their user


@contextmanager
def refuse_deleted_user() -> Iterator[None]:
    """Raises Problem (403) where a row was to be written for a user who is gone."""
    try:
        yield
    except DatabaseError as error:
        if error.sqlstate != _FOREIGN_KEY_VIOLATION:
            raise
        raise subject_deleted() from None

"""Ids in paths."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from parley.core.errors import Problem

_LENGTH = 36


def path_uuid(text: str, missing: Callable[[], Problem]) -> UUID:
    """The UUID that a path names in its usual form (RFC 9562, section 4).

    Raises `missing()` for anything else, since nothing has it for an id.
    """
    try:
        if len(text) == _LENGTH:
            return UUID(text)
    except ValueError:
        pass
    raise missing()

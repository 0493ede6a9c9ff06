"""Answers as JSON, and how much of one Lambda takes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

# Bytes of a function's response; beyond it Lambda throws the answer away. 6 MB, less what stands around the body.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LARGEST_ANSWER = 6_200_000


def encode(value: Any) -> str:
    """JSON values, and times, days, money and ids, as they are answered.

    Names are sorted, because jsonb keeps no order: a replay is the same to the byte.
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True, default=_plain)


def size_in_answer(text: str) -> int:
    """How many bytes of a function's response a body of this text takes: there it is a JSON string, in ASCII at worst.

    An escape in the text is escaped once more, so the text's own length says little.
    """
    return len(json.dumps(text))


def _plain(value: Any) -> Any:
    """What JSON has no form for: times in UTC (RFC 3339), days, money as decimal text, ids."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")

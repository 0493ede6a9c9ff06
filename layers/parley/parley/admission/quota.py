"""The caller's quota windows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, NotRequired, Self, TypedDict

if TYPE_CHECKING:
    from parley.core.fields import TierName


class WindowJson(TypedDict):
    """A window as the database functions return it; `resets_at` in ISO 8601."""

    limit: int | None
    used: int
    resets_at: str


class QuotaJson(TypedDict):
    """What app.quota() returns, and app.access_key_quota()."""

    tier: TierName
    daily: WindowJson
    monthly: WindowJson
    embedding_tokens: WindowJson
    access_key: NotRequired[WindowJson]


class Window(NamedTuple):
    """One quota window; `limit` None means unlimited."""

    limit: int | None
    used: int
    resets_at: datetime

    @property
    def remaining(self) -> int | None:
        """Units left, never below zero."""
        return None if self.limit is None else max(0, self.limit - self.used)

    @classmethod
    def of(cls, found: WindowJson) -> Self:
        """Read a window."""
        return cls(found["limit"], found["used"], datetime.fromisoformat(found["resets_at"]))


class Quota(NamedTuple):
    """The caller's windows after this request was counted: two of units, one of tokens to embed, and one of units for
    the machine key alone, where that has a limit of its own.
    """

    daily: Window | None = None
    monthly: Window | None = None
    embedding_tokens: Window | None = None
    access_key: Window | None = None

    @property
    def exhausted(self) -> Window | None:
        """The window of units that has none left, the longer one first; the day where neither is known to."""
        return self.monthly if self.monthly is not None and self.monthly.remaining == 0 else self.daily

    @classmethod
    def of(cls, found: QuotaJson | None) -> Self:
        """Read a quota; of None nothing is known."""
        if found is None:
            return cls()
        daily, monthly, tokens = (Window.of(found[name]) for name in ("daily", "monthly", "embedding_tokens"))
        return cls(daily, monthly, tokens, Window.of(found["access_key"]) if "access_key" in found else None)

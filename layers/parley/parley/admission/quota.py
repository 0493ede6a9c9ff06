"""The caller's quota windows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Window:
    """One quota window; `limit` None means unlimited."""

    limit: int | None
    used: int
    resets_at: datetime

    @property
    def remaining(self) -> int | None:
        """Units left, never below zero."""
        return None if self.limit is None else max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class Quota:
    """The caller's windows after this request was counted: two of units, and one of tokens to embed."""

    daily: Window | None = None
    monthly: Window | None = None
    embedding_tokens: Window | None = None

    @property
    def exhausted(self) -> Window | None:
        """The window of units that has none left, the longer one first; the day where neither is known to."""
        return self.monthly if self.monthly is not None and self.monthly.remaining == 0 else self.daily

    @classmethod
    def of(cls, found: dict[str, Any] | None) -> Quota:
        """Read the JSON that the database functions return."""
        windows = {}
        for name in ("daily", "monthly", "embedding_tokens"):
            window = (found or {}).get(name)
            if window:
                windows[name] = Window(window["limit"], window["used"], datetime.fromisoformat(window["resets_at"]))
        return cls(**windows)

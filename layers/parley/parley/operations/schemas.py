"""What operators send."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Limit = Annotated[int, Field(ge=0, le=1_000_000_000)] | None


class Tier(BaseModel):
    """The body of PUT /api/admin/tiers/{tier}; null means unlimited."""

    model_config = ConfigDict(extra="forbid")
    daily_units: Limit
    monthly_units: Limit = None
    daily_embedding_tokens: Limit


class UserTier(BaseModel):
    """The body of PUT /api/admin/users/{id}/tier."""

    model_config = ConfigDict(extra="forbid")
    tier: Literal["free", "premium", "byok"]


class Faq(BaseModel):
    """A precomputed response: words, one at least, and `*`, matched against the whole message."""

    model_config = ConfigDict(extra="forbid")
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True, pattern=r"[^\W_]")]
    response: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
    priority: Annotated[int, Field(ge=-1_000, le=1_000)] = 0
    is_active: bool = True

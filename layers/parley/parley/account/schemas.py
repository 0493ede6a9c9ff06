"""What a caller sends to change its settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class SettingsChange(BaseModel):
    """The body of PATCH /api/settings; tier and counters are not the caller's to change."""

    model_config = ConfigDict(extra="forbid")
    preferred_provider: Annotated[str, StringConstraints(max_length=40)]

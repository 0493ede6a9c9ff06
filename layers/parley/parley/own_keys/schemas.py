"""What a caller sends to store a key."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class OwnKey(BaseModel):
    """The body of PUT /api/settings/api-keys/{provider}."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    api_key: Annotated[str, StringConstraints(min_length=12, max_length=500, pattern=r"^[\x21-\x7e]+$")]

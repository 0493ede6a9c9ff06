"""What a caller sends to store a key, and what it is told of its keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

from parley.core.fields import BODY, TierName
from parley.core.provider_names import ProviderName


class OwnKey(BaseModel):
    """A key of the provider's."""

    model_config = ConfigDict(**BODY, hide_input_in_errors=True)
    api_key: Annotated[str, StringConstraints(min_length=12, max_length=500, pattern=r"^[\x21-\x7e]+$")]


class StoredKey(TypedDict):
    """A key as it is shown from now on, not verified yet."""

    provider: ProviderName
    last_four: Annotated[str, Field(min_length=4, max_length=4)]
    verified: Literal[False]


class DeletedKey(TypedDict):
    """The tier that is left without the key."""

    provider: ProviderName
    tier: TierName


class VerifiedKey(TypedDict):
    """The provider took the key, and the tier that follows."""

    provider: ProviderName
    verified: Literal[True]
    tier: TierName

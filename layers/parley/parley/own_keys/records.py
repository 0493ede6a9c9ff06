"""An own key as the database keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from parley.core.provider_names import ProviderName


@dataclass(frozen=True, slots=True)
class EncryptedKey:
    """A user's key for one provider.

    Attributes:
        ciphertext: KMS's, base64; every encryption gives another one.
        last_four: of the key's characters, to recognise it by.
        verified: whether its provider took it.
    """

    ciphertext: str
    last_four: str
    verified: bool
    updated_at: datetime

    @classmethod
    def by_provider(cls, found: Mapping[ProviderName, Mapping[str, Any]]) -> dict[ProviderName, Self]:
        """Read what app.own_keys returns."""
        return {
            provider: cls(
                key["ciphertext"], key["last_four"], key["verified"], datetime.fromisoformat(key["updated_at"])
            )
            for provider, key in found.items()
        }

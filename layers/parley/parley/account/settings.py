"""A caller's settings as they are read."""

from __future__ import annotations

from dataclasses import dataclass

from parley.account.preferences import saved_provider
from parley.account.schemas import ApiKeySummary, Settings
from parley.account.usage import usage_of
from parley.core.caller import Caller
from parley.core.errors import subject_deleted
from parley.database.connection import Database
from parley.own_keys.records import EncryptedKey


@dataclass(frozen=True, slots=True)
class Account:
    """Settings as they are read."""

    database: Database

    def settings(self, caller: Caller) -> Settings:
        """Tier, limits and use, the saved provider, and the own keys as their last four characters.

        Raises Problem (403) for a deleted user.
        """
        quota, preferences, keys = self.database.batch(
            caller.claims,
            [
                ("select app.read_quota(%s) as found", (caller.claims,)),
                ("select app.provider_preferences(%s) as found", (caller.claims,)),
                ("select app.own_keys(%s) as found", (caller.claims,)),
            ],
            idempotent=True,
        )
        if quota[0]["found"] is None:
            raise subject_deleted()
        return {
            **usage_of(quota[0]["found"]),
            "preferred_provider": saved_provider(preferences[0]["found"], "user"),
            "api_keys": {
                provider: ApiKeySummary(last_four=key.last_four, verified=key.verified, updated_at=key.updated_at)
                for provider, key in EncryptedKey.by_provider(keys[0]["found"]).items()
            },
        }

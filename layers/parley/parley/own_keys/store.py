"""Storing and deleting own keys."""

from __future__ import annotations

from dataclasses import dataclass

from parley.core.caller import Caller
from parley.core.errors import Problem, subject_deleted
from parley.core.provider_names import named_provider
from parley.database.connection import Database
from parley.own_keys.cipher import KeyCipher
from parley.own_keys.schemas import DeletedKey, OwnKey, StoredKey


@dataclass(frozen=True, slots=True)
class KeyStore:
    """Storing and deleting own keys; can encrypt, and cannot decrypt."""

    database: Database
    key_cipher: KeyCipher

    def store(self, caller: Caller, provider_name: str, key: OwnKey) -> StoredKey:
        """Store or replace a key, unverified. Raises Problem."""
        provider = named_provider(provider_name)
        ciphertext = self.key_cipher.encrypt(caller, provider, key.api_key)
        stored = self.database.call(
            "select app.store_own_key(%s, %s, %s, %s, %s)",
            (caller.claims, provider, ciphertext, key.api_key[-4:], self.key_cipher.kms_key_id),
            idempotent=True,
        )
        if stored["outcome"] != "stored":
            raise subject_deleted()
        self.key_cipher.forget(caller, provider)
        return {"provider": provider, "last_four": stored["last_four"], "verified": False}

    def delete(self, caller: Caller, provider_name: str) -> DeletedKey:
        """Delete a key; the tier that is left comes back. Raises Problem (404)."""
        provider = named_provider(provider_name)
        deleted = self.database.call("select app.delete_own_key(%s, %s)", (caller.claims, provider))
        if deleted["outcome"] != "deleted":
            raise own_key_not_found()
        self.key_cipher.forget(caller, provider)
        return {"provider": provider, "tier": deleted["tier"]}


def own_key_not_found() -> Problem:
    """The answer to a caller who has stored no key for the provider."""
    return Problem("own_key_not_found", "You have stored no key for this provider.", status=404)

"""A caller's settings, and the provider keys they bring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from parley.caller import SERVICE, Caller
from parley.database import Database
from parley.errors import Problem, subject_deleted
from parley.observability import logger
from parley.providers.base import Provider, ProviderError
from parley.providers.catalogue import Catalogue
from parley.providers.faults import problem_for
from parley.vault import Vault
from parley.vendors import ProviderName, canonical_provider


class SettingsChange(BaseModel):
    """The body of PATCH /api/settings; tier and counters are not the caller's to change."""

    model_config = ConfigDict(extra="forbid")
    preferred_provider: Annotated[str, StringConstraints(max_length=40)]


class OwnKey(BaseModel):
    """The body of PUT /api/settings/api-keys/{provider}."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    api_key: Annotated[str, StringConstraints(min_length=12, max_length=500, pattern=r"^[\x21-\x7e]+$")]


@dataclass(frozen=True, slots=True)
class Account:
    """Settings as they are read."""

    database: Database

    def settings(self, caller: Caller) -> dict[str, Any]:
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
        saved = preferences[0]["found"].get("user") or {}
        return {
            **quota[0]["found"],
            "preferred_provider": saved.get("provider"),
            "api_keys": {
                provider: {name: key[name] for name in ("last_four", "verified", "updated_at")}
                for provider, key in keys[0]["found"].items()
            },
        }


@dataclass(frozen=True, slots=True)
class KeyStore:
    """Storing and deleting own keys; can encrypt, and cannot decrypt."""

    database: Database
    vault: Vault

    def store(self, caller: Caller, provider_name: str, key: OwnKey) -> dict[str, Any]:
        """Store or replace a key, unverified. Raises Problem."""
        provider = _provider(provider_name)
        ciphertext = self.vault.encrypt(caller, provider, key.api_key)
        stored = self.database.call(
            "select app.store_own_key(%s, %s, %s, %s, %s)",
            (caller.claims, provider, ciphertext, key.api_key[-4:], self.vault.kms_key_id),
            idempotent=True,
        )
        if stored["outcome"] != "stored":
            raise subject_deleted()
        return {"provider": provider, "last_four": stored["last_four"], "verified": False}

    def delete(self, caller: Caller, provider_name: str) -> dict[str, Any]:
        """Delete a key; the tier that is left comes back. Raises Problem (404)."""
        provider = _provider(provider_name)
        deleted = self.database.call("select app.delete_own_key(%s, %s)", (caller.claims, provider))
        if deleted["outcome"] != "deleted":
            raise _missing()
        return {"provider": provider, "tier": deleted["tier"]}


@dataclass(frozen=True, slots=True)
class KeyVerifier:
    """Asking the vendor whether a stored key works; the first one that does makes a free caller byok."""

    database: Database
    vault: Vault
    providers: dict[ProviderName, Provider]
    catalogue: Catalogue

    def verify(self, caller: Caller, provider_name: str, seconds: float) -> dict[str, Any]:
        """Try the stored key on what costs no tokens. Raises Problem: 404 without a key, 400 when it is rejected."""
        provider = _provider(provider_name)
        keys = self.database.call("select app.own_keys(%s)", (caller.claims,), idempotent=True)
        if provider not in keys:
            raise _missing()
        key = self.vault.reveal(caller, keys)[provider]
        try:
            self.providers[provider].check(self.catalogue.default_chat_models()[provider], key, seconds)
        except ProviderError as error:
            raise problem_for(error, own_key=True) from error
        # The ciphertext says which key was tried. Rotation may change it meanwhile, and then it is the same key still.
        for _ in range(3):
            marked = self.database.call(
                "select app.mark_key_verified(%s, %s, %s)",
                (caller.claims, provider, keys[provider]["ciphertext"]),
                idempotent=True,
            )
            if marked["outcome"] == "verified":
                return {"provider": provider, "verified": True, "tier": marked["tier"]}
            keys = self.database.call("select app.own_keys(%s)", (caller.claims,), idempotent=True)
            if provider not in keys or self.vault.reveal(caller, keys)[provider] != key:
                break
        raise Problem("own_key_replaced", "The key was replaced meanwhile; verify it again.", status=409)


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """Moving every stored key under the current KMS key; the plaintext never leaves KMS."""

    database: Database
    vault: Vault

    def rotate(self, time_left: Callable[[], float]) -> dict[str, int]:
        """Re-encrypt what another KMS key encrypted, until nothing is left or `time_left()` falls under ten seconds.

        A row that KMS does not open (moved from another user, say) is left, counted and logged; the others go on.
        Raises Problem (503) when KMS does not answer.
        """
        rotated = unreadable = 0
        last = ("", "")
        while time_left() > 10:
            rows = self.database.query(
                SERVICE.claims,
                """
                select user_id, provider, ciphertext from app.provider_keys
                where kms_key_id is distinct from %s and (user_id, provider) > (%s, %s)
                order by user_id, provider limit 100
                """,
                (self.vault.kms_key_id, *last),
                idempotent=True,
            )
            if not rows:
                break
            for row in rows:
                last = (row["user_id"], row["provider"])
                try:
                    fresh = self.vault.re_encrypt(row["user_id"], row["provider"], row["ciphertext"])
                except Problem as error:
                    if error.code != "own_key_unreadable":
                        raise
                    unreadable += 1
                    continue
                # The old ciphertext says which key this was: one that was replaced meanwhile is left alone.
                self.database.query(
                    SERVICE.claims,
                    """
                    update app.provider_keys set ciphertext = %s, kms_key_id = %s
                    where user_id = %s and provider = %s and ciphertext = %s
                    """,
                    (fresh, self.vault.kms_key_id, *last, row["ciphertext"]),
                    idempotent=True,
                )
                rotated += 1
        if unreadable:
            logger.error("own keys that KMS does not open", count=unreadable)
        return {"rotated": rotated, "unreadable": unreadable}


def _provider(name: str) -> ProviderName:
    provider = canonical_provider(name)
    if provider is None:
        raise Problem("invalid_provider", "Choose one of openai, anthropic, google (or gemini).", status=400)
    return provider


def _missing() -> Problem:
    return Problem("own_key_missing", "You have stored no key for this provider.", status=404)

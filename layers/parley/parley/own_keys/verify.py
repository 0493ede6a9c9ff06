"""Asking the provider whether a stored key works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from parley.core.caller import Caller
from parley.core.errors import Problem
from parley.core.provider_names import ProviderName, may_be_called, named_provider, provider_not_allowed
from parley.database.connection import Database
from parley.own_keys.cipher import KeyCipher
from parley.own_keys.records import EncryptedKey
from parley.own_keys.schemas import VerifiedKey
from parley.own_keys.store import own_key_not_found
from parley.providers.catalogue import Catalogue
from parley.providers.errors import ProviderError
from parley.providers.protocol import Provider


@dataclass(frozen=True, slots=True)
class KeyVerifier:
    """Asking the provider whether a stored key works; the first one that does makes a free caller byok."""

    database: Database
    key_cipher: KeyCipher
    providers: Mapping[ProviderName, Provider]
    catalogue: Catalogue

    def verify(self, caller: Caller, provider_name: str, seconds: float) -> VerifiedKey:
        """Try the stored key on what costs no tokens.

        Raises Problem: 404 without a key, 403 where the organization does not allow the provider, and where the
        provider rejects the key.
        """
        provider = named_provider(provider_name)
        (own,), (policy,) = self.database.batch(
            caller.claims,
            [
                ("select app.own_keys(%s) as keys", (caller.claims,)),
                ("select app.allowed_providers() as allowed", ()),
            ],
            idempotent=True,
        )
        keys = EncryptedKey.by_provider(own["keys"])
        if provider not in keys:
            raise own_key_not_found()
        if not may_be_called(provider, policy["allowed"]):
            raise provider_not_allowed()
        if provider not in self.providers:
            raise Problem("no_provider_available", "The operator's settings for this provider do not work.", status=503)
        key = self._reveal(caller, provider, keys)
        try:
            self.providers[provider].check(self.catalogue.default_chat_models()[provider], key, seconds)
        except ProviderError as error:
            from parley.providers.problems import problem_for

            raise problem_for(error, own_key=True) from error
        # The ciphertext says which key was tried. Rotation may change it meanwhile, and then it is the same key still.
        for _ in range(3):
            marked = self.database.call(
                "select app.mark_key_verified(%s, %s, %s)",
                (caller.claims, provider, keys[provider].ciphertext),
                idempotent=True,
            )
            if marked["outcome"] == "verified":
                return {"provider": provider, "verified": True, "tier": marked["tier"]}
            found = self.database.call("select app.own_keys(%s)", (caller.claims,), idempotent=True)
            keys = EncryptedKey.by_provider(found)
            if provider not in keys or self._reveal(caller, provider, keys) != key:
                break
        raise Problem("own_key_replaced", "The key was replaced meanwhile; verify it again.", status=409)

    def _reveal(self, caller: Caller, provider: ProviderName, keys: Mapping[ProviderName, EncryptedKey]) -> str:
        return self.key_cipher.reveal(caller, {provider: keys[provider].ciphertext})[provider]

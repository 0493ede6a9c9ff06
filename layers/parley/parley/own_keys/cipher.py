"""Users' own provider keys: encrypted by KMS itself, bound to user and provider, in the clear for minutes at most.

KMS `Encrypt` takes up to 4,096 bytes, so there is no cipher code here. The encryption context is checked by KMS when it
decrypts: a row moved to another user or provider does not open.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from parley.core.caller import Caller
from parley.core.clock import Clock
from parley.core.config import ConfigurationError
from parley.core.errors import Problem
from parley.core.observability import log_fault, logger
from parley.core.provider_names import ProviderName

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

_PLAINTEXT_SECONDS = 300
# How long a key may serve in an outage of the database after that last named it.
_CONFIRMED_SECONDS = 60
# What KMS says of a ciphertext that it will not open until its user has stored the key again.
_UNREADABLE = frozenset(
    {
        "InvalidCiphertextException",
        "IncorrectKeyException",
        "NotFoundException",
        "DisabledException",
        "KMSInvalidStateException",
    }
)
_KEY = re.compile(r"(?i)(?:[spr]k[-_]|aiza|aq\.)[-_.a-z0-9]{16,}")


def looks_like_a_key(text: str) -> bool:
    """Whether `text` is shaped as the three providers' keys are, so that it must not be stored or shown."""
    return _KEY.fullmatch(text) is not None


class KeyCipher:
    """Encrypts, decrypts and re-encrypts own keys. Which of the three a function may do, its IAM role says.

    Args:
        kms_key_id: the key's id or ARN; None where own keys are not configured.
    """

    def __init__(self, kms_key_id: str | None, clock: Clock) -> None:
        self.kms_key_id = kms_key_id
        self._clock = clock
        self._plaintext: dict[tuple[str, ProviderName], tuple[str | None, str, float]] = {}
        self._confirmed: dict[str, float] = {}

    def encrypt(self, caller: Caller, provider: ProviderName, key: str) -> str:
        """The ciphertext of a signed-in caller's key, base64. Raises Problem (503) when KMS does not answer."""
        answer = self._call(
            "encrypt",
            Plaintext=key.encode(),
            KeyId=self._configured_key(),
            EncryptionContext=_context(caller.user_id or "", provider),
        )
        return base64.b64encode(answer["CiphertextBlob"]).decode()

    def re_encrypt(self, user_id: str, provider: ProviderName, ciphertext: str) -> str:
        """The same key under the current KMS key; the plaintext never leaves KMS. Raises Problem (409, 503)."""
        context = _context(user_id, provider)
        answer = self._call(
            "re_encrypt",
            CiphertextBlob=_blob(ciphertext),
            DestinationKeyId=self._configured_key(),
            SourceEncryptionContext=context,
            DestinationEncryptionContext=context,
        )
        return base64.b64encode(answer["CiphertextBlob"]).decode()

    def reveal(self, caller: Caller, ciphertexts: Mapping[ProviderName, str]) -> Mapping[ProviderName, str]:
        """The caller's keys by provider, each decrypted when it is first asked for."""
        return {} if caller.user_id is None else _OwnKeys(self, caller.user_id, ciphertexts)

    def confirm(self, caller: Caller, ciphertexts: Mapping[ProviderName, str]) -> None:
        """Take in which keys the database has just named as the caller's: any other is forgotten at once."""
        if caller.user_id is None:
            return
        for (user_id, provider), (digest, _, _) in list(self._plaintext.items()):
            if user_id == caller.user_id and digest != _digest(ciphertexts.get(provider)):
                self.forget(caller, provider)
        if ciphertexts:
            self._confirmed[caller.user_id] = self._clock.now().timestamp() + _CONFIRMED_SECONDS

    def forget(self, caller: Caller, provider: ProviderName) -> None:
        """Forget a key that was deleted or replaced."""
        self._plaintext.pop((caller.user_id or "", provider), None)

    def remembered(self, caller: Caller) -> Mapping[ProviderName, str]:
        """The caller's keys in this container's memory, for database outages: none where the database has named them
        last over a minute ago, so that a key deleted elsewhere is not used for longer.
        """
        self.forget_expired()
        if caller.user_id not in self._confirmed:
            return {}
        return {
            provider: key for (user_id, provider), (_, key, _) in self._plaintext.items() if user_id == caller.user_id
        }

    def forget_expired(self) -> None:
        """Drop what was decrypted more than five minutes ago, by a clock that goes on while a container is frozen."""
        now = self._clock.now().timestamp()
        self._plaintext = {slot: entry for slot, entry in self._plaintext.items() if entry[2] > now}
        self._confirmed = {user_id: until for user_id, until in self._confirmed.items() if until > now}

    def decrypt(self, user_id: str, provider: ProviderName, ciphertext: str) -> str:
        """The key in the clear, from memory if it was needed within five minutes. Raises Problem."""
        self.forget_expired()
        digest = _digest(ciphertext)
        known = self._plaintext.get((user_id, provider))
        if known and known[0] == digest:
            return known[1]
        try:
            context = _context(user_id, provider)
            answer = self._call("decrypt", CiphertextBlob=_blob(ciphertext), EncryptionContext=context)
        except Problem as problem:
            logger.error("an own key could not be opened", provider=provider, code=problem.code)
            raise
        key = bytes(answer["Plaintext"]).decode()
        self._plaintext[user_id, provider] = (digest, key, self._clock.now().timestamp() + _PLAINTEXT_SECONDS)
        return key

    @cached_property
    def _kms(self) -> KMSClient:
        import boto3  # 250 ms of CPU: only where a key is really touched

        return boto3.client("kms")

    def _configured_key(self) -> str:
        if not self.kms_key_id:
            raise ConfigurationError("set PARLEY_KMS_KEY_ID to store own keys")
        return self.kms_key_id

    def _call(self, operation: str, **parameters: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._kms, operation)(**parameters)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _UNREADABLE:
                raise _unreadable() from None
            log_fault(f"kms {operation} failed", error)
        except BotoCoreError as error:
            log_fault(f"kms {operation} failed", error)
        raise Problem("own_keys_unavailable", "Keys cannot be read right now; try again.", status=503, retry_after=2)


class _OwnKeys(Mapping[ProviderName, str]):
    """Own keys, decrypted one by one when asked for: a fallback that never happens costs no KMS call."""

    def __init__(self, key_cipher: KeyCipher, user_id: str, ciphertexts: Mapping[ProviderName, str]) -> None:
        self._key_cipher = key_cipher
        self._user_id = user_id
        self._ciphertexts = ciphertexts

    def __getitem__(self, provider: ProviderName) -> str:
        return self._key_cipher.decrypt(self._user_id, provider, self._ciphertexts[provider])

    def __contains__(self, provider: object) -> bool:
        return provider in self._ciphertexts

    def __iter__(self) -> Iterator[ProviderName]:
        return iter(self._ciphertexts)

    def __len__(self) -> int:
        return len(self._ciphertexts)


def _digest(ciphertext: str | None) -> str | None:
    return None if ciphertext is None else hashlib.sha256(ciphertext.encode()).hexdigest()


def _context(user_id: str, provider: ProviderName) -> dict[str, str]:
    return {"user_id": user_id, "provider": provider}


def _blob(ciphertext: str) -> bytes:
    """What KMS takes. Raises Problem (409) for text that was never of KMS."""
    try:
        return base64.b64decode(ciphertext, validate=True)
    except ValueError:
        raise _unreadable() from None


def _unreadable() -> Problem:
    return Problem("own_key_unreadable", "Your stored key cannot be read; store it again.", status=409)

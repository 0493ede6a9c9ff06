"""The form of a machine key: `pk_`, 256 random bits, and a checksum: a mistyped one is refused without a query."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re

PREFIX = "pk_"
_BYTES, _CHECKSUM_BYTES = 32, 4
# 36 bytes are 48 characters of base64url (RFC 4648, section 5), without padding.
_FORM = re.compile(r"pk_[A-Za-z0-9_-]{48}")


def new_access_key() -> str:
    """A key that nobody has."""
    random = os.urandom(_BYTES)
    return PREFIX + base64.urlsafe_b64encode(random + _checksum(random)).decode()


def is_access_key(text: str) -> bool:
    """Whether `text` is a machine key by its form and its checksum."""
    if not _FORM.fullmatch(text):
        return False
    decoded = base64.urlsafe_b64decode(text.removeprefix(PREFIX))
    return _checksum(decoded[:_BYTES]) == decoded[_BYTES:]


def access_key_hash(key: str) -> str:
    """Hex SHA-256 of a key: what is stored of it, and found by. 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()


def _checksum(random: bytes) -> bytes:
    return binascii.crc32(random).to_bytes(_CHECKSUM_BYTES)

"""Who is calling: bearer tokens verified with one pinned algorithm, or an anonymous source address.

RFC 7519 for the claims, RFC 8725 for what to distrust: the header's `alg` and `kid` choose nothing but a key of the
configured set.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import jwt

from parley.core import secrets
from parley.core.caller import Caller, is_identifier
from parley.core.clock import SystemClock
from parley.core.config import ConfigurationError, Settings
from parley.core.errors import Problem
from parley.core.secrets import Rotating

_LONGEST_TOKEN = 16_384


class Authenticator:
    """Turns an Authorization header and a source address into a caller."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def caller(self, authorization: str | None, source_address: str) -> Caller:
        """The verified caller; anonymous without a header. Raises Problem (401) for a token that does not hold."""
        if authorization is None:
            return Caller(address_hash=self._address_hash(source_address))
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip() or len(token) > _LONGEST_TOKEN:
            raise _unauthorized("token_invalid", "Send `Authorization: Bearer <token>`.")
        return self._caller_of(self._verify(token.strip()))

    def _verify(self, token: str) -> Mapping[str, Any]:
        try:
            key = self._key(token)
            try:
                return self._claims(token, key)
            except jwt.InvalidSignatureError:
                renewed = self._renewed_key(token)
                if renewed == key:
                    raise
                return self._claims(token, renewed)
        except jwt.ExpiredSignatureError:
            raise _unauthorized("token_expired", "The token has expired; sign in again.") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _unauthorized("token_invalid", "The token is not valid here; sign in again.") from None

    def _claims(self, token: str, key: Any) -> Mapping[str, Any]:
        settings = self._settings
        return jwt.decode(
            token,
            key,
            algorithms=[settings.jwt_algorithm],
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            options={"require": ["exp"], "verify_aud": settings.jwt_audience is not None},
        )

    def _key(self, token: str) -> Any:
        """What the token must have been signed with: the shared secret, or one of the published keys."""
        if self._settings.jwt_algorithm == "HS256":
            return secrets.jwt_secret(self._settings)
        name = jwt.get_unverified_header(token).get("kid")
        key = self._published.get().get(name)
        if key is None:
            self._published.refused()
            key = self._published.get().get(name)
        if key is None:
            raise jwt.InvalidKeyError("no published key has this name")
        return key.key

    def _renewed_key(self, token: str) -> Any:
        """What may have taken the place of a key that the signature does not fit."""
        if self._settings.jwt_algorithm == "HS256":
            return secrets.renewed_jwt_secret(self._settings)
        self._published.refused()
        return self._key(token)

    @cached_property
    def _published(self) -> Rotating[dict[str | None, jwt.PyJWK]]:
        """The issuer's keys by their names."""
        if not self._settings.jwks_url:
            raise ConfigurationError(f"PARLEY_JWT_ALGORITHM={self._settings.jwt_algorithm} needs PARLEY_JWKS_URL")
        client = jwt.PyJWKClient(self._settings.jwks_url, cache_jwk_set=False, timeout=3)

        def read() -> dict[str | None, jwt.PyJWK]:
            try:
                return {key.key_id: key for key in client.get_signing_keys()}
            except (jwt.PyJWTError, ValueError, OSError):
                raise Problem(
                    "keys_unavailable", "The signing keys cannot be fetched right now.", status=503, retry_after=5
                ) from None

        return Rotating(read, SystemClock())

    def _caller_of(self, claims: Mapping[str, Any]) -> Caller:
        if claims.get("role") == "service_role":
            return Caller(is_service=True)
        user_id = _identifier(claims.get("sub"))
        if user_id is None:
            raise _unauthorized("token_invalid", "The token names no subject; sign in again.")
        role = _claim(claims, self._settings.role_claim)
        return Caller(
            user_id=user_id,
            organization_id=_identifier(_claim(claims, self._settings.organization_claim)),
            # Clerk writes its roles as "org:admin".
            is_organization_admin=isinstance(role, str) and role.removeprefix("org:") in ("admin", "owner"),
        )

    def _address_hash(self, source_address: str) -> str:
        """A hash of the address; of the /64 for IPv6, where a single host owns that many."""
        try:
            address = ipaddress.ip_address(source_address)
        except ValueError:
            network = source_address
        else:
            prefix = 64 if address.version == 6 else 32
            network = str(ipaddress.ip_network((address, prefix), strict=False))
        return hashlib.sha256(f"{self._settings.address_salt}|{network}".encode()).hexdigest()[:32]


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by a dotted path into nested claims (`app_metadata.organization_id`)."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _identifier(value: Any) -> str | None:
    return value if is_identifier(value) else None


def _unauthorized(code: str, detail: str) -> Problem:
    return Problem(code, detail, status=401)

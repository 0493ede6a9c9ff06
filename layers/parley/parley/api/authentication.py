"""Who is calling: bearer tokens verified with one pinned algorithm, or an anonymous source address.

RFC 7519 for the claims, RFC 8725 for what to distrust: the header's `alg` and `kid` choose nothing but a key of the
configured set.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import jwt

from parley.core import secrets
from parley.core.caller import Caller
from parley.core.config import Settings
from parley.core.errors import Problem

_LONGEST_TOKEN = 16_384
_LONGEST_ID = 255


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
        settings = self._settings
        try:
            return jwt.decode(
                token,
                self._key(token),
                algorithms=[settings.jwt_algorithm],
                audience=settings.jwt_audience,
                issuer=settings.jwt_issuer,
                options={"require": ["exp"], "verify_aud": settings.jwt_audience is not None},
            )
        except jwt.ExpiredSignatureError:
            raise _unauthorized("token_expired", "The token has expired; sign in again.") from None
        except jwt.PyJWKClientConnectionError:
            raise Problem(
                "keys_unavailable", "The signing keys cannot be fetched right now.", status=503, retry_after=5
            ) from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _unauthorized("token_invalid", "The token is not valid here; sign in again.") from None

    @cached_property
    def _key(self) -> Callable[[str], Any]:
        """Finds the key that a token must have been signed with: the shared secret, or one of the published set."""
        settings = self._settings
        if settings.jwt_algorithm == "HS256":
            secret = secrets.jwt_secret(settings)
            return lambda _token: secret
        if not settings.jwks_url:
            raise ValueError(f"PARLEY_JWT_ALGORITHM={settings.jwt_algorithm} needs PARLEY_JWKS_URL")
        published = jwt.PyJWKClient(settings.jwks_url, lifespan=300, timeout=3)
        return lambda token: published.get_signing_key_from_jwt(token).key

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
    usable = isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isprintable()
    return value if usable else None


def _unauthorized(code: str, detail: str) -> Problem:
    return Problem(code, detail, status=401)

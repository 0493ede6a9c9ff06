"""Who is calling: bearer tokens verified with one pinned algorithm, machine keys, or an anonymous source address.

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
from parley.core.access_keys import PREFIX, access_key_hash, is_access_key
from parley.core.caller import AccessKey, AccessKeyScope, Caller, is_identifier
from parley.core.clock import SystemClock
from parley.core.config import ConfigurationError, Settings
from parley.core.errors import Problem
from parley.core.secrets import Rotating

_LONGEST_TOKEN = 16_384


class Authenticator:
    """Turns a request's headers and its source address into a caller."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def caller(self, headers: Mapping[str, str], source_address: str, scope: AccessKeyScope | None) -> Caller:
        """The verified caller; anonymous without a token. A machine key, as bearer token or as `x-api-key`, is checked
        by its form alone: whose it is, the database knows. Beside a bearer token, an `x-api-key` that is no machine key
        is not ours: API Gateway's usage plans have keys of this name.

        Args:
            headers: by lower-case name.
            scope: what a machine key must be good for here; None where none is taken.

        Raises Problem (401) for a token or a key that does not hold, and (403) for a key where none is taken.
        """
        authorization, key = headers.get("authorization"), headers.get("x-api-key")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            token = token.strip()
            if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN:
                raise _unauthorized("token_invalid", "Send `Authorization: Bearer <token>`.")
            if key is not None and key.strip().startswith(PREFIX) and key.strip() != token:
                raise _unauthorized("token_invalid", "Authorization and x-api-key say two different things; send one.")
            if not token.startswith(PREFIX):
                return self._caller_of(self._verify(token))
            key = token
        if key is None:
            return Caller(address_hash=self._address_hash(source_address))
        if not is_access_key(key.strip()):
            raise _unauthorized("access_key_malformed", "This is no machine key: some of it is missing or mistyped.")
        if scope is None:
            raise Problem(
                "access_key_not_accepted", "No machine key is accepted here; sign in with a token.", status=403
            )
        access_key = AccessKey(access_key_hash(key.strip()), (scope,))
        return Caller(address_hash=self._address_hash(source_address), access_key=access_key)

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

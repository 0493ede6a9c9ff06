"""Who is calling, in the shape the database's policies read, and with which request."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeGuard

_LONGEST_IDENTIFIER = 255
_CREATED = "5f0d6d0e-4a0f-4f6e-9c38-6c5b8f6f2a10"  # the name space of derived ids (RFC 9562, 5.5)


# What a machine key may be used for.
AccessKeyScope = Literal["chat", "embeddings", "search", "usage"]


class AccessKey(NamedTuple):
    """A machine key, as far as a request knows it.

    Attributes:
        hash: hex SHA-256 of the key; nothing keeps the key itself.
        scopes: what the request asks for; the key has to be good for each.
        id: None where it is not resolved yet.
    """

    hash: str
    scopes: tuple[AccessKeyScope, ...]
    id: str | None = None


class Caller(NamedTuple):
    """A verified caller.

    Attributes:
        user_id: the token's subject; None for anonymous and service callers.
        organization_id, is_organization_admin: from the configured claims, which are the truth.
        is_service: the service role (operators, schedules).
        address_hash: stands for an anonymous caller's source address, and for a machine key's.
        access_key: the machine key that the caller calls with. Where it is not resolved yet, `user_id` is None, and
            begin_request says whose it is.
    """

    user_id: str | None = None
    organization_id: str | None = None
    is_organization_admin: bool = False
    is_service: bool = False
    address_hash: str | None = None
    access_key: AccessKey | None = None

    @property
    def is_user(self) -> bool:
        """Whether a user calls, be it with a machine key whose user is not known yet."""
        return self.user_id is not None or self.access_key is not None

    @property
    def key(self) -> str:
        """What is counted and remembered by: the user, the service, or the anonymous caller's address."""
        if self.user_id is not None:
            return f"user:{self.user_id}"
        return "service" if self.is_service else f"anonymous:{self.address_hash}"

    @property
    def claims(self) -> dict[str, str]:
        """The transaction-local identity (`request.jwt.claims`, docs/database-contract.md)."""
        if self.is_service:
            return {"role": "service_role"}
        if self.user_id is None:
            return {"role": "anon", "caller_key": self.address_hash or ""}
        claims = {"sub": self.user_id, "role": "authenticated"}
        if self.organization_id is not None:
            claims["organization_id"] = self.organization_id
            claims["organization_role"] = "admin" if self.is_organization_admin else "member"
        if self.access_key is not None and self.access_key.id is not None:
            claims["access_key_id"] = self.access_key.id
        return claims

    @property
    def credentials(self) -> dict[str, str]:
        """What begin_request is told of the caller: the claims, or the machine key that it is to resolve."""
        if self.access_key is None:
            return self.claims
        return {
            "access_key_hash": self.access_key.hash,
            "scope": " ".join(self.access_key.scopes),
            "caller_key": self.address_hash or "",
        }

    def reaching(self, scope: AccessKeyScope) -> Caller:
        """The caller, of whose machine key, if it has one, this scope is asked as well."""
        if self.access_key is None:
            return self
        return self._replace(access_key=self.access_key._replace(scopes=(*self.access_key.scopes, scope)))

    def with_user(self, access_key: AccessKey, user_id: str, organization_id: str | None) -> Caller:
        """The caller once its machine key is resolved: the key's user, as a member of the key's organization."""
        return self._replace(user_id=user_id, organization_id=organization_id, access_key=access_key)


class RequestContext(NamedTuple):
    """One request to a service: its caller, its id, its time limit, and the key by which a repetition is recognised.

    Attributes:
        seconds: how long the answer may take.
        idempotency_key: the caller's Idempotency-Key; None without one.
        body_hash: hex SHA-256 of the body, which the key is bound to.
    """

    caller: Caller
    request_id: str
    seconds: float
    idempotency_key: str | None = None
    body_hash: str | None = None

    def new_ids(self, count: int) -> list[str]:
        """Ids for what this request creates: random, or with an idempotency key the same ones for each repetition."""
        if self.idempotency_key is None:
            import uuid  # schedules have callers, and make no ids

            return [str(uuid.uuid4()) for _ in range(count)]
        return derived_ids(f"{self.caller.key}\n{self.idempotency_key}", count)


def is_identifier(value: object) -> TypeGuard[str]:
    """Whether a user or an organization can be called so: text of 1 to 255 characters, all of them printable."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_IDENTIFIER and value.isprintable()


def derived_ids(seed: str, count: int) -> list[str]:
    """So many ids that are always the same for this seed, and nobody else's."""
    import uuid

    return [str(uuid.uuid5(uuid.UUID(_CREATED), f"{seed}\n{number}")) for number in range(count)]


SERVICE = Caller(is_service=True)

"""Who is calling, as the schema sees it: claims, and acting as somebody for one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

Claims = Mapping[str, str]


def user(subject: str, organization: str | None = None, organization_role: str | None = None) -> Claims:
    """The claims of a signed-in user, as the layer sets them."""
    claims = {"sub": subject, "role": "authenticated"}
    if organization:
        claims["organization_id"] = organization
    if organization_role:
        claims["organization_role"] = organization_role
    return claims


ANONYMOUS: Claims = {"role": "anon", "caller_key": "0123456789abcdef"}
SERVICE: Claims = {"role": "service_role"}


def claiming(claims: Claims | None) -> sql.Composed:
    """The statement that makes `claims` the identity of the open transaction; None: nobody's."""
    text = "" if claims is None else json.dumps(claims)
    return sql.SQL("select set_config('request.jwt.claims', {}, true)").format(text)


def set_claims(connection: psycopg.Connection[Any], claims: Claims | None) -> None:
    """Make `claims` the identity of the open transaction; None: nobody's."""
    connection.execute(claiming(claims))


@contextmanager
def acting(connection: psycopg.Connection[Any], claims: Claims | None, role: str | None = None) -> Iterator[None]:
    """Be somebody in a transaction that is rolled back: with claims, and as PostgREST does it, with SET ROLE."""
    with connection.transaction(force_rollback=True):
        set_claims(connection, claims)
        if role is not None:
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        yield

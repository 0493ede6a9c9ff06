"""Tokens for a developer's requests, signed as the local functions verify them."""

from __future__ import annotations

import time

import jwt

ISSUER = "parley-local"
AUDIENCE = "parley"
HOURS = 24


def make(secret: str, user: str, organization: str | None = None, role: str | None = None) -> str:
    """A token that is good for a day.

    Args:
        secret: the HS256 key (`Keys.jwt_secret`).
        user: the subject.
        organization, role: the claims `organization_id` and `organization_role`; left out when empty. The role
            `service_role` is no organization's: it is the claim `role`, and opens /api/admin.
    """
    now = int(time.time())
    claims = {"sub": user, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + HOURS * 3600}
    if organization:
        claims["organization_id"] = organization
    if role:
        claims["role" if role == "service_role" else "organization_role"] = role
    return jwt.encode(claims, secret, algorithm="HS256")

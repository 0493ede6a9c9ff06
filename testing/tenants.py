"""Tenants whose every stored text says whose it is."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from parley.core.caller import Caller
from parley.database.connection import Database

DIMENSIONS = 1536
EMBEDDING_MODEL = "embedder"
_SPACE = uuid.UUID("9d5f0c55-3b0e-4a64-8a5e-2f6f1a8f6f11")


@dataclass(frozen=True)
class Tenant:
    """A user, every second one in an organization with a neighbour."""

    number: int

    @property
    def caller(self) -> Caller:
        """The user as a verified caller."""
        organization = f"organization-{self.number // 4}" if self.number % 4 < 2 else None
        return Caller(user_id=f"user-{self.number}", organization_id=organization)

    @property
    def own(self) -> str:
        """The marker of what only this user may see."""
        return f"belongs-to-user-{self.number}"

    @property
    def shared(self) -> str:
        """The marker of what the user's tenant may see."""
        organization = self.caller.organization_id
        return self.own if organization is None else f"belongs-to-{organization}"

    @property
    def prefers(self) -> str | None:
        """The provider that this user has chosen, and only some have."""
        return "anthropic" if self.number % 4 in (0, 3) else None

    @property
    def allows(self) -> list[str] | None:
        """What the organization's admin allows; only one organization has rules."""
        return ["openai", "anthropic"] if self.caller.organization_id == "organization-0" else None

    @property
    def elsewhere(self) -> Caller | None:
        """Some users have another organization, and a preference there that counts nowhere else."""
        return self.caller._replace(organization_id=f"elsewhere-{self.number}") if self.number % 4 == 2 else None

    @property
    def is_refused(self) -> bool:
        """Whether this user's tier gives no unit at all."""
        return self.number % 8 == 5

    def id(self, kind: str) -> str:
        """The id of this user's row of a kind; a UUID, so that it fits everywhere."""
        return str(uuid.uuid5(_SPACE, f"{kind}-{self.number}"))

    def vector(self) -> list[float]:
        """Where this user's document is; all are near each other."""
        return [1.0, self.number / 1000, *[0.0] * (DIMENSIONS - 2)]


def settle(tenant: Tenant, database: Database) -> None:
    """Give a user a conversation, cached and stored answers, a key and a preference, the product's own way."""
    claims = tenant.caller.claims
    for scope, marker in (("tenant", tenant.shared), ("user", tenant.own)):
        wanted = request(tenant, scope, request_id=tenant.id(f"request-{scope}"), idempotency_key=f"key-{scope}")
        begun = database.call("select app.begin_request(%s, %s)", (claims, wanted))
        if begun["outcome"] == "cache_hit":
            continue
        outcome = {
            "request_id": begun["request_id"], "fence": begun["fence"], "state": "settled",
            "answer": {"text": tenant.own},
            "calls": [{"provider": "openai", "model": tenant.own, "input_tokens": 5, "output_tokens": 5, "cost": "1"}],
            "cache": {
                "prompt_hash": f"prompt-{scope}", "scope": scope,
                "provider": begun["provider"], "model": begun["model"],
                "ttl_seconds": 3600, "text": marker, "tokens": 3, "parameters_hash": f"parameters-{scope}",
                "message": marker, "embedding_model": EMBEDDING_MODEL, "embedding": tenant.vector(),
            },
            "conversation": {
                "id": tenant.id("conversation"), "title": tenant.own,
                "messages": [{"role": "user", "content": tenant.own}], "context": {"page": tenant.own},
            },
        }  # fmt: skip
        database.call("select app.finish_request(%s, %s)", (claims, outcome))
    database.call("select app.store_own_key(%s, 'openai', %s, %s, 'kms')", (claims, tenant.own, f"{tenant.number:04}"))
    if tenant.allows:
        admin = tenant.caller._replace(is_organization_admin=True).claims
        database.call("select app.save_organization_policy(%s, %s::text[], '{}')", (admin, tenant.allows))
        database.call("select app.save_provider_preference(%s, 'organization', 'openai')", (admin,))
    if tenant.elsewhere:
        database.call("select app.save_provider_preference(%s, 'user', 'google')", (tenant.elsewhere.claims,))
    if tenant.prefers:
        database.call("select app.save_provider_preference(%s, 'user', %s)", (claims, tenant.prefers))


def furnish(owner: psycopg.Connection[Any], tenant: Tenant) -> None:
    """Add what a model or another function would make: a document, a search, an interaction, a dead hold."""
    user = tenant.caller.user_id
    if tenant.number == 0:
        owner.execute("update app.provider_keys set verified_at = app.now() where user_id = %s", (user,))
        owner.execute("update public.user_ai_settings set tier = 'byok' where user_id = %s", (user,))
    owner.execute(
        "insert into public.embeddings (id, user_id, content, embedding, metadata, model)"
        " values (%s, %s, %s, %s::vector, %s, %s)",
        (
            tenant.id("document"),
            user,
            f"fjord {tenant.own}",
            str(tenant.vector()),
            json.dumps({"by": tenant.number}),
            EMBEDDING_MODEL,
        ),
    )
    owner.execute(
        "insert into public.ai_content_searches (id, user_id, query, content_type) values (%s, %s, %s, 'document')",
        (tenant.id("search"), user, tenant.own),
    )
    owner.execute(
        "insert into public.user_interactions (id, user_id, interaction_type, item_type, item_id, organization_id)"
        " values (%s, %s, 'view', 'page', %s, %s)",
        (tenant.id("interaction"), user, tenant.own, tenant.caller.organization_id),
    )
    if tenant.is_refused:
        owner.execute("update public.user_ai_settings set tier = 'premium' where user_id = %s", (user,))
    # What two of an organization look at is recommended to the others.
    owner.execute(
        "insert into public.user_interactions (user_id, interaction_type, item_type, item_id, organization_id)"
        " values (%s, 'view', 'page', %s, %s)",
        (user, tenant.shared, tenant.caller.organization_id),
    )
    owner.execute(
        "insert into app.anonymous_usage (caller_key, daily_usage, last_reset_date) values (%s, 3, app.today())",
        (f"anonymous:of-{user}",),
    )
    owner.execute(
        "insert into app.ai_requests (id, caller_key, user_id, operation, reserved_day, lease_until)"
        " values (%s, %s, %s, 'chat', app.today(), app.now() - interval '1 hour')",
        (tenant.id("dead"), f"user:{user}", user),
    )


def fingerprint(owner: psycopg.Connection[Any], tenant: Tenant) -> str:
    """A hash over every row of a user, to see whether another changed one."""
    row = owner.execute(
        """
        select md5(string_agg(found::text, '' order by found::text)) from (
          select to_jsonb(r)::text from app.ai_requests r where r.user_id = %(user)s
          union all select to_jsonb(r)::text from public.user_ai_settings r where r.user_id = %(user)s
          union all select to_jsonb(r)::text from public.ai_conversations r where r.user_id = %(user)s
          union all select to_jsonb(r)::text from app.provider_keys r where r.user_id = %(user)s
          union all select to_jsonb(r)::text from public.embeddings r where r.user_id = %(user)s
          union all select to_jsonb(r)::text from public.ai_content_searches r where r.user_id = %(user)s
          union all select to_jsonb(r)::text from public.ai_provider_preferences r where r.user_id = %(user)s
          union all select to_jsonb(r)::text from public.user_interactions r where r.user_id = %(user)s
          union all select to_jsonb(r)::text from app.anonymous_usage r where r.caller_key = 'anonymous:of-' || %(user)s
          union all select to_jsonb(r)::text from public.ai_provider_preferences r
            where r.organization_id = %(organization)s and r.user_id is null
        ) f (found)
        """,
        {"user": tenant.caller.user_id, "organization": tenant.caller.organization_id},
    ).fetchone()
    assert row is not None
    return str(row[0])


def request(tenant: Tenant, scope: str, **members: Any) -> dict[str, Any]:
    wanted = {
        "request_id": str(uuid.uuid4()), "operation": "chat", "default_provider": "openai",
        "default_models": {"openai": "gpt", "anthropic": "gpt"}, "prompt_hash": f"prompt-{scope}",
        "cache_scope": scope, "body_hash": "body", "lease_seconds": 3600,
    }  # fmt: skip
    return wanted | members


def tenants(count: int) -> Iterator[Tenant]:
    """So many users."""
    return map(Tenant, range(count))

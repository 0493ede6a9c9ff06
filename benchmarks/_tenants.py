"""Tenants whose every stored text says whose it is, and the ways in which one of them may try to get at another's."""

from __future__ import annotations

import base64
import json
import random
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from parley.account import Account
from parley.caller import Caller, RequestContext
from parley.conversations import Conversations, Rename
from parley.database import Database, DatabaseError, Vector
from parley.errors import Problem
from parley.interactions import Interaction, Interactions, InteractionsRequest, RecommendationsQuery
from parley.paging import PageQuery
from parley.search import DeleteQuery, Search, SelectionRequest
from parley.search import ListQuery as DocumentsQuery

DIMENSIONS = 1536
EMBEDDING_MODEL = "embedder"
_MARKER = re.compile(r"belongs-to-[a-z]+-\d+")
_SPACE = uuid.UUID("9d5f0c55-3b0e-4a64-8a5e-2f6f1a8f6f11")


class Leak(Exception):
    """Somebody got, or changed, what is another's."""


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
        return replace(self.caller, organization_id=f"elsewhere-{self.number}") if self.number % 4 == 2 else None

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
        wanted = _request(tenant, scope, request_id=tenant.id(f"request-{scope}"), idempotency_key=f"key-{scope}")
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
        admin = replace(tenant.caller, is_organization_admin=True).claims
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


@dataclass
class Thief:
    """One user over a database, with the services that an attack goes through.

    The services may be replaced by others made of the same source.
    """

    database: Database
    me: Tenant
    conversations: Any = None
    search: Any = None
    interactions: Any = None
    retrieval: Any = None  # nothing here embeds

    def __post_init__(self) -> None:
        self.conversations = (self.conversations or Conversations)(self.database)
        self.search = (self.search or Search)(self.database, self.retrieval)
        self.interactions = (self.interactions or Interactions)(self.database)

    def attack(self, name: str, victim: Tenant, chance: random.Random) -> None:
        """Try one way to get at what is `victim`'s. Raises Leak when that worked."""
        work = ATTACKS.get(name) or LONELY_ATTACKS[name]
        self.look(_read(lambda: work(self, victim, chance)))

    def look(self, got: Any) -> None:
        """Raise Leak where something names another owner."""
        foreign = set(_MARKER.findall(json.dumps(got, default=str))) - {self.me.own, self.me.shared}
        if foreign:
            raise Leak(f"{self.me.own} saw {sorted(foreign)}")

    def call(self, function: str, *parameters: Any) -> Any:
        """Call a function of the schema as this user."""
        marks = ", ".join(["%s"] * (len(parameters) + 1))
        return self.database.call(f"select app.{function}({marks})", (self.me.caller.claims, *parameters))

    def begin(self, scope: str = "tenant", **members: Any) -> Any:
        """Begin a request as this user."""
        return self.call("begin_request", _request(self.me, scope, **members))

    def require(self, right: bool, what: str) -> None:
        """Raise Leak unless it is as it should be."""
        if not right:
            raise Leak(what)


def _read(work: Callable[[], Any]) -> Any:
    """What came back; refusals are fine."""
    try:
        return work()
    except Problem as refused:
        return [refused.code, refused.detail, refused.extra]
    except DatabaseError as refused:
        # The id is another's, which only says that it is taken.
        if refused.sqlstate not in ("23505", "42501"):
            raise
        return None


def _request(tenant: Tenant, scope: str, **members: Any) -> dict[str, Any]:
    request = {
        "request_id": str(uuid.uuid4()), "operation": "chat", "default_provider": "openai",
        "default_models": {"openai": "gpt", "anthropic": "gpt"}, "prompt_hash": f"prompt-{scope}",
        "cache_scope": scope, "body_hash": "body", "lease_seconds": 3600,
    }  # fmt: skip
    return request | members


def _exact(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    return [thief.begin(scope) for scope in ("tenant", "user")]


def _replay(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    return thief.begin(prompt_hash=None, idempotency_key=f"key-{chance.choice(('tenant', 'user'))}")


def _same_id(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    return thief.begin(prompt_hash=None, request_id=victim.id("request-tenant"), idempotency_key=str(uuid.uuid4()))


def _conversation(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    return thief.begin(prompt_hash=None, conversation_id=victim.id("conversation"))


def _faq(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    found = thief.begin(message="What is Parley?", prompt_hash=None)
    thief.require(found["outcome"] == "faq", "the precomputed response is not found")
    return found


def _finish(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    outcome = {
        "request_id": victim.id(chance.choice(("request-tenant", "dead"))), "fence": 1,
        "state": chance.choice(("settled", "released")), "answer": {"text": "mine"},
        "conversation": {"id": victim.id("conversation"), "messages": []},
    }  # fmt: skip
    return thief.call("finish_request", outcome)


def _append(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    begun = thief.begin(prompt_hash=None)
    if begun["outcome"] != "admitted":
        return begun
    existed = chance.random() < 0.5
    outcome = {
        "request_id": begun["request_id"], "fence": begun["fence"], "state": "settled",
        "conversation": {
            "id": victim.id("conversation"), "messages": [{"role": "user", "content": "mine"}], "existed": existed,
        },
    }  # fmt: skip
    finished = _read(lambda: thief.call("finish_request", outcome))
    written = finished and finished["conversation"]
    thief.require(not written or (written["version"] is None and not existed), "another's conversation was found")
    # Once more: what is repeated says where the conversation stands.
    again = _read(lambda: thief.call("finish_request", outcome))
    thief.require(not (again and again["conversation"]), "another's conversation shows its version")
    return [finished, again]


def _give_back(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    begun = thief.begin(prompt_hash=None)
    if begun["outcome"] != "admitted":
        return begun
    released = {"request_id": begun["request_id"], "fence": begun["fence"], "state": "released"}
    before, after = begun["quota"]["daily"]["used"], thief.call("finish_request", released)["quota"]["daily"]["used"]
    thief.require(after == before - 1, f"a unit that was given back went elsewhere: {before} and then {after}")
    return None


def _anonymous(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    claims = {"role": "anon", "caller_key": f"of-{thief.me.caller.user_id}"}
    request = _request(thief.me, "tenant", prompt_hash=None)
    begun = thief.database.call("select app.begin_request(%s, %s)", (claims, request))
    if begun["outcome"] == "admitted":
        released = {"request_id": begun["request_id"], "fence": begun["fence"], "state": "released"}
        thief.database.call("select app.finish_request(%s, %s)", (claims, released))
    return begun


def _offline(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    call = {"operation": "chat", "occurred_at": datetime.now(UTC).isoformat(), "calls": []}
    return [
        thief.call("record_offline_call", call | {"request_id": victim.id("dead")}),
        thief.call("record_offline_call", call | {"request_id": str(uuid.uuid4())}),
    ]


def _like(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    vector = [value + chance.choice((0.0, 0.001)) for value in victim.vector()]
    return [
        thief.call(
            "find_similar_answer",
            {"scope": scope, "parameters_hash": f"parameters-{scope}", "provider": provider, "model": "gpt",
             "embedding_model": EMBEDDING_MODEL, "threshold": 0.5, "limit": 50},
            Vector(vector),
        )
        for scope in ("tenant", "user") for provider in ("openai", "anthropic")
    ]  # fmt: skip


def _keys(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    marked = thief.call("mark_key_verified", "openai", victim.own)
    thief.require(marked["outcome"] == "own_key_missing", "another's key was verified")
    found = thief.call("own_keys")
    thief.require(found["openai"]["ciphertext"] == thief.me.own, "the own key is not the own one")
    return [found, Account(thief.database).settings(thief.me.caller)]


def _preference(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    found = thief.call("provider_preferences")
    saved = (found["user"] or {}).get("provider")
    thief.require(saved == thief.me.prefers, f"a preference that nobody saved: {saved}")
    rules = ((found["organization"] or {}).get("provider"), found["allowed_providers"])
    expected = ("openai" if thief.me.allows else None, thief.me.allows)
    thief.require(rules == expected, f"another organization's rules: {rules}")
    if thief.me.prefers is None:
        thief.call("delete_provider_preference", "user")
    if thief.me.elsewhere:
        there = thief.database.call("select app.provider_preferences(%s)", (thief.me.elsewhere.claims,))
        thief.require((there["user"] or {}).get("provider") == "google", "a preference of another organization is gone")
    admin = replace(thief.me.caller, is_organization_admin=True)
    if admin.organization_id and not thief.me.allows:
        thief.database.call("select app.delete_provider_preference(%s, 'organization')", (admin.claims,))
    return thief.call("effective_provider", "openai")


def _tokens(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    return [thief.call("take_embedding_tokens", tokens) for tokens in (1, -1)]


def _documents(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    caller, mine, theirs = thief.me.caller, thief.me.id("document"), victim.id("document")
    listed = thief.search.documents(caller, DocumentsQuery())["data"]
    thief.require([row["id"] for row in listed] == [mine], "the list of documents is not the own one's")
    after = thief.search.documents(caller, DocumentsQuery(cursor=_position(theirs)))["data"]
    thief.require(after == listed, "another's document turns the page")
    stored = thief.search._stored(caller, [mine, theirs])
    thief.search.delete_documents(caller, DeleteQuery.model_validate({"metadata": json.dumps({"by": victim.number})}))
    return [
        _read(lambda: thief.search.document(caller, theirs)),
        _read(lambda: thief.search.delete_document(caller, theirs)),
        _read(lambda: thief.search.select(caller, victim.id("search"), SelectionRequest(content_id="mine"))),
        stored,
    ]


def _find(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    found = []
    for mode in ("semantic", "keyword", "hybrid"):
        for limit in (1, 10):
            rows = thief.database.query(
                thief.me.caller.claims,
                "select id, content from app.search_documents(%s, %s::extensions.vector, %s, %s, %s, null, '{}', %s)",
                (thief.me.caller.user_id, Vector(victim.vector()), "fjord", mode, limit, EMBEDDING_MODEL),
            )
            thief.look(rows)
            thief.require(
                [row["id"] for row in rows] == [thief.me.id("document")], f"{mode}: not just the own document"
            )
            found.append(rows)
    found.append(
        thief.database.query(
            thief.me.caller.claims,
            "select * from public.match_embeddings(%s::extensions.vector, 0.1, 5)",
            (Vector(victim.vector()),),
        )
    )
    return found


def _position(name: str) -> str:
    """A cursor as if a page had ended with another tenant's newest row."""
    moment = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    return base64.urlsafe_b64encode(json.dumps([moment, name]).encode()).decode()


def _talk(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    caller, theirs = thief.me.caller, victim.id("conversation")
    page = thief.conversations.page(caller, PageQuery())["data"]
    thief.require([row["id"] for row in page] == [thief.me.id("conversation")], "the list is not the own one's")
    after = thief.conversations.page(caller, PageQuery(cursor=_position(theirs)))["data"]
    thief.require(after == page, "another's conversation turns the page")
    return [
        _read(lambda: thief.conversations.read(caller, theirs)),
        _read(lambda: thief.conversations.rename(caller, theirs, Rename(title="mine"))),
        _read(lambda: thief.conversations.delete(caller, theirs)),
    ]


class _Repetition(RequestContext):
    """A request whose idempotency key leads to another's rows, as no key of one's own ever does."""

    def new_ids(self, count: int) -> list[str]:
        return [self.request_id]


def _clicks(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    caller, theirs = thief.me.caller, victim.id("interaction")
    page = thief.interactions.page(caller, PageQuery(cursor=_position(theirs)))["data"]
    batch = InteractionsRequest(interactions=[Interaction(interaction_type="view", item_type="page", item_id="mine")])
    recorded = _read(lambda: thief.interactions.record(_Repetition(caller, theirs, 5.0), batch))
    thief.require(recorded == {"data": [{"id": theirs}]}, f"another's interaction shows: {recorded}")
    return [page, thief.interactions.recommendations(caller, RecommendationsQuery())]


def _usage(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    rows = thief.database.query(
        thief.me.caller.claims, "select * from app.my_usage_between('2020-01-01', '2100-01-01')"
    )
    return [rows, thief.call("read_quota")]


ATTACKS: dict[str, Callable[[Thief, Tenant, random.Random], Any]] = {
    "the same question": _exact, "the same idempotency key": _replay, "the same request id": _same_id,
    "another's conversation": _conversation, "a precomputed response": _faq, "another's request": _finish,
    "words into another's conversation": _append, "a unit given back": _give_back, "a call made offline": _offline, "no token": _anonymous,
    "a like question": _like, "keys": _keys, "preferences": _preference, "embedding tokens": _tokens,
    "documents": _documents, "search": _find, "conversations": _talk, "interactions": _clicks, "usage": _usage,
}  # fmt: skip


def _last_key(thief: Thief, victim: Tenant, chance: random.Random) -> None:
    if thief.me.is_refused:  # premium, which keys do not change
        return
    thief.require(thief.call("mark_key_verified", "openai", thief.me.own)["tier"] == "byok", "a first key counts")
    try:
        left = thief.call("delete_own_key", "openai")
    finally:
        thief.call("store_own_key", "openai", thief.me.own, f"{thief.me.number:04}", "kms")
    thief.require(left == {"outcome": "deleted", "tier": "free"}, f"the last key was deleted: {left}")


def _clear(thief: Thief, victim: Tenant, chance: random.Random) -> None:
    class _Undo(Exception):
        pass

    try:
        with thief.database.transaction(thief.me.caller.claims) as transaction:
            deleted = transaction.query("select public.clear_all_embeddings() as deleted")[0]["deleted"]
            raise _Undo
    except _Undo:
        thief.require(deleted == 1, f"{deleted} documents were deleted, and one was the own")


# What changes the thief's own things, and so cannot be tried by several at once.
LONELY_ATTACKS = {"the last key": _last_key, "every document": _clear}


def tenants(count: int) -> Iterator[Tenant]:
    """So many users."""
    return map(Tenant, range(count))

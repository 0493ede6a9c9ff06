"""The ways in which one tenant may try to get at what is another's."""

from __future__ import annotations

import base64
import json
import random
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from parley.account.settings import Account
from parley.chat.conversation_schemas import ConversationQuery, ConversationRename
from parley.chat.conversations import Conversations
from parley.core.caller import RequestContext
from parley.core.errors import Problem
from parley.core.paging import PageQuery
from parley.database.connection import Database
from parley.database.errors import DatabaseError
from parley.database.values import Vector
from parley.retrieval.retrieval import Retrieval, ScoredHit
from parley.search.documents import Documents
from parley.search.interactions import Interactions
from parley.search.schemas import (
    Answered,
    DeleteQuery,
    DocumentQuery,
    Interaction,
    InteractionsRequest,
    RecommendationsQuery,
    SelectionRequest,
)
from parley.search.service import Search
from testing.tenants import EMBEDDING_MODEL, Tenant, request

_MARKER = re.compile(r"belongs-to-[a-z]+-\d+")


class Leak(Exception):
    """Somebody got, or changed, what is another's."""


@dataclass
class Thief:
    """One user over a database, with the services that an attack goes through.

    The services may be replaced by others made of the same source.
    """

    database: Database
    me: Tenant
    conversations: Any = None
    documents: Any = None
    interactions: Any = None
    retrieval: Any = None
    embedding_calls: Any = None  # nothing here embeds

    def __post_init__(self) -> None:
        self.conversations = (self.conversations or Conversations)(self.database)
        self.documents = (self.documents or Documents)(self.database, self.embedding_calls)
        self.interactions = (self.interactions or Interactions)(self.database, 1_000_000)
        self.retrieval = (self.retrieval or Retrieval)(self.database)
        self.search = Search(self.database, self.retrieval, self.embedding_calls, 1_000_000)

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
        return self.call("begin_request", request(self.me, scope, **members))

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
    thief.require(not written, "another's conversation was found")
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
    taken = 0 if begun["own_keys"] else 1  # a call with an own key takes none
    thief.require(after == before - taken, f"a unit that was given back went elsewhere: {before} and then {after}")
    return None


def _anonymous(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    claims = {"role": "anon", "caller_key": f"of-{thief.me.caller.user_id}"}
    wanted = request(thief.me, "tenant", prompt_hash=None)
    begun = thief.database.call("select app.begin_request(%s, %s)", (claims, wanted))
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


def _equivalent(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    vector = [value + chance.choice((0.0, 0.001)) for value in victim.vector()]
    return [
        thief.call(
            "find_semantic_answer",
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
    admin = thief.me.caller._replace(is_organization_admin=True)
    if admin.organization_id and not thief.me.allows:
        thief.database.call("select app.delete_provider_preference(%s, 'organization')", (admin.claims,))
    return thief.call("effective_provider", "openai")


def _tokens(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    wanted = {"request_id": str(uuid.uuid4()), "operation": "search", "embedding_tokens": 1, "lease_seconds": 60}
    begun = thief.call("begin_request", wanted | {"idempotency_key": wanted["request_id"]})
    if begun["outcome"] != "admitted":
        return begun
    released = {"request_id": begun["request_id"], "fence": begun["fence"], "state": "released"}
    return [begun, thief.call("finish_request", released)]


def _documents(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    caller, mine, theirs = thief.me.caller, thief.me.id("document"), victim.id("document")
    listed = thief.documents.page(caller, DocumentQuery())["data"]
    thief.require([row["id"] for row in listed] == [mine], "the list of documents is not the own one's")
    after = thief.documents.page(caller, DocumentQuery(cursor=_position(theirs)))["data"]
    thief.require(after == listed, "another's document turns the page")
    hits = [ScoredHit(key, "document", 0, public, 1.0, 1.0) for key in (mine, theirs) for public in (False, True)]
    again = thief.retrieval.read_again(caller, hits)
    thief.require([hit.id for hit in again] == [mine], "another's document is in an answer of one's own")
    thief.documents.delete_matching(caller, DeleteQuery.model_validate({"metadata": json.dumps({"by": victim.number})}))
    by_victim = (json.dumps({"by": victim.number}),)
    thief.database.query(caller.claims, "select public.delete_by_metadata(%s::jsonb)", by_victim)
    return [
        _read(lambda: thief.documents.read(caller, theirs)),
        _read(lambda: thief.documents.delete(caller, theirs)),
        _read(lambda: thief.search.select(caller, victim.id("search"), SelectionRequest(content_id="mine"))),
        again,
    ]


def _find(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    found = []
    for mode in ("semantic", "keyword", "hybrid"):
        for limit in (1, 10):
            rows = thief.database.query(
                thief.me.caller.claims,
                "select id, content from app.search(%s, %s, '{document}', %s, %s::extensions.vector, %s, %s)",
                (thief.me.caller.user_id, mode, "fjord", Vector(victim.vector()), EMBEDDING_MODEL, limit),
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
        _read(lambda: thief.conversations.read(caller, theirs, ConversationQuery())),
        _read(lambda: thief.conversations.rename(caller, theirs, ConversationRename(title="mine"))),
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
    thief.require(
        recorded == Answered({"data": [{"id": theirs}]}, replayed=False), f"another's interaction shows: {recorded}"
    )
    return [page, thief.interactions.recommendations(caller, RecommendationsQuery())]


def _usage(thief: Thief, victim: Tenant, chance: random.Random) -> Any:
    rows = thief.database.query(
        thief.me.caller.claims, "select * from app.my_usage_between('2020-01-01', '2100-01-01')"
    )
    return [rows, thief.call("read_quota")]


ATTACKS: dict[str, Callable[[Thief, Tenant, random.Random], Any]] = {
    "the same question": _exact,
    "the same idempotency key": _replay,
    "the same request id": _same_id,
    "another's conversation": _conversation,
    "a precomputed response": _faq,
    "another's request": _finish,
    "words into another's conversation": _append,
    "a unit given back": _give_back,
    "no token": _anonymous,
    "a call made offline": _offline,
    "an equivalent question": _equivalent,
    "keys": _keys,
    "preferences": _preference,
    "embedding tokens": _tokens,
    "documents": _documents,
    "search": _find,
    "conversations": _talk,
    "interactions": _clicks,
    "usage": _usage,
}


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
    # The division is refused, which undoes the deletion; what it divides by tells how many were deleted.
    count: LiteralString = "select 1 / (1 - public.clear_all_embeddings())"
    try:
        thief.database.query(thief.me.caller.claims, count)
    except DatabaseError as refused:
        if refused.sqlstate != "22012":
            raise
    else:
        thief.require(False, "not exactly the own document was deleted")


# What changes the thief's own things, and so cannot be tried by several at once.
LONELY_ATTACKS = {"the last key": _last_key, "every document": _clear}

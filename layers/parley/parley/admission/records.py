"""What begin_request returns and finish_request takes, as types (docs/database-contract.md has the members).

The jsonb of the two functions is built and read in this room only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from parley.admission.quota import Quota
from parley.admission.refusals import Refused
from parley.core.caller import Caller
from parley.core.observability import logger
from parley.core.provider_names import ProviderName

if TYPE_CHECKING:
    from parley.providers.fitting import Adjustable
    from parley.providers.protocol import Usage

CacheScope = Literal["tenant", "user"]
Operation = Literal[
    "chat", "question_generation", "interview", "interview_follow_up", "interview_feedback", "practice"
]  # fmt: skip
EmbeddingOperation = Literal["search", "documents", "embeddings"]

_LARGEST_MESSAGE = 250_000  # bytes; SQS takes 256 KiB


# What begin_request takes, beside what the request's context says.


class ModelCallRequest(NamedTuple):
    """What begin_request needs to know of a model call, which holds a unit unless `takes_unit` is False.

    Attributes:
        offered_models: the models that the operator's key may be used for, where `model` is not one; then only an own
            key will do. None where it is one.
        daily_free_writes: how many answers without a model one user may have kept under idempotency keys in a day.
        question_tokens: what it takes to look for the answer to an equivalent question, or for the passages that a
            cached answer rests on; either may serve at the limit. None where none may serve.
        is_grounded: whether passages are yet to be found for it: an answer of the exact cache is only its
            `earlier_answer` then.
    """

    operation: Operation
    default_provider: ProviderName
    default_models: dict[ProviderName, str]
    provider: ProviderName | Literal["auto"] | None = None
    model: str | None = None
    offered_models: list[str] | None = None
    message: str | None = None
    prompt_hash: str | None = None
    cache_scope: CacheScope = "tenant"
    conversation_id: str | None = None
    history_characters: int = 0
    question_tokens: int | None = None
    daily_free_writes: int | None = None
    takes_unit: bool = True
    is_grounded: bool = False


class EmbeddingRequest(NamedTuple):
    """What begin_request needs to know of a search, an import or texts to embed, which hold tokens."""

    operation: EmbeddingOperation
    embedding_tokens: int


# What begin_request returns.


class StoredAnswer(NamedTuple):
    """An answer that was there before the request: an FAQ, or one of the cache.

    Attributes:
        source: `exact` and `semantic` are the two caches.
        provider, model: who gave it; None for an FAQ.
        passages: the fingerprint of those that it was made from.
    """

    source: Literal["faq", "exact", "semantic"]
    text: str
    provider: ProviderName | None = None
    model: str | None = None
    passages: str | None = None


class Turn(NamedTuple):
    """One turn of a conversation.

    Attributes:
        more: what it has beside its text, JSON values: `tool_calls`, `tool_call_id`, `failed`, `media`,
            `citations`.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    more: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation of the caller's.

    Attributes:
        turns: its tail, oldest first; of a very long one, the two ends.
        count: how many turns there are in all.
        context: the user's page, cart or the like, as the application sent it last.
    """

    id: str
    turns: tuple[Turn, ...]
    count: int
    context: dict[str, Any] | None

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Conversation:
        """Read begin_request's member."""
        turns = tuple(
            Turn(message["role"], message["content"], message.get("more") or {}) for message in found["messages"]
        )
        context = found["context"]
        return cls(found["id"], turns, found["turns"], context if isinstance(context, dict) and context else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request that may go on.

    Attributes:
        caller: whose request it is; of a machine key, its user.
        outcome: `admitted` holds a unit or tokens; the others are answered already and hold nothing.
        fence: how many requests have held the row; finish_request refuses all but the latest.
        replay: what an earlier request with this idempotency key was answered.
        replayed: whether the answer repeats an earlier request's, be it a `replay` or a stored answer that served then.
        offline: whether it was admitted without the database, so that there is no row.
        allowed_providers: what the organization allows; None allows all.
    """

    caller: Caller
    outcome: Literal["admitted", "faq", "cache_hit", "semantic", "replay"]
    request_id: str
    fence: int = 0
    quota: Quota = field(default_factory=Quota)
    replay: Mapping[str, Any] | None = None
    replayed: bool = False
    offline: bool = False
    allowed_providers: list[ProviderName] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedModelCall(Admitted):
    """A model call that may go on. What begin_request finds before the route is known (an FAQ) has no provider.

    Attributes:
        provider_spelling: as the preference was saved (`gemini`), where one decided.
        stored_answer: what serves in a model's place.
        earlier_answer: what serves where the same passages are found as for it.
        own_keys: a byok caller's encrypted keys.
        health: `calls`, `errors` and `p50_ms` of the last minute by provider.
        refusal: why no model may be called; the answer to an equivalent question may still serve, for which tokens to
            embed are held.
    """

    provider: ProviderName
    provider_source: str
    provider_spelling: str | None = None
    model: str = ""
    tier: str = "anonymous"
    stored_answer: StoredAnswer | None = None
    earlier_answer: StoredAnswer | None = None
    conversation: Conversation | None = None
    own_keys: Mapping[ProviderName, str] = field(default_factory=dict)
    health: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    refusal: Refused | None = None


# What finish_request takes.


class Attempt(NamedTuple):
    """One upstream call, for the providers' health and for the ledger.

    Attributes:
        ok: whether the provider did its part; `cancelled` counts as ok.
        error_code: `cancelled` where the caller left while the provider was at work on the request.
        usage: tokens used, also by a call that failed midway; None where the provider reported none.
        counts: whether it counts for the provider's health; an error that the caller's content or own key causes does
            not.
        answering_model: the model that the provider says answered, whose price counts; None: the asked one.
        adjusted: members of the caller's request that the model does not take as they were.
        delivered: whether it failed in the middle of an answer.
        unfit: whether it failed because its answer has not the form that the caller asked for.
    """

    provider: ProviderName
    model: str
    ok: bool
    error_code: str | None
    latency_ms: int
    usage: Usage | None = None
    counts: bool = True
    answering_model: str | None = None
    adjusted: tuple[Adjustable, ...] = ()
    delivered: bool = False
    unfit: bool = False

    def as_json(self) -> dict[str, Any]:
        """The member of `attempts`."""
        return {
            "provider": self.provider,
            "model": self.model,
            "ok": self.ok,
            "error_code": self.error_code,
            "latency_ms": self.latency_ms,
        }


class LedgerEntry(NamedTuple):
    """One upstream call that used tokens.

    Attributes:
        operation: the request's, or `embedding`.
        usage: None where the provider reported none: no tokens and no cost, never a guess.
        cost: US dollars; None where the price or the usage is unknown.
    """

    provider: ProviderName
    model: str
    operation: str
    usage: Usage | None
    cost: Decimal | None
    latency_ms: int
    own_key: bool

    def as_json(self) -> dict[str, Any]:
        """The member of `calls`."""
        entry: dict[str, Any] = {
            "provider": self.provider,
            "model": self.model,
            "operation": self.operation,
            "cost": None if self.cost is None else format(self.cost, "f"),
            "estimated": self.cost is None,
            "latency_ms": self.latency_ms,
            "own_key": self.own_key,
        }
        if self.usage is not None:
            entry |= {
                "input_tokens": self.usage.prompt_tokens,
                "output_tokens": self.usage.output_tokens,
                "cached_input_tokens": self.usage.cached_input_tokens,
                "cache_write_tokens": self.usage.cache_write_5m_tokens + self.usage.cache_write_1h_tokens,
                "reasoning_tokens": self.usage.reasoning_tokens,
            }
        return entry


class SemanticKey(NamedTuple):
    """What the semantic cache finds an answer by, beside provider and model.

    Attributes:
        parameters_hash: over every parameter that shapes the answer but the message.
    """

    parameters_hash: str
    message: str
    embedding: list[float]
    embedding_model: str


class CacheEntry(NamedTuple):
    """An answer for the cache.

    Attributes:
        provider, model: what was asked for, where the next lookup will look.
        answered_by: the provider and model that gave it.
        tokens: prompt and answer together.
        semantic_key: None keeps it out of the semantic cache.
        passages: the fingerprint of those that it was made from.
    """

    prompt_hash: str
    provider: ProviderName
    model: str
    answered_by: tuple[ProviderName, str]
    scope: CacheScope
    ttl_seconds: int
    text: str
    tokens: int
    semantic_key: SemanticKey | None = None
    passages: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The member `cache`."""
        entry: dict[str, Any] = {
            "prompt_hash": self.prompt_hash,
            "provider": self.provider,
            "model": self.model,
            "answered_by": {"provider": self.answered_by[0], "model": self.answered_by[1]},
            "scope": self.scope,
            "ttl_seconds": self.ttl_seconds,
            "text": self.text,
            "tokens": self.tokens,
        }
        if self.passages is not None:
            entry["answered_by"]["passages"] = self.passages
        if self.semantic_key is not None:
            entry |= {
                "parameters_hash": self.semantic_key.parameters_hash,
                "message": self.semantic_key.message,
                "embedding": self.semantic_key.embedding,
                "embedding_model": self.semantic_key.embedding_model,
            }
        return entry


class NewTurns(NamedTuple):
    """Turns to append to a conversation.

    Attributes:
        existed: whether it was there when the request began. One that was deleted meanwhile stays deleted.
        title: of a new conversation.
        context: replaces the conversation's; None keeps it.
    """

    conversation_id: str
    turns: Sequence[Turn]
    at: datetime
    existed: bool
    title: str | None = None
    context: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """The member `conversation`."""
        at = self.at.isoformat()
        return {
            "id": self.conversation_id,
            "messages": [
                {"role": turn.role, "content": turn.content, "timestamp": at, **turn.more} for turn in self.turns
            ],
            "title": self.title,
            "context": self.context,
            "existed": self.existed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a request ended.

    Attributes:
        state: `settled` spends the unit, `released` gives it back.
        takes_unit: False gives a settled request's unit back all the same, because no model gave the answer.
        error_code: why it was released, or why a stream broke off.
        answer: what a replay of the request returns.
    """

    request_id: str
    fence: int
    operation: str
    occurred_at: datetime
    state: Literal["settled", "released"]
    calls: Sequence[LedgerEntry] = ()
    attempts: Sequence[Attempt] = ()
    takes_unit: bool = True
    error_code: str | None = None
    answer: Mapping[str, Any] | None = None
    cache: CacheEntry | None = None
    conversation: NewTurns | None = None

    @property
    def spends_unit(self) -> bool:
        """Whether the unit is spent when this is carried out."""
        return self.state == "settled" and self.takes_unit

    def as_json(self) -> dict[str, Any]:
        """finish_request's second argument."""
        outcome: dict[str, Any] = {
            "request_id": self.request_id,
            "fence": self.fence,
            "operation": self.operation,
            "occurred_at": self.occurred_at.isoformat(),
            "state": self.state,
            "calls": [call.as_json() for call in self.calls],
            "attempts": [attempt.as_json() for attempt in self.attempts if attempt.counts],
            "takes_unit": self.takes_unit,
            "error_code": self.error_code,
            "answer": self.answer,
        }
        if self.cache is not None:
            outcome["cache"] = self.cache.as_json()
        if self.conversation is not None:
            outcome["conversation"] = self.conversation.as_json()
        return outcome


class Finished(NamedTuple):
    """What finish_request returns.

    Attributes:
        state: as the row now is, `stale` where another holder took over, or `unknown` where the caller has no such row.
        quota: None where the state says that nothing was done.
    """

    state: str
    quota: Quota | None


# What waits in the queue while the database is away.


class QueuedOutcome(NamedTuple):
    """An outcome that the database has not heard of.

    Attributes:
        claims: the caller's.
        outcome: as `Outcome.as_json` makes it. record_offline_call takes the part of it that it knows.
        admitted_offline: whether there is no row to finish.
    """

    claims: Mapping[str, str]
    outcome: Mapping[str, Any]
    admitted_offline: bool

    def encode(self) -> str:
        """The message. Where SQS would not take it, first the answer is left out, then the turns, never the usage."""
        body = ""
        for left_out in ((), ("answer", "cache"), ("answer", "cache", "conversation")):
            kept = {name: value for name, value in self.outcome.items() if name not in left_out}
            message = {"claims": self.claims, "outcome": kept, "admitted_offline": self.admitted_offline}
            body = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
            if len(body.encode()) <= _LARGEST_MESSAGE:
                break
            logger.warning("queued usage is too large", request=self.outcome["request_id"])
        return body

    @classmethod
    def decode(cls, body: str) -> QueuedOutcome:
        """Read a message. Raises ValueError, KeyError or TypeError for one that `encode` did not write."""
        message = json.loads(body)
        return cls(message["claims"], message["outcome"], message["admitted_offline"])

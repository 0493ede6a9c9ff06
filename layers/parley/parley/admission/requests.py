"""Admission: what a request holds and its row, around one model call, search or import, in the two statements of
docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from parley.admission.known_callers import KnownCallers
from parley.admission.quota import Quota
from parley.core.caller import Caller, RequestContext
from parley.core.clock import Clock
from parley.core.errors import Problem
from parley.core.observability import logger
from parley.core.provider_names import ProviderName
from parley.database.connection import Database, Statement

Operation = Literal["chat", "question_generation"]
CacheScope = Literal["tenant", "user"]

# How long a duplicate or a cache waiter sleeps between looks, growing to the second value; seconds.
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 0.5
# Beyond the request's own time: what begin and finish may take before a hold counts as abandoned.
_LEASE_MARGIN_SECONDS = 15


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """What begin_request needs to know; the table in docs/architecture.md says what each field means."""

    request_id: str
    operation: Operation
    default_provider: ProviderName
    default_models: dict[ProviderName, str]
    lease_seconds: int
    provider: ProviderName | Literal["auto"] | None = None
    model: str | None = None
    message: str | None = None
    prompt_hash: str | None = None
    cache_scope: CacheScope = "tenant"
    conversation_id: str | None = None
    history_characters: int = 0
    idempotency_key: str | None = None
    body_hash: str | None = None


@dataclass(frozen=True, slots=True)
class RetrievalRequest:
    """What begin_request needs to know of a search or an import, which hold tokens to embed."""

    request_id: str
    operation: Literal["search", "documents"]
    embedding_tokens: int
    lease_seconds: int
    idempotency_key: str | None = None
    body_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """The database's answer to a request that may go on. `answer` is set where no model is needed."""

    outcome: Literal["admitted", "faq", "cache_hit", "similar", "replay"]
    request_id: str
    provider: ProviderName
    provider_source: str
    model: str
    fence: int = 0
    provider_spelling: str | None = None
    tier: str = "anonymous"
    quota: Quota = field(default_factory=Quota)
    answer: dict[str, Any] | None = None
    conversation: dict[str, Any] | None = None
    own_keys: dict[ProviderName, dict[str, str]] = field(default_factory=dict)
    allowed_providers: list[ProviderName] | None = None
    health: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """The row of a search or an import; `answer` is set where an earlier request with this key has one."""

    request_id: str
    fence: int = 0
    answer: dict[str, Any] | None = None


class Refused(Problem):
    """A request that was not admitted, with the caller's quota as it stands."""

    def __init__(self, code: str, detail: str, *, quota: Quota, **members: Any) -> None:
        super().__init__(code, detail, **members)
        self.quota = quota


class Admission:
    """Begins and finishes requests; knows what each refusal means for the caller."""

    def __init__(self, database: Database, clock: Clock, known_callers: KnownCallers) -> None:
        self._database = database
        self._clock = clock
        self._last_known = known_callers

    def begin(self, caller: Caller, request: AdmissionRequest, deadline: float) -> Admitted:
        """Admit a request in one round trip; a duplicate in flight or a cache fill by another is waited for.

        Args:
            deadline: on the clock's monotonic scale; waiting ends there.

        Raises Problem for every refusal, DatabaseUnavailable when the database is away.
        """
        found = self._begin(caller, request, deadline)
        outcome = found["outcome"]
        spelling = found.get("provider_spelling")
        # An FAQ or a replay is found before the route is known.
        if "allowed_providers" in found:
            self._last_known.put_rules(caller, found["tier"], found["allowed_providers"])
            if found["provider_source"] != "request":
                self._last_known.put_provider(caller, spelling)
        return Admitted(
            outcome=outcome,
            request_id=found.get("request_id") or request.request_id,
            fence=found.get("fence") or 0,
            provider=found.get("provider") or request.default_provider,
            provider_source=found.get("provider_source") or outcome,
            provider_spelling=spelling,
            model=found.get("model") or "",
            tier=found["tier"],
            quota=Quota.of(found.get("quota")),
            answer=found.get("answer"),
            conversation=found.get("conversation"),
            own_keys=found.get("own_keys") or {},
            allowed_providers=found.get("allowed_providers"),
            health=found.get("health") or {},
        )

    def begin_retrieval(self, caller: Caller, request: RetrievalRequest, deadline: float) -> Held:
        """Admit a search or an import in one round trip; as `begin`."""
        found = self._begin(caller, request, deadline)
        return Held(found["request_id"], found.get("fence") or 0, found.get("answer"))

    def _begin(self, caller: Caller, request: AdmissionRequest | RetrievalRequest, deadline: float) -> dict[str, Any]:
        wait = _FIRST_WAIT
        body = {name: getattr(request, name) for name in request.__slots__}
        while True:
            found: dict[str, Any] = self._database.call(
                "select app.begin_request(%s, %s)", (caller.claims, body), idempotent=True
            )
            if found["outcome"] not in ("in_progress", "filling"):
                break
            if self._clock.monotonic() + wait >= deadline:
                raise _refusal(found)
            self._clock.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT)
        if found["outcome"] not in ("admitted", "faq", "cache_hit", "similar", "replay"):
            raise _refusal(found)
        return found

    def finish(self, caller: Caller, outcome: dict[str, Any], before: Sequence[Statement] = ()) -> dict[str, Any]:
        """Settle or release, in one round trip; repeating it changes nothing.

        Args:
            before: statements that are carried out with it, all or none; repeating them must change nothing either.

        Raises DatabaseUnavailable, and DatabaseError where a statement is refused.
        """
        parameters = (caller.claims, outcome)
        if before:
            last: Statement = ("select app.finish_request(%s, %s) as finished", parameters)
            *_, rows = self._database.batch(caller.claims, [*before, last], idempotent=True)
            finished: dict[str, Any] = rows[0]["finished"]
        else:
            finished = self._database.call("select app.finish_request(%s, %s)", parameters, idempotent=True)
        log_unrecorded(finished["state"], outcome)
        return finished


def lease_seconds(context: RequestContext) -> int:
    """How long this request's hold may live without a word."""
    return int(context.seconds) + _LEASE_MARGIN_SECONDS


def log_unrecorded(state: str, outcome: dict[str, Any]) -> None:
    """Log what calls used that no ledger gets, so that a vendor's bill can be explained: those of a holder that a retry
    overtook (`stale`), or whose user was deleted meanwhile.
    """
    if state in ("stale", "unknown", "subject_deleted") and outcome["calls"]:
        logger.warning("usage outside the ledger", state=state, request=outcome["request_id"], calls=outcome["calls"])


def overtaken() -> Problem:
    """What a holder answers whose lease ended and whose request a retry took over: its answer is not the one."""
    return Problem(
        "request_in_progress",
        "The same request is being answered again; ask with the same Idempotency-Key.",
        status=409,
        retry_after=1,
    )


# By outcome of the admission: code, status, and what the caller can do.
_REFUSALS = {
    "in_progress": (
        "request_in_progress",
        409,
        "The same request is still being answered; ask again with the same Idempotency-Key.",
    ),
    "filling": ("cache_filling", 503, "The same question is being answered right now; ask again shortly."),
    "idempotency_key_reused": (
        "idempotency_key_reused",
        422,
        "This Idempotency-Key was used with another body; use a new key.",
    ),
    "embedding_quota_exceeded": (
        "embedding_quota_exceeded",
        429,
        "Today's allowance does not hold that many tokens to embed; it starts anew at `resets_at`.",
    ),
    "quota_exceeded": (
        "quota_exceeded",
        429,
        "The allowance is used up; Retry-After says when it comes back, if it does.",
    ),
    "own_key_missing": (
        "own_key_missing",
        409,
        "Your tier calls models with your own key; store one under /api/settings/api-keys.",
    ),
    "provider_not_allowed": (
        "provider_not_allowed",
        403,
        "Your organization does not allow this provider; choose another.",
    ),
    "conversation_not_found": ("conversation_not_found", 404, "There is no such conversation of yours."),
    "subject_deleted": ("subject_deleted", 403, "This account was deleted."),
}


def _refusal(found: dict[str, Any]) -> Refused:
    retry_after = found.get("retry_after")
    quota = Quota.of(found.get("quota"))
    code, status, detail = _REFUSALS[found["outcome"]]
    extra: dict[str, Any] = {}
    if code == "quota_exceeded" and quota.daily:
        extra = {"tier": found["tier"], "limit": quota.daily.limit}
    elif code == "embedding_quota_exceeded":
        extra = found["quota"]["embedding_tokens"]
    return Refused(code, detail, status=status, retry_after=retry_after, extra=extra, quota=quota)

"""The two statements around a model call, a search or an import: begin_request and finish_request.

docs/database-contract.md describes both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from parley.admission.access_keys import AccessKeys
from parley.admission.known_callers import KnownCallers
from parley.admission.quota import Quota
from parley.admission.records import (
    Admitted,
    AdmittedModelCall,
    Conversation,
    EmbeddingRequest,
    Finished,
    ModelCallRequest,
    Outcome,
    QueuedOutcome,
    StoredAnswer,
)
from parley.admission.refusals import refusal
from parley.core.caller import Caller, RequestContext
from parley.core.clock import Clock
from parley.core.observability import logger
from parley.database.connection import Database, Statement

# Seconds between two looks at a request that is in progress; they grow from the first value to the second.
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 0.5
# A cache entry that another request fills is waited for so many seconds, or a quarter of what is left, in four pauses:
# each is twice as long as the one before.
_CACHE_PATIENCE = 3.0
_CACHE_PAUSES = tuple(share / 15 for share in (1, 2, 4, 8))
# Beyond the request's own time: what begin and finish may take before a hold counts as abandoned.
_LEASE_MARGIN_SECONDS = 15

# By outcome, where the answer comes from.
_STORED_ANSWERS: Mapping[str, Literal["faq", "exact", "semantic"]] = {
    "faq": "faq",
    "cache_hit": "exact",
    "semantic": "semantic",
}


class Requests:
    """Begins and finishes requests."""

    def __init__(self, database: Database, clock: Clock, known_callers: KnownCallers, access_keys: AccessKeys) -> None:
        self._database = database
        self._clock = clock
        self._known_callers = known_callers
        self._access_keys = access_keys

    def begin_model_call(
        self, context: RequestContext, request: ModelCallRequest, deadline: float
    ) -> AdmittedModelCall:
        """Admit a model call in one round trip; in more while a duplicate or another one that fills the cache runs.

        Args:
            deadline: on the clock's monotonic scale; waiting for a duplicate ends there.

        Raises Refused for every refusal, DatabaseUnavailable when the database is away.
        """
        caller, found = self._begin(context, request, deadline)
        outcome, spelling = found["outcome"], found.get("provider_spelling")
        if found.get("provider_source", "request") != "request":
            self._known_callers.put_provider(caller, spelling)
        conversation = found.get("conversation")
        return AdmittedModelCall(
            caller=caller,
            outcome=outcome,
            request_id=found.get("request_id") or context.request_id,
            fence=found.get("fence") or 0,
            quota=Quota.of(found.get("quota")),
            replay=found["answer"] if outcome == "replay" else None,
            replayed=found.get("replayed", False),
            provider=found.get("provider") or request.default_provider,
            provider_source=found.get("provider_source") or outcome,
            provider_spelling=spelling,
            model=found.get("model") or "",
            tier=found["tier"],
            stored_answer=_stored_answer(_STORED_ANSWERS[outcome], found["answer"])
            if outcome in _STORED_ANSWERS
            else None,
            earlier_answer=_stored_answer("exact", found["earlier_answer"]) if found.get("earlier_answer") else None,
            conversation=Conversation.from_json(conversation) if conversation else None,
            own_keys={name: key["ciphertext"] for name, key in (found.get("own_keys") or {}).items()},
            allowed_providers=found.get("allowed_providers"),
            health=found.get("health") or {},
            refusal=refusal({**found, "outcome": found["refused"]}) if "refused" in found else None,
        )

    def begin_embedding(self, context: RequestContext, request: EmbeddingRequest, deadline: float) -> Admitted:
        """Admit a search or an import in one round trip; as `begin_model_call`."""
        caller, found = self._begin(context, request, deadline)
        return Admitted(
            caller=caller,
            outcome=found["outcome"],
            request_id=found["request_id"],
            fence=found.get("fence") or 0,
            quota=Quota.of(found.get("quota")),
            replay=found.get("answer"),
            replayed=found.get("replayed", False),
            allowed_providers=found.get("allowed_providers"),
        )

    def _begin(
        self, context: RequestContext, request: ModelCallRequest | EmbeddingRequest, deadline: float
    ) -> tuple[Caller, Mapping[str, Any]]:
        caller = context.caller
        body = request._asdict() | {
            "request_id": context.request_id,
            "idempotency_key": context.idempotency_key,
            "body_hash": context.body_hash,
            "lease_seconds": int(context.seconds) + _LEASE_MARGIN_SECONDS,
        }
        wait = _FIRST_WAIT
        patience = min(_CACHE_PATIENCE, (deadline - self._clock.monotonic()) / 4)
        cache_pauses = [patience * share for share in _CACHE_PAUSES]
        while True:
            found: Mapping[str, Any] = self._database.call(
                "select app.begin_request(%s, %s)", (caller.credentials, body), idempotent=True
            )
            if found["outcome"] == "filling":
                # The filler may be silent for minutes: a cache may cost a duplicate, never an answer.
                self._clock.sleep(cache_pauses.pop(0))
                body["waits_for_cache"] = bool(cache_pauses)
                continue
            if found["outcome"] != "in_progress":
                break
            if self._clock.monotonic() + wait >= deadline:
                raise refusal(found)
            self._clock.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT)
        if caller.access_key is not None:
            caller = self._access_keys.take_in(caller, caller.access_key, found)
        if found["outcome"] not in ("admitted", "replay", *_STORED_ANSWERS):
            raise refusal(found)
        # An FAQ or a replay is found before the rules are looked at.
        if "allowed_providers" in found:
            self._known_callers.put_rules(caller, found["tier"], found["allowed_providers"])
        return caller, found

    def finish(self, caller: Caller, outcome: Outcome, statements: Sequence[Statement] = ()) -> Finished:
        """Settle or release, in one round trip; repeating it changes nothing.

        Args:
            statements: carried out with it, all or none; repeating them must change nothing either.

        Raises DatabaseUnavailable, and DatabaseError where a statement is refused.
        """
        body = outcome.as_json()
        parameters = (caller.claims, body)
        if statements:
            last: Statement = ("select app.finish_request(%s, %s) as finished", parameters)
            *_, rows = self._database.batch(caller.claims, [*statements, last], idempotent=True)
            finished: Mapping[str, Any] = rows[0]["finished"]
        else:
            finished = self._database.call("select app.finish_request(%s, %s)", parameters, idempotent=True)
        _log_unrecorded(finished["state"], body)
        return Finished(finished["state"], Quota.of(finished["quota"]) if "quota" in finished else None)

    def replay(self, queued: QueuedOutcome) -> str:
        """Carry out what waited in the queue, once; returns what became of it. Raises as `finish` does."""
        parameters = (queued.claims, queued.outcome)
        if queued.admitted_offline:
            recorded = self._database.call("select app.record_offline_call(%s, %s)", parameters, idempotent=True)
            state = str(recorded["outcome"])
        else:
            finished = self._database.call("select app.finish_request(%s, %s)", parameters, idempotent=True)
            state = str(finished["state"])
        _log_unrecorded(state, queued.outcome)
        return state


def _stored_answer(source: Literal["faq", "exact", "semantic"], answer: Mapping[str, Any]) -> StoredAnswer:
    return StoredAnswer(source, answer["text"], answer.get("provider"), answer.get("model"), answer.get("passages"))


def semantic_reply(admitted: AdmittedModelCall, answer: StoredAnswer) -> dict[str, Any]:
    """What a retry gets of a request that `answer` served, in the shape that begin_request gives the other stored
    answers: `begin_model_call` reads it as it reads those.
    """
    return {
        "reply": {
            "outcome": "semantic",
            "provider": admitted.provider,
            "provider_source": admitted.provider_source,
            "model": admitted.model,
            "answer": {"text": answer.text, "provider": answer.provider, "model": answer.model},
        }
    }


def _log_unrecorded(state: str, outcome: Mapping[str, Any]) -> None:
    """Log what calls used that no ledger gets, so that a provider's bill can be explained: those of a holder whose
    request a retry took over (`stale`), or whose user was deleted meanwhile.
    """
    if state in ("stale", "unknown", "subject_deleted") and outcome["calls"]:
        logger.warning("usage outside the ledger", state=state, request=outcome["request_id"], calls=outcome["calls"])

"""Database outages: a few calls per caller go on, and what they used reaches the ledger once the database is back."""

from __future__ import annotations

from parley.admission.access_keys import AccessKeys
from parley.admission.known_callers import Known, KnownCallers
from parley.admission.records import AdmittedModelCall, ModelCallRequest, Outcome, QueuedOutcome
from parley.admission.refusals import refusal
from parley.core.caller import Caller, RequestContext
from parley.core.clock import Clock
from parley.core.errors import Problem
from parley.core.observability import log_fault, logger
from parley.core.provider_names import PROVIDERS, ProviderName, canonical_provider, may_be_called
from parley.core.queues import Queue
from parley.own_keys.cipher import KeyCipher

_HOUR = 3600.0
# What app.record_offline_call knows of an outcome.
_RECORDED = ("request_id", "operation", "occurred_at", "takes_unit", "calls")


class DegradedMode:
    """Decides who may go on without the database, and keeps what must not be lost.

    Args:
        allowance: model calls per caller and hour of this container.
        queue_url: the SQS queue that `usage_replay` empties; None loses usage, and says so in the log.
    """

    def __init__(
        self,
        *,
        allowance: int,
        queue_url: str | None,
        known_callers: KnownCallers,
        access_keys: AccessKeys,
        key_cipher: KeyCipher,
        clock: Clock,
    ) -> None:
        self._allowance = allowance
        self._queue = Queue(queue_url) if queue_url else None
        self._known_callers = known_callers
        self._access_keys = access_keys
        self._key_cipher = key_cipher
        self._clock = clock
        self._spent: dict[str, list[float]] = {}

    def admit(self, context: RequestContext, request: ModelCallRequest, *, needs_database: bool) -> AdmittedModelCall:
        """Admit without the database. Raises Problem: 503 for what needs it or exceeds the allowance, 429 beyond a
        machine key's own limit.
        """
        if needs_database or context.idempotency_key is not None:
            raise _unavailable("Conversations and idempotency keys need the database, which cannot be used now.")
        caller: Caller | None = context.caller
        if context.caller.access_key is not None:
            caller = self._access_keys.trusted(context.caller, context.caller.access_key)
        if caller is None:
            raise _unavailable("Whose this machine key is cannot be read while the database cannot be used.")
        known = self._known_callers.get(caller)
        if caller.organization_id is not None and not known.has_rules:
            raise _unavailable("What your organization allows cannot be read while the database cannot be used.")
        provider, source = self._choose(request, known, self._usable(caller, known))
        if request.offered_models is not None and known.tier != "byok":
            route = {"provider": provider, "model": request.model}
            raise refusal({"outcome": "model_not_offered", "offered_models": request.offered_models} | route)
        if caller.access_key is not None:
            self._access_keys.take_unit(caller.access_key)
        if not self._spend(caller):
            raise _unavailable("The database cannot be used now, and the allowance for that time is used up.")
        return AdmittedModelCall(
            caller=caller,
            outcome="admitted",
            request_id=context.request_id,
            offline=True,
            provider=provider,
            provider_source=source,
            provider_spelling=known.provider if source == "memory" else None,
            model=request.model or request.default_models[provider],
            tier=known.tier or "unknown",
            allowed_providers=None if known.allowed_providers is None else [*known.allowed_providers],
        )

    def _usable(self, caller: Caller, known: Known) -> list[ProviderName]:
        """What the organization allows, and of that for a byok caller what a key is in memory for."""
        allowed = known.allowed_providers
        keys = self._key_cipher.remembered(caller) if known.tier == "byok" else PROVIDERS
        return [name for name in PROVIDERS if name in keys and may_be_called(name, allowed)]

    @staticmethod
    def _choose(request: ModelCallRequest, known: Known, usable: list[ProviderName]) -> tuple[ProviderName, str]:
        """The provider and where it comes from, in the database's order. Raises Problem (503) where none is left."""
        if request.provider is not None and request.provider != "auto":
            choices = [(request.provider, "request")]
        else:
            rest = "own_key" if known.tier == "byok" else "organization"
            preferred = canonical_provider(known.provider or "")
            choices = [(preferred, "memory")] if preferred else []
            choices += [(request.default_provider, "environment"), *((name, rest) for name in usable)]
        for provider, source in choices:
            if provider in usable:
                return provider, source
        raise _unavailable("Your own keys and your organization's choice cannot be read without the database.")

    def _spend(self, caller: Caller) -> bool:
        """Count a call; False where the hour's allowance is spent."""
        now = self._clock.monotonic()
        self._spent = {key: times for key, times in self._spent.items() if times[-1] > now - _HOUR}
        recent = [at for at in self._spent.get(caller.key, ()) if at > now - _HOUR]
        if len(recent) >= self._allowance:
            return False
        self._spent[caller.key] = [*recent, now]
        return True

    def remember(self, caller: Caller, outcome: Outcome, *, admitted_offline: bool) -> None:
        """Queue an outcome for `usage_replay`. Nothing is queued where nothing would be written: no usage, no unit, no
        answer, and a hold that is not there or ends with its lease.
        """
        changes_nothing = not (outcome.spends_unit or outcome.calls)
        if changes_nothing and (admitted_offline or outcome.state == "released"):
            return
        body = outcome.as_json()
        if admitted_offline:
            body = {name: body[name] for name in _RECORDED} | {"takes_unit": outcome.spends_unit}
        try:
            if self._queue is None:
                raise LookupError("PARLEY_USAGE_QUEUE_URL is not set")
            self._queue.send(QueuedOutcome(caller.claims, body, admitted_offline).encode())
        except Exception as error:
            log_fault("usage could not be queued", error)
            logger.error("usage lost", request=outcome.request_id, calls=body["calls"])


def _unavailable(detail: str) -> Problem:
    return Problem("database_unavailable", detail + " Try again shortly.", status=503, retry_after=2)

"""Database outages: a few calls per caller go on, and what they used reaches the ledger once the database is back."""

from __future__ import annotations

import json
from typing import Any

from parley.admission.known_callers import Known, KnownCallers
from parley.admission.requests import AdmissionRequest, Admitted
from parley.core.caller import Caller
from parley.core.clock import Clock
from parley.core.errors import Problem
from parley.core.observability import log_fault, logger
from parley.core.provider_names import PROVIDERS, ProviderName, canonical_provider
from parley.core.queues import Queue
from parley.own_keys.cipher import KeyCipher

_HOUR = 3600.0
_LARGEST_MESSAGE = 250_000  # bytes; SQS takes 256 KiB


class DegradedMode:
    """Decides who may go on without the database, and keeps what must not be lost.

    Args:
        allowance: model calls per caller and hour of this container.
        queue_url: the SQS queue that `usage_replay` empties; None loses usage, and says so in the log.
    """

    def __init__(
        self, *, allowance: int, queue_url: str | None, known_callers: KnownCallers, key_cipher: KeyCipher, clock: Clock
    ) -> None:
        self._allowance = allowance
        self._queue = Queue(queue_url) if queue_url else None
        self._last_known = known_callers
        self._vault = key_cipher
        self._clock = clock
        self._spent: dict[str, list[float]] = {}

    def admit(self, caller: Caller, request: AdmissionRequest, *, keeps_turns: bool) -> Admitted:
        """Admit without the database. Raises Problem (503) for what needs it or exceeds the allowance."""
        if keeps_turns or request.idempotency_key is not None:
            raise _unavailable("Conversations and idempotency keys need the database, which is away for a moment.")
        known = self._last_known.get(caller)
        provider, source = self._choose(request, known, self._usable(caller, known))
        if not self._spend(caller):
            raise _unavailable("The database is away and the allowance for that time is used up.")
        return Admitted(
            outcome="admitted",
            request_id=request.request_id,
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
        keys = self._vault.remembered(caller) if known.tier == "byok" else PROVIDERS
        return [name for name in PROVIDERS if name in keys and (allowed is None or name in allowed)]

    @staticmethod
    def _choose(request: AdmissionRequest, known: Known, usable: list[ProviderName]) -> tuple[ProviderName, str]:
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
        raise _unavailable("Your own keys and your organization's choice cannot be read while the database is away.")

    def _spend(self, caller: Caller) -> bool:
        """Count a call; False where the hour's allowance is spent."""
        now = self._clock.monotonic()
        self._spent = {key: times for key, times in self._spent.items() if times[-1] > now - _HOUR}
        recent = [at for at in self._spent.get(caller.key, ()) if at > now - _HOUR]
        if len(recent) >= self._allowance:
            return False
        self._spent[caller.key] = [*recent, now]
        return True

    def remember(self, caller: Caller, outcome: dict[str, Any], *, admitted_offline: bool) -> None:
        """Queue an outcome for `usage_replay`. What used nothing and leaves no answer behind needs no word: there is no
        hold, or its lease ends.
        """
        takes_unit = outcome["state"] == "settled" and outcome.get("takes_unit", True)
        if not (takes_unit or outcome["calls"]) and (admitted_offline or outcome["state"] == "released"):
            return
        if admitted_offline:
            kept = ("request_id", "operation", "occurred_at", "calls")
            outcome = {name: outcome[name] for name in kept} | {"takes_unit": takes_unit}
        try:
            if self._queue is None:
                raise LookupError("PARLEY_USAGE_QUEUE_URL is not set")
            self._queue.send(_message(caller, outcome, admitted_offline))
        except Exception as error:
            log_fault("usage could not be queued", error)
            logger.error("usage lost", request=outcome["request_id"], calls=outcome["calls"])


def _message(caller: Caller, outcome: dict[str, Any], admitted_offline: bool) -> str:
    """The queued body. Where SQS would not take it, first the answer is left out, then the turns, never the usage."""
    body = ""
    for left_out in ((), ("answer", "cache"), ("answer", "cache", "conversation")):
        kept = {name: value for name, value in outcome.items() if name not in left_out}
        message = {"claims": caller.claims, "outcome": kept, "admitted_offline": admitted_offline}
        body = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
        if len(body.encode()) <= _LARGEST_MESSAGE:
            break
        logger.warning("queued usage is too large", request=outcome["request_id"])
    return body


def _unavailable(detail: str) -> Problem:
    return Problem("database_unavailable", detail + " Try again shortly.", status=503, retry_after=2)

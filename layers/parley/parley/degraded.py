"""Database outages: a few calls per caller go on, and what they used reaches the ledger once the database is back."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from parley.admission import AdmissionRequest, Admitted
from parley.caller import Caller
from parley.clock import Clock
from parley.errors import Problem
from parley.last_known import LastKnown
from parley.observability import log_fault, logger
from parley.vault import Vault
from parley.vendors import ProviderName, canonical_provider

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_HOUR = 3600.0
_LARGEST_MESSAGE = 250_000  # bytes; SQS takes 256 KiB


class DegradedMode:
    """Decides who may go on without the database, and keeps what must not be lost.

    Args:
        allowance: model calls per caller and hour of this container.
        queue_url: the SQS queue that `usage_replay` empties; None loses usage, and says so in the log.
    """

    def __init__(
        self, *, allowance: int, queue_url: str | None, last_known: LastKnown, vault: Vault, clock: Clock
    ) -> None:
        self._allowance = allowance
        self._queue_url = queue_url
        self._last_known = last_known
        self._vault = vault
        self._clock = clock
        self._spent: dict[str, list[float]] = {}

    def admit(self, caller: Caller, request: AdmissionRequest) -> Admitted:
        """Admit without the database. Raises Problem (503) for what needs it or exceeds the allowance."""
        if request.conversation_id is not None or request.idempotency_key is not None:
            raise _unavailable("Conversations and idempotency keys need the database, which is away for a moment.")
        chosen = self._last_known.get(caller.key)
        provider: ProviderName
        if request.provider is not None and request.provider != "auto":
            provider, source = request.provider, "request"
        elif chosen and (known := canonical_provider(chosen)):
            provider, source = known, "memory"
        else:
            provider, source = request.default_provider, "environment"
        own_keys = self._vault.remembered(caller)
        byok = self._last_known.tier(caller.key) == "byok"
        if byok and provider not in own_keys:
            raise _unavailable("Your own key cannot be read while the database is away.")
        now = self._clock.monotonic()
        recent = [at for at in self._spent.get(caller.key, ()) if at > now - _HOUR]
        if len(recent) >= self._allowance:
            raise _unavailable("The database is away and the allowance for that time is used up.")
        self._spent[caller.key] = [*recent, now]
        return Admitted(
            outcome="admitted",
            request_id=request.request_id,
            provider=provider,
            provider_source=source,
            provider_spelling=chosen if source == "memory" else None,
            model=request.model or request.default_models[provider],
            tier="byok" if byok else "unknown",
        )

    def remember(self, caller: Caller, outcome: dict[str, Any], *, admitted_offline: bool) -> None:
        """Queue an outcome for `usage_replay`; a released hold needs no word, its lease ends by itself."""
        if outcome["state"] == "released":
            return
        message = {"claims": caller.claims, "outcome": outcome, "admitted_offline": admitted_offline}
        body = json.dumps(message, separators=(",", ":"))
        if len(body.encode()) > _LARGEST_MESSAGE:
            message["outcome"] = outcome | {"answer": None, "cache": None}
            body = json.dumps(message, separators=(",", ":"))
        try:
            if self._queue_url is None:
                raise LookupError("PARLEY_USAGE_QUEUE_URL is not set")
            self._queue.send_message(QueueUrl=self._queue_url, MessageBody=body)
        except Exception as error:
            log_fault("usage could not be queued", error)
            logger.error("usage lost", request=outcome["request_id"], calls=outcome["calls"])

    @cached_property
    def _queue(self) -> SQSClient:
        import boto3  # 250 ms of CPU: only while the database is away

        return boto3.client("sqs")


def _unavailable(detail: str) -> Problem:
    return Problem("database_unavailable", detail + " Try again shortly.", status=503, retry_after=2)

"""A request from its admission to its end, the same for model calls, searches and imports.

A held request ends in one of two ways. `settle` spends what it holds and leaves its answer and usage behind. `release`
gives back what it holds and leaves its usage behind; leaving the `with` block does that where nothing was settled.

| What happened | The row | The unit | `error_code` |
| --- | --- | --- | --- |
| settled | settled | spent, unless `takes_unit` is False | |
| settled while the database is away, without an idempotency key | settled once the queue is replayed | spent | |
| a Problem was raised | released | given back | the Problem's |
| the database was away where it was needed | released (through the queue) | given back | `database_unavailable` |
| the database refused to settle, or any other exception | released | given back | `internal_error` |
| the caller left before a provider had all of it, or after it had failed | released | given back | `cancelled` |
| the caller left while a provider was at work on the request | settled, without an answer | spent | `cancelled` |
| no answer had the form that the caller asked for | settled, without an answer | spent | the Problem's |
| a model ended a stream, after some of it was out, without an answer | settled, without an answer | spent | the same |

The unit of a caller who left covers a retry under the same key (docs/database-contract.md).

Finishing is idempotent by request and fence, so an outcome whose fate is unknown may be sent again: a settled row stays
settled, whatever is replayed to it later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from parley.admission.quota import Quota
from parley.admission.records import (
    Admitted,
    AdmittedModelCall,
    Attempt,
    CacheEntry,
    EmbeddingRequest,
    Finished,
    LedgerEntry,
    ModelCallRequest,
    NewTurns,
    Outcome,
)
from parley.admission.refusals import taken_over
from parley.core.caller import RequestContext, derived_ids
from parley.core.errors import Problem
from parley.core.observability import log_fault, logger
from parley.database.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from parley.admission.degraded import DegradedMode
    from parley.admission.requests import Requests
    from parley.core.clock import Clock
    from parley.database.connection import Statement
    from parley.providers.catalogue import Catalogue

# A call gets this long even where the deadline has all but passed.
_LEAST_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Admission:
    """What a held request is admitted, priced and finished with.

    Args:
        degraded: gives what goes on in an outage; few containers see one.
    """

    requests: Requests
    degraded: Callable[[], DegradedMode]
    catalogue: Catalogue
    clock: Clock

    def deadline(self, context: RequestContext) -> float:
        """When the request's time ends, on the clock's monotonic scale."""
        return self.clock.monotonic() + context.seconds

    def admit_model_call(
        self, context: RequestContext, request: ModelCallRequest, deadline: float, *, needs_database: bool
    ) -> AdmittedModelCall:
        """Admit a model call, within the allowance also while the database is away.

        Args:
            needs_database: whether it cannot go on without.

        Raises Problem where it is refused.
        """
        try:
            return self.requests.begin_model_call(context, request, deadline)
        except DatabaseUnavailable:
            return self.degraded().admit(context, request, needs_database=needs_database)

    def admit_embedding(self, context: RequestContext, request: EmbeddingRequest, deadline: float) -> Admitted:
        """Admit a search or an import. Raises Problem where it is refused, DatabaseUnavailable."""
        return self.requests.begin_embedding(context, request, deadline)


class HeldRequest:
    """An admitted request; a context manager that releases what was not settled.

    Args:
        deadline: on the clock's monotonic scale.
        own_key: whether its upstream calls are made with the caller's own key.

    Attributes:
        caller: whose it is; of a machine key, its user.
        quota: the caller's, with this request counted for as long as it holds or has spent its unit.
        replayed: whether its answer repeats an earlier request's with this idempotency key.
        degraded: whether the database was away when it began or when it ended.
        cancelled: set when the caller has left, possibly by another thread.
    """

    def __init__(
        self,
        admission: Admission,
        context: RequestContext,
        admitted: Admitted,
        operation: str,
        deadline: float,
        *,
        own_key: bool = False,
    ) -> None:
        self.quota: Quota = admitted.quota
        self.replayed = admitted.replayed
        self.degraded = admitted.offline
        self.cancelled = False
        self._admission = admission
        self.caller = admitted.caller
        self._keyed = context.idempotency_key is not None
        self._admitted = admitted
        self._operation = operation
        self._deadline = deadline
        self._own_key = own_key
        # An FAQ, a cached or a replayed answer holds nothing: there is nothing to settle.
        self._finished = admitted.outcome != "admitted"
        self._attempts: list[Attempt] = []
        self._ledger: list[LedgerEntry] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.release(error)

    @property
    def request_id(self) -> str:
        """The row's key: an earlier request's where this one took it over or repeats it."""
        return self._admitted.request_id

    @property
    def replay(self) -> Mapping[str, Any] | None:
        """What an earlier request with this idempotency key was answered; nothing is left to do then."""
        return self._admitted.replay

    @property
    def seconds_left(self) -> float:
        """Until the deadline, and never less than a tenth."""
        return max(_LEAST_SECONDS, self._deadline - self._admission.clock.monotonic())

    @property
    def now(self) -> datetime:
        """The time of day."""
        return self._admission.clock.now()

    def new_ids(self, count: int) -> list[str]:
        """Ids for what this request creates: the same ones when a retry with its key takes over."""
        return derived_ids(self.request_id, count)

    def charge(self, attempt: Attempt, operation: str | None = None, *, own_key: bool | None = None) -> None:
        """Put an upstream call that used tokens into the ledger, at today's price, however the request ends.

        Args:
            operation: where it is not the request's own.
            own_key: where it was made with another key than the request's calls.
        """
        priced = attempt.answering_model or attempt.model
        self._ledger.append(
            LedgerEntry(
                provider=attempt.provider,
                model=attempt.model,
                operation=operation or self._operation,
                usage=attempt.usage,
                cost=self._admission.catalogue.cost(priced, attempt.usage, self.now),
                latency_ms=attempt.latency_ms,
                own_key=self._own_key if own_key is None else own_key,
            )
        )

    def settle(
        self,
        answer: Mapping[str, Any],
        *,
        takes_unit: bool = True,
        cache: CacheEntry | None = None,
        conversation: NewTurns | None = None,
        statements: Sequence[Statement] = (),
    ) -> None:
        """Spend what is held and leave everything behind in one round trip.

        While the database is away the outcome waits in the queue, and the answer may be given. DatabaseUnavailable is
        raised instead with `statements`, which the queue does not take, and with an idempotency key: a retry would know
        nothing of an answer in the queue, and might give another one.

        Args:
            answer: what a replay of this request returns.
            takes_unit: False gives the unit back, where no model gave the answer.
            statements: what else is written, all or none; a second time must change nothing, as with ids of `new_ids`.

        Raises Problem (409) where a retry with the same idempotency key took over: its answer is the one that counts,
        and asking again returns it. Raises DatabaseError where something is refused; the request is still held then.
        """
        outcome = self._outcome("settled", takes_unit=takes_unit, answer=answer, cache=cache, conversation=conversation)
        finished = self._finish(outcome, statements, may_wait=not (statements or self._keyed))
        self._finished = True
        if finished is not None and finished.state == "stale":
            raise taken_over()

    def release(self, error: BaseException | None = None) -> None:
        """Give back what is held, unless the request has ended. Spent is the unit of a caller who left a provider at
        work, whose own form an answer did not have, or who read of an answer before it proved to be none.

        Args:
            error: why; None where the caller left.
        """
        if self._finished:
            return
        self._finished = True
        outcome = self._outcome(
            "settled" if self._spent_without_an_answer() else "released", error_code=self._error_code(error)
        )
        try:
            self._finish(outcome)
        except Exception as fault:
            # The first error is the one to answer with. The queue tries again, and keeps what cannot be written.
            log_fault("a request could not be released", fault)
            self._admission.degraded().remember(self.caller, outcome, admitted_offline=False)

    def _spent_without_an_answer(self) -> bool:
        """Whether the caller has had a provider's work all the same. What a provider breaks off is given back."""
        if not self._attempts:
            return False
        last = self._attempts[-1]
        read = last.delivered and last.error_code == "no_answer"
        return read or last.error_code == "cancelled" or any(attempt.unfit for attempt in self._attempts)

    def _error_code(self, error: BaseException | None) -> str:
        if self.cancelled or not isinstance(error, Exception):
            return "cancelled"
        if isinstance(error, Problem):
            return error.code
        return "database_unavailable" if isinstance(error, DatabaseUnavailable) else "internal_error"

    def _outcome(self, state: Literal["settled", "released"], **members: Any) -> Outcome:
        return Outcome(
            request_id=self.request_id,
            fence=self._admitted.fence,
            operation=self._operation,
            occurred_at=self.now,
            state=state,
            calls=self._ledger,
            attempts=self._attempts,
            **members,
        )

    def _finish(
        self, outcome: Outcome, statements: Sequence[Statement] = (), *, may_wait: bool = True
    ) -> Finished | None:
        """None where the outcome waits in the queue."""
        if not self._admitted.offline:
            try:
                finished = self._admission.requests.finish(self.caller, outcome, statements)
            except DatabaseUnavailable:
                if not may_wait:
                    raise
                logger.warning("settling without the database", request=self.request_id)
            else:
                self.quota = finished.quota or self.quota
                return finished
        self._admission.degraded().remember(self.caller, outcome, admitted_offline=self._admitted.offline)
        self.degraded = True
        return None

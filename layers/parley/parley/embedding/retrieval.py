"""Searches and imports from begin to settling: embed within the tier's daily token limit, and answer once for each key.

Embeddings take no unit, and the operator's key makes them for every tier (docs/decisions/0003): the limit bounds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from parley.admission.degraded import DegradedMode
from parley.admission.requests import Admission, Held, RetrievalRequest, lease_seconds, overtaken
from parley.core.caller import Caller, RequestContext, derived_ids
from parley.core.clock import Clock
from parley.core.errors import Problem
from parley.core.observability import logger
from parley.core.provider_names import ProviderName
from parley.database.connection import Statement
from parley.database.errors import DatabaseUnavailable
from parley.embedding.embedder import Embedder, estimated_tokens
from parley.providers.errors import ProviderError
from parley.providers.problems import problem_for
from parley.providers.protocol import Embeddings


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The embedding room.

    Args:
        operator_keys: the operator's own provider keys, resolved at first use.
    """

    admission: Admission
    embedder: Embedder
    degraded: DegradedMode
    operator_keys: Callable[[], Mapping[ProviderName, str]]
    clock: Clock

    def begin(
        self, context: RequestContext, operation: Literal["search", "documents"], texts: Sequence[str]
    ) -> RetrievalWork:
        """Hold the tokens of `texts`; the work is a context manager that gives back what was not settled.

        Raises Problem where it is refused: 429 beyond the daily limit.
        """
        deadline = self.clock.monotonic() + context.seconds
        request = RetrievalRequest(
            request_id=context.request_id,
            operation=operation,
            embedding_tokens=sum(map(estimated_tokens, texts)),
            lease_seconds=lease_seconds(context),
            idempotency_key=context.idempotency_key,
            body_hash=context.body_hash,
        )
        held = self.admission.begin_retrieval(context.caller, request, deadline)
        return RetrievalWork(self, context.caller, texts, deadline, held)


@dataclass
class RetrievalWork:
    """An admitted search or import. Either `held.answer` serves it, or `embed` and then `settle` do."""

    room: Retrieval
    caller: Caller
    texts: Sequence[str]
    deadline: float
    held: Held
    finished: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.finished = self.held.answer is not None

    def __enter__(self) -> RetrievalWork:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not self.finished:
            code = error.code if isinstance(error, Problem) else "cancelled"
            self._release(code)

    def new_ids(self, count: int) -> list[str]:
        """Ids for what this request creates: the same ones when a retry with its key takes over."""
        return derived_ids(self.held.request_id, count)

    def embed(self) -> Embeddings:
        """Vectors for the texts, in their order. Raises Problem: 5xx when vendors fail."""
        seconds = max(0.1, self.deadline - self.room.clock.monotonic())
        try:
            embedded = self.room.embedder.embed(self.texts, self.room.operator_keys(), seconds)
        except ProviderError as error:
            raise problem_for(error, own_key=False) from error
        if embedded is None:
            raise Problem("embeddings_unavailable", "No provider with embeddings is configured.", status=503)
        found, call = embedded
        self.calls.append(call)
        return found

    def settle(self, answer: dict[str, Any], statements: Sequence[Statement]) -> None:
        """Carry the statements out and leave usage and answer behind, all or none, in one round trip.

        Args:
            answer: what a replay of this request gets as `held.answer`.
            statements: what creates, under ids of `new_ids` and so that a second time changes nothing.

        Raises Problem (409) where a retry with the same key took over, DatabaseError, DatabaseUnavailable.
        """
        finished = self.room.admission.finish(self.caller, self._outcome("settled") | {"answer": answer}, statements)
        self.finished = True
        if finished["state"] == "stale":
            raise overtaken()

    def _release(self, code: str) -> None:
        outcome = self._outcome("released") | {"error_code": code}
        try:
            self.room.admission.finish(self.caller, outcome)
        except DatabaseUnavailable:
            logger.warning("settling without the database", request=self.held.request_id)
            self.room.degraded.remember(self.caller, outcome, admitted_offline=False)

    def _outcome(self, state: Literal["settled", "released"]) -> dict[str, Any]:
        return {
            "request_id": self.held.request_id,
            "fence": self.held.fence,
            "state": state,
            "calls": self.calls,
        }

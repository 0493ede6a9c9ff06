"""Embedding texts for a caller, within the tier's daily token limit.

Embeddings take no unit, and the operator's key makes them for every tier (docs/decisions/0003): the limit bounds them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from parley.caller import Caller
from parley.clock import Clock
from parley.database import Database, DatabaseUnavailable
from parley.embedding import Embedder, estimated_tokens
from parley.errors import Problem
from parley.observability import log_fault
from parley.providers.base import Embeddings, ProviderError
from parley.providers.faults import problem_for
from parley.vendors import ProviderName


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The embedding room."""

    database: Database
    embedder: Embedder
    operator_keys: Callable[[], Mapping[ProviderName, str]]
    clock: Clock

    def embed(self, caller: Caller, texts: Sequence[str], seconds: float) -> Embeddings:
        """Vectors for `texts`, in their order. Raises Problem: 429 beyond the daily limit, 5xx when vendors fail."""
        tokens = sum(map(estimated_tokens, texts))
        self._take(caller, tokens)
        try:
            embedded = self.embedder.embed(texts, self.operator_keys(), seconds)
            if embedded is None:
                raise Problem("embeddings_unavailable", "No provider with embeddings is configured.", status=503)
        except BaseException as error:
            self._take_back(caller, tokens)
            if isinstance(error, ProviderError):
                raise problem_for(error, own_key=False) from error
            raise
        found, call = embedded
        self.database.call("select app.record_embedding(%s, %s)", (caller.claims, call))
        return found

    def _take(self, caller: Caller, tokens: int) -> None:
        taken = self.database.call("select app.take_embedding_tokens(%s, %s)", (caller.claims, tokens))
        if taken["outcome"] == "quota_exceeded":
            seconds = (datetime.fromisoformat(taken["resets_at"]) - self.clock.now()).total_seconds()
            raise Problem(
                "embedding_quota_exceeded",
                "Today's allowance does not hold that many tokens to embed; it starts anew at `resets_at`.",
                status=429,
                # No day holds more than the limit.
                retry_after=math.ceil(seconds) if tokens <= taken["limit"] else None,
                extra={name: taken[name] for name in ("limit", "used", "resets_at")},
            )
        if taken["outcome"] != "taken":
            raise Problem("subject_deleted", "This account was deleted.", status=403)

    def _take_back(self, caller: Caller, tokens: int) -> None:
        try:
            self.database.call("select app.take_embedding_tokens(%s, %s)", (caller.claims, -tokens))
        except DatabaseUnavailable as error:
            log_fault("embedding tokens could not be given back", error)

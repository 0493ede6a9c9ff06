"""Embedding texts for a caller, within the tier's daily token limit.

Embeddings take no unit, and the operator's key makes them for every tier (docs/decisions/0003): the limit bounds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from parley.caller import Caller
from parley.database import Database, DatabaseUnavailable
from parley.embedding import Embedder
from parley.errors import Problem
from parley.observability import log_fault
from parley.providers.base import Embeddings, ProviderError
from parley.providers.faults import problem_for
from parley.vendors import ProviderName

# The vendors embed at most this much of one text; longer ones are the caller's to split.
LONGEST_TEXT = 24_000  # characters, about 6,000 tokens
_CHARACTERS_PER_TOKEN = 4  # an estimate for the limit; the ledger gets what the vendor counted


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The embedding room."""

    database: Database
    embedder: Embedder
    operator_keys: Callable[[], Mapping[ProviderName, str]]

    def embed(self, caller: Caller, texts: Sequence[str], seconds: float) -> Embeddings:
        """Vectors for `texts`, in their order. Raises Problem: 429 beyond the daily limit, 5xx when vendors fail."""
        tokens = sum(len(text) // _CHARACTERS_PER_TOKEN + 1 for text in texts)
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
            raise Problem(
                "embedding_quota_exceeded",
                "Today's allowance of tokens to embed is used up; it comes back at midnight.",
                status=429,
                extra={name: taken[name] for name in ("limit", "used", "resets_at")},
            )
        if taken["outcome"] != "taken":
            raise Problem("subject_deleted", "This account was deleted.", status=403)

    def _take_back(self, caller: Caller, tokens: int) -> None:
        try:
            self.database.call("select app.take_embedding_tokens(%s, %s)", (caller.claims, -tokens))
        except DatabaseUnavailable as error:
            log_fault("embedding tokens could not be given back", error)

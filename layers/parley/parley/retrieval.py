"""Embedding texts for a caller, within the tier's daily token limit.

Embeddings take no unit, and the operator's key makes them for every tier (docs/decisions/0003): the limit bounds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parley.caller import Caller
from parley.clock import Clock
from parley.database import Database, DatabaseUnavailable
from parley.errors import Problem
from parley.observability import log_fault
from parley.providers.base import PROVIDERS, Embeddings, Provider, ProviderError, ProviderName, Usage
from parley.providers.catalogue import Catalogue
from parley.routing import problem_for

# The vendors embed at most this much of one text; longer ones are the caller's to split.
LONGEST_TEXT = 24_000  # characters, about 6,000 tokens
_CHARACTERS_PER_TOKEN = 4  # an estimate for the limit; the ledger gets what the vendor counted


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The embedding room."""

    database: Database
    providers: Mapping[ProviderName, Provider]
    catalogue: Catalogue
    operator_keys: Callable[[], Mapping[ProviderName, str]]
    clock: Clock

    def embed(self, caller: Caller, texts: Sequence[str], seconds: float) -> Embeddings:
        """Vectors for `texts`, in their order. Raises Problem: 429 beyond the daily limit, 5xx when vendors fail."""
        tokens = sum(len(text) // _CHARACTERS_PER_TOKEN + 1 for text in texts)
        self._take(caller, tokens)
        started = self.clock.monotonic()
        try:
            provider, found = self._call(texts, seconds)
        except BaseException:
            self._take_back(caller, tokens)
            raise
        self._record(caller, provider, found, round((self.clock.monotonic() - started) * 1000))
        return found

    def _call(self, texts: Sequence[str], seconds: float) -> tuple[ProviderName, Embeddings]:
        keys = self.operator_keys()
        for name in PROVIDERS:
            model = self.catalogue.default_embedding_model(name)
            if name in keys and model is not None and model.dimensions is not None:
                try:
                    return name, self.providers[name].embed(texts, model.id, model.dimensions, keys[name], seconds)
                except ProviderError as error:
                    # Vectors of two models do not compare: another vendor is no fallback.
                    raise problem_for(error, own_key=False) from error
        raise Problem("embeddings_unavailable", "No provider with embeddings is configured.", status=503)

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

    def _record(self, caller: Caller, provider: ProviderName, found: Embeddings, latency_ms: int) -> None:
        usage = Usage(found.input_tokens, 0) if found.input_tokens is not None else None
        cost = self.catalogue.cost(found.model, usage, self.clock.now()) if usage else None
        row: dict[str, Any] = {
            "provider": provider,
            "model": found.model,
            "operation": "embedding",
            "input_tokens": found.input_tokens,
            "output_tokens": 0,
            "cost": None if cost is None else format(cost, "f"),
            "estimated": cost is None,
            "latency_ms": latency_ms,
        }
        self.database.call("select app.record_embedding(%s, %s)", (caller.claims, row))

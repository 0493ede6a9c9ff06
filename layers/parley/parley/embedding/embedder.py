"""Which provider and model embed, and the call itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from parley.admission.records import Attempt
from parley.core.errors import Problem
from parley.core.provider_names import PROVIDERS, ProviderName, may_be_called, provider_not_allowed
from parley.providers.errors import ACCOUNT_FAULTS, ProviderError
from parley.providers.protocol import Embeddings, Provider, RenewedKey, Usage

if TYPE_CHECKING:
    from parley.core.clock import Clock
    from parley.providers.catalogue import Catalogue

_CHARACTERS_PER_TOKEN = 4
# In one call. Gemini takes up to 100 texts (geldata/gel#9032), OpenAI up to 300,000 tokens of all of them
# (spiceai/spiceai#6144): the estimate is that of prose in Latin letters, and other scripts take several times as many.
_MOST_TEXTS = 100
_MOST_TOKENS = 60_000


class Wanted(NamedTuple):
    """Which vectors are wanted, where that is not the deployment's to say.

    Attributes:
        model: one of the providers' embedding models; None takes the first provider's.
        dimensions: their length; None takes the one that documents are stored with.
    """

    model: str | None = None
    dimensions: int | None = None


ANY = Wanted()


def estimated_tokens(text: str) -> int:
    """An estimate for the daily limit, before the provider has counted; the ledger gets what it counted."""
    return len(text) // _CHARACTERS_PER_TOKEN + 1


def batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in their order, as many at a time as every provider takes in one call; none is empty."""
    start = tokens = 0
    for end, text in enumerate(texts):
        estimated = estimated_tokens(text)
        if end - start == _MOST_TEXTS or (end > start and tokens + estimated > _MOST_TOKENS):
            yield texts[start:end]
            start, tokens = end, 0
        tokens += estimated
    if start < len(texts):
        yield texts[start:]


@dataclass(frozen=True, slots=True)
class Embedder:
    """Embeds with the first provider that has embeddings and a key.

    Vectors of two models do not compare, so another provider is no fallback.

    Args:
        renewed_key: see `Router`.
    """

    providers: Mapping[ProviderName, Provider]
    catalogue: Catalogue
    clock: Clock
    renewed_key: RenewedKey

    def embed(
        self,
        texts: Sequence[str],
        keys: Mapping[ProviderName, str],
        allowed: Collection[str] | None,
        seconds: float,
        wanted: Wanted = ANY,
    ) -> tuple[Embeddings, Attempt] | None:
        """Vectors in the order of `texts`, and the call that made them.

        Args:
            texts: one of `batches`.
            allowed: providers that the organization allows; None allows all.

        None where no key's provider has embeddings. Raises ProviderError, and Problem (403) where none of them is
        allowed.
        """
        forbidden = False
        for name in PROVIDERS:
            model = self.catalogue.default_embedding_model(name)
            if name not in self.providers or name not in keys or model is None or model.dimensions is None:
                continue
            if wanted.model not in (None, model.id):
                continue
            if not may_be_called(name, allowed):
                forbidden = True
                continue
            started = self.clock.monotonic()
            embed = partial(self.providers[name].embed, texts, model.id, wanted.dimensions or model.dimensions)
            try:
                found = embed(keys[name], seconds)
            except ProviderError as error:
                renewed = self.renewed_key(name, keys[name]) if error.code in ACCOUNT_FAULTS else None
                if renewed is None:
                    raise
                found = embed(renewed, max(0.1, seconds - (self.clock.monotonic() - started)))
            milliseconds = round((self.clock.monotonic() - started) * 1000)
            usage = None if found.input_tokens is None else Usage(found.input_tokens, 0)
            return found, Attempt(name, model.id, ok=True, error_code=None, latency_ms=milliseconds, usage=usage)
        if forbidden:
            raise provider_not_allowed()
        return None

    def embed_or_refuse(
        self,
        texts: Sequence[str],
        keys: Mapping[ProviderName, str],
        allowed: Collection[str] | None,
        seconds: float,
        wanted: Wanted = ANY,
    ) -> tuple[Embeddings, Attempt]:
        """As `embed`, for what cannot go on without vectors. Raises Problem: 403 where none is allowed, 503 where no
        provider embeds, 5xx where it fails.
        """
        try:
            embedded = self.embed(texts, keys, allowed, seconds, wanted)
        except ProviderError as error:
            from parley.providers.problems import problem_for

            raise problem_for(error, own_key=False) from error
        if embedded is None:
            raise Problem("embeddings_unavailable", "No provider with embeddings is configured.", status=503)
        return embedded

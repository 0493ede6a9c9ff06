"""Texts embedded within the tier's daily token limit: for a search, an import, or a client's own index.

Embeddings take no unit, and the operator's key makes them for every tier (docs/decisions/0003): the limit bounds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from parley.admission.held_request import Admission, HeldRequest
from parley.admission.records import Admitted, EmbeddingOperation, EmbeddingRequest
from parley.core.caller import RequestContext
from parley.core.provider_names import ProviderName
from parley.embedding.embedder import ANY, Embedder, Wanted, batches, estimated_tokens
from parley.providers.protocol import Embeddings


@dataclass(frozen=True, slots=True)
class EmbeddingCalls:
    """Admits searches, imports and texts to embed.

    Args:
        operator_keys: the operator's own provider keys, resolved at first use.
    """

    admission: Admission
    embedder: Embedder
    operator_keys: Callable[[], Mapping[ProviderName, str]]

    def admit(self, context: RequestContext, operation: EmbeddingOperation, texts: Sequence[str]) -> EmbeddingCall:
        """Hold the tokens of `texts`. Raises Problem where that is refused: 429 beyond the daily limit."""
        deadline = self.admission.deadline(context)
        request = EmbeddingRequest(operation, sum(map(estimated_tokens, texts)))
        admitted = self.admission.admit_embedding(context, request, deadline)
        return EmbeddingCall(self, context, admitted, operation, deadline, texts)


class EmbeddingCall(HeldRequest):
    """An admitted search, import or embedding. Either `replay` serves it, or `embed` and then `settle` do.

    Attributes:
        provider: which one embedded; None before that.
    """

    def __init__(
        self,
        calls: EmbeddingCalls,
        context: RequestContext,
        admitted: Admitted,
        operation: EmbeddingOperation,
        deadline: float,
        texts: Sequence[str],
    ) -> None:
        super().__init__(calls.admission, context, admitted, operation, deadline)
        self._embedder = calls.embedder
        self._operator_keys = calls.operator_keys
        self._texts = texts
        self.provider: ProviderName | None = None

    def embed(self, wanted: Wanted = ANY) -> Embeddings:
        """Vectors for the texts, in their order, of as many calls as that takes. Raises Problem: 403 where the
        organization forbids it, 5xx when providers fail.
        """
        made: list[Embeddings] = []
        for batch in batches(self._texts):
            embeddings, attempt = self._embedder.embed_or_refuse(
                batch,
                self._operator_keys(),
                self._admitted.allowed_providers,
                self.seconds_left,
                wanted,
            )
            self.provider = attempt.provider
            self.charge(attempt, "embedding")
            made.append(embeddings)
        counts = [one.input_tokens for one in made if one.input_tokens is not None]
        return replace(
            made[0],
            vectors=[vector for one in made for vector in one.vectors],
            input_tokens=sum(counts) if len(counts) == len(made) else None,
        )

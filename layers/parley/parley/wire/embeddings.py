"""POST /v1/embeddings: texts embedded for a client's own index, within the day's tokens."""

from __future__ import annotations

import base64
import sys
from array import array
from dataclasses import dataclass

from parley.admission.quota import Quota
from parley.core.caller import RequestContext
from parley.core.errors import Problem
from parley.core.provider_names import PROVIDERS
from parley.embedding.call import EmbeddingCalls
from parley.embedding.embedder import Wanted, estimated_tokens
from parley.providers.catalogue import Catalogue, Model
from parley.runtime.response import largest_answer
from parley.wire.models import as_openai_tells, model_not_found, named
from parley.wire.schemas import EmbeddingList, EmbeddingsRequest, is_auto

# What a number of a vector takes of an answer, at most: its digits, or four bytes in base64.
_BYTES = {"float": 26.0, "base64": 5.4}


@dataclass(frozen=True, slots=True)
class OpenAIEmbeddings:
    """Embeds for OpenAI's clients."""

    calls: EmbeddingCalls
    catalogue: Catalogue

    def answer(self, context: RequestContext, request: EmbeddingsRequest) -> tuple[EmbeddingList, Quota]:
        """The vectors, and the caller's quota with them counted. Raises Problem: 429 beyond the day's tokens."""
        model = self._model(request.model)
        asked = [model] if model else self._offered
        dimensions = request.dimensions or max(one.dimensions or 0 for one in asked)
        for one in asked:
            if one.most_dimensions is not None and dimensions > one.most_dimensions:
                raise Problem(
                    "invalid_request",
                    f"dimensions: {one.id} makes vectors of at most {one.most_dimensions} numbers.",
                    status=400,
                    param="dimensions",
                )
        most = largest_answer()
        if len(request.input) * dimensions * _BYTES[request.encoding_format] > most:
            raise Problem(
                "answer_too_large",
                f"The answer would have more than {most // 1_000_000} MB. Send fewer texts at a time, or ask for fewer "
                "dimensions, or for `encoding_format` base64.",
                status=413,
            )
        with as_openai_tells(), self.calls.admit(context, "embeddings", request.input) as call:
            found = call.embed(Wanted(model.id if model is not None else None, request.dimensions))
            call.settle({})
            quota = call.quota
        tokens = found.input_tokens
        if tokens is None:
            tokens = sum(map(estimated_tokens, request.input))
        as_text = request.encoding_format == "base64"
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _base64(vector) if as_text else vector}
                for index, vector in enumerate(found.vectors)
            ],
            "model": found.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }, quota

    @property
    def _offered(self) -> list[Model]:
        return [one for one in map(self.catalogue.default_embedding_model, PROVIDERS) if one is not None]

    def _model(self, name: str) -> Model | None:
        """The model that a client names; None for `auto`. Raises Problem (404) for one that embeds nothing here."""
        if is_auto(name):
            return None
        provider, model = named(name)
        known = self.catalogue.find(model)
        for one in self._offered:
            if one == known and provider in (None, one.provider):
                return one
        offered = [one.id for one in self._offered]
        what = (
            "No model of this name embeds here" if known is None else f"{known.id} answers prompts and embeds nothing"
        )
        raise model_not_found(f"{what}; choose one of {', '.join(offered)}, or auto.", models=offered)


def _base64(vector: list[float]) -> str:
    floats = array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()

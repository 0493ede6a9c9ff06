"""Models by the names that OpenAI's clients give them: the vendor's own, `provider/model`, or `auto`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from parley.completion.operator_models import OperatorModels
from parley.core.caller import Caller
from parley.core.errors import Problem
from parley.core.provider_names import PROVIDERS, ProviderName, canonical_provider
from parley.providers.catalogue import Catalogue, Model
from parley.wire.schemas import AUTO, ModelEntry, ModelList


class Named(NamedTuple):
    """What a name stands for.

    Attributes:
        provider: None where the name does not say whose the model is.
    """

    provider: ProviderName | None
    model: str


def named(name: str) -> Named:
    """The provider and the model that a client names, where that is not `auto`."""
    prefix, slash, rest = name.partition("/")
    provider = canonical_provider(prefix) if slash and rest else None
    return Named(provider, rest if provider else name)


def model_not_found(detail: str, **extra: Any) -> Problem:
    """OpenAI's answer (404) for a model that there is not, or that does other work; its SDKs look at status and code.

    Args:
        detail: what to do beside looking at the list.
        extra: further members of the problem document.
    """
    return Problem(
        "model_not_found", f"{detail} GET /v1/models lists the models.", status=404, param="model", extra=extra
    )


@contextmanager
def as_openai_tells() -> Iterator[None]:
    """Raises OpenAI's answer in the place of our own problems that say that a model may not be named here."""
    try:
        yield
    except Problem as problem:
        if problem.code == "invalid_model":
            problem.code, problem.status = "model_not_found", 404
        if problem.code == "model_not_found":
            problem.detail = problem.detail.replace("GET /api/ai-providers", "GET /v1/models")
        raise


@dataclass(frozen=True, slots=True)
class Models:
    """The models that may be named."""

    catalogue: Catalogue
    operator_models: OperatorModels

    def all(self, caller: Caller) -> ModelList:
        """Those of the operator's list or the catalogue, those that embed, and `auto`."""
        return {"object": "list", "data": self._entries(caller)}

    def one(self, caller: Caller, name: str) -> ModelEntry:
        """One of them, by any spelling of its name. Raises Problem (404)."""
        known = self.catalogue.find(named(name).model)
        wanted = known.id if known is not None else named(name).model
        for entry in self._entries(caller):
            if entry["id"] == wanted:
                return entry
        raise model_not_found("There is no model of this name.")

    def _entries(self, caller: Caller) -> list[ModelEntry]:
        embedding = (self.catalogue.default_embedding_model(provider) for provider in PROVIDERS)
        names = [*self.operator_models.offered(caller), *(model.id for model in embedding if model is not None)]
        entries = [_entry(name, self.catalogue.find(name)) for name in dict.fromkeys(names)]
        return [*entries, {"id": AUTO, "object": "model", "created": 0, "owned_by": "parley"}]


def _entry(name: str, known: Model | None) -> ModelEntry:
    """An operator may list models that the catalogue does not know."""
    days = [price.effective_from for price in known.prices] if known is not None else []
    created = datetime.combine(min(days), datetime.min.time(), UTC).timestamp() if days else 0
    return {
        "id": name,
        "object": "model",
        "created": int(created),
        "owned_by": known.provider if known is not None else "unknown",
    }

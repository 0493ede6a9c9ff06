"""Models by the names that OpenAI's clients give them: the vendor's own, `provider/model`, or `auto`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

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
        raise Problem("not_found", "There is no model of this name; GET /v1/models lists them.", status=404)

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

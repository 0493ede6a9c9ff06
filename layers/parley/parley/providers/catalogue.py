"""Models and prices as data (`catalogue.json`), and what a call costs.

Each row of the file says where it comes from and when it was read. A price that is not known is null, and then the
cost of a call that needs it is None: never a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from parley.core.provider_names import PROVIDERS, ProviderName
from parley.providers.protocol import Usage

Capability = Literal["chat", "streaming", "structured_output", "sampling", "embeddings"]

_MILLION = Decimal(1_000_000)
_NANO = Decimal("0.000000001")
# Token counts have up to 12 digits and prices up to 9: sums stay exact, and only the last step rounds.
_EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN)
# The provider's answer names the dated or numbered version of the model that was asked for.
_VERSION = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{3})$")
_ALIAS = "-latest"
# What stands before a model's name, in answers and in the names that other gateways give it.
_PREFIXES = ("models/", "openai/", "anthropic/", "google/", "gemini/")


class Price(NamedTuple):
    """Dollars per million tokens, for calls from a date on.

    Attributes:
        service_tier: the billing tier it is for; None is the standard one.
        above_prompt_tokens: it replaces the tier's base price, for the whole call, where the prompt has more tokens.
        input, cached_input, cache_write_5m, cache_write_1h, output: None where the price is not known.
    """

    effective_from: date
    service_tier: str | None
    above_prompt_tokens: int
    input: Decimal | None
    cached_input: Decimal | None
    cache_write_5m: Decimal | None
    cache_write_1h: Decimal | None
    output: Decimal | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Price:
        """A price from its row of the file; prices are text there, because JSON numbers are floats."""

        def dollars(name: str) -> Decimal | None:
            return None if row.get(name) is None else Decimal(row[name])

        return cls(
            date.fromisoformat(row["effective_from"]),
            row.get("service_tier"),
            row.get("above_prompt_tokens", 0),
            *(dollars(name) for name in ("input", "cached_input", "cache_write_5m", "cache_write_1h", "output")),
        )

    def cost(self, usage: Usage) -> Decimal | None:
        """Dollars, rounded half to even at nine digits; None where a price is missing for tokens that were used."""
        total = Decimal(0)
        for tokens, price in (
            (usage.input_tokens, self.input),
            (usage.cached_input_tokens, self.cached_input),
            (usage.cache_write_5m_tokens, self.cache_write_5m),
            (usage.cache_write_1h_tokens, self.cache_write_1h),
            (usage.output_tokens, self.output),
        ):
            if tokens:
                if price is None:
                    return None
                total = _EXACT.add(total, _EXACT.multiply(Decimal(tokens), price))
        return _EXACT.quantize(_EXACT.divide(total, _MILLION), _NANO)


class Model(NamedTuple):
    """One model of a provider.

    Attributes:
        capabilities: what it can do; `sampling` means that it takes temperature and top_p.
        dimensions: length of its embeddings as Parley stores them; None for a chat model.
        most_dimensions: the longest that it makes; None for a chat model.
        retires: the day from which the provider may refuse it, where one was announced.
        source: where the row comes from and when that was read.
    """

    id: str
    provider: ProviderName
    capabilities: frozenset[Capability]
    context_window: int
    max_output_tokens: int | None
    dimensions: int | None
    most_dimensions: int | None
    retires: date | None
    prices: tuple[Price, ...]
    source: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Model:
        """A model from its row of the file."""
        return cls(
            id=row["id"],
            provider=row["provider"],
            capabilities=frozenset(row["capabilities"]),
            context_window=row["context_window"],
            max_output_tokens=row.get("max_output_tokens"),
            dimensions=row.get("dimensions"),
            most_dimensions=row.get("most_dimensions"),
            retires=date.fromisoformat(row["retires"]) if row.get("retires") else None,
            prices=tuple(Price.of(price) for price in row["prices"]),
            source=row["source"],
        )

    def price(self, service_tier: str | None, prompt_tokens: int, at: datetime) -> Price | None:
        """The price of a call that began `at` (aware): the newest in effect, for the longest prompt it covers."""
        day = at.astimezone(UTC).date()
        return max(
            (
                price
                for price in self.prices
                if price.service_tier == service_tier
                and price.effective_from <= day
                and (prompt_tokens > price.above_prompt_tokens or price.above_prompt_tokens == 0)
            ),
            key=lambda price: (price.effective_from, price.above_prompt_tokens),
            default=None,
        )


class Catalogue:
    """All models that Parley knows.

    Args:
        document: as in `catalogue.json`: `models` and, by provider, `defaults`.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._models = {model.id: model for model in map(Model.of, document["models"])}
        self._defaults: Mapping[str, Mapping[str, str]] = document["defaults"]

    @classmethod
    def shipped(cls) -> Catalogue:
        """The catalogue that comes with Parley."""
        return cls(json.loads(Path(__file__).with_name("catalogue.json").read_bytes()))

    def models(self, capability: Capability | None = None) -> list[Model]:
        """Every model, or those with a capability, in the file's order."""
        return [model for model in self._models.values() if capability in (None, *model.capabilities)]

    def find(self, model: str) -> Model | None:
        """What is known of a model, by any spelling of its name: another case, a prefix, a version or `-latest`.

        None for an unknown one. Not for prices: an alias may be any model tomorrow.
        """
        name = _without_prefix(model)
        return self._models.get(name) or self._models.get(_VERSION.sub("", name.removesuffix(_ALIAS)))

    def default_chat_models(self) -> dict[ProviderName, str]:
        """The chat model of each provider where nobody chose one."""
        return {name: self._defaults[name]["chat"] for name in PROVIDERS}

    def default_embedding_model(self, provider: ProviderName) -> Model | None:
        """The embedding model of a provider; None where the provider has none."""
        name = self._defaults[provider].get("embeddings")
        return self._models[name] if name else None

    def cost(self, model: str, usage: Usage | None, at: datetime) -> Decimal | None:
        """What a call cost in dollars, exact to the nano-dollar (half to even); None where usage or a price is missing,
        and for an alias.

        Args:
            model: the one that the provider says answered.
            at: when the call was made, aware.
        """
        known = None if _without_prefix(model).endswith(_ALIAS) else self.find(model)
        if known is None or usage is None:
            return None
        price = known.price(usage.service_tier, usage.prompt_tokens, at)
        return price.cost(usage) if price else None


def _without_prefix(model: str) -> str:
    name = model.strip().casefold()
    return next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)

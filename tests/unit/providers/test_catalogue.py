"""The shipped catalogue: complete, sourced, and with defaults that still answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from parley.core.provider_names import PROVIDERS
from parley.providers.catalogue import Catalogue, Model
from parley.providers.protocol import Usage

CATALOGUE = Catalogue.shipped()
NOVEMBER = datetime(2026, 11, 21, tzinfo=UTC)


def test_no_default_model_retires_within_a_month() -> None:
    defaults = [*CATALOGUE.default_chat_models().values()]
    defaults += [model.id for name in PROVIDERS if (model := CATALOGUE.default_embedding_model(name))]
    found = {name: CATALOGUE.find(name) for name in defaults}
    limit = datetime.now(UTC).date() + timedelta(days=30)
    assert [name for name, model in found.items() if model and model.retires and model.retires <= limit] == []


@pytest.mark.parametrize("model", CATALOGUE.models(), ids=lambda model: model.id)
def test_every_row_says_where_it_comes_from_and_when(model: Model) -> None:
    assert "2026-" in model.source or "from memory" in model.source.lower()
    assert model.context_window > 0


def test_every_provider_has_a_default_chat_model_that_streams_keeps_a_schema_and_has_a_price() -> None:
    for provider, name in CATALOGUE.default_chat_models().items():
        model = CATALOGUE.find(name)
        assert model is not None
        assert model.provider == provider
        assert {"chat", "streaming", "structured_output"} <= model.capabilities
        assert CATALOGUE.cost(name, Usage(1000, 500), NOVEMBER) is not None
    assert set(CATALOGUE.default_chat_models()) == set(PROVIDERS)


def test_default_embeddings_have_the_stored_length_and_a_price() -> None:
    for provider in ("openai", "google"):
        model = CATALOGUE.default_embedding_model(provider)
        assert model is not None
        assert model.dimensions == 1536
        assert CATALOGUE.cost(model.id, Usage(1000, 0), NOVEMBER) is not None
    assert CATALOGUE.default_embedding_model("anthropic") is None


def test_the_listed_prices_of_the_defaults_hold() -> None:
    million = Usage(1_000_000, 1_000_000)
    short = Usage(100_000, 100_000)
    assert CATALOGUE.cost("gemini-3.8-flash", million, NOVEMBER) == Decimal("4.5")
    assert CATALOGUE.cost("gemini-3.8-flash", million, datetime(2027, 1, 1, tzinfo=UTC)) == Decimal(9)
    assert CATALOGUE.cost("gpt-6-luna", short, NOVEMBER) == Decimal("0.06")
    assert CATALOGUE.cost("claude-haiku-5-5", short, NOVEMBER) == Decimal("0.06")
    assert CATALOGUE.cost("claude-haiku-5-5", Usage(100_001, 100_000), NOVEMBER) == Decimal("0.3000005")


def test_models_are_found_by_the_versioned_ids_that_answers_name() -> None:
    for name in ("gpt-6-luna-2026-09-22", "claude-haiku-5-5-20261007", "gemini-3.8-flash-001", "gemini-embedding-001"):
        assert CATALOGUE.find(name) is not None
    assert CATALOGUE.find("gpt-6-lunatic") is None


@pytest.mark.parametrize(
    ("name", "known", "priced"),
    [
        ("models/gemini-3.8-flash", "gemini-3.8-flash", True),
        ("Models/Gemini-3.8-Flash-001", "gemini-3.8-flash", True),
        ("GPT-6-luna", "gpt-6-luna", True),
        ("gpt-6-luna-2026-09-22", "gpt-6-luna", True),
        ("claude-haiku-5-5@20261007", "claude-haiku-5-5", True),
        (" gpt-6-luna\n", "gpt-6-luna", True),
        # An alias has the abilities of what it names today, and no price.
        ("claude-haiku-5-5-latest", "claude-haiku-5-5", False),
        ("models/Gemini-3.8-flash-LATEST", "gemini-3.8-flash", False),
        ("gemini-flash-latest", None, False),
        ("ft:gpt-6-luna:acme::1", None, False),
        ("gpt-6-luna-mini", None, False),
        ("gemini-3.8-flash-preview", None, False),
        ("", None, False),
        ("models/", None, False),
        ("-latest", None, False),
    ],
)
def test_a_model_is_known_by_any_spelling_and_an_alias_has_no_price(name: str, known: str | None, priced: bool) -> None:
    found = CATALOGUE.find(name)
    assert (found.id if found else None) == known
    assert (CATALOGUE.cost(name, Usage(1000, 500), NOVEMBER) is not None) == priced


def test_models_can_be_listed_by_capability() -> None:
    assert {model.id for model in CATALOGUE.models("embeddings")} == {"text-embedding-3-small", "gemini-embedding-001"}

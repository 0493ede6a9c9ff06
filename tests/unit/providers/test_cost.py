"""What a call costs, from the provider's own bytes to the nano-dollar."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.providers.catalogue import Catalogue, Price
from parley.providers.protocol import Usage
from testing.providers import call, event_stream, over, request, sse, unstreamed

DOCUMENT = json.loads(Path(__file__).with_name("cost_vectors.json").read_text())
VECTORS: list[dict[str, Any]] = DOCUMENT["vectors"]
TOKENS = st.integers(min_value=0, max_value=10**9)


def answer(vector: dict[str, Any]) -> httpx2.Response:
    """The vector's bytes as the provider's answer."""
    if not vector["streamed"]:
        body = unstreamed(vector["provider"], vector["wire"])
        return httpx2.Response(200, headers={"content-type": "application/json"}, content=body)
    events: list[dict[str, Any] | str] = list(vector["wire"])
    ends: dict[str, list[dict[str, Any] | str]] = {"openai": ["[DONE]"], "anthropic": [{"type": "message_stop"}]}
    return event_stream(sse(*events, *ends.get(vector["provider"], [])))


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_a_call_costs_what_integer_arithmetic_says(vector: dict[str, Any]) -> None:
    adapter = over(lambda _: answer(vector))[vector["provider"]]
    asked = request(vector["provider"], model=vector["model"])
    completion = call(adapter, asked, vector["streamed"])
    cost = Catalogue(DOCUMENT["catalogue"]).cost(
        vector["model"], completion.usage, datetime.fromisoformat(vector["at"])
    )
    assert (None if cost is None else format(cost, "f")) == vector["expected"]


def test_there_are_vectors_for_every_provider_streamed_and_not() -> None:
    kinds = {(vector["provider"], vector["streamed"]) for vector in VECTORS}
    assert len(kinds) == 6
    assert len(VECTORS) >= 60


@given(TOKENS, TOKENS, TOKENS, TOKENS, TOKENS)
def test_any_call_costs_the_exact_sum_rounded_half_to_even(i: int, c: int, w5: int, w1: int, o: int) -> None:
    price = Price.of(
        {
            "effective_from": "2026-01-01",
            "input": "0.0125",
            "cached_input": "0.00125",
            "cache_write_5m": "0.015625",
            "cache_write_1h": "0.033333",
            "output": "123.456789",
        }
    )
    # Prices in pico-dollars a token.
    pico = i * 12_500 + c * 1_250 + w5 * 15_625 + w1 * 33_333 + o * 123_456_789
    nano, rest = divmod(pico, 1000)
    nano += 1 if rest > 500 or (rest == 500 and nano % 2) else 0
    assert price.cost(Usage(i, o, c, w5, w1)) == Decimal(nano).scaleb(-9)

"""POST /v1/embeddings in one process: which model embeds, how much, and what it counts as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from testing.functions import Answer, Functions

Token = Callable[..., str]


@pytest.fixture
def embed(functions: Functions, token: Token) -> Callable[..., Answer]:
    """Sends texts."""

    def send(texts: Any, model: str = "auto", **more: Any) -> Answer:
        body = {"model": model, "input": texts} | more
        return functions.request("wire", "POST", "/v1/embeddings", body, token=token("ada"))

    return send


def test_a_batch_beyond_one_call_is_embedded_in_several_and_booked(
    embed: Callable[..., Answer], emulator: Emulator, database: Any
) -> None:
    answer = embed([f"text {number}" for number in range(250)], dimensions=4)
    assert answer.status == 200, answer.text
    assert [row["index"] for row in answer.json["data"]] == list(range(250))
    assert [len(request["body"]["input"]) for request in emulator.requests()] == [100, 100, 50]
    with database.connect() as owner:
        rows = owner.execute("select operation_type, tokens_total from ai_usage").fetchall()
        used = owner.execute("select daily_embedding_tokens from user_ai_settings where user_id = 'ada'")
        assert {name for name, _ in rows} == {"embedding"}
        assert sum(tokens for _, tokens in rows) == answer.json["usage"]["total_tokens"] == used.fetchone()[0]


def test_the_model_that_is_named_embeds_and_no_other(embed: Callable[..., Answer], emulator: Emulator) -> None:
    for name in ("gemini-embedding-001", "google/gemini-embedding-001", "models/gemini-embedding-001"):
        answer = embed(["A fjord."] * 101, name, dimensions=16)
        assert answer.status == 200, answer.text
        assert answer.json["model"] == "gemini-embedding-001"
        assert [len(row["embedding"]) for row in answer.json["data"]] == [16] * 101
    assert {request["provider"] for request in emulator.requests()} == {"google"}
    for name in ("gpt-6-luna", "text-embedding-ada-002", "google/text-embedding-3-small"):
        refused = embed("A fjord.", name)
        assert (refused.status, refused.json["error"]["code"]) == (404, "model_not_found")
        assert "text-embedding-3-small" in refused.json["models"]
        assert "GET /v1/models" in refused.json["detail"]
        assert ("gpt-6-luna answers prompts" in refused.json["detail"]) is (name == "gpt-6-luna")


@pytest.mark.parametrize(
    ("model", "most"), [("text-embedding-3-small", 1_536), ("google/gemini-embedding-001", 3_072), ("auto", 1_536)]
)
def test_a_vector_has_at_most_the_models_own_length(
    embed: Callable[..., Answer], emulator: Emulator, model: str, most: int
) -> None:
    answer = embed("A fjord.", model, dimensions=most)
    assert (answer.status, len(answer.json["data"][0]["embedding"])) == (200, most)
    emulator.reset()
    refused = embed("A fjord.", model, dimensions=most + 1)
    assert (refused.status, refused.json["error"]["param"]) == (400, "dimensions")
    assert emulator.requests() == []
    if most < 3_072:
        assert f"text-embedding-3-small makes vectors of at most {most}" in refused.json["detail"]


@pytest.mark.parametrize("tokens", [[1, 2], [[1, 2], [3]], [["a"]]])
def test_tokens_are_refused_with_what_to_do(embed: Callable[..., Answer], emulator: Emulator, tokens: Any) -> None:
    answer = embed(tokens)
    assert (answer.status, answer.json["error"]["param"]) == (400, "input")
    assert "text" in answer.json["error"]["message"]
    assert emulator.requests() == []


def test_the_days_tokens_bound_it(embed: Callable[..., Answer], emulator: Emulator, database: Any) -> None:
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_embedding_tokens = 100 where tier = 'free'")
    first = embed("word " * 40)
    assert first.headers["X-RateLimit-Limit-Tokens"] == "100"
    assert int(first.headers["X-RateLimit-Remaining-Tokens"]) < 100
    refused = embed("word " * 60)
    assert (refused.status, refused.json["code"]) == (429, "embedding_quota_exceeded")
    assert len(emulator.requests()) == 1


def test_an_answer_that_would_be_too_large_is_refused_before_it_is_paid(
    embed: Callable[..., Answer], emulator: Emulator
) -> None:
    answer = embed(["text"] * 2_000, dimensions=1_536)
    assert (answer.status, answer.json["code"]) == (413, "answer_too_large")
    assert emulator.requests() == []

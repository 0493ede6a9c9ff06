"""How many texts one embedding call has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from parley.embedding.embedder import batches, estimated_tokens

SIZES = st.lists(st.integers(0, 20) | st.integers(0, 400_000), max_size=30)


@given(SIZES, st.integers(0, 250))
def test_a_batch_is_what_every_provider_takes_and_no_text_is_lost(sizes: list[int], small: int) -> None:
    texts = ["x" * size for size in sizes] + ["x"] * small
    made = list(batches(texts))
    assert [text for batch in made for text in batch] == texts
    for batch in made:
        assert 1 <= len(batch) <= 100
        assert len(batch) == 1 or sum(map(estimated_tokens, batch)) <= 60_000


def test_a_batch_is_as_large_as_it_may_be() -> None:
    assert [len(batch) for batch in batches(["x"] * 201)] == [100, 100, 1]
    assert [len(batch) for batch in batches(["x" * 79_999] * 7)] == [3, 3, 1]

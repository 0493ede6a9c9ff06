"""A sample of benchmarks/search_quality.py: what is found among real abstracts, with real embeddings."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.search_quality import measure
from testing.cranfield import DATA, Cranfield, vendor


@pytest.mark.skipif(not DATA.is_dir(), reason="the Cranfield collection (../shared/data) is absent")
def test_hybrid_is_above_words_and_meaning_alone_on_a_sample_of_cranfield(database: Any) -> None:
    data = Cranfield.load().sample(queries=15, others=100)
    with vendor(data) as url:
        scores, _ = measure(data, database, url)
    mean = {mode: float(values.mean()) for mode, values in scores.items()}
    assert mean["keyword"] > 0.4
    assert mean["hybrid"] > max(mean["keyword"], mean["semantic"])

"""A small sample of benchmarks/vector_search.py: rows found, recall, and what foreign vectors change; no timings."""

from __future__ import annotations

import pytest

from benchmarks.vector_search import main


def test_each_tenant_gets_its_rows_before_and_after_promotion_and_foreign_vectors_change_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # More than 4000 rows: the largest tenant then has more than are compared in full.
    assert main(["--rows", "6000", "--queries", "20"]) == 0
    assert "0 of 60 answers changed" in capsys.readouterr().out

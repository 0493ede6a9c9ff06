"""A small sample of benchmarks/vector_search.py: rows found, recall, and what foreign vectors change; no timings."""

from __future__ import annotations

import pytest

from benchmarks.vector_search import main
from local.postgres.server import DEFAULT_MAJOR, Server


def test_each_tenant_gets_its_rows_before_and_after_promotion_and_foreign_vectors_change_nothing(
    postgres: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    if postgres.major != DEFAULT_MAJOR:
        pytest.skip("the benchmark starts a server of the usual version by itself, whatever the others run on")
    # More than 4000 rows: the largest tenant then has more than are compared in full.
    assert main(["--rows", "6000", "--queries", "20"]) == 0
    assert "0 of 60 answers changed" in capsys.readouterr().out

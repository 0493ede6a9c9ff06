"""A small sample of benchmarks/leaderboard.py: every rank is exact; no timings."""

from __future__ import annotations

import pytest

from benchmarks.leaderboard import main


def test_every_rank_is_what_a_window_function_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rows", "5000", "--queries", "100"]) == 0
    assert "; 0 wrong" in capsys.readouterr().out

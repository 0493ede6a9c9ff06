"""A small sample of benchmarks/leaderboard.py: every rank and page is exact; no timings."""

from __future__ import annotations

import pytest

from benchmarks.leaderboard import main


def test_every_rank_and_page_is_what_a_window_function_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rows", "5000", "--queries", "60"]) == 0
    assert "\n0 wrong" in capsys.readouterr().out

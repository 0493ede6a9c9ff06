"""A small sample of benchmarks/leaderboard.py: every rank and page is exact; no timings."""

from __future__ import annotations

import pytest

from benchmarks.leaderboard import run
from local.postgres.server import DEFAULT_MAJOR
from testing.databases import ScratchDatabase


def test_every_rank_and_page_is_what_a_window_function_says(
    database: ScratchDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    if database.server.major != DEFAULT_MAJOR:
        pytest.skip("ranks are compared with a window function on one version; test_standings.py has them on each")
    assert run(database, rows=5000, queries=60) == 0
    assert "\n0 wrong" in capsys.readouterr().out

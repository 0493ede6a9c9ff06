"""A small sample of benchmarks/streaks.py: the zones whose clocks are the hardest to count by."""

from __future__ import annotations

from benchmarks.streaks import prove
from testing.databases import ScratchDatabase
from testing.figures import Verdict


def test_streaks_are_what_a_naive_count_says_where_clocks_change_at_midnight(database: ScratchDatabase) -> None:
    verdict = Verdict()
    with database.connect() as owner:
        prove(owner, verdict, most=6, seed=2)
    assert verdict.missed == []

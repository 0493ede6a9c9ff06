"""A small sample of benchmarks/quota_races.py: real processes, one server."""

from __future__ import annotations

from benchmarks.quota_races import NIGHTS, prove_nights, prove_race
from testing.databases import ScratchDatabase
from testing.figures import Verdict


def test_processes_that_race_and_die_get_exactly_the_limit_and_no_refusal_below_it(database: ScratchDatabase) -> None:
    verdict = Verdict()
    prove_race(database, verdict, processes=8, attempts=160)
    assert verdict.missed == []


def test_each_day_has_its_limit_however_the_clocks_are_turned(database: ScratchDatabase) -> None:
    verdict = Verdict()
    prove_nights(database, verdict, attempts=1_600, nights=NIGHTS[1:2])
    assert verdict.missed == []

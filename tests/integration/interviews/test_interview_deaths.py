"""A small sample of benchmarks/interview_deaths.py: real processes, killed in the middle of an interview."""

from __future__ import annotations

from benchmarks.interview_deaths import prove
from local.emulator.client import Emulator
from testing.databases import ScratchDatabase
from testing.figures import Verdict


def test_whoever_dies_at_any_turn_leaves_an_interview_that_goes_on(
    database: ScratchDatabase, emulator: Emulator
) -> None:
    verdict = Verdict()
    prove(database, emulator, verdict, interviews=2, seed=1, moves=("answer",))
    assert verdict.missed == []

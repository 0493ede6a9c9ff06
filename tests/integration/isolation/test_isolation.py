"""A small sample of benchmarks/isolation.py. Whoever removes a tenant condition from a query meets the second test."""

from __future__ import annotations

from benchmarks.isolation import prove_fences, prove_trials
from local.emulator.client import Emulator
from testing.databases import ScratchDatabase
from testing.figures import Verdict


def test_random_attempts_read_nothing_of_another_tenant(database: ScratchDatabase, emulator: Emulator) -> None:
    verdict = Verdict()
    prove_trials(database, emulator, verdict, trials=400, processes=2)
    assert verdict.missed == []


def test_the_conditions_in_queries_hold_alone_and_row_level_security_holds_alone(database: ScratchDatabase) -> None:
    verdict = Verdict()
    prove_fences(database, verdict, sample=4)
    assert verdict.missed == []

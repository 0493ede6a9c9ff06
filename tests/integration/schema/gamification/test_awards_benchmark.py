"""A small sample of benchmarks/awards.py: real processes, one server."""

from __future__ import annotations

from benchmarks.awards import prove
from testing.databases import ScratchDatabase
from testing.figures import Verdict


def test_an_interview_that_many_complete_is_paid_once_and_caches_never_differ(database: ScratchDatabase) -> None:
    verdict = Verdict()
    prove(database, verdict, processes=8, interviews=8)
    assert verdict.missed == []

"""A small sample of benchmarks/awards.py: real processes, one server."""

from __future__ import annotations

import pytest

from benchmarks.awards import prove
from local.postgres.server import DEFAULT_MAJOR
from testing.databases import ScratchDatabase
from testing.figures import Verdict


def test_an_interview_that_many_complete_is_paid_once_and_caches_never_differ(database: ScratchDatabase) -> None:
    if database.server.major != DEFAULT_MAJOR:
        pytest.skip("locks are the same on each version, and test_rewards.py pays once on each")
    verdict = Verdict()
    prove(database, verdict, processes=8, interviews=8)
    assert verdict.missed == []

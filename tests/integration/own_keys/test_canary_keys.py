"""A small sample of benchmarks/canary_keys.py."""

from __future__ import annotations

from benchmarks.canary_keys import prove
from local.emulator.client import Emulator
from testing.databases import ScratchDatabase
from testing.figures import Verdict


def test_own_keys_are_in_no_log_line_answer_or_row(database: ScratchDatabase, emulator: Emulator) -> None:
    verdict = Verdict()
    prove(database, emulator, verdict, count=12)
    assert verdict.missed == []

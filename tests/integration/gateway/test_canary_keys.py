"""A small sample of benchmarks/canary_keys.py."""

from __future__ import annotations

from benchmarks._gateway import Verdict
from benchmarks.canary_keys import prove
from local.emulator import Emulator
from tests.conftest import ScratchDatabase


def test_own_keys_are_in_no_log_line_answer_or_row(database: ScratchDatabase, emulator: Emulator) -> None:
    verdict = Verdict()
    prove(database, emulator, verdict, count=12)
    assert verdict.missed == []

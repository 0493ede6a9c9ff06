"""A small sample of benchmarks/idempotency.py: containers as processes, killed in mid-call."""

from __future__ import annotations

from benchmarks._gateway import Verdict
from benchmarks.idempotency import prove
from local.emulator import Emulator
from tests.conftest import ScratchDatabase


def test_one_key_makes_one_call_one_unit_one_ledger_row_and_one_answer(
    database: ScratchDatabase, emulator: Emulator
) -> None:
    verdict = Verdict()
    prove(database, emulator, verdict, processes=6, keys=2)
    assert verdict.missed == []

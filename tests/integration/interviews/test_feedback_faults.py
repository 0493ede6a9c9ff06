"""A sample of benchmarks/feedback.py: what becomes of interviews when models fail at random."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.feedback import hold_interviews, judge, make_faults
from local.emulator.client import Emulator
from testing.functions import Functions

INTERVIEWS = 20
# Five seconds for each call.
SECONDS = 30.0


@pytest.mark.parametrize("down", [None, "openai"])
def test_feedback_is_valid_or_honestly_missing_whatever_models_answer(
    down: str | None, schedules: Functions, database: Any, emulator: Emulator
) -> None:
    make_faults(emulator, down)
    held = hold_interviews(database, INTERVIEWS, seed=1)
    services = schedules.module("worker").services
    for provider in services.providers.values():
        provider.load()
    done = {interview: services.feedback_writer.write(interview, SECONDS) for interview in held}
    missing, _, wrong = judge(database, held)
    assert wrong == []
    assert set(missing) == {interview for interview, is_done in done.items() if not is_done}
    assert len(missing) <= 1

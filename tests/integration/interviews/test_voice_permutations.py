"""A small sample of benchmarks/voice_events.py, and what an acknowledgement costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from benchmarks.voice_events import prove
from local.emulator.client import Emulator
from testing.databases import ScratchDatabase
from testing.figures import Verdict
from testing.functions import Functions
from tests.integration.interviews.voice_cases import call_of, send, start


def test_whatever_the_order_of_a_calls_events_its_interview_ends_the_same(
    database: ScratchDatabase, emulator: Emulator
) -> None:
    verdict = Verdict()
    prove(database, emulator, verdict, permutations=20, seed=2)
    assert verdict.missed == []


def test_a_report_is_acknowledged_with_one_statement_and_without_a_model(
    functions: Functions, token: Callable[..., str], emulator: Emulator
) -> None:
    event = call_of(start(functions, token("ada"))).report()
    event["message"]["artifact"]["messages"] *= 1_000_000 // len(json.dumps(event))
    send(functions, {"message": {"type": "status-update", "status": "queued", "call": {"id": "connects"}}})
    database: Any = functions.module("voice_events").services.database
    before = database.round_trips
    assert send(functions, event).status == 200
    assert database.round_trips - before == 1
    assert emulator.requests() == []

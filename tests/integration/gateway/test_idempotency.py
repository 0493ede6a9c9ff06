"""A small sample of benchmarks/idempotency.py: containers as processes, killed in mid-call."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks._gateway import Verdict, set_clock
from benchmarks.idempotency import prove
from local.emulator import Emulator
from tests.conftest import ScratchDatabase
from tests.integration.conftest import Functions, make_token


def test_one_key_makes_one_call_one_unit_one_ledger_row_and_one_answer(
    database: ScratchDatabase, emulator: Emulator
) -> None:
    verdict = Verdict()
    prove(database, emulator, verdict, processes=10, keys=1)
    assert verdict.missed == []


def test_who_was_overtaken_by_a_retry_gives_no_second_answer(
    functions: Functions, environment: dict[str, str], database: ScratchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, options = {"message": "What is a fjord?"}, {"token": make_token("ada"), "headers": {"Idempotency-Key": "one"}}
    retry = Functions(environment)
    vendor = functions.module("chat").parley.providers["openai"]
    complete, answers = vendor.complete, []

    def slow(*arguments: Any) -> Any:
        with database.connect() as owner:
            set_clock(owner, "pg_catalog.now() + interval '1 hour'")
        answers.append(retry.request("chat", "POST", "/api/chat", body, **options))
        return complete(*arguments)

    monkeypatch.setattr(vendor, "complete", slow)
    late = functions.request("chat", "POST", "/api/chat", body, **options)
    assert (late.status, late.json["code"], late.headers["Retry-After"]) == (409, "request_in_progress", "1")
    monkeypatch.setattr(vendor, "complete", complete)
    again = functions.request("chat", "POST", "/api/chat", body, **options)
    retry.close()
    assert (answers[0].status, again.text) == (200, answers[0].text)
    with database.connect() as owner:
        assert owner.execute("select count(*), sum(daily_usage) from ai_usage, user_ai_settings").fetchone() == (1, 1)

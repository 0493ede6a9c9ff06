"""A small sample of benchmarks/idempotency.py: containers as processes, killed in mid-call."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from benchmarks.idempotency import prove
from local.emulator.client import Emulator
from parley.core.caller import Caller, RequestContext
from testing.databases import ScratchDatabase, set_clock
from testing.figures import Verdict
from testing.functions import Answer, Functions, make_token


def test_one_key_makes_one_call_one_unit_one_ledger_row_and_one_answer(
    database: ScratchDatabase, emulator: Emulator
) -> None:
    verdict = Verdict()
    prove(database, emulator, verdict, processes=10, keys=1)
    assert verdict.missed == []


def test_a_holder_whose_request_a_retry_took_over_gives_no_second_answer(
    functions: Functions,
    environment: dict[str, str],
    database: ScratchDatabase,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    body, options = {"message": "What is a fjord?"}, {"token": make_token("ada"), "headers": {"Idempotency-Key": "one"}}
    retry = Functions(environment)
    provider = functions.module("chat").services.providers["openai"]
    complete, answers = provider.complete, []

    def slow(*arguments: Any) -> Any:
        with database.connect() as owner:
            set_clock(owner, "pg_catalog.now() + interval '1 hour'")
        answers.append(retry.request("chat", "POST", "/api/chat", body, **options))
        return complete(*arguments)

    monkeypatch.setattr(provider, "complete", slow)
    late = functions.request("chat", "POST", "/api/chat", body, **options)
    assert (late.status, late.json["code"], late.headers["Retry-After"]) == (409, "request_in_progress", "1")
    (warning,) = [vars(record) for record in caplog.records if record.message == "usage outside the ledger"]
    assert (warning["state"], warning["calls"][0]["provider"]) == ("stale", "openai")
    assert warning["calls"][0]["output_tokens"] > 0
    assert "fjord" not in str(warning)
    monkeypatch.setattr(provider, "complete", complete)
    again = functions.request("chat", "POST", "/api/chat", body, **options)
    retry.close()
    assert (answers[0].status, again.text) == (200, answers[0].text)
    with database.connect() as owner:
        assert owner.execute("select count(*), sum(daily_usage) from ai_usage, user_ai_settings").fetchone() == (1, 1)


def test_a_search_that_a_retry_took_over_gives_no_second_answer(
    functions: Functions, environment: dict[str, str], database: ScratchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[tuple[str, Any]] = [
        ("/api/documents", {"documents": [{"content": "a fjord"}]}),
        ("/api/search", {"query": "fjord"}),
    ]
    retry = Functions(environment)
    provider = functions.module("search").services.providers["openai"]
    embed = provider.embed

    def taken_over(hours: int, path: str, body: Any) -> None:
        options: dict[str, Any] = {"token": make_token("ada"), "headers": {"Idempotency-Key": path}}
        answers: list[Answer] = []

        def slow(*arguments: Any) -> Any:
            with database.connect() as owner:
                set_clock(owner, f"pg_catalog.now() + interval '{hours} hours'")
            answers.append(retry.request("search", "POST", path, body, **options))
            return embed(*arguments)

        monkeypatch.setattr(provider, "embed", slow)
        late = functions.request("search", "POST", path, body, **options)
        assert (late.status, late.json["code"], late.headers["Retry-After"]) == (409, "request_in_progress", "1")
        again = functions.request("search", "POST", path, body, **options)
        assert (again.status, again.text) == (answers[0].status, answers[0].text)

    for hours, (path, body) in enumerate(requests, 1):
        taken_over(hours, path, body)
    retry.close()
    with database.connect() as owner:
        left = "select (select count(*) from embeddings), (select count(*) from ai_content_searches), count(*)"
        left += " from ai_usage"
        assert owner.execute(left).fetchone() == (1, 1, 2)


def test_another_batch_of_interactions_under_a_key_in_flight_is_refused(
    functions: Functions, database: ScratchDatabase
) -> None:
    context = RequestContext(Caller("ada"), "request", 5.0, "one")
    (key,) = context.new_ids(1)
    batch = [{"interaction_type": "view", "item_type": "page", "item_id": f"p{number}"} for number in range(2)]
    options = {"token": make_token("ada"), "headers": {"Idempotency-Key": "one"}}
    with ThreadPoolExecutor(1) as pool, database.connect(autocommit=False) as first, database.connect() as owner:
        first.execute("insert into \"user\" (id) values ('ada')")
        first.commit()
        first.execute(
            "select pg_advisory_xact_lock(hashtextextended('free writes of ada', 0))"
        )  # app.bound_free_writes
        first.execute(
            "insert into user_interactions (id, user_id, interaction_type, item_type, item_id)"
            " values (%s, 'ada', 'view', 'page', 'p0')",
            (key,),
        )
        second = pool.submit(
            functions.request, "account", "POST", "/api/interactions", {"interactions": batch}, **options
        )
        waiting = (
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
        patience = time.monotonic() + 20
        while owner.execute(waiting).fetchone() == (0,):
            assert time.monotonic() < patience, "nobody waits"
            time.sleep(0.01)
        first.commit()
        answer = second.result()
        assert (answer.status, answer.json["code"]) == (422, "idempotency_key_reused")
        assert owner.execute("select count(*) from user_interactions").fetchone() == (1,)

"""What schedules and queues run."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from parley.admission.records import QueuedOutcome
from parley.admission.requests import Requests
from parley.database.errors import DatabaseUnavailable
from testing.functions import Functions

OFFLINE = {"claims": {"sub": "ada", "role": "authenticated"}, "admitted_offline": True}


def test_the_usage_reset_can_run_any_number_of_times(schedules: Functions, database: Any) -> None:
    with database.connect() as owner:
        owner.execute("""insert into "user" (id) values ('ada')""")
        owner.execute(
            "insert into user_ai_settings (user_id, daily_usage, monthly_usage, last_reset_date)"
            " values ('ada', 7, 30, app.today() - 40)"
        )
    first = schedules.invoke("usage_reset", {})
    assert first == schedules.invoke("usage_reset", {}) | {"months_made": first["months_made"]} | first
    with database.connect() as owner:
        row = owner.execute("select daily_usage, monthly_usage, last_reset_date = app.today() from user_ai_settings")
        assert row.fetchone() == (0, 0, True)


def test_counters_are_reset_and_free_before_a_month_is_moved(schedules: Functions, database: Any) -> None:
    with database.connect() as owner, database.connect(autocommit=False) as request:
        owner.execute("""insert into "user" (id) values ('ada')""")
        owner.execute("insert into user_ai_settings (user_id, last_reset_date) values ('ada', app.today() - 40)")
        owner.execute("select app.ensure_usage_partitions(now() - interval '1 year')")
        request.execute("""select from "user" where id = 'ada'""")
        reset = threading.Thread(target=schedules.invoke, args=("usage_reset", {}))
        reset.start()
        waits = """
            select count(*) from pg_stat_activity
            where query like '%archive_usage%' and wait_event_type in ('Lock', 'Timeout') and pid <> pg_backend_pid()
            """
        while reset.is_alive() and owner.execute(waits).fetchone() == (0,):
            pass
        row = owner.execute("select last_reset_date = app.today() from user_ai_settings for update nowait")
        assert row.fetchone() == (True,)
        request.commit()
        reset.join()
        assert owner.execute(
            "select count(*) > 0 from pg_inherits where inhparent = 'app.usage_archive'::regclass"
        ).fetchone() == (True,)


def test_the_cache_cleanup_deletes_what_has_expired_and_nothing_else(schedules: Functions, database: Any) -> None:
    with database.connect() as owner:
        owner.execute(
            """
            insert into ai_response_cache (query_hash, response, model, provider, tenant, expires_at)
            select n::text, 'x', 'm', 'openai', 'user:ada',
              now() + make_interval(hours => case when n > 2500 then 1 else -1 end)
            from generate_series(1, 2600) as n
            """
        )
    assert schedules.invoke("cache_cleanup", {})["deleted"] == 2500
    assert schedules.invoke("cache_cleanup", {})["deleted"] == 0
    with database.connect() as owner:
        assert owner.execute("select count(*) from ai_response_cache").fetchone() == (100,)


def test_the_usage_reset_empties_the_inbox_of_what_is_old_or_belongs_to_no_call(
    schedules: Functions, database: Any
) -> None:
    with database.connect() as owner:
        owner.execute(
            """
            insert into app.webhook_events (provider, event_key, type, payload, status, received_at)
            select 'vapi', status || n, 'end', '{}', status, now() - make_interval(days => n, hours => -1)
            from generate_series(1, 20) as n, unnest(array['received', 'failed', 'unmatched']) as status
            """
        )
        assert schedules.invoke("usage_reset", {})["events_deleted"] == 4 + 4 + 19
        left = owner.execute("select status, count(*) from app.webhook_events group by status order by status")
        assert left.fetchall() == [("failed", 16), ("received", 16), ("unmatched", 1)]


def test_the_usage_reset_ranks_everybody_and_rewards_the_first_of_last_week(
    schedules: Functions, database: Any
) -> None:
    with database.connect() as owner:
        owner.execute("""insert into "user" (id) values ('ada'), ('bo')""")
        owner.execute("""insert into profiles (id) values ('ada'), ('bo')""")
        owner.execute(
            """
            insert into app.leaderboard_scores (period, period_key, user_id, score, reached_at)
            select w.period, w.period_key, 'ada', 80, now()
            from (values ('all_time', ''), ('weekly', app.leaderboard_key('weekly', app.now() - interval '7 days')))
              as w (period, period_key)
            """
        )
        owner.execute("insert into leaderboard (user_id, total_xp) values ('ada', 80), ('bo', 0)")
        assert [schedules.invoke("usage_reset", {})["ranks_changed"] for _ in range(2)] == [1, 0]
        awards = owner.execute("select user_id from achievements where achievement_type = 'top_10_week'").fetchall()
        assert awards == [("ada",)]
        ranks = owner.execute("select user_id, rank from leaderboard order by 1").fetchall()
        assert ranks == [("ada", 1), ("bo", None)]


def test_usage_of_an_outage_enters_the_ledger_once(schedules: Functions, database: Any) -> None:
    call = {"provider": "openai", "model": "gpt-6-luna", "input_tokens": 10, "output_tokens": 5, "cost": "0.000001"}
    outcome = {
        "request_id": "offline-1",
        "operation": "chat",
        "occurred_at": "2026-11-21T00:00:00+00:00",
        "state": "settled",
        "calls": [call],
    }
    claims = {"sub": "ada", "role": "authenticated"}
    body = json.dumps({"claims": claims, "outcome": outcome, "admitted_offline": True})
    event = {"Records": [{"messageId": "m1", "body": body}, {"messageId": "m2", "body": body}]}
    assert schedules.invoke("usage_replay", event) == {"batchItemFailures": []}
    assert schedules.invoke("usage_replay", event) == {"batchItemFailures": []}
    with database.connect() as owner:
        assert owner.execute("select count(*), sum(tokens_total) from ai_usage").fetchone() == (1, 15)


def test_a_message_that_cannot_be_read_is_delivered_again(schedules: Functions) -> None:
    event = {"Records": [{"messageId": "m1", "body": "not json"}]}
    assert schedules.invoke("usage_replay", event) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_while_the_database_is_away_a_batch_waits_for_it_once(
    schedules: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def away(_: Any, queued: QueuedOutcome) -> str:
        asked.append(queued.outcome["request_id"])
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(Requests, "replay", away)
    bodies = ["not json", *(json.dumps(OFFLINE | {"outcome": {"request_id": name}}) for name in "abc")]
    event = {"Records": [{"messageId": f"m{number}", "body": body} for number, body in enumerate(bodies)]}
    answer = schedules.invoke("usage_replay", event)
    assert [one["itemIdentifier"] for one in answer["batchItemFailures"]] == ["m0", "m1", "m2", "m3"]
    assert asked == ["a"]

"""Schedules that are cut short, missed, doubled or killed, and on days of 23 and 25 hours; a paused database."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest

from benchmarks.schedule_deaths import SCHEDULES, Stage, prove, stage
from local.checkout import CHECKOUT
from local.postgres.server import Server
from local.template import cloudformation
from local.template.schedules import following
from testing.databases import migrated_server, paused, set_clock
from testing.figures import Verdict
from testing.functions import Functions, function_environment

STOCKHOLM = "Europe/Stockholm"


@pytest.fixture(scope="module")
def on(postgres: Server, migrated_template: str) -> Iterator[Stage]:
    with stage(postgres, migrated_template) as made:
        yield made


def at_once(on: Stage, database: Any, schedule: str) -> list[Any]:
    """The reports of two runs of a schedule at the same time, each with a connection of its own."""
    made = [Functions(on.environment | {"DATABASE_URL": database.service_url}) for _ in range(2)]
    for functions in made:
        functions.module(schedule)
    try:
        with mock.patch.dict(os.environ, on.environment), ThreadPoolExecutor(2) as threads:
            return list(threads.map(lambda functions: functions.module(schedule).lambda_handler({}, Context()), made))
    finally:
        for functions in made:
            functions.close()


class Context:
    """As much of Lambda's context as schedules read."""

    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "run"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 60_000


def steps(count: int) -> Callable[[], float]:
    """Time for so many steps."""
    left = iter([60.0] * count)
    return lambda: next(left, 0.0)


def test_a_run_that_missed_a_week_finds_all_of_it(on: Stage) -> None:
    with on.database() as database:
        functions = Functions(on.environment | {"DATABASE_URL": database.service_url})
        with closing(functions):
            reset, cleanup = (functions.invoke(name, {}, 60) for name in ("usage_reset", "cache_cleanup"))
    assert reset["finished"]
    assert reset["days_summed"] == 8
    assert reset["requests"] == {"released": 1, "answers_expired": 0, "forgotten": 1200, "callers_forgotten": 1200}
    assert reset["events_deleted"] == 1
    expected = {
        "deleted": 1200, "interviews_closed": 3, "feedback_requested": 3, "voice_events_requested": 0,
        "voice_calls_requested": 0, "call_deletions_due": 3, "finished": True,
    }  # fmt: skip
    assert cleanup == expected


def test_a_run_without_time_stops_between_two_steps_and_the_next_one_goes_on(on: Stage) -> None:
    with on.database() as database:
        functions = Functions(on.environment | {"DATABASE_URL": database.service_url})
        with closing(functions):
            maintenance = functions.module("usage_reset").services.maintenance
            begun = maintenance.usage_reset(steps(5))
            gone_on = maintenance.usage_reset(steps(100))
            cut = maintenance.cache_cleanup(steps(1))
            rest = maintenance.cache_cleanup(steps(100))
    assert (begun["finished"], begun["days_summed"], begun["events_deleted"]) == (False, 2, 0)
    assert (gone_on["finished"], gone_on["days_summed"], gone_on["events_deleted"]) == (True, 6, 1)
    assert (cut["finished"], cut["interviews_closed"], cut["deleted"]) == (False, 1, 0)
    assert (rest["finished"], rest["interviews_closed"], rest["deleted"]) == (True, 2, 1200)


def test_two_runs_at_once_do_the_work_once(on: Stage) -> None:
    with on.database() as database:
        resets = at_once(on, database, "usage_reset")
        cleanups = at_once(on, database, "cache_cleanup")
        rotations = at_once(on, database, "rotate_keys")
    assert all(report["finished"] for report in (*resets, *cleanups, *rotations))
    assert sum(report["requests"]["forgotten"] for report in resets) == 1200
    assert sum(report["requests"]["released"] for report in resets) == 1
    assert sum(report["deleted"] for report in cleanups) == 1200
    assert sum(report["interviews_closed"] for report in cleanups) == 3
    assert sum(report["rotated"] for report in rotations) == 3


@pytest.mark.parametrize(("schedule", "every"), [*zip(SCHEDULES, (32, 3, 10, 3, 2), strict=True)])
def test_a_schedule_that_is_killed_ends_right_the_next_time(schedule: str, every: int, on: Stage) -> None:
    verdict = Verdict()
    prove(on, verdict, schedule, every)
    assert verdict.missed == []


def expressions() -> dict[str, str]:
    """When each schedule of the template runs, by its function's folder."""
    resources = cloudformation.load(CHECKOUT / "template.yaml")["Resources"].values()
    return {
        one["Properties"]["CodeUri"].split("/")[1]: event["Properties"]["ScheduleExpression"]
        for one in resources
        for event in one["Properties"].get("Events", {}).values()
        if event["Type"] == "ScheduleV2"
    }


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2027-03-28", 23), ("2027-10-31", 25)],
    ids=["the hour that is missing", "the hour that is twice"],
)
def test_on_the_nights_of_a_clock_change_the_day_turns_once(
    day: str, hours: int, schedules: Functions, database: Any
) -> None:
    begins = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(STOCKHOLM)).astimezone(UTC)
    ends = begins + timedelta(hours=hours)
    runs: dict[str, list[datetime]] = {}
    for name, expression in expressions().items():
        moment = following(expression, STOCKHOLM)(begins - timedelta(seconds=1))
        while moment is not None and moment < ends:
            runs.setdefault(name, []).append(moment)
            moment = following(expression, STOCKHOLM)(moment)
    # EventBridge skips a local time that is missing, and runs once at one that is twice.
    assert {name: len(found) for name, found in runs.items()} == {
        "usage_reset": 1,
        "cache_cleanup": hours - (hours > 24),
    }
    with database.connect() as owner:
        owner.execute("""insert into "user" (id) values ('ada')""")
        set_clock(owner, f"timestamptz '{begins - timedelta(minutes=10)}'")
        owner.execute(
            "insert into user_ai_settings (user_id, daily_usage, last_reset_date) values ('ada', 7, app.today())"
        )
        owner.execute(
            "insert into ai_usage (user_id, tier, provider, tokens_total, created_at) "
            "values ('ada', 'free', 'openai', 5, %s)",
            (begins - timedelta(minutes=10),),
        )
        used = []
        for moment, name in sorted((moment, name) for name, found in runs.items() for moment in found):
            set_clock(owner, f"timestamptz '{moment}'")
            assert schedules.invoke(name, {})["finished"]
            # Somebody uses a unit in every hour of the day.
            owner.execute("update user_ai_settings set daily_usage = daily_usage + 1")
            used.append(owner.execute("select daily_usage from user_ai_settings").fetchone()[0])
        set_clock(owner, f"timestamptz '{ends + timedelta(minutes=5)}'")
        assert schedules.invoke("usage_reset", {})["days_summed"] == 1
        sums = owner.execute("select day::text, tokens from app.usage_by_day where all_organizations").fetchall()
    assert used == list(range(1, len(used) + 1))
    assert sums == [((begins - timedelta(minutes=10)).astimezone(ZoneInfo(STOCKHOLM)).date().isoformat(), 5)]


REQUESTS = (
    ("get_provider", "GET", "/api/ai-provider", None),
    ("set_provider", "POST", "/api/ai-provider", {"provider": "openai"}),
    ("chat", "POST", "/api/chat", {"message": "What is a fjord?"}),
    ("chat_stream", "POST", "/api/chat/stream", {"message": "What is a fjord?"}),
    ("wire", "POST", "/v1/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}),
    (
        "generate_interview_questions",
        "POST",
        "/api/generate-interview-questions",
        {"objective": "Debugging", "number": 3},
    ),
    ("interviews", "GET", "/api/interviews", None),
    ("search", "POST", "/api/search", {"query": "fjord"}),
    ("account", "GET", "/api/settings", None),
    ("store_key", "DELETE", "/api/settings/api-keys/openai", None),
    ("verify_key", "POST", "/api/settings/api-keys/openai/verify", None),
    ("health", "GET", "/api/health?ready=true", None),
)


@pytest.mark.parametrize("connected", [False, True], ids=["a new container", "a container with a connection"])
def test_the_first_request_to_a_paused_database_is_told_to_come_back_or_answered_without_it(
    connected: bool, emulator: Any, token: Callable[..., str]
) -> None:
    def answers(functions: Functions) -> list[Any]:
        with ThreadPoolExecutor(len(REQUESTS)) as threads:
            return list(threads.map(lambda one: functions.request(one[0], *one[1:], token=token("ada")), REQUESTS))

    with migrated_server() as database:
        environment = function_environment(database.app_url, emulator.url)
        with closing(Functions(environment)) as functions:
            for name, *_ in REQUESTS:
                functions.module(name)
            if connected:
                assert [answer.status for answer in answers(functions) if answer.status >= 500] == []
            with paused(database):
                during = answers(functions)
            tries = 0
            while (after := {answer.status for answer in answers(functions)}) & {502, 503} and tries < 30:
                time.sleep(1)  # as Retry-After asks
                tries += 1
    for (name, *_), answer in zip(REQUESTS, during, strict=True):
        degraded = answer.status == 200 and (answer.headers.get("X-Parley-Degraded") or name == "get_provider")
        told = answer.status == 503 and int(answer.headers["Retry-After"]) > 0
        assert degraded or told, f"{name}: {answer}"
    assert max(after) < 500

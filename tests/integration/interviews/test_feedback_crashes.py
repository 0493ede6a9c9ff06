"""Workers that die, hang and meet: an interview has one feedback for each time that it was asked for, and pays once."""

from __future__ import annotations

import logging
import time
from multiprocessing.connection import Connection
from random import Random
from typing import Any

import psycopg
import pytest

from local.emulator.client import Emulator
from testing.databases import set_clock
from testing.functions import Functions
from testing.workers import Death, Worker, silence
from tests.integration.interviews.feedback_cases import complete, rows, run_worker, session

SERVICE_CLAIMS = "select set_config('request.jwt.claims', '{\"role\": \"service_role\"}', false)"


def deliver(connection: Connection, environment: dict[str, str], interview: str, dies_at: float) -> None:
    """A process that is handed the message and is killed at a statement, as `Death` counts."""
    silence()
    functions = Functions(environment)
    Death(functions.module("worker").services.database, dies_at)
    connection.send(run_worker(functions, interview))


def killed(environment: dict[str, str], interview: str, dies_at: float) -> None:
    worker = Worker(deliver, environment, interview, dies_at)
    with pytest.raises(EOFError):
        worker.receive(60)
    worker.kill()


def assert_written_once(database: Any, interview: str) -> None:
    assert session(database, interview)["feedback_status"] == "ready"
    assert rows(database, "select version from interview_feedback where interview_id = %s", interview) == [1]
    paid = rows(
        database,
        "select amount from app.xp_events where event_key like 'interview:' || %s || ':%%' order by id limit 2",
        interview,
    )
    assert paid == [10, 40]
    assert rows(database, "select sum(total_xp) = (select sum(amount) from app.xp_events) from profiles") == [True]
    assert rows(database, "select distinct state from app.ai_requests") == ["settled"]
    assert rows(database, "select coalesce(max(daily_usage), 0) from user_ai_settings") == [0]


@pytest.mark.parametrize("dies_at", [1, 1.5, 2, 2.5, 3, 3.5])
def test_whatever_statement_a_worker_dies_at_the_next_delivery_ends_it(
    dies_at: float, schedules: Functions, database: Any
) -> None:
    interview = complete(database)
    killed(schedules.environment, interview, dies_at)
    is_written = dies_at > 3
    assert session(database, interview)["feedback_status"] == ("ready" if is_written else "pending")
    # While the lease lasts, nobody else begins.
    if not is_written and dies_at > 1:
        assert run_worker(schedules, interview) == [interview]
    with database.connect() as owner:
        set_clock(owner, "pg_catalog.now() + interval '10 minutes'")
    with database.connect("service") as service:
        service.execute(SERVICE_CLAIMS)
        overdue = [row[0] for row in service.execute("select app.overdue_feedback(10)::text").fetchall()]
    assert overdue == ([] if is_written else [interview])
    assert run_worker(schedules, interview) == []
    assert_written_once(database, interview)


def test_a_worker_that_dies_while_the_model_thinks_is_followed_by_another(
    schedules: Functions, database: Any, emulator: Emulator
) -> None:
    emulator.fault("slow", delay=30)
    interview = complete(database)
    worker = Worker(deliver, schedules.environment, interview, 0)
    while not emulator.requests():
        time.sleep(0.02)
    worker.kill()
    with database.connect() as owner:
        set_clock(owner, "pg_catalog.now() + interval '10 minutes'")
    assert run_worker(schedules, interview) == []
    assert_written_once(database, interview)


def test_of_two_workers_with_the_same_message_one_writes(
    schedules: Functions, database: Any, emulator: Emulator
) -> None:
    emulator.fault("slow", delay=6.0)
    interview = complete(database)
    both = [Worker(deliver, schedules.environment, interview, 0) for _ in range(2)]
    assert sorted(worker.receive(60) for worker in both) == [[], [interview]]
    for worker in both:
        worker.kill()
    assert run_worker(schedules, interview) == []
    assert len(emulator.requests()) == 1
    assert_written_once(database, interview)


def test_a_worker_that_was_only_slow_writes_nothing_after_another_took_over(
    schedules: Functions, database: Any
) -> None:
    interview = complete(database)
    with database.connect("service") as service:
        service.execute(SERVICE_CLAIMS)
        row = service.execute("select app.begin_feedback(%s, 0)", (interview,)).fetchone()
        assert row is not None
        assert run_worker(schedules, interview) == []
        before = session(database, interview)
        service.execute("select app.fail_feedback(%s, %s, 'late')", (interview, row[0]["fence"]))
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="another worker"):
            service.execute("select app.finish_feedback('ada', %s, %s, '{}')", (interview, row[0]["fence"]))
    assert session(database, interview) == before
    assert_written_once(database, interview)


def in_a_new_container(environment: dict[str, str], interview: str) -> list[str]:
    """A delivery to a container whose circuits are closed: half an hour lies between two of a queue's."""
    functions = Functions(environment)
    try:
        return run_worker(functions, interview)
    finally:
        functions.close()


@pytest.mark.parametrize("seed", range(2))
def test_any_order_of_deliveries_and_deaths_ends_in_one_feedback(
    seed: int, schedules: Functions, database: Any, emulator: Emulator
) -> None:
    random = Random(seed)
    interview = complete(database)
    minutes = 0
    for _ in range(random.randint(2, 4)):
        emulator.fault(random.choice(("wrong_enum", "unavailable", "slow")), times=random.randint(1, 12), delay=0.2)
        if random.random() < 0.6:
            worker = Worker(deliver, schedules.environment, interview, random.choice((1, 1.5, 2, 2.5, 3, 3.5, 0)))
            if random.random() < 0.5:
                in_a_new_container(schedules.environment, interview)
            time.sleep(random.random() * 2)
            worker.kill()
        else:
            in_a_new_container(schedules.environment, interview)
        minutes += 10
        with database.connect() as owner:
            set_clock(owner, f"pg_catalog.now() + interval '{minutes} minutes'")
        emulator.reset()
    assert in_a_new_container(schedules.environment, interview) == []
    assert in_a_new_container(schedules.environment, interview) == []
    assert_written_once(database, interview)


WRITTEN = """{"hiring_recommendation": "no_hire", "scores": [], "questions": [], "strengths": [], "improvements": [],
  "recommendations": [], "samples": 1, "evidence_rejected": 0, "fully_evidenced": false, "is_verified": true}"""


@pytest.mark.parametrize(
    ("ending", "becomes"),
    [
        (f"select app.finish_feedback('ada', %s, 1, '{WRITTEN}')", "ready"),
        ("select app.fail_feedback(%s, 1, 'upstream_timeout')", "failed"),
    ],
)
def test_an_ending_that_is_sent_again_leaves_alone_what_was_asked_for_since(
    database: Any, ending: str, becomes: str
) -> None:
    interview = complete(database)
    with database.connect() as owner:
        owner.execute(SERVICE_CLAIMS)
        owner.execute("select app.begin_feedback(%s::uuid, 60)", (interview,))
        owner.execute(ending.encode(), (interview,))
        assert session(database, interview)["feedback_status"] == becomes
        owner.execute("select app.request_feedback('ada', %s, 1)", (interview,))
        before = session(database, interview)
        assert before["feedback_status"] == "pending"
        owner.execute(ending.encode(), (interview,))  # its first answer was lost
    assert session(database, interview) == before
    assert rows(database, "select count(*) from interview_feedback") == [becomes == "ready"]


@pytest.mark.parametrize("gone", ["interview_sessions", '"user"'])
def test_what_is_deleted_while_its_feedback_is_written_is_done_with(
    schedules: Functions, database: Any, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    interview = complete(database)
    completions = schedules.module("worker").services.completions
    admit = type(completions).admit

    def deleted(*arguments: Any) -> Any:
        call = admit(*arguments)
        rows(database, f"delete from {gone} returning 1")
        return call

    monkeypatch.setattr(type(completions), "admit", deleted)
    assert run_worker(schedules, interview) == []
    assert rows(database, "select count(*) from interview_feedback") == [0]


def test_a_worker_whose_lease_a_report_has_taken_is_done_and_raises_no_alarm(
    schedules: Functions, database: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    interview = complete(database)
    completions = schedules.module("worker").services.completions
    admit = type(completions).admit

    def taken_over(*arguments: Any) -> Any:
        call = admit(*arguments)
        taken = "feedback_fence = feedback_fence + 1, feedback_lease_until = null"
        rows(database, f"update interview_sessions set {taken} returning 1")
        return call

    with monkeypatch.context() as patched:
        patched.setattr(type(completions), "admit", taken_over)
        assert run_worker(schedules, interview) == []
    # Psycopg says at times that it ended a pipeline after the error that is expected here.
    ours = [record for record in caplog.records if record.name != "psycopg"]
    assert [record.message for record in ours if record.levelno >= logging.WARNING] == []
    assert (session(database, interview)["feedback_status"], run_worker(schedules, interview)) == ("pending", [])
    assert session(database, interview)["feedback_status"] == "ready"

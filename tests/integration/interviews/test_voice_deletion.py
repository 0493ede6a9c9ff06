"""A call goes with its interview at its vendor too, whoever deletes; and nothing of it comes back."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest

from local.emulator.client import Emulator
from local.emulator.voice import Call
from testing.functions import Functions, make_token
from testing.voice import VOICE_SECRET
from tests.integration.interviews.feedback_cases import rows
from tests.integration.interviews.voice_cases import Queue, call_of, inbox, send, start, work

Token = Callable[..., str]

KEYLESS = json.dumps({name: value for name, value in json.loads(VOICE_SECRET).items() if name != "api_key"})
TASK = {"Records": [{"messageId": "m", "body": json.dumps({"task": "call_deletions", "id": "call"})}]}


def hold(functions: Functions, schedules: Functions, database: Any, emulator: Emulator, token: str) -> Call:
    """Hold an interview by voice; its call, which the vendor keeps."""
    call = call_of(start(functions, token))
    emulator.call(call.as_resource())
    send(functions, call.report())
    work(schedules, database)
    return call


def delete(functions: Functions, call: Call, token: str) -> None:
    """Delete a call's interview as its user does."""
    answer = functions.request("interviews", "DELETE", f"/api/interviews/{call.interview_id}", token=token)
    assert answer.status == 204, answer.text


def run(schedules: Functions, queue: Queue) -> int:
    """An hourly run, and what it asks for; how many calls were to be deleted."""
    due: int = schedules.invoke("cache_cleanup", {})["call_deletions_due"]
    asked = queue.run()
    assert [task for task, _ in asked] == ["call_deletions"] * (due > 0)
    return due


def outbox(database: Any) -> dict[str, str]:
    """What each call in the outbox waits for."""
    return dict(
        rows(
            database,
            "select call_id, case when interview_id is not null then 'its interview'"
            " when deleted_at is null then 'the vendor' else 'nothing' end from app.call_deletions",
        )
    )


@contextmanager
def another(schedules: Functions, **environment: str) -> Iterator[Functions]:
    """Functions that differ in their environment."""
    with closing(Functions(schedules.environment | environment)) as made:
        yield made


def by_its_user(functions: Functions, _schedules: Functions, _database: Any, call: Call) -> None:
    delete(functions, call, make_token("ada"))


def with_the_profile(functions: Functions, _schedules: Functions, _database: Any, _call: Call) -> None:
    assert functions.request("account", "DELETE", "/api/profile", token=make_token("ada")).status == 204


def by_an_operator(_functions: Functions, schedules: Functions, _database: Any, _call: Call) -> None:
    operator = make_token(None, role="service_role")
    assert schedules.request("admin", "DELETE", "/api/admin/users/ada", token=operator).status == 204


def in_sql(_functions: Functions, _schedules: Functions, database: Any, _call: Call) -> None:
    with database.connect() as owner:
        owner.execute("delete from \"user\" where id = 'ada'")


@pytest.mark.parametrize("deleted", [by_its_user, with_the_profile, by_an_operator, in_sql])
def test_a_call_is_deleted_at_its_vendor_whoever_deletes_its_interview(
    deleted: Callable[[Functions, Functions, Any, Call], None],
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue,
) -> None:  # fmt: skip
    call = hold(functions, schedules, database, emulator, token("ada"))
    kept = hold(functions, schedules, database, emulator, token("bob"))
    queue.tasks()
    deleted(functions, schedules, database, call)
    assert outbox(database) == {call.id: "the vendor"}
    assert schedules.invoke("cache_cleanup", {})["call_deletions_due"] == 1
    assert queue.run() == [("call_deletions", call.id)]
    assert (emulator.calls(), outbox(database)) == ([kept.id], {call.id: "nothing"})
    assert run(schedules, queue) == 0


def test_one_message_has_all_calls_deleted_those_too_that_the_vendor_has_no_more(
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue
) -> None:
    calls = [hold(functions, schedules, database, emulator, token("ada")) for _ in range(3)]
    emulator.reset()
    emulator.call(calls[2].as_resource())
    queue.tasks()
    for call in calls:
        delete(functions, call, token("ada"))
    assert run(schedules, queue) == 3
    assert (emulator.calls(), set(outbox(database).values())) == ([], {"nothing"})


def test_a_message_that_is_lost_is_sent_again_by_the_next_run(
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue
) -> None:
    delete(functions, hold(functions, schedules, database, emulator, token("ada")), token("ada"))
    queue.tasks()
    with another(schedules, PARLEY_WORK_QUEUE_URL="") as queueless:
        assert queueless.invoke("cache_cleanup", {})["call_deletions_due"] == 1
    assert queue.tasks() == []
    assert run(schedules, queue) == 1
    assert emulator.calls() == []


def test_a_call_that_the_vendor_cannot_delete_is_tried_again_and_keeps_no_other_one_back(
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue
) -> None:
    refused, other = (hold(functions, schedules, database, emulator, token("ada")) for _ in range(2))
    emulator.call(refused.as_resource() | {"status": "deletion-failed"})
    queue.tasks()
    for call in (refused, other):
        delete(functions, call, token("ada"))
    assert run(schedules, queue) == 2
    assert outbox(database) == {refused.id: "the vendor", other.id: "the vendor"}
    assert run(schedules, queue) == 2
    assert (emulator.calls(), outbox(database)[other.id]) == ([refused.id], "nothing")
    emulator.call(refused.as_resource())
    assert run(schedules, queue) == 1
    assert emulator.calls() == []


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PARLEY_VOICE_SECRET": ""}, ["calls wait for their deletion at the voice vendor"]),
        ({"PARLEY_VOICE_SECRET": KEYLESS}, ["calls wait for their deletion at the voice vendor"]),
        (
            {"VAPI_BASE_URL": "http://127.0.0.1:1"},
            ["the voice vendor could not be asked", "a call cannot be deleted at the voice vendor"],
        ),
    ],
    ids=["no secret", "no key", "no vendor"],
)
def test_where_the_vendor_cannot_be_asked_calls_wait_and_a_run_says_so_once(
    variables: dict[str, str], said: list[str], functions: Functions, schedules: Functions, token: Token,
    database: Any, emulator: Emulator, queue: Queue, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    calls = [hold(functions, schedules, database, emulator, token("ada")) for _ in range(3)]
    for call in calls:
        delete(functions, call, token("ada"))
    queue.tasks()
    caplog.clear()
    with another(schedules, **variables) as unable:
        assert run(unable, Queue(queue.sqs, queue.url, unable)) == 3
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == said
    assert set(outbox(database).values()) == {"the vendor"}
    assert run(schedules, queue) == 3
    assert emulator.calls() == []


def test_without_time_no_other_call_is_begun(
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator
) -> None:
    delete(functions, hold(functions, schedules, database, emulator, token("ada")), token("ada"))
    worker = schedules.module("worker").services.voice_calls
    assert worker.delete("call", 30.0) is True
    assert set(outbox(database).values()) == {"the vendor"}


def test_workers_at_once_delete_each_call_and_end_right(
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator
) -> None:
    calls = [hold(functions, schedules, database, emulator, token("ada")) for _ in range(6)]
    for call in calls:
        delete(functions, call, token("ada"))
    with another(schedules) as one, another(schedules) as two, ThreadPoolExecutor(2) as threads:
        for functions_of in (one, two):
            functions_of.module("worker")
        ends = list(threads.map(lambda made: made.invoke("worker", TASK, 120), (one, two)))
    assert ends == [{"batchItemFailures": []}] * 2
    assert (emulator.calls(), set(outbox(database).values())) == ([], {"nothing"})


@pytest.mark.parametrize("is_deleted", [False, True], ids=["before its deletion", "after its deletion"])
def test_what_comes_late_of_a_deleted_call_is_dropped_and_its_report_has_it_deleted_again(
    is_deleted: bool, functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator,
    queue: Queue,
) -> None:  # fmt: skip
    # Only the report names its interview.
    call = call_of(start(functions, token("ada")), place="artifact.variableValues")
    with database.connect() as owner:
        owner.execute("update interview_sessions set vapi_call_id = %s", (call.id,))
    send(functions, call.status("queued"))
    delete(functions, call, token("ada"))
    assert inbox(database) == {}
    assert [task for task, _ in queue.tasks()] == ["voice_event"]
    if is_deleted:
        assert run(schedules, queue) == 1
    for event in (call.status("in-progress"), *call.transcripts()):
        send(functions, event)
    queue.run()
    assert inbox(database) == {"ignored": 1 + len(call.said)}
    assert run(schedules, queue) == (0 if is_deleted else 1)
    # Somebody deletes an interview while it is held: the vendor has the rest of it when it is over.
    emulator.call(call.as_resource())
    send(functions, call.report())
    send(functions, call.report(2))
    queue.run()
    assert inbox(database) == {"ignored": 2 + len(call.said)}
    assert run(schedules, queue) == 1
    assert (emulator.calls(), run(schedules, queue)) == ([], 0)
    kept = "select (select count(*) from interview_sessions), (select count(*) from interview_responses)"
    assert rows(database, kept) == [(0, 0)]
    assert rows(database, "select count(*) from app.webhook_events where payload is not null") == [0]


def test_a_call_whose_first_event_comes_after_the_deletion_of_its_interview_is_deleted_too(
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue
) -> None:
    call = call_of(start(functions, token("ada")), place="artifact.variableValues")
    emulator.call(call.as_resource())
    delete(functions, call, token("ada"))
    for event in call.transcripts():
        send(functions, event)
    queue.run()
    assert (inbox(database), outbox(database)) == ({"unmatched": len(call.said)}, {})
    send(functions, call.report())
    queue.run()
    assert inbox(database) == {"ignored": 1 + len(call.said)}
    assert run(schedules, queue) == 1
    assert emulator.calls() == []


def test_a_call_that_is_fetched_after_the_deletion_of_its_interview_is_deleted_too(
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue
) -> None:
    call = call_of(start(functions, token("ada")), place="artifact.variableValues")
    emulator.call(call.as_resource())
    delete(functions, call, token("ada"))
    send(functions, call.transcripts()[0])
    queue.run()
    with database.connect() as owner:
        owner.execute("update app.webhook_events set received_at = received_at - interval '11 minutes'")
    assert schedules.invoke("cache_cleanup", {})["voice_calls_requested"] == 1
    queue.run()
    assert outbox(database) == {call.id: "the vendor"}
    assert run(schedules, queue) == 1
    assert emulator.calls() == []


def test_an_interviews_second_call_waits_for_the_deletion_of_the_interview(
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue
) -> None:
    started = start(functions, token("ada"))
    first, second = (call_of(started, call_id=name, place="call.metadata") for name in ("first", "second"))
    for call in (first, second):
        emulator.call(call.as_resource())
        send(functions, call.report())
    work(schedules, database)
    queue.tasks()
    assert outbox(database) == {"second": "its interview"}
    assert run(schedules, queue) == 0
    delete(functions, first, token("ada"))
    assert run(schedules, queue) == 2
    assert (emulator.calls(), set(outbox(database).values())) == ([], {"nothing"})


def test_calls_that_are_deleted_are_forgotten_when_no_event_of_them_can_come_any_more(
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue
) -> None:
    deleted, waiting = (hold(functions, schedules, database, emulator, token("ada")) for _ in range(2))
    queue.tasks()
    delete(functions, deleted, token("ada"))
    assert run(schedules, queue) == 1
    delete(functions, waiting, token("ada"))
    for days, left in ((15, {deleted.id, waiting.id}), (2, {waiting.id})):
        with database.connect() as owner:
            owner.execute(
                "update app.call_deletions set requested_at = requested_at - make_interval(days => %s),"
                " deleted_at = deleted_at - make_interval(days => %s)",
                (days, days),
            )
        schedules.invoke("usage_reset", {})
        assert outbox(database).keys() == left

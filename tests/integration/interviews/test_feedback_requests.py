"""GET and POST /api/interviews/{id}/feedback."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from benchmarks.interview_deaths import container
from local.emulator.client import Emulator
from testing.aws import CREDENTIALS
from testing.databases import set_clock
from testing.functions import Answer, Functions
from testing.workers import Worker
from tests.integration.interviews.feedback_cases import USER, complete, rows, run_worker, session

Ask = Callable[..., Answer]
NOBODYS = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def ask(functions: Functions, token: Callable[..., str]) -> Ask:
    """A request about an interview's feedback, as its user unless somebody else is named."""

    def send(
        method: str, interview: str, body: Any = None, query: str = "", user: str = USER, key: str | None = None
    ) -> Answer:
        path = f"/api/interviews/{interview}/feedback{query}"
        headers = {} if key is None else {"Idempotency-Key": key}
        return functions.request("interviews", method, path, body, token=token(user), headers=headers)

    return send


def test_feedback_is_polled_until_it_is_there(ask: Ask, schedules: Functions, database: Any) -> None:
    interview = complete(database)
    before = ask("GET", interview)
    assert (before.status, before.headers["Retry-After"]) == (200, "2")
    assert (before.json["feedback_status"], before.json["feedback"]) == ("pending", None)
    run_worker(schedules, interview)
    after = ask("GET", interview)
    assert "Retry-After" not in after.headers
    assert (after.json["feedback_status"], after.json["versions"], after.json["regenerations_left"]) == ("ready", 1, 3)
    feedback = after.json["feedback"]
    assert feedback["overall_score"] == round(session(database, interview)["overall_score"])
    assert all(item["evidence"] for item in feedback["competencies"])
    assert (feedback["samples"], feedback["agreement"]) == (1, None)


def test_an_interview_under_way_has_none_and_can_ask_for_none(ask: Ask, database: Any) -> None:
    with database.connect() as owner:
        owner.execute('insert into "user" (id) values (%s)', (USER,))
        row = owner.execute(
            "insert into interview_sessions (user_id, status, started_at) values (%s, 'in_progress', now())"
            " returning id::text",
            (USER,),
        ).fetchone()
    assert ask("GET", row[0]).json["feedback_status"] == "none"
    refused = ask("POST", row[0], {})
    assert (refused.status, refused.json["code"]) == (409, "interview_not_completed")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_somebody_elses_interview_is_not_there(method: str, ask: Ask, database: Any) -> None:
    interview = complete(database)
    before = session(database, interview)
    for named, user in ((interview, "bob"), (NOBODYS, USER), ("not-an-id", USER)):
        answer = ask(method, named, {} if method == "POST" else None, user=user)
        assert (answer.status, answer.json["code"]) == (404, "interview_not_found")
    assert session(database, interview) == before


@pytest.mark.parametrize("samples", [0, 6, "3", 1.5, None])
def test_samples_are_one_to_five(samples: Any, ask: Ask, database: Any) -> None:
    interview = complete(database)
    before = session(database, interview)
    assert ask("POST", interview, {"samples": samples}).status == 400
    assert session(database, interview) == before


def test_asking_while_it_is_due_changes_nothing(ask: Ask, database: Any) -> None:
    interview = complete(database)
    before = session(database, interview)
    answer = ask("POST", interview, {"samples": 5})
    assert (answer.status, answer.json["feedback_status"]) == (202, "pending")
    assert session(database, interview) == before


def test_feedback_is_written_anew_three_times_and_every_version_stays(
    ask: Ask, schedules: Functions, database: Any
) -> None:
    interview = complete(database)
    run_worker(schedules, interview)
    paid = rows(database, "select total_xp from profiles")
    for version in (2, 3, 4):
        answer = ask("POST", interview, {})
        assert (answer.status, answer.json["feedback_status"]) == (202, "pending")
        # What is there stays there while the next one is written.
        assert answer.json["feedback"]["version"] == version - 1
        assert run_worker(schedules, interview) == []
        assert ask("GET", interview).json["feedback"]["version"] == version
    refused = ask("POST", interview, {})
    assert (refused.status, refused.json["code"]) == (409, "feedback_limit_reached")
    assert ask("GET", interview).json["regenerations_left"] == 0
    assert [ask("GET", interview, query=f"?version={n}").json["feedback"]["version"] for n in (1, 2, 3, 4)] == [
        1,
        2,
        3,
        4,
    ]
    assert ask("GET", interview, query="?version=5").json["code"] == "feedback_not_found"
    assert rows(database, "select total_xp from profiles") == paid
    # Three are the interview's, the fourth took a unit.
    assert rows(database, "select daily_usage from user_ai_settings where user_id = %s", USER) == [1]


def test_a_repeated_request_asks_for_nothing_more_however_late_it_comes(
    ask: Ask, schedules: Functions, database: Any
) -> None:
    interview, other = complete(database), complete(database)
    # The first one comes while feedback is due already, the second one when it is there.
    for key, version in (("one", 1), ("two", 2)):
        first = ask("POST", interview, {}, key=key)
        assert (first.status, first.json["feedback_status"]) == (202, "pending")
        assert "Idempotency-Replayed" not in first.headers
        run_worker(schedules, interview)
        before = session(database, interview)
        for repeated in (ask("POST", interview, {}, key=key), ask("POST", interview, {"samples": 1}, key="one")):
            assert (repeated.status, repeated.headers["Idempotency-Replayed"]) == (202, "true")
            assert (repeated.json["feedback_status"], repeated.json["versions"]) == ("ready", version)
        assert session(database, interview) == before
    changed = ask("POST", interview, {"samples": 2}, key="two")
    assert (changed.status, changed.json["code"]) == (422, "idempotency_key_reused")
    assert session(database, interview) == before
    # A key is its interview's.
    assert "Idempotency-Replayed" not in ask("POST", other, {}, key="two").headers


@pytest.mark.parametrize("dies_at", [1, 1.5, 2, 2.5])
def test_whoever_dies_asking_and_asks_again_gets_one_version_more(
    dies_at: float, ask: Ask, functions: Functions, schedules: Functions, database: Any, token: Callable[..., str]
) -> None:
    interview = complete(database)
    run_worker(schedules, interview)
    worker = Worker(container, functions.environment)
    assert worker.receive(60) == "ready"
    key = {"Idempotency-Key": "one"}
    worker.send((token(USER), "POST", f"/{interview}/feedback", {}, key, dies_at))
    with pytest.raises(EOFError):
        worker.receive(60)
    worker.kill()
    for _ in range(2):
        assert ask("POST", interview, {}, key="one").status == 202
        run_worker(schedules, interview)
    assert ask("GET", interview).json["versions"] == 2


def test_what_failed_is_asked_for_again_under_the_same_key(
    ask: Ask, schedules: Functions, database: Any, emulator: Emulator
) -> None:
    interview = complete(database)
    run_worker(schedules, interview)
    ask("POST", interview, {}, key="one")
    emulator.fault("missing_keys", times=100)
    run_worker(schedules, interview)
    emulator.reset()
    assert ask("POST", interview, {}, key="one").json["feedback_status"] == "pending"
    run_worker(schedules, interview)
    assert ask("POST", interview, {}, key="one").json["versions"] == 2


def test_an_interview_knows_its_last_fifty_keys(ask: Ask, schedules: Functions, database: Any) -> None:
    interview = complete(database)
    for number in range(51):
        ask("POST", interview, {}, key=str(number))
    assert len(session(database, interview)["feedback_requests"]) == 50
    run_worker(schedules, interview)
    assert ask("POST", interview, {}, key="50").json["feedback_status"] == "ready"


def test_samples_count_as_as_many_and_what_goes_beyond_takes_a_unit(
    ask: Ask, schedules: Functions, database: Any
) -> None:
    interview = complete(database)
    run_worker(schedules, interview)
    ask("POST", interview, {"samples": 2})
    run_worker(schedules, interview)
    assert rows(database, "select coalesce(max(daily_usage), 0) from user_ai_settings") == [0]
    ask("POST", interview, {"samples": 1})
    run_worker(schedules, interview)
    assert rows(database, "select daily_usage from user_ai_settings where user_id = %s", USER) == [1]


def test_feedback_of_before_parley_counts_towards_nothing(ask: Ask, schedules: Functions, database: Any) -> None:
    interview = complete(database)
    rows(
        database,
        "insert into interview_feedback (interview_id, user_id, version, overall_score)"
        " select %s, %s, n, 70 from generate_series(1, 5) n returning 1", interview, USER,
    )  # fmt: skip
    run_worker(schedules, interview)
    assert ask("GET", interview).json["regenerations_left"] == 3
    assert ask("POST", interview, {"samples": 2}).status == 202
    run_worker(schedules, interview)
    told = ask("GET", interview).json
    assert (told["feedback"]["version"], told["regenerations_left"]) == (7, 2)
    assert rows(database, "select coalesce(max(daily_usage), 0) from user_ai_settings") == [0]


def test_who_has_no_unit_left_is_told_at_once(ask: Ask, schedules: Functions, database: Any) -> None:
    interview = complete(database)
    run_worker(schedules, interview)
    rows(database, "update app.ai_tiers set daily_units = 0 where tier = 'free' returning 1")
    before = session(database, interview)
    refused = ask("POST", interview, {"samples": 3})
    assert (refused.status, refused.json["code"]) == (429, "quota_exceeded")
    assert session(database, interview) == before
    assert ask("POST", interview, {"samples": 2}).status == 202


def test_what_failed_can_be_asked_for_again_and_costs_nothing(
    ask: Ask, schedules: Functions, database: Any, emulator: Emulator
) -> None:
    interview = complete(database)
    emulator.fault("missing_keys", times=100)
    run_worker(schedules, interview)
    failed = ask("GET", interview).json
    assert (failed["feedback_status"], failed["error"], failed["feedback"]) == ("failed", "upstream_bad_response", None)
    emulator.reset()
    assert ask("POST", interview, {}).json["feedback_status"] == "pending"
    run_worker(schedules, interview)
    ready = ask("GET", interview).json
    assert (ready["feedback_status"], ready["error"], ready["feedback"]["version"]) == ("ready", None, 1)
    assert ready["regenerations_left"] == 3


def test_models_that_refuse_an_interview_are_not_asked_for_ever(ask: Ask, database: Any) -> None:
    interview = complete(database)
    failed = "feedback_status = 'failed', feedback_error = 'content_refused', feedback_fence = 40"
    rows(database, f"update interview_sessions set {failed} returning 1")
    refused = ask("POST", interview, {})
    assert (refused.status, refused.json["code"]) == (409, "feedback_limit_reached")


def test_a_failure_to_write_anew_leaves_the_earlier_version(
    ask: Ask, schedules: Functions, database: Any, emulator: Emulator
) -> None:
    interview = complete(database)
    run_worker(schedules, interview)
    score = session(database, interview)["overall_score"]
    ask("POST", interview, {})
    emulator.fault("refusal", times=100)
    run_worker(schedules, interview)
    state = ask("GET", interview).json
    assert (state["feedback_status"], state["feedback"]["version"]) == ("failed", 1)
    assert session(database, interview)["overall_score"] == score


def test_the_request_has_its_message_and_the_schedule_sends_one_that_was_lost(
    functions: Functions, schedules: Functions, ask: Ask, aws: str, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": aws}).items():
        monkeypatch.setenv(name, value)
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="work")["QueueUrl"]
    functions.environment["PARLEY_WORK_QUEUE_URL"] = schedules.environment["PARLEY_WORK_QUEUE_URL"] = queue

    def delivered() -> list[Any]:
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in received]

    interview = complete(database)
    ask("POST", interview, {})
    message = {"task": "interview_feedback", "id": interview}
    assert delivered() == [message]
    assert schedules.invoke("cache_cleanup", {})["feedback_requested"] == 0
    with database.connect() as owner:
        set_clock(owner, "pg_catalog.now() + interval '6 minutes'")
    assert schedules.invoke("cache_cleanup", {})["feedback_requested"] == 1
    assert delivered() == [message]
    run_worker(schedules, interview)
    assert schedules.invoke("cache_cleanup", {})["feedback_requested"] == 0
    sqs.close()


def test_what_only_its_user_can_mend_is_not_delivered_again(schedules: Functions, database: Any) -> None:
    interview = complete(database)
    rows(database, "insert into user_ai_settings (user_id, tier) values (%s, 'byok') returning 1", USER)
    assert run_worker(schedules, interview) == []
    assert session(database, interview)["feedback_error"] == "own_key_missing"


def test_a_message_about_an_interview_that_is_gone_is_done(schedules: Functions, database: Any) -> None:
    interview = complete(database)
    rows(database, 'delete from "user" where id = %s returning 1', USER)
    assert run_worker(schedules, interview, NOBODYS) == []


def test_a_message_that_nobody_understands_is_left_to_the_dead_letters(schedules: Functions) -> None:
    bodies = ["", "[]", '{"task": "another", "id": "1"}', '{"task": "interview_feedback", "id": "not-an-id"}']
    records = [{"messageId": f"m{number}", "body": body} for number, body in enumerate(bodies)]
    answer = schedules.invoke("worker", {"Records": records}, 120)
    assert [one["itemIdentifier"] for one in answer["batchItemFailures"]] == ["m0", "m1", "m2", "m3"]

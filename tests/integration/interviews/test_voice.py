"""Interviews by voice: from the start to the award, with events late, twice and in any order."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from local.emulator.voice import PLACES, Place
from testing.aws import CREDENTIALS
from testing.functions import Functions
from tests.integration.interviews.feedback_cases import rows, session
from tests.integration.interviews.voice_cases import QUESTIONS, call_of, deliver, fall_silent, inbox, send, start, work

Token = Callable[..., str]


def turns(database: Any, interview: str) -> list[Any]:
    """What is kept of what was said."""
    statement = """
        select role, content, question_index, source from interview_responses
        where interview_id = %s order by sequence_number
    """
    return rows(database, statement, interview)


def test_starting_says_how_to_make_the_call_and_takes_one_unit(
    functions: Functions, token: Token, database: Any
) -> None:
    started = start(functions, token("ada"), time_limit_seconds=900)
    assistant = started["voice"]["assistant"]
    assert (started["status"], started["awaits"]) == ("in_progress", None)
    assert [question in assistant["model"]["messages"][0]["content"] for question in QUESTIONS] == [True, True]
    assert (assistant["maxDurationSeconds"], assistant["model"]["provider"]) == (900, "openai")
    assert "server" not in assistant
    assert assistant["metadata"] == started["voice"]["variable_values"] == {
        "interview_id": started["id"], "call_token": started["voice"]["call_token"],
    }  # fmt: skip
    again = functions.request("interviews", "POST", f"/api/interviews/{started['id']}/start", token=token("ada"))
    assert again.json == started
    assert rows(database, "select daily_usage from user_ai_settings where user_id = 'ada'") == [1]


def test_a_call_leads_from_the_start_to_feedback_and_one_award(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    started = start(functions, token("ada"))
    call = call_of(started, has_messages=True)
    for event in call.events():
        assert send(functions, event).json == {"received": True, "duplicate": False}
    work(schedules, database)
    found = session(database, started["id"])
    assert (found["status"], found["feedback_status"]) == ("completed", "ready")
    assert (found["vapi_call_id"], found["ended_reason"]) == (call.id, "customer-ended-call")
    assert (float(found["cost"]), found["recording_url"]) == (0.0731, None)
    assert float(found["duration_minutes"]) == pytest.approx(call.seconds / 60, abs=0.01)
    said = turns(database, started["id"])
    assert {source for *_, source in said} == {"vapi_report"}
    assert [role for role, *_ in said] == ["assistant", "user"] * len(QUESTIONS)
    assert [index for _, _, index, _ in said] == [0, 0, 1, 1]
    assert rows(database, "select event_key from app.xp_events where event_key like '%%:completed'") == [
        f"interview:{started['id']}:completed"
    ]
    assert inbox(database).keys() == {"processed"}
    assert rows(database, "select count(*) from app.webhook_events where payload is not null") == [0]


def test_an_event_that_comes_again_changes_nothing(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    started = start(functions, token("ada"))
    call = call_of(started)
    send(functions, call.report(1))
    work(schedules, database)
    before = (session(database, started["id"]), turns(database, started["id"]))
    assert send(functions, call.report(2)).json == {"received": True, "duplicate": True}
    for event in (call.status("in-progress"), *call.transcripts(), call.status("ended")):
        send(functions, event)
    work(schedules, database)
    deliver(schedules, *rows(database, "select id::text from app.webhook_events"))
    assert (session(database, started["id"]), turns(database, started["id"])) == before


def test_what_is_heard_live_is_shown_in_the_order_of_its_times_until_the_report_comes(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    started = start(functions, token("ada"))
    call = call_of(started)
    for event in reversed(call.transcripts()):
        send(functions, event)
    # Metadata of some places comes with the report only.
    send(functions, call_of(started, place="call.metadata").status("in-progress"))
    work(schedules, database)
    live = turns(database, started["id"])
    assert [content for _, content, _, _ in live] == [one.text for one in call.said]
    assert {source for *_, source in live} == {"vapi_live"}
    send(functions, call.report())
    work(schedules, database)
    assert {source for *_, source in turns(database, started["id"])} == {"vapi_report"}


@pytest.mark.parametrize("place", PLACES)
def test_the_interview_is_found_wherever_its_id_is(
    place: Place, functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    started = start(functions, token("ada"))
    send(functions, call_of(started, place=place).report())
    work(schedules, database)
    assert session(database, started["id"])["status"] == "completed"


def test_events_wait_until_their_call_is_known(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    started = start(functions, token("ada"))
    call = call_of(started, place="artifact.variableValues")
    for event in call.transcripts():
        send(functions, event)
    work(schedules, database)
    assert inbox(database).keys() == {"unmatched"}
    send(functions, call_of(started, place="call.metadata").status("in-progress"))
    work(schedules, database)
    assert inbox(database).keys() == {"processed"}
    assert [content for _, content, _, _ in turns(database, started["id"])] == [one.text for one in call.said]


def test_a_call_with_another_interviews_token_is_nobodys(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    mine, theirs = start(functions, token("ada")), start(functions, token("bob"))
    forged = mine | {"voice": {"variable_values": mine["voice"]["variable_values"] | {"interview_id": theirs["id"]}}}
    send(functions, call_of(forged, call_id="forged").report())
    work(schedules, database)
    assert inbox(database) == {"unmatched": 1}
    assert [session(database, one["id"])["status"] for one in (mine, theirs)] == ["in_progress", "in_progress"]


def test_an_interview_has_one_call(functions: Functions, schedules: Functions, token: Token, database: Any) -> None:
    started = start(functions, token("ada"))
    send(functions, call_of(started, place="call.metadata").status("in-progress"))
    send(functions, call_of(started, call_id="another", place="call.metadata").report())
    work(schedules, database)
    assert (session(database, started["id"])["status"], inbox(database)) == (
        "in_progress",
        {"processed": 1, "ignored": 1},
    )
    again = functions.request("interviews", "POST", f"/api/interviews/{started['id']}/start", token=token("ada"))
    assert (again.status, again.json["code"]) == (409, "call_already_made")


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("customer-did-not-give-microphone-permission", "failed"),
        ("call.in-progress.error-vapifault-worker-died", "failed"),
        ("pipeline-error-openai-llm-failed", "failed"),
        ("silence-timed-out", "abandoned"),
        ("a-reason-of-next-year", "abandoned"),
    ],
)
def test_a_call_without_a_word_of_the_candidate_is_no_interview(
    reason: str, status: str, functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    started = start(functions, token("ada"))
    call = call_of(started, ended_reason=reason)
    silent = [one for one in call.said if one.role == "bot"]
    send(functions, call_of(started, ended_reason=reason, said=silent).report())
    work(schedules, database)
    found = session(database, started["id"])
    assert (found["status"], found["ended_reason"], found["feedback_status"]) == (status, reason, "none")
    assert rows(database, "select count(*) from app.xp_events") == [0]


def test_no_times_of_a_report_keep_the_interview_from_its_end(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    started = start(functions, token("ada"))
    report = call_of(started, has_messages=True).report()
    report["message"] |= {"startedAt": "2001-01-01T00:00:00Z", "endedAt": "2026-11-29T00:00:00Z"}
    send(functions, report)
    work(schedules, database)
    found = session(database, started["id"])
    assert (found["status"], found["duration_minutes"]) == ("completed", 999_999)


def test_an_event_that_the_database_refuses_waits_and_keeps_no_other_one_back(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    refused, kept = start(functions, token("ada")), start(functions, token("bob"))
    with database.connect() as owner:
        owner.execute("alter table interview_sessions add constraint refused check (cost is distinct from 5)")
    report = call_of(refused).report()
    report["message"]["cost"] = 5
    send(functions, report)
    send(functions, call_of(kept).report())
    work(schedules, database)
    assert [session(database, one["id"])["status"] for one in (refused, kept)] == ["in_progress", "completed"]
    assert inbox(database) == {"failed": 1, "processed": 1}
    assert rows(database, "select error from app.webhook_events where status = 'failed'") == ["DatabaseError"]


def test_an_interview_that_its_candidate_gave_up_stays_given_up_and_shows_what_was_said(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    started = start(functions, token("ada"))
    functions.request("interviews", "POST", f"/api/interviews/{started['id']}/abandon", token=token("ada"))
    send(functions, call_of(started).report())
    work(schedules, database)
    found = session(database, started["id"])
    assert (found["status"], found["ended_reason"], found["feedback_status"]) == ("abandoned", "abandoned", "none")
    assert {source for *_, source in turns(database, started["id"])} == {"vapi_report"}
    assert rows(database, "select count(*) from app.xp_events") == [0]


def test_an_interview_that_was_given_up_for_its_silence_is_completed_by_its_report(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    started = start(functions, token("ada"))
    fall_silent(schedules, database)
    assert session(database, started["id"])["status"] == "abandoned"
    send(functions, call_of(started).report())
    work(schedules, database)
    found = session(database, started["id"])
    assert (found["status"], found["ended_reason"]) == ("completed", "customer-ended-call")


def test_nobody_but_its_report_completes_a_voice_interview(functions: Functions, token: Token) -> None:
    path = f"/api/interviews/{start(functions, token('ada'))['id']}"
    answer = functions.request("interviews", "POST", f"{path}/complete", token=token("ada"))
    assert (answer.status, answer.json["code"]) == (409, "interview_not_in_progress")


def test_without_a_voice_secret_nothing_starts_and_nothing_comes_in(
    functions: Functions, token: Token, database: Any
) -> None:
    functions.environment["PARLEY_VOICE_SECRET"] = ""
    made = functions.request(
        "interviews", "POST", "/api/interviews",
        {"interview_type": "voice", "questions": [{"question": "Why?"}]}, token=token("ada"),
    )  # fmt: skip
    path = f"/api/interviews/{made.json['id']}"
    assert functions.request("interviews", "POST", f"{path}/start", token=token("ada")).json["code"] == "not_configured"
    assert rows(database, "select count(*) from app.ai_requests") == [0]
    answer = send(functions, {"message": {"type": "status-update", "status": "ended", "call": {"id": "c"}}})
    assert (answer.status, answer.json["code"]) == (401, "webhook_unauthorized")
    assert inbox(database) == {}


def test_the_queue_is_told_an_events_id_and_nothing_else(
    functions: Functions, token: Token, database: Any, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": aws}).items():
        monkeypatch.setenv(name, value)
    sqs = boto3.client("sqs")
    functions.environment["PARLEY_WORK_QUEUE_URL"] = url = sqs.create_queue(QueueName=database.name)["QueueUrl"]
    call = call_of(start(functions, token("ada")))
    for event in (call.report(1), call.report(2), *call.noise()):
        send(functions, event)
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    sqs.close()
    (event_id,) = rows(database, "select id::text from app.webhook_events")
    assert [json.loads(message["Body"]) for message in received] == [{"task": "voice_event", "id": event_id}]

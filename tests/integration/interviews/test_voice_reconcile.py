"""Reports that did not come, came in an outage, or were too large: fetched at the vendor. And what else it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from local.emulator.voice import Call
from testing.functions import Functions
from tests.integration.interviews.feedback_cases import rows, session
from tests.integration.interviews.voice_cases import (
    Queue,
    call_of,
    deliver,
    fall_silent,
    hollow,
    inbox,
    send,
    start,
    work,
)

Token = Callable[..., str]


def overdue(schedules: Functions, database: Any) -> Any:
    """What the hourly schedule asks for once nothing has come for eleven minutes."""
    with database.connect() as owner:
        owner.execute("update app.webhook_events set received_at = received_at - interval '11 minutes'")
        owner.execute(
            "update interview_sessions set last_activity_at = now() - interval '11 minutes'"
            " where status = 'in_progress'"
        )
    return schedules.invoke("cache_cleanup", {})


def is_complete(database: Any, call: Call) -> bool:
    found = session(database, call.interview_id)
    return (found["status"], found["feedback_status"], found["vapi_call_id"]) == ("completed", "ready", call.id)


def test_a_report_of_more_than_four_megabytes_is_refused_and_fetched(
    functions: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue
) -> None:
    call = call_of(start(functions, token("ada")))
    emulator.call(call.as_resource())
    event = call.report()
    largest = 4 * 1024 * 1024 - len(json.dumps(event | {"padding": ""}))
    assert send(functions, event | {"padding": "x" * (largest + 1)}).status == 413
    assert inbox(database) == {}
    assert queue.run() == [("voice_call", call.id), ("interview_feedback", call.interview_id)]
    assert is_complete(database, call)
    other = call_of(start(functions, token("bob")))
    assert send(functions, other.report() | {"padding": "x" * largest}).status == 200


def test_a_report_that_comes_in_an_outage_is_fetched_after_it(
    functions: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue
) -> None:
    call = call_of(start(functions, token("ada")))
    emulator.call(call.as_resource())
    functions.environment["DATABASE_URL"] = "postgresql://parley_app@127.0.0.1:1/none"
    answer = send(functions, call.report())
    assert (answer.status, answer.json["code"]) == (503, "database_unavailable")
    assert queue.run() == [("voice_call", call.id), ("interview_feedback", call.interview_id)]
    assert is_complete(database, call)


def test_the_schedule_asks_again_for_what_a_queue_lost_and_for_reports_that_did_not_come(
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue
) -> None:
    lost, silent = (
        call_of(start(functions, token("ada"))),
        call_of(start(functions, token("bob")), place="call.metadata"),
    )
    send(functions, lost.report())
    send(functions, silent.status("in-progress"))
    queue.tasks()
    emulator.call(silent.as_resource())
    report = schedules.invoke("cache_cleanup", {})
    assert (report["voice_events_requested"], report["voice_calls_requested"]) == (0, 0)
    with database.connect() as owner:
        owner.execute("update app.webhook_events set received_at = now() - interval '6 minutes'")
        owner.execute("update interview_sessions set last_activity_at = now() - interval '11 minutes'")
    assert schedules.invoke("cache_cleanup", {})["voice_events_requested"] == 2
    queue.run()
    with database.connect() as owner:
        owner.execute(
            "update interview_sessions set last_activity_at = now() - interval '11 minutes'"
            " where status = 'in_progress'"
        )
    assert is_complete(database, lost)
    assert schedules.invoke("cache_cleanup", {})["voice_calls_requested"] == 1
    queue.run()
    assert is_complete(database, silent)


@pytest.mark.parametrize("early", [{}, {"artifact": {}}, {"artifact": {"messages": [], "transcript": ""}}])
def test_a_call_that_is_over_before_the_vendor_has_what_was_said_is_asked_for_again(
    early: dict[str, Any], functions: Functions, schedules: Functions, token: Token, database: Any,
    emulator: Emulator, queue: Queue,
) -> None:  # fmt: skip
    call = call_of(start(functions, token("ada")), place="call.metadata")
    send(functions, call.status("in-progress"))
    queue.run()
    whole = call.as_resource()
    emulator.call({name: whole[name] for name in ("id", "status", "endedAt", "metadata")} | early)
    assert overdue(schedules, database)["voice_calls_requested"] == 1
    queue.run()
    assert session(database, call.interview_id)["status"] == "in_progress"
    emulator.call(whole)
    assert overdue(schedules, database)["voice_calls_requested"] == 1
    queue.run()
    assert is_complete(database, call)


def test_what_still_waits_though_its_call_is_bound_is_worked_on_by_the_schedule(
    functions: Functions, schedules: Functions, token: Token, database: Any, queue: Queue
) -> None:
    started = start(functions, token("ada"))
    call = call_of(started, place="artifact.variableValues")
    send(functions, call.transcripts()[0])
    queue.run()
    assert overdue(schedules, database)["voice_events_requested"] == 0
    queue.tasks()
    # A worker that dies after it has bound the call leaves it like this.
    with database.connect() as owner:
        owner.execute("update interview_sessions set vapi_call_id = %s", (call.id,))
    assert overdue(schedules, database)["voice_events_requested"] == 1
    queue.run()
    assert inbox(database) == {"processed": 1}


def test_of_overdue_events_those_that_failed_come_last(database: Any) -> None:
    with database.connect() as owner:
        owner.execute(
            "insert into app.webhook_events (provider, event_key, type, call_id, payload, status, received_at)"
            " select 'vapi', n::text, 'end', 'c', '{}', case when n < 3 then 'failed' else 'received' end,"
            " now() - make_interval(hours => 9 - n) from generate_series(1, 4) as n"
        )
        owner.execute("select set_config('request.jwt.claims', '{\"role\": \"service_role\"}', false)")
        keys = owner.execute(
            "select e.event_key from rows from (app.overdue_voice_events(3)) with ordinality as o (id, at)"
            " join app.webhook_events e on e.id = o.id order by o.at"
        ).fetchall()
    assert keys == [("3",), ("4",), ("1",)]


def test_a_report_that_comes_while_the_databases_password_cannot_be_read_is_fetched_after_it(
    functions: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue
) -> None:
    call = call_of(start(functions, token("ada")))
    emulator.call(call.as_resource())
    functions.environment |= {
        "DATABASE_URL": "", "PARLEY_DATABASE_SECRET_ARN": "parley/test/database",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:1",
    }  # fmt: skip
    answer = send(functions, call.report())
    assert (answer.status, answer.json["code"]) == (503, "secrets_unavailable")
    assert queue.run() == [("voice_call", call.id), ("interview_feedback", call.interview_id)]
    assert is_complete(database, call)


def test_a_call_that_ended_is_looked_after_in_two_minutes(
    functions: Functions, token: Token, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parley.interviews.voice_calls._REPORT_SECONDS", 0)
    call = call_of(start(functions, token("ada")), place="call.metadata")
    send(functions, call.status("ended"))
    assert ("voice_call", call.id) in queue.run()


def test_a_fetched_call_is_what_its_report_would_have_been(
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue
) -> None:
    fetched, reported = (call_of(start(functions, token(user)), seed=7) for user in ("ada", "bob"))
    emulator.call(fetched.as_resource())
    task = {"messageId": "m", "body": json.dumps({"task": "voice_call", "id": fetched.id})}
    schedules.invoke("worker", {"Records": [task]}, 120)
    send(functions, reported.report())
    work(schedules, database)
    columns = """
        select s.status, s.ended_reason, s.started_at, s.completed_at, s.duration_minutes, s.cost,
          (select jsonb_agg(to_jsonb(r) - 'id' - 'interview_id' - 'created_at' order by r.sequence_number)
           from interview_responses r where r.interview_id = s.id),
          (select jsonb_agg(to_jsonb(v) - 'id' - 'interview_id' - 'created_at')
           from voice_analytics v where v.interview_id = s.id)
        from interview_sessions s where s.id = %s
    """
    (one,), (other,) = (rows(database, columns, call.interview_id) for call in (fetched, reported))
    assert one == other
    assert one[-1] is not None


@pytest.mark.parametrize("known", [None, {"status": "in-progress"}])
def test_a_call_that_the_vendor_does_not_know_or_that_goes_on_changes_nothing(
    known: Any,
    functions: Functions,
    schedules: Functions,
    token: Token,
    database: Any,
    emulator: Emulator,
    queue: Queue,
) -> None:
    call = call_of(start(functions, token("ada")))
    if known is not None:
        emulator.call({"id": call.id} | known)
    task = {"messageId": "m", "body": json.dumps({"task": "voice_call", "id": call.id})}
    assert schedules.invoke("worker", {"Records": [task]}, 120) == {"batchItemFailures": []}
    assert session(database, call.interview_id)["status"] == "in_progress"


def test_where_the_vendor_cannot_be_asked_the_queue_tries_again(schedules: Functions) -> None:
    schedules.environment["VAPI_BASE_URL"] = "http://127.0.0.1:1"
    task = {"messageId": "m", "body": json.dumps({"task": "voice_call", "id": "call"})}
    assert schedules.invoke("worker", {"Records": [task]}, 120)["batchItemFailures"] == [{"itemIdentifier": "m"}]


def test_a_call_nobody_answered_in_is_given_up_after_a_day(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    started = start(functions, token("ada"))
    fall_silent(schedules, database)
    assert (session(database, started["id"])["status"], session(database, started["id"])["ended_reason"]) == (
        "abandoned", "silence",
    )  # fmt: skip


def said(database: Any, call: Call, role: str = "user") -> list[Any]:
    statement = "select content from interview_responses where interview_id = %s and role = %s order by sequence_number"
    return rows(database, statement, call.interview_id, role)


@pytest.mark.parametrize("whole_one", ["is sent", "is fetched"])
def test_a_report_in_which_nothing_was_said_takes_nothing_of_what_was_heard_and_the_whole_one_counts(
    whole_one: str, functions: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("parley.interviews.voice_calls._REPORT_SECONDS", 0)
    call = call_of(start(functions, token("ada")), place="call.metadata")
    for event in (call.status("in-progress"), *call.transcripts(), hollow(call.report())):
        assert send(functions, event).json["duplicate"] is False
    heard = [one.text for one in call.said if one.role == "user"]
    if whole_one == "is fetched":
        emulator.call(call.as_resource())
    assert ("voice_call", call.id) in queue.run()
    if whole_one == "is sent":
        assert session(database, call.interview_id)["status"] == "in_progress"
        assert said(database, call) == heard
        assert send(functions, call.report()).json["duplicate"] is False
        queue.run()
    assert is_complete(database, call)
    assert " ".join(said(database, call)) == " ".join(heard)


def test_what_the_candidate_was_heard_to_say_is_not_replaced_by_the_interviewer_alone(
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue,
) -> None:  # fmt: skip
    started = start(functions, token("ada"))
    call = call_of(started, place="call.metadata")
    half = call_of(started, place="call.metadata", said=[one for one in call.said if one.role == "bot"])
    for event in (call.status("in-progress"), *call.transcripts(), half.report()):
        send(functions, event)
    emulator.call(half.as_resource())
    queue.run()
    assert overdue(schedules, database)["voice_calls_requested"] == 1
    queue.run()
    assert (session(database, call.interview_id)["status"], len(said(database, call))) == (
        "in_progress",
        len(call.transcripts()) - len(half.said),
    )
    # The vendor never has more: what was heard is what there is.
    fall_silent(schedules, database)
    queue.run()
    assert (session(database, call.interview_id)["ended_reason"], is_complete(database, call)) == ("silence", True)


@pytest.mark.parametrize(
    ("reason", "status"),
    [("customer-did-not-give-microphone-permission", "failed"), ("silence-timed-out", "abandoned")],
)
def test_a_call_in_which_its_report_and_the_vendor_have_nothing_said_could_not_be_held(
    reason: str, status: str, functions: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("parley.interviews.voice_calls._REPORT_SECONDS", 0)
    call = call_of(start(functions, token("ada")), place="call.metadata", said=[], ended_reason=reason)
    emulator.call(call.as_resource())
    send(functions, call.report())
    assert queue.run()[1:] == [("voice_call", call.id)]
    found = session(database, call.interview_id)
    assert (found["status"], found["ended_reason"], found["feedback_status"]) == (status, reason, "none")


def test_a_call_that_ended_with_nothing_said_is_completed_by_a_report_that_has_it_after_all(
    functions: Functions, token: Token, database: Any, emulator: Emulator, queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("parley.interviews.voice_calls._REPORT_SECONDS", 0)
    call = call_of(start(functions, token("ada")), place="call.metadata")
    emulator.call(
        call_of(
            {"id": "", "voice": {"variable_values": {"interview_id": call.interview_id, "call_token": call.token}}},
            call_id=call.id,
            place="call.metadata",
            said=[],
        ).as_resource()
    )
    send(functions, hollow(call.report()))
    queue.run()
    assert session(database, call.interview_id)["status"] == "abandoned"
    send(functions, call.report())
    queue.run()
    assert is_complete(database, call)


def test_a_report_that_comes_after_the_day_of_silence_has_the_feedback_written_anew_and_pays_nothing_more(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    started = start(functions, token("ada"))
    call = call_of(started, place="call.metadata")
    for event in (call.status("in-progress"), *call.transcripts()[:-1]):
        send(functions, event)
    work(schedules, database)
    fall_silent(schedules, database)
    work(schedules, database)
    paid = rows(database, "select sum(amount) from app.xp_events")
    assert (session(database, started["id"])["status"], session(database, started["id"])["feedback_status"]) == (
        "completed", "ready",
    )  # fmt: skip
    send(functions, call.report())
    (event,) = rows(database, "select id::text from app.webhook_events where status = 'received'")
    deliver(schedules, event)
    assert session(database, started["id"])["feedback_status"] == "pending"
    work(schedules, database)
    statement = "select version from interview_feedback where interview_id = %s order by version"
    assert rows(database, statement, started["id"]) == [1, 2]
    assert session(database, started["id"])["feedback_status"] == "ready"
    assert rows(database, "select sum(amount) from app.xp_events") == paid
    deliver(schedules, event)
    send(functions, call.report(2))
    work(schedules, database)
    assert rows(database, statement, started["id"]) == [1, 2]


def silent_then_judged(functions: Functions, schedules: Functions, token: Token, database: Any, heard: int) -> Call:
    """A call of which so many messages were heard live; silence completed it and its feedback is there."""
    call = call_of(start(functions, token("ada")), place="call.metadata", has_messages=True)
    for event in (call.status("in-progress"), *call.transcripts()[:heard]):
        send(functions, event)
    work(schedules, database)
    fall_silent(schedules, database)
    work(schedules, database)
    return call


def test_feedback_that_a_late_report_has_written_anew_takes_no_unit_and_nothing_of_what_its_user_may_have(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    call = silent_then_judged(functions, schedules, token, database, heard=3)
    path = f"/api/interviews/{call.interview_id}/feedback"

    def anew() -> Any:
        answer = functions.request("interviews", "POST", path, {}, token=token("ada"))
        work(schedules, database)
        return answer

    before = rows(database, "select daily_usage from user_ai_settings")
    for _ in range(2):  # with these the unit's three assessments are used up
        anew()
    send(functions, call.report())
    work(schedules, database)
    state = functions.request("interviews", "GET", path, token=token("ada")).json
    assert (state["feedback_status"], state["versions"], state["regenerations_left"]) == ("ready", 4, 3)
    for _ in range(2):
        assert anew().status == 202
    assert rows(database, "select daily_usage from user_ai_settings") == before
    assert functions.request("interviews", "GET", path, token=token("ada")).json["regenerations_left"] == 1


def test_what_its_user_has_asked_for_when_the_report_comes_is_still_asked_for(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    call = silent_then_judged(functions, schedules, token, database, heard=3)
    path = f"/api/interviews/{call.interview_id}/feedback"
    functions.request("interviews", "POST", path, {"samples": 3}, token=token("ada"))
    send(functions, call.report())
    work(schedules, database)
    state = functions.request("interviews", "GET", path, token=token("ada")).json
    assert (state["versions"], state["feedback"]["samples"]) == (2, 3)


def test_a_report_that_says_what_was_heard_leaves_the_feedback_and_the_turns_that_it_quotes(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    call = silent_then_judged(functions, schedules, token, database, heard=100)
    before = said(database, call)
    # Of several messages of a speaker the report makes one, and a transcript folds what is white between words.
    report = call.report()
    for message in report["message"]["artifact"].get("messages", []):
        message["message"] = message["message"].replace(" ", "  ")
    send(functions, report)
    work(schedules, database)
    found = session(database, call.interview_id)
    assert (found["call_report_at"] is not None, found["feedback_fence"], said(database, call)) == (True, 1, before)
    assert rows(database, "select version from interview_feedback") == [1]


def test_a_late_report_says_when_the_interview_ended_and_leaves_its_points_on_the_candidates_day(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    call = silent_then_judged(functions, schedules, token, database, heard=3)
    days = "select event_key, local_date from app.xp_events order by id"
    before = rows(database, days)
    send(functions, call.report())
    work(schedules, database)
    found = session(database, call.interview_id)
    assert found["completed_at"] == found["last_activity_at"]
    (seconds,) = rows(database, "select duration_seconds from interview_feedback where version = 2")
    assert seconds == pytest.approx(call.seconds, abs=1)
    assert rows(database, days) == before


def test_points_that_what_was_heard_could_not_earn_are_earned_by_the_report(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    # Of the candidate's answers only one was heard: too little to judge by.
    call = silent_then_judged(functions, schedules, token, database, heard=3)
    judged = "select amount from app.xp_events where event_key like '%%:judged'"
    assert rows(database, "select hiring_recommendation from interview_feedback") == ["insufficient_evidence"]
    assert rows(database, judged) == []
    report = call.report()
    report["message"]["artifact"] = {"messages": [
        {"role": one.role, "message": " ".join([one.text] * 4) if one.role == "user" else one.text}
        for one in call.said
    ]}  # fmt: skip
    send(functions, report)
    work(schedules, database)
    assert rows(database, judged) == [50]


def test_a_recording_is_where_the_vendor_says_and_for_its_owner_alone(
    functions: Functions, schedules: Functions, token: Token, database: Any, emulator: Emulator
) -> None:
    started = start(functions, token("ada"))
    call = call_of(started)

    def recording(user: str) -> Any:
        path = f"/api/interviews/{started['id']}/recording"
        return functions.request("interviews", "GET", path, token=token(user))

    assert (recording("ada").status, recording("ada").json["code"]) == (409, "recording_unavailable")
    send(functions, call.report())
    work(schedules, database)
    assert recording("ada").json["code"] == "recording_unavailable"
    emulator.call(call.as_resource())
    answer = recording("ada")
    assert (answer.status, answer.text) == (302, "")
    assert answer.headers["Location"].startswith("https://recordings.invalid/")
    assert recording("bob").json["code"] == "interview_not_found"
    assert rows(database, "select recording_url from interview_sessions") == [None]
    functions.environment["VAPI_BASE_URL"] = "http://127.0.0.1:1"


def test_how_the_candidate_spoke_is_told_and_what_its_client_measured_is_labelled(
    functions: Functions, schedules: Functions, token: Token, database: Any
) -> None:
    started = start(functions, token("ada"))
    path = f"/api/interviews/{started['id']}/voice-analytics"
    assert (
        functions.request("interviews", "GET", path, token=token("ada")).json["code"] == "voice_analytics_unavailable"
    )
    # Rows of an adopted table say nothing that this could answer with.
    with database.connect() as owner:
        owner.execute("alter table voice_analytics alter column analysis drop not null")
        owner.execute(
            "insert into voice_analytics (interview_id, analysis) select %s, a"
            " from unnest(array[null, '{}', '{\"tone\": 1}']::jsonb[]) as a",
            (started["id"],),
        )
    for method, sent in (("GET", None), ("POST", {"mean_dbfs": -20})):
        answer = functions.request("interviews", method, path, sent, token=token("ada"))
        assert (answer.status, answer.json["code"]) == (409, "voice_analytics_unavailable")
    call = call_of(started, has_messages=True, word_unit="epoch_ms")
    send(functions, call.report())
    work(schedules, database)
    found = functions.request("interviews", "GET", path, token=token("ada")).json
    spoken = [one for one in call.said if one.role == "user"]
    words = sum(len(one.text.split()) for one in spoken)
    assert found["words_per_minute"] == pytest.approx(words / sum(one.end - one.start for one in spoken) * 60, rel=0.1)
    assert (found["volume_score"], found["tonal_variation"], found["acoustics"]) == (None, None, None)
    assert found["filler_detection"] == "unknown"
    body = {"mean_dbfs": -20, "pitch_deviation_semitones": 2.5}
    added = functions.request("interviews", "POST", path, body, token=token("ada")).json
    assert (added["volume_score"], added["tonal_variation"], added["acoustics"]["source"]) == (100, 2.5, "client")
    assert functions.request("interviews", "POST", path, body, token=token("bob")).json["code"] == "interview_not_found"
    cleared = functions.request("interviews", "POST", path, {}, token=token("ada")).json
    assert (cleared["volume_score"], cleared["tonal_variation"]) == (None, None)

"""Feedback from the end of an interview to its row, with the emulator in the vendors' place."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from local.emulator.client import Emulator
from testing.functions import Functions
from testing.interviews import make_record
from tests.integration.interviews.feedback_cases import USER, complete, rows, run_worker, session

PROVIDERS = ("openai", "anthropic", "google")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_interview_that_is_over_gets_feedback_with_evidence_from_any_provider(
    provider: str, schedules: Functions, database: Any
) -> None:
    schedules.environment["AI_PROVIDER"] = provider
    record = make_record(Random(3), questions=3)
    interview = complete(database, record)
    assert session(database, interview)["feedback_status"] == "pending"
    assert run_worker(schedules, interview) == []
    found = session(database, interview)
    assert (found["feedback_status"], found["feedback_lease_until"]) == ("ready", None)
    [feedback] = rows(database, "select to_jsonb(f) from interview_feedback f")
    assert found["feedback_id"] == feedback["id"]
    assert found["overall_score"] == feedback["overall_score"] is not None
    assert feedback["provider"] == provider
    assert feedback["hiring_recommendation"] != "insufficient_evidence"
    assert feedback["fully_evidenced"]
    assert [item["question_index"] for item in feedback["questions"]] == [0, 1, 2]
    said = {turn.sequence_number: turn.content for turn in record.turns if turn.role == "user"}
    for competency in feedback["scores"]:
        for evidence in competency["evidence"]:
            assert evidence["quote"] == said[evidence["sequence_number"]][evidence["start"] : evidence["end"]]


def test_feedback_costs_no_unit_and_each_call_is_in_the_ledger(schedules: Functions, database: Any) -> None:
    interview = complete(database)
    run_worker(schedules, interview)
    assert rows(database, "select operation_type from ai_usage") == ["interview_feedback"]
    assert rows(database, "select cost > 0 from ai_usage") == [True]
    assert rows(database, "select coalesce(max(daily_usage), 0) from user_ai_settings") == [0]
    assert rows(database, "select state from app.ai_requests") == ["settled"]


def test_an_interview_pays_when_it_is_completed_and_for_how_it_went_once_with_its_feedback(
    schedules: Functions, database: Any
) -> None:
    paid = "select event_key from app.xp_events where event_key like 'interview:%%' order by id"
    interview = complete(database)
    assert rows(database, paid) == [f"interview:{interview}:completed"]
    assert run_worker(schedules, interview, interview) == []
    assert rows(database, paid) == [f"interview:{interview}:{what}" for what in ("completed", "judged", "score")]
    assert rows(database, "select count(*) from interview_feedback") == [1]


@pytest.mark.parametrize(
    "fault", ["fenced_json", "truncated_json", "refusal", "wrong_enum", "missing_keys", "rate_limit", "empty", "reset"]
)
def test_a_provider_is_told_once_what_was_wrong_then_the_next_is_asked(
    fault: str, schedules: Functions, database: Any, emulator: Emulator
) -> None:
    emulator.fault(fault, "openai", times=10)
    interview = complete(database)
    assert run_worker(schedules, interview) == []
    asked = [request["provider"] for request in emulator.requests()]
    assert asked[-1] == ("openai" if fault == "fenced_json" else "anthropic")
    if fault in ("truncated_json", "refusal", "wrong_enum", "missing_keys"):
        assert asked == ["openai", "openai", "anthropic"]
        first, second, third = (request["body"] for request in emulator.requests())
        assert "cannot be used" not in str(first) + str(third)
        assert "cannot be used" in str(second["messages"][-1])
    assert session(database, interview)["feedback_status"] == "ready"


def test_where_no_model_gives_an_answer_the_interview_says_so_and_nothing_is_made_up(
    schedules: Functions, database: Any, emulator: Emulator
) -> None:
    emulator.fault("wrong_enum", times=100)
    interview = complete(database)
    assert run_worker(schedules, interview) == [interview]
    found = session(database, interview)
    assert (found["feedback_status"], found["feedback_error"]) == ("failed", "upstream_bad_response")
    assert (found["feedback_id"], found["overall_score"]) == (None, None)
    assert rows(database, "select count(*) from interview_feedback") == [0]
    # It was completed, and is paid for that; how it went is paid when somebody can say.
    paid = "select split_part(event_key, ':', 3) from app.xp_events where event_key like 'interview:%%' order by id"
    assert rows(database, paid) == ["completed"]
    # Two asked of each of the three, all paid for, and the hold given back.
    assert rows(database, "select count(*) from ai_usage") == [6]
    assert rows(database, "select state from app.ai_requests") == ["released"]
    # The queue delivers the message again.
    emulator.reset()
    assert run_worker(schedules, interview) == []
    assert session(database, interview)["feedback_status"] == "ready"
    assert rows(database, "select count(*) from ai_usage") == [7]


def test_an_outage_of_all_providers_is_no_verdict_on_a_person(
    schedules: Functions, database: Any, emulator: Emulator
) -> None:
    emulator.fault("unavailable", times=100, retry_after="0")
    interview = complete(database)
    assert run_worker(schedules, interview) == [interview]
    assert session(database, interview)["feedback_error"] == "upstream_overloaded"
    assert rows(database, "select count(*) from interview_feedback") == [0]


def test_who_said_nothing_is_told_so_without_a_model(schedules: Functions, database: Any, emulator: Emulator) -> None:
    record = make_record(Random(3), questions=3)
    silent = replace(record, turns=[turn for turn in record.turns if turn.role == "assistant"][:1])
    interview = complete(database, silent)
    assert run_worker(schedules, interview) == []
    assert emulator.requests() == []
    [feedback] = rows(database, "select to_jsonb(f) from interview_feedback f")
    assert (feedback["overall_score"], feedback["hiring_recommendation"]) == (None, "insufficient_evidence")
    assert (feedback["samples"], feedback["provider"]) == (0, None)
    assert [item["status"] for item in feedback["questions"]] == ["not_answered", "not_asked", "not_asked"]


def test_several_samples_report_how_far_they_agree(schedules: Functions, database: Any, emulator: Emulator) -> None:
    interview = complete(database)
    rows(database, "update interview_sessions set feedback_samples = 5 where id = %s returning 1", interview)
    assert run_worker(schedules, interview) == []
    [feedback] = rows(database, "select to_jsonb(f) from interview_feedback f")
    assert (feedback["samples"], len(emulator.requests())) == (5, 5)
    assert 0 <= feedback["agreement"] <= 1
    assert all(item["spread"] is not None for item in feedback["scores"])
    # Beyond three, a unit is taken.
    assert rows(database, "select daily_usage from user_ai_settings where user_id = %s", USER) == [1]


def test_samples_that_models_left_out_take_no_unit(schedules: Functions, database: Any, emulator: Emulator) -> None:
    interview = complete(database)
    rows(database, "update interview_sessions set feedback_samples = 5 where id = %s returning 1", interview)
    emulator.fault("slow", times=2, delay=0)
    emulator.fault("missing_keys", times=100)
    assert run_worker(schedules, interview) == []
    assert rows(database, "select samples from interview_feedback") == [2]
    assert rows(database, "select coalesce(max(daily_usage), 0) from user_ai_settings") == [0]

"""What the vendor's events say, in the shapes of its documentation and of public reports about them."""

from __future__ import annotations

from typing import Any

import pytest

from parley.interviews.voice_reading import Spoken, read_call, read_event
from parley.interviews.voice_turns import turns_of

SAID = [("assistant", "What broke last?"), ("user", "A migration.\nWe rolled it back.")]


def report(**members: Any) -> dict[str, Any]:
    return {"message": {"type": "end-of-call-report", "call": {"id": "call-1"}, **members}}


def said(event: dict[str, Any]) -> list[tuple[str, str]]:
    read = read_event(event).report
    assert read is not None
    return [(one.role, " ".join(one.content.split())) for one in read.spoken]


def messages(assistant: str, text: str = "message") -> list[dict[str, Any]]:
    return [{"role": assistant if role == "assistant" else role, text: content} for role, content in SAID]


@pytest.mark.parametrize(
    "members",
    [
        {"artifact": {"messages": messages("bot")}},
        # As it was before there were artifacts.
        {"messages": messages("assistant")},
        {"artifact": {"messages": []}, "messages": messages("bot")},
        {"call": {"id": "call-1", "artifact": {}, "messages": messages("bot")}},
        {"artifact": {"messagesOpenAIFormatted": messages("assistant", "content")}},
        {"artifact": {"transcript": "AI: What broke last?\nUser: A migration.\nWe rolled it back."}},
        {"transcript": "Assistant : What broke last?\nCustomer: A migration.\n\nWe rolled it back.\n"},
        # Public types have a list of lines, and services on top of Vapi a list of messages.
        {"artifact": {"transcript": ["AI: What broke last?", "User: A migration.\nWe rolled it back."]}},
        {"artifact": {"transcript": messages("bot")}},
        # Speakers can be given other names.
        {"artifact": {"transcript": "Parley: What broke last?\nAda: A migration.\nWe rolled it back."},
         "assistant": {"artifactPlan": {"transcriptPlan": {"assistantName": "Parley", "userName": "Ada"}}}},
    ],
)  # fmt: skip
def test_what_was_said_is_found_in_each_place_and_form(members: dict[str, Any]) -> None:
    assert said(report(**members)) == [(role, " ".join(content.split())) for role, content in SAID]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "system", "message": "You interview."}, {"role": "tool_calls", "message": "x", "toolCalls": []},
        {"role": "tool_call_result", "result": "x"}, {"role": "user", "message": " "}, {"role": "user"},
        {"role": "user", "message": None}, None, "user", {"role": ["user"], "message": "x"},
    ],
)  # fmt: skip
def test_what_nobody_said_is_left_out(message: Any) -> None:
    assert said(report(artifact={"messages": [message]})) == []


@pytest.mark.parametrize(
    "told", [1_795_248_912_000, 1_795_248_912, "2026-11-21T08:15:12.000Z", "2026-11-21T09:15:12+01:00"]
)
def test_times_are_read_in_each_form(told: Any) -> None:
    read = read_event(report(artifact={"messages": [{"role": "user", "message": "Yes.", "time": told}]})).report
    assert read is not None
    assert read.spoken == [Spoken("user", "Yes.", start=1_795_248_912.0, words=[])]


@pytest.mark.parametrize("told", [None, 0, -1, 1.44, "soon", "", True, 1e300, [], 4.86])
def test_what_is_no_time_of_a_call_is_none(told: Any) -> None:
    read = read_event(
        report(startedAt=told, artifact={"messages": [{"role": "user", "message": "Yes.", "time": told}]})
    )
    assert read.report is not None
    assert (read.report.started, read.report.spoken[0].start) == (None, None)


@pytest.mark.parametrize(
    "event",
    [
        report(call=None), {"message": None}, {"message": {"type": "end-of-call-report"}}, report(call={"id": None}),
        report(call={"id": ""}), [], None, {"message": {"type": "assistant-request", "call": {"id": "call-1"}}},
        {"message": {"type": "transcript", "transcriptType": "partial", "call": {"id": "call-1"}, "role": "user",
                     "transcript": "A mig"}},
        {"message": {"type": "status-update", "call": {"id": "call-1"}}},
    ],
)  # fmt: skip
def test_what_belongs_to_no_call_or_says_nothing_is_not_kept(event: Any) -> None:
    assert read_event(event).key is None


@pytest.mark.parametrize("call", [{"id": "call-1"}, {"callId": "call-1"}])
def test_a_report_has_one_key_whatever_changes_between_deliveries(call: dict[str, str]) -> None:
    said = {"transcript": "User: Yes."}
    first, again = (
        read_event(report(call=call, timestamp=at, artifact=said | {"presignedUrl": f"https://x.invalid/{at}"}))
        for at in (1, 2)
    )
    assert first.key == again.key == "call-1:end-of-call-report"


@pytest.mark.parametrize("artifact", [None, {}, {"messages": [{"role": "bot", "message": "Hello!"}]}])
def test_a_report_without_words_of_the_candidate_is_another_event_than_the_whole_one(artifact: Any) -> None:
    assert read_event(report(artifact=artifact)).key == "call-1:end-of-call-report:without-words"


def test_a_call_that_goes_on_has_no_report() -> None:
    assert read_call({"id": "call-1", "status": "in-progress"}).report is None
    assert read_call({"id": "call-1", "endedAt": "2026-11-21T08:15:12Z"}).report is not None


def test_what_cannot_be_stored_is_taken_out_of_what_was_said() -> None:
    event = report(endedReason="a\x00b", artifact={"messages": [{"role": "user", "message": "a\x00b \ud800c"}]})
    read = read_event(event).report
    assert read is not None
    assert (read.spoken[0].content, read.ended_reason) == ("ab ?c", "ab")


def test_a_turn_is_about_the_question_that_was_asked_last() -> None:
    questions = ["Which technical decision are you most proud of?", "How did you narrow down the hardest defect?"]
    spoken = [
        ("bot", "Hello!"), ("user", "Hi."), ("bot", "So, which technical decision are you really most proud of?"),
        ("user", "A ledger."), ("user", "Of two sides."), ("bot", "Why?"), ("user", "It adds up."),
        ("bot", "Thanks. Now tell me: how did you narrow down your hardest defect?"), ("user", "By halving."),
        ("bot", "You spoke of the decision you are most proud of."), ("user", "Yes."),
    ]  # fmt: skip
    read = read_event(report(artifact={"messages": [{"role": role, "message": text} for role, text in spoken]})).report
    assert read is not None
    found = [(turn["content"], turn["question_index"]) for turn in turns_of(read, questions)]
    assert [index for _, index in found] == [None, None, 0, 0, 0, 0, 1, 1, 1, 1]
    assert ("A ledger. Of two sides.", 0) in found

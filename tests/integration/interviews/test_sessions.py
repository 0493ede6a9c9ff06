"""Text interviews from their questions to the last answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from testing.functions import Answer, Functions

Token = Callable[..., str]
QUESTIONS = [{"question": "Which ledger would you choose, and why?"}, {"question": "What broke last?"}]


class Candidate:
    """Somebody who is interviewed through the API."""

    def __init__(self, functions: Functions, token: str) -> None:
        self.functions = functions
        self.token = token
        self.id = ""

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        return self.functions.request("interviews", method, f"/api/interviews{path}", body, token=self.token, **options)

    def prepare(self, **request: Any) -> Answer:
        made = self.send("POST", "", {"questions": QUESTIONS} | request)
        self.id = made.json.get("id", "")
        return made

    def start(self) -> Answer:
        return self.send("POST", f"/{self.id}/start")

    def state(self) -> Any:
        return self.send("GET", f"/{self.id}/state").json

    def answer(self, content: str, sequence_number: int, submission_id: str | None = None) -> Answer:
        body = {
            "submission_id": submission_id or f"s{sequence_number}", "sequence_number": sequence_number,
            "content": content,
        }  # fmt: skip
        return self.send("POST", f"/{self.id}/responses", body)


@pytest.fixture
def ada(functions: Functions, token: Token) -> Candidate:
    return Candidate(functions, token("ada"))


@pytest.fixture
def bob(functions: Functions, token: Token) -> Candidate:
    return Candidate(functions, token("bob"))


def follow_ups(emulator: Emulator, *texts: str, times: int | None = None) -> None:
    import json

    emulator.answer(json.dumps({"follow_ups": list(texts)}), times=times)


def test_an_interview_goes_from_its_questions_to_the_end(ada: Candidate, emulator: Emulator) -> None:
    follow_ups(emulator)
    made = ada.prepare(title="Billing")
    assert (made.status, made.json["status"], made.json["question_count"]) == (201, "pending", 2)
    assert ada.state()["awaits"] == "start"

    state = ada.start().json
    assert (state["status"], state["awaits"], state["question_index"]) == ("in_progress", "answer", 0)
    assert state["asked"]["content"] == QUESTIONS[0]["question"]
    state = ada.answer("A double-entry one, since sums must agree.", state["answer_sequence_number"]).json
    assert (state["asked"]["stage"], state["question_index"]) == ("question", 1)
    state = ada.answer("A migration, and we rolled it back.", state["answer_sequence_number"]).json
    assert (state["status"], state["awaits"], state["ended_reason"]) == ("completed", None, "finished")

    turns = ada.send("GET", f"/{ada.id}/responses").json["data"]
    assert [(turn["sequence_number"], turn["role"], turn["stage"]) for turn in turns] == [
        (1, "assistant", "question"), (2, "user", "answer"), (3, "assistant", "question"), (4, "user", "answer"),
    ]  # fmt: skip
    assert turns[1]["analysis"]["words"] == 7


def test_an_interview_takes_one_unit_and_each_step_is_in_the_ledger(
    ada: Candidate, emulator: Emulator, database: Any
) -> None:
    follow_ups(emulator, "What did it cost?", times=1)
    follow_ups(emulator)
    ada.prepare()
    state = ada.start().json
    while state["awaits"] == "answer":
        state = ada.answer("Because of the sums.", state["answer_sequence_number"]).json
    with database.connect() as owner:
        assert owner.execute("select daily_usage from user_ai_settings").fetchone() == (1,)
        used = owner.execute("select operation_type, count(*), sum(cost) > 0 from ai_usage group by 1").fetchall()
    assert used == [("interview_follow_up", 3, True)]


def test_a_follow_up_is_asked_within_the_budget(ada: Candidate, emulator: Emulator) -> None:
    follow_ups(emulator, "What did it cost?", times=1)
    follow_ups(emulator, "Who decided that?", times=1)
    follow_ups(emulator, "And then what happened?")
    ada.prepare(questions=QUESTIONS[:1], follow_up_depth="moderate")
    state = ada.start().json
    asked = []
    while state["awaits"] == "answer":
        asked.append((state["asked"]["stage"], state["asked"]["content"], state["follow_ups_left"]))
        state = ada.answer("Because of the sums.", state["answer_sequence_number"]).json
    assert asked == [
        ("question", QUESTIONS[0]["question"], 2), ("follow_up", "What did it cost?", 1),
        ("follow_up", "Who decided that?", 0),
    ]  # fmt: skip
    assert len(emulator.requests()) == 2


def test_an_answer_that_is_sent_again_is_stored_once(ada: Candidate, emulator: Emulator) -> None:
    follow_ups(emulator)
    ada.prepare()
    first = ada.answer("Because of the sums.", ada.start().json["answer_sequence_number"])
    again = ada.answer("Because of the sums.", 2)
    assert (first.status, again.json) == (200, first.json)
    assert len(emulator.requests()) == 1
    reused = ada.answer("Because of something else.", 2)
    assert (reused.status, reused.json["code"]) == (422, "submission_id_reused")


def test_starting_twice_takes_one_unit(ada: Candidate, database: Any) -> None:
    ada.prepare()
    first, second = ada.start(), ada.start()
    assert first.json == second.json
    with database.connect() as owner:
        assert owner.execute("select daily_usage from user_ai_settings").fetchone() == (1,)


def test_somebody_elses_interview_is_not_there(ada: Candidate, bob: Candidate) -> None:
    ada.prepare()
    state = ada.start().json
    bob.id = ada.id
    answers = [
        bob.send("GET", f"/{ada.id}"), bob.start(), bob.answer("Mine.", state["answer_sequence_number"]),
        bob.send("POST", f"/{ada.id}/complete"), bob.send("DELETE", f"/{ada.id}"),
        bob.send("GET", f"/{ada.id}/responses"), bob.send("PATCH", f"/{ada.id}", {"title": "Mine"}),
    ]  # fmt: skip
    assert {(answer.status, answer.json["code"]) for answer in answers} == {(404, "interview_not_found")}
    assert ada.state() == state

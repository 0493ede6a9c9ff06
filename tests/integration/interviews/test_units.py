"""An interview's unit and its model calls: one unit in all, whoever asks at once, with own keys, in an outage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.emulator.client import Emulator
from testing.contract import contract
from testing.functions import Answer, Functions
from tests.integration.interviews.test_sessions import QUESTIONS, Candidate, Token
from tests.integration.own_keys.test_byok import MODELS_ANSWER, keys_used, store


@pytest.fixture
def ada(functions: Functions, token: Token) -> Candidate:
    return Candidate(functions, token("ada"))


def units(database: Any) -> Any:
    with database.connect() as owner:
        return owner.execute("select daily_usage from user_ai_settings where user_id = 'ada'").fetchone()[0]


def at_once(ada: Candidate, environment: dict[str, str], move: Any) -> list[Answer]:
    """Make a move from two containers at the same time."""
    others = [Functions(environment, contract().faults) for _ in range(2)]
    people = [Candidate(other, ada.token) for other in others]
    for person in people:
        person.id = ada.id
        person.state()  # the container is warm
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(move, people))
    for other in others:
        other.close()
    return answers


def test_two_starts_at_once_take_one_unit(ada: Candidate, environment: dict[str, str], database: Any) -> None:
    ada.prepare()
    first, second = at_once(ada, environment, Candidate.start)
    assert (first.status, second.status) == (200, 200)
    assert first.json == second.json
    assert units(database) == 1


def test_an_answer_that_is_sent_twice_at_once_is_followed_up_once(
    ada: Candidate, environment: dict[str, str], emulator: Emulator
) -> None:
    ada.prepare()
    number = ada.start().json["answer_sequence_number"]
    emulator.fault("slow", delay=0.5)
    first, second = at_once(ada, environment, lambda person: person.answer("Because of the sums.", number))
    assert (first.status, first.json) == (200, second.json)
    assert len(emulator.requests()) == 1
    assert len(ada.send("GET", f"/{ada.id}/responses").json["data"]) == 3


def test_of_two_answers_to_one_question_at_once_one_is_stored(ada: Candidate, environment: dict[str, str]) -> None:
    ada.prepare(follow_up_depth="light")
    number = ada.start().json["answer_sequence_number"]
    answers = at_once(ada, environment, lambda person: person.answer("Mine.", number, f"from {id(person)}"))
    assert sorted(answer.status for answer in answers) == [200, 409]


def test_whoever_has_no_unit_left_starts_nothing_and_loses_nothing(ada: Candidate, database: Any) -> None:
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_units = 0 where tier = 'free'")
    ada.prepare()
    refused = ada.start()
    assert (refused.status, refused.json["code"]) == (429, "quota_exceeded")
    assert ada.state()["awaits"] == "start"
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_units = 1 where tier = 'free'")
    state = ada.start().json
    while state["awaits"] == "answer":  # no step takes another one
        state = ada.answer("Because of the sums.", state["answer_sequence_number"]).json
    assert (state["status"], units(database)) == ("completed", 1)


def test_with_an_own_key_an_interview_takes_no_unit_and_calls_with_that_key(
    with_kms: Functions, token: Token, emulator: Emulator, database: Any
) -> None:
    ada = Candidate(with_kms, token("ada"))
    assert store(with_kms, "anthropic").json["tier"] == "byok"
    ada.prepare()
    emulator.reset()
    ada.answer("Because of the sums.", ada.start().json["answer_sequence_number"])
    assert keys_used(emulator) == {MODELS_ANSWER["anthropic"][-4:]}
    with database.connect() as owner:
        rows = owner.execute("select operation_type, own_key from ai_usage").fetchall()
        assert rows == [("interview_follow_up", True)]
    assert units(database) == 0


def test_another_provider_follows_up_where_the_chosen_one_is_down(
    ada: Candidate, emulator: Emulator, database: Any
) -> None:
    ada.prepare()
    number = ada.start().json["answer_sequence_number"]
    emulator.fault("unavailable", provider="openai", times=20)
    assert ada.answer("Because of the sums.", number).json["asked"]["stage"] == "follow_up"
    with database.connect() as owner:
        assert owner.execute("select provider from ai_usage").fetchone() != ("openai",)


def test_without_the_database_every_move_says_when_to_try_again(ada: Candidate, environment: dict[str, str]) -> None:
    ada.prepare()
    number = ada.start().json["answer_sequence_number"]
    away = Functions(environment | {"DATABASE_URL": "postgresql://parley_app@127.0.0.1:9/none"}, contract().faults)
    lost = Candidate(away, ada.token)
    lost.id = ada.id
    answers = [
        lost.answer("Because of the sums.", number), lost.start(), lost.send("POST", f"/{ada.id}/complete"),
        lost.send("GET", f"/{ada.id}/state"), lost.send("POST", "", {"questions": QUESTIONS}),
        lost.send("POST", "", {"role": "Nurse"}),
    ]  # fmt: skip
    away.close()
    assert {(answer.status, answer.json["code"]) for answer in answers} == {(503, "database_unavailable")}
    assert all(answer.headers["Retry-After"] for answer in answers)
    assert ada.answer("Because of the sums.", number).status == 200

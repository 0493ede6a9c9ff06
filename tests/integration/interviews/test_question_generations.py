"""A small sample of benchmarks/question_generation.py, and what only callers with a token have: a memory."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.question_generation import prove
from local.emulator.client import Emulator
from testing.databases import ScratchDatabase
from testing.figures import Verdict
from testing.functions import Functions
from tests.integration.interviews.test_questions import FOLOUP, Token, ask, generated


def test_the_count_the_length_and_the_language_hold_and_nothing_is_asked_twice(
    database: ScratchDatabase, emulator: Emulator
) -> None:
    verdict = Verdict()
    prove(database, emulator, verdict, generations=40, seed=2)
    assert verdict.missed == []


def test_what_a_user_was_asked_lately_is_not_asked_again(
    functions: Functions, emulator: Emulator, token: Token
) -> None:
    emulator.answer(generated("What is a ledger?", "What is a queue?", "What is a lease?"))
    texts = [
        ask(functions, FOLOUP | {"number": 1}, token(user)).json["questions"][0]["question"]
        for user in ("ada", "ada", "bob")
    ]
    assert texts == ["What is a ledger?", "What is a queue?", "What is a ledger?"]


def with_competencies(*pairs: tuple[str, str]) -> str:
    return json.dumps({"questions": [{"question": text, "competency": competency} for text, competency in pairs]})


def test_each_competency_that_is_asked_for_gets_a_question(functions: Functions, emulator: Emulator) -> None:
    emulator.answer(
        with_competencies(
            ("How do you plan?", "planning_ahead"), ("When do plans fail?", "Planning ahead"), ("Who helps you?", "x")
        ),
        times=1,
    )
    emulator.answer(with_competencies(("What keeps people safe?", "safety")), times=1)
    body: Any = FOLOUP | {"number": 2, "competencies": ["Planning ahead", "Safety"]}
    questions = ask(functions, body).json["questions"]
    assert [(one["question"], one["competency"]) for one in questions] == [
        ("How do you plan?", "Planning ahead"), ("What keeps people safe?", "Safety"),
    ]  # fmt: skip

"""Questions out of answers that are not quite what was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from testing.functions import Answer, Functions, make_token
from testing.providers import over, unstreamed
from tests.integration.interviews.test_sessions import Candidate

WORDS = ("queues", "locks", "caches", "indexes", "sockets", "threads", "schemas", "budgets")


def question(number: int, **members: Any) -> dict[str, Any]:
    return {"question": f"How do {WORDS[number]} fail in what you built?", "time_limit_seconds": 90} | members


def saying(texts: list[str], asked: list[str]) -> Callable[[httpx2.Request], httpx2.Response]:
    """A provider that says these texts, one a call, and none after them."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(json.loads(request.content)["messages"][0]["content"])
        choice = {"message": {"content": texts[len(asked) - 1]}, "finish_reason": "stop"}
        return httpx2.Response(200, content=unstreamed("openai", {"choices": [choice]}))

    return answer


THOUGHTS = 1_500


def thinking(text: str) -> Callable[[httpx2.Request], httpx2.Response]:
    """A provider whose model thinks before it says this; the limit of its answer counts both."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        left = json.loads(request.content)["max_completion_tokens"] - THOUGHTS
        said = text if left >= len(text) / 4 else ""
        choice = {"message": {"content": said}, "finish_reason": "stop" if said else "length"}
        return httpx2.Response(200, content=unstreamed("openai", {"choices": [choice]}))

    return answer


def generate(functions: Functions, asked: list[str], *texts: str) -> Answer:
    module = functions.module("generate_interview_questions")
    module.services.providers = {"openai": over(saying(list(texts), asked))["openai"]}
    body = {"objective": "Find out", "number": 5}
    path = "/api/generate-interview-questions"
    return functions.request("generate_interview_questions", "POST", path, body, token=make_token("ada"))


def test_of_an_answer_cut_by_length_what_is_complete_is_used_and_the_rest_asked_for(functions: Functions) -> None:
    asked: list[str] = []
    cut = json.dumps({"description": None, "questions": [question(number) for number in range(5)]})[:-40]
    rest = json.dumps({"description": "About you.", "questions": [question(5)]})
    answer = generate(functions, asked, cut, rest)
    assert answer.status == 200, answer.text
    texts = [one["question"] for one in answer.json["questions"]]
    assert texts == [question(number)["question"] for number in (0, 1, 2, 3, 5)]
    assert (answer.json["description"], answer.json["degraded"]) == ("About you.", False)
    # One is missing, and three are to spare.
    assert ["exactly 5 questions" in asked[0], "exactly 4 questions" in asked[1]] == [True, True]


@pytest.mark.parametrize(
    ("members", "seconds"),
    [
        ({"time_limit_seconds": 90.5}, 90),
        ({"time_limit_seconds": None}, 180),
        ({"time_limit_seconds": "90"}, 90),
        ({"time_limit_seconds": "soon"}, 180),
        ({"competency": None, "type": None, "expected_points": None, "follow_ups": None}, 90),
        ({"expected_points": ["a", None], "follow_ups": "none"}, 90),
        ({"difficulty": 3, "competency": ["x"]}, 90),
    ],
)
def test_a_member_that_is_not_as_it_should_be_costs_no_question(
    functions: Functions, members: dict[str, Any], seconds: int
) -> None:
    asked: list[str] = []
    questions = [question(0, **members), *(question(number) for number in range(1, 5))]
    answer = generate(functions, asked, json.dumps({"description": None, "questions": questions}))
    assert (answer.status, answer.json["degraded"], len(asked)) == (200, False, 1)
    assert answer.json["questions"][0]["time_limit_seconds"] == seconds
    assert answer.json["questions"][0]["question"] == questions[0]["question"]


def test_thinking_and_prose_with_braces_around_the_answer_are_passed_over(functions: Functions) -> None:
    asked: list[str] = []
    whole = json.dumps({"description": "About you.", "questions": [question(number) for number in range(5)]})
    text = (
        f'<think>A {{draft}}: {{"questions": [{{"question": "No?"}}]}}</think>For {{you}}:\n```json\n{whole}\n```\n{{}}'
    )
    answer = generate(functions, asked, text)
    assert (answer.json["degraded"], len(asked)) == (False, 1)
    assert [one["question"] for one in answer.json["questions"]] == [question(n)["question"] for n in range(5)]


def test_a_model_that_thinks_first_has_room_to(functions: Functions) -> None:
    """BuilderIO/agent-native #4861: the thoughts of a judge took up the whole answer."""
    text = json.dumps({"description": "About you.", "questions": [question(0)]})
    module = functions.module("generate_interview_questions")
    module.services.providers = {"openai": over(thinking(text))["openai"]}
    body, path = {"objective": "Find out", "number": 1}, "/api/generate-interview-questions"
    answer = functions.request("generate_interview_questions", "POST", path, body, token=make_token("ada"))
    assert (answer.status, answer.json["degraded"]) == (200, False), answer.text

    services = functions.module("interviews").services
    services.providers = {"openai": over(thinking(json.dumps({"follow_ups": ["What did it cost?"]})))["openai"]}
    candidate = Candidate(functions, make_token("ada"))
    candidate.prepare()
    state = candidate.answer("Because of the sums.", candidate.start().json["answer_sequence_number"]).json
    assert state["asked"]["content"] == "What did it cost?"

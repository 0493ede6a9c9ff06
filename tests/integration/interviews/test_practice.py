"""A single answer is graded by the rubric, kept, and paid once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from testing.functions import Answer, Functions
from testing.interviews import as_json
from tests.integration.interviews.feedback_cases import rows

ANSWER = (
    "We measured the queue before we changed anything, and found that one consumer held a lock for seconds. "
    "So we split the work by customer and wrote down why; the delay fell from minutes to less than a second."
)
BODY = {"question": "How did you find the bottleneck?", "answer": ANSWER, "skill": "problem_solving"}
Ask = Callable[..., Answer]


@pytest.fixture
def ask(functions: Functions, token: Callable[..., str]) -> Ask:
    """Ask the function of interviews about practice."""

    def send(method: str, path: str = "", body: Any = None, user: str = "ada", **headers: str) -> Answer:
        target = f"/api/practice-attempts{path}"
        return functions.request("interviews", method, target, body, token=token(user), headers=headers)

    return send


def judged(level: str, quote: str = "found that one consumer held a lock", key: str = "problem_solving") -> str:
    """A model's assessment of the answer."""
    return as_json({
        "competencies": [
            {"key": key, "evidence": [{"turn": 2, "quote": quote}], "reasoning": "It measures first.", "level": level}
        ],
        "questions": [{
            "question": "q1", "summary": "A real case.", "missing_points": ["the figures"],
            "better_answer": "Name the figures first.", "status": "answered",
        }],
        "strengths": ["An example."], "improvements": [{"what": "Few figures.", "action": "Name one."}],
        "next_steps": ["Practise figures."], "summary": "You told a case.",
    })  # fmt: skip


def test_an_answer_is_graded_by_rule_from_a_level_with_evidence_and_kept(
    ask: Ask, emulator: Emulator, database: Any
) -> None:
    emulator.answer(judged("4"))
    made = ask("POST", body=BODY)
    assert made.status == 201
    attempt = made.json
    assert (attempt["score"], attempt["skill"], attempt["answer"]) == (75, "problem_solving", ANSWER)
    feedback = attempt["feedback"]
    assert (feedback["level"], feedback["evidenced"], feedback["missing_points"]) == (4, True, ["the figures"])
    assert [quote["quote"] for quote in feedback["evidence"]] == ["found that one consumer held a lock"]
    assert ask("GET", f"/{attempt['id']}").json == attempt
    assert ask("GET").json == {"data": [attempt], "next_cursor": None}
    # It took a unit, and is paid with the day.
    assert rows(database, "select daily_usage from user_ai_settings") == [1]
    assert rows(database, "select sum(amount) from app.xp_events") == [15]
    assert rows(database, "select skill, attempts, best_score::integer from user_progress") == [
        ("problem_solving", 1, 75)
    ]


def test_what_the_answer_does_not_say_is_no_evidence_and_praise_without_it_counts_as_three(
    ask: Ask, emulator: Emulator
) -> None:
    emulator.answer(judged("5", quote="I am the best engineer alive"))
    attempt = ask("POST", body=BODY).json
    assert (attempt["score"], attempt["feedback"]["evidenced"], attempt["feedback"]["rejected_quotes"]) == (
        50,
        False,
        1,
    )


def test_an_answer_of_a_few_words_gets_advice_and_no_score(ask: Ask, emulator: Emulator, database: Any) -> None:
    emulator.answer(judged("5", quote="I would measure"))
    attempt = ask("POST", body=BODY | {"answer": "I would measure it."}).json
    assert (attempt["score"], attempt["feedback"]["level"]) == (None, 5)
    assert rows(database, "select count(*) from user_progress") == [0]


def test_a_repetition_asks_no_model_and_pays_nothing(ask: Ask, emulator: Emulator, database: Any) -> None:
    emulator.answer(judged("3"), times=1)
    key = {"Idempotency-Key": "once"}
    first, again = (ask("POST", body=BODY, **key) for _ in range(2))
    assert first.json == again.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(emulator.requests()) == 1
    assert rows(database, "select count(*) from practice_attempts") == [1]
    assert rows(database, "select count(*) from app.xp_events where reason = 'practice'") == [1]
    assert ask("POST", body=BODY | {"skill": "communication"}, **key).json["code"] == "idempotency_key_reused"


def test_where_no_model_can_judge_nothing_is_kept_paid_or_made_up(ask: Ask, emulator: Emulator, database: Any) -> None:
    emulator.fault("wrong_enum", times=100)
    assert ask("POST", body=BODY).json["code"] == "upstream_bad_response"
    assert rows(database, "select count(*) from practice_attempts") == [0]
    assert rows(database, "select count(*) from app.xp_events") == [0]
    assert rows(database, "select coalesce(max(daily_usage), 0) from user_ai_settings") == [0]


def test_attempts_are_their_users_own_and_come_in_pages(ask: Ask, emulator: Emulator) -> None:
    emulator.answer(judged("3"))
    ids = [ask("POST", body=BODY).json["id"] for _ in range(3)]
    first = ask("GET", "?limit=2").json
    rest = ask("GET", f"?limit=2&cursor={first['next_cursor']}").json
    assert [row["id"] for row in first["data"] + rest["data"]] == ids[::-1]
    assert ask("GET", user="bob").json["data"] == []
    for attempt_id in (ids[0], "not-an-id"):
        assert ask("GET", f"/{attempt_id}", user="bob").json["code"] == "practice_attempt_not_found"


@pytest.mark.parametrize(
    "change",
    [
        *({name: 100} for name in ("score", "xp", "level", "feedback", "user_id", "created_at", "organization_id")),
        {"skill": "juggling"}, {"answer": " "}, {"question": ""}, {"answer": "x" * 20_001},
    ],
)  # fmt: skip
def test_a_client_sets_no_score_and_no_date(ask: Ask, emulator: Emulator, change: dict[str, Any]) -> None:
    assert ask("POST", body=BODY | change).status == 400
    assert emulator.requests() == []

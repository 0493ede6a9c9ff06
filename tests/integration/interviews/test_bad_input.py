"""What cannot be: the right 4xx with a code, and nothing is written."""

from __future__ import annotations

from typing import Any

import pytest

from testing.functions import Functions
from tests.integration.interviews.test_sessions import QUESTIONS, Candidate, Token

ANCHORS = {str(level): f"level {level}" for level in range(1, 6)}
CRITERION = {"key": "care", "name": "Care", "description": "Looks after people.", "anchors": ANCHORS}


@pytest.fixture
def ada(functions: Functions, token: Token) -> Candidate:
    return Candidate(functions, token("ada"))


def rows(database: Any) -> list[Any]:
    """All that interviews leave behind."""
    with database.connect() as owner:
        statement = """
            select (select count(*) from interview_sessions), (select jsonb_agg(to_jsonb(s) order by s.id)
              from interview_sessions s), (select count(*) from interview_responses),
              (select count(*) from app.ai_requests), (select count(*) from app.question_generations)
        """
        return [*owner.execute(statement).fetchone()]


@pytest.mark.parametrize(
    ("request_body", "field"),
    [
        ({}, ""),
        ({"questions": []}, "questions"),
        ({"questions": QUESTIONS * 11}, "questions"),
        ({"questions": [{"question": "  "}]}, "questions.0.question"),
        ({"questions": [{"question": "x" * 1_001}]}, "questions.0.question"),
        ({"questions": [{"question": "Why?", "time_limit_seconds": 5}]}, "questions.0.time_limit_seconds"),
        ({"questions": QUESTIONS, "generation_id": "g"}, ""),
        ({"role": "Nurse", "number": 0}, "number"),
        ({"role": "Nurse", "number": 21}, "number"),
        ({"number": 3}, ""),
        ({"questions": QUESTIONS, "language": "no language"}, "language"),
        ({"questions": QUESTIONS, "category": "gossip"}, "category"),
        ({"questions": QUESTIONS, "follow_up_depth": "endless"}, "follow_up_depth"),
        ({"questions": QUESTIONS, "time_limit_seconds": 0}, "time_limit_seconds"),
        ({"questions": QUESTIONS, "metadata": {"a": "x" * 5_000}}, "metadata"),
        ({"questions": QUESTIONS, "status": "completed"}, "status"),
        ({"questions": QUESTIONS, "competencies": [CRITERION | {"anchors": {}}]}, "competencies.0.anchors"),
        (
            {"questions": QUESTIONS, "competencies": [CRITERION | {"anchors": ANCHORS | {"3": " "}}]},
            "competencies.0.anchors.3",
        ),
        ({"questions": QUESTIONS, "competencies": [CRITERION, CRITERION]}, "competencies"),
        ({"questions": QUESTIONS, "competencies": [CRITERION | {"key": str(n)} for n in range(9)]}, "competencies"),
    ],
)
def test_an_interview_that_cannot_be_prepared_is_refused(
    ada: Candidate, request_body: Any, field: str, database: Any
) -> None:
    before = rows(database)
    answer = ada.send("POST", "", request_body)
    assert (answer.status, answer.json["code"]) == (400, "invalid_request"), answer.text
    assert answer.json["errors"][0]["field"].startswith(field)
    assert rows(database) == before


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"sequence_number": 1}, 409, "sequence_conflict"),
        ({"sequence_number": 3}, 409, "sequence_conflict"),
        ({"sequence_number": 0}, 400, "invalid_request"),
        ({"sequence_number": "2"}, 400, "invalid_request"),
        ({"content": ""}, 400, "invalid_request"),
        ({"content": " \n "}, 400, "invalid_request"),
        ({"content": "x" * 100_000}, 400, "invalid_request"),
        ({"content": "a\u0000b"}, 400, "invalid_request"),
        ({"submission_id": ""}, 400, "invalid_request"),
        ({"submission_id": "x" * 101}, 400, "invalid_request"),
        ({"role": "assistant"}, 400, "invalid_request"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(
    ada: Candidate, change: Any, status: int, code: str, database: Any
) -> None:
    ada.prepare()
    ada.start()
    before = rows(database)
    body = {"submission_id": "one", "sequence_number": 2, "content": "A ledger."} | change
    answer = ada.send("POST", f"/{ada.id}/responses", body)
    assert (answer.status, answer.json["code"]) == (status, code), answer.text
    assert rows(database) == before


def test_an_answer_out_of_order_changed_or_too_late_is_refused(ada: Candidate, database: Any) -> None:
    ada.prepare(questions=QUESTIONS[:1], follow_up_depth="light")
    early = ada.answer("Before the start.", 2)
    assert (early.status, early.json["code"]) == (409, "interview_not_in_progress")
    ada.start()
    assert ada.answer("A ledger.", 2, "one").json["status"] == "completed"
    before = rows(database)
    assert ada.answer("A ledger.", 2, "one").status == 200  # the same once more
    for refused, status, code in [
        (ada.answer("Another ledger.", 2, "one"), 422, "submission_id_reused"),
        (ada.answer("A ledger.", 4, "one"), 422, "submission_id_reused"),
        (ada.answer("A ledger.", 2, "two"), 409, "interview_not_in_progress"),
        (ada.send("POST", f"/{ada.id}/skip", {"sequence_number": 2}), 409, "interview_not_in_progress"),
        (ada.send("POST", f"/{ada.id}/abandon"), 409, "interview_not_in_progress"),
        (ada.start(), 409, "interview_not_in_progress"),
    ]:
        assert (refused.status, refused.json["code"]) == (status, code)
    assert rows(database) == before


@pytest.mark.parametrize("interview_id", ["00000000-0000-4000-8000-000000000000", "no-uuid", "1"])
def test_an_interview_that_is_not_there_is_404(ada: Candidate, interview_id: str, database: Any) -> None:
    before = rows(database)
    ada.id = interview_id
    answers = [
        ada.send("GET", f"/{interview_id}"), ada.send("PATCH", f"/{interview_id}", {"title": "x"}),
        ada.send("DELETE", f"/{interview_id}"), ada.start(), ada.answer("A ledger.", 2),
        *(ada.send("GET", f"/{interview_id}/{part}") for part in ("state", "responses", "transcript", "export")),
        *(ada.send("POST", f"/{interview_id}/{part}") for part in ("complete", "abandon", "retry")),
    ]  # fmt: skip
    assert {(answer.status, answer.json["code"]) for answer in answers} == {(404, "interview_not_found")}
    assert rows(database) == before


def test_an_interview_has_one_spelling_of_its_id(ada: Candidate) -> None:
    ada.prepare()
    for spelling in (f"urn:uuid:{ada.id}", f"{{{ada.id}}}", ada.id.upper(), ada.id.replace("-", "")):
        for answer in (ada.send("GET", f"/{spelling}"), ada.send("GET", f"/{spelling}/feedback")):
            assert (answer.status, answer.json["code"]) == (404, "interview_not_found")


@pytest.mark.parametrize(
    "query",
    ["status=lost", "interview_type=dance", "category=gossip", "from=yesterday", "from=2026-01-01", "limit=0",
     "limit=101", "cursor=nonsense", "state=pending"],
)  # fmt: skip
def test_an_unknown_filter_is_400(ada: Candidate, query: str) -> None:
    answer = ada.send("GET", f"?{query}")
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")


def test_without_a_token_there_are_no_interviews(functions: Functions) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/stats"), ("GET", "/recent")):
        body = {"questions": QUESTIONS} if method == "POST" else None
        answer = functions.request("interviews", method, f"/api/interviews{path}", body)
        assert (answer.status, answer.json["code"]) == (401, "token_missing")

"""Text interviews from their questions to the last answer."""

from __future__ import annotations

import csv
import io
import json
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
    """What the model asks next, for so many answers; nothing means that it lets them be."""
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
    assert turns[1]["analysis"]["words"] == 8


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
    assert ada.state() | {"voice": None} == state


# Where questions come from.


def test_an_interview_is_made_of_a_generation(ada: Candidate, bob: Candidate, functions: Functions) -> None:
    asked_for = {"role": "Data engineer", "level": "senior", "type": "technical", "number": 3, "language": "sv"}
    generated = functions.request(
        "generate_interview_questions", "POST", "/api/generate-interview-questions", asked_for, token=ada.token
    ).json
    request = {"generation_id": generated["id"], "follow_up_depth": "light"}
    made = ada.send("POST", "", request)
    assert made.status == 201, made.text
    assert made.json["questions"] == generated["questions"]
    assert [made.json[name] for name in ("role", "level", "category", "language")] == [
        "Data engineer", "senior", "technical", "sv",
    ]  # fmt: skip
    refused = bob.send("POST", "", request)
    assert (refused.status, refused.json["code"]) == (404, "generation_not_found")


def test_an_interview_is_made_for_a_role_and_its_questions_take_a_unit(ada: Candidate, database: Any) -> None:
    headers = {"Idempotency-Key": "one"}
    made, again = (ada.send("POST", "", {"role": "Nurse", "number": 2}, headers=headers) for _ in range(2))
    assert (made.status, made.json["title"], made.json["question_count"]) == (201, "Nurse", 2)
    assert (again.json, again.headers["Idempotency-Replayed"]) == (made.json, "true")
    with database.connect() as owner:
        assert owner.execute("select daily_usage from user_ai_settings").fetchone() == (1,)


def test_only_so_many_interviews_are_made_in_a_day(ada: Candidate, functions: Functions) -> None:
    functions.environment["PARLEY_DAILY_FREE_WRITES"] = "2"
    first, *_ = [ada.send("POST", "", {"questions": QUESTIONS}, headers={"Idempotency-Key": str(n)}) for n in range(2)]
    refused = ada.prepare()
    assert (refused.status, refused.json["code"]) == (429, "daily_limit_reached")
    again = ada.send("POST", "", {"questions": QUESTIONS}, headers={"Idempotency-Key": "0"})
    assert (again.status, again.json["id"]) == (201, first.json["id"])


def test_an_interview_whose_questions_took_a_unit_is_not_refused_after_that(
    ada: Candidate, functions: Functions, emulator: Emulator
) -> None:
    functions.environment["PARLEY_DAILY_FREE_WRITES"] = "1"
    assert ada.prepare().status == 201
    assert ada.send("POST", "", {"role": "Nurse", "number": 2}).status == 201
    emulator.fault("unavailable", provider="*", times=100, retry_after="0")
    refused = ada.send("POST", "", {"role": "Nurse", "number": 2})  # from the bank, which is free
    assert (refused.status, refused.json["code"]) == (429, "daily_limit_reached")


def test_a_key_makes_one_interview_and_no_other(ada: Candidate) -> None:
    def send(**request: Any) -> Answer:
        return ada.send("POST", "", {"questions": QUESTIONS} | request, headers={"Idempotency-Key": "one"})

    assert send().json["id"] == send().json["id"]
    other = send(title="Another")
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")


def test_an_own_rubric_is_kept_with_the_interview(ada: Candidate) -> None:
    anchors = {str(level): f"shows level {level}" for level in range(1, 6)}
    criterion = {"key": "care", "name": "Care", "description": "Looks after people.", "weight": 2.0, "anchors": anchors}
    assert ada.prepare(competencies=[criterion]).json["competencies"] == [criterion]


# Moves.


def ended(ada: Candidate, **request: Any) -> Any:
    ada.prepare(follow_up_depth="light", **request)
    state = ada.start().json
    while state["awaits"] == "answer":
        state = ada.answer("=1+1 is two.", state["answer_sequence_number"]).json
    return state


@pytest.mark.parametrize(
    ("content", "words"),
    [("\u79c1\u306f\u6771\u4eac\u3067\u50cd\u304d\u307e\u3057\u305f\u3002", 5), (" a  b\n", 2), ("\u2026", 0)],
)
def test_the_words_of_an_answer_are_counted_as_feedback_counts_them(ada: Candidate, content: str, words: int) -> None:
    ada.prepare()
    ada.answer(content, ada.start().json["answer_sequence_number"])
    assert ada.send("GET", f"/{ada.id}/responses").json["data"][1]["analysis"]["words"] == words


def test_a_question_that_is_skipped_gets_no_follow_up(ada: Candidate, emulator: Emulator) -> None:
    ada.prepare()
    number = ada.start().json["answer_sequence_number"]
    first = ada.send("POST", f"/{ada.id}/skip", {"sequence_number": number})
    again = ada.send("POST", f"/{ada.id}/skip", {"sequence_number": number})
    assert (first.json["question_index"], again.json) == (1, first.json)
    assert emulator.requests() == []
    assert ada.send("GET", f"/{ada.id}/responses").json["data"][1]["stage"] == "skipped"


def test_completing_early_and_twice_is_one_end(ada: Candidate) -> None:
    ada.prepare()
    ada.start()
    first, again = (ada.send("POST", f"/{ada.id}/complete") for _ in range(2))
    assert (first.status, first.json["ended_reason"], again.json) == (202, "ended_by_candidate", first.json)


def test_an_interview_that_is_given_up_is_neither_answered_nor_completed(ada: Candidate) -> None:
    ada.prepare()
    state = ada.start().json
    assert ada.send("POST", f"/{ada.id}/abandon").json["status"] == "abandoned"
    refused = [
        ada.answer("Too late.", state["answer_sequence_number"]), ada.start(), ada.send("POST", f"/{ada.id}/complete")
    ]  # fmt: skip
    assert {(answer.status, answer.json["code"]) for answer in refused} == {(409, "interview_not_in_progress")}


def test_a_retry_asks_the_same_questions_anew(ada: Candidate) -> None:
    ada.prepare()
    early = ada.send("POST", f"/{ada.id}/retry")
    assert (early.status, early.json["code"]) == (409, "interview_not_over")
    ended(ada)
    key = {"Idempotency-Key": "one"}
    retried, again = (ada.send("POST", f"/{ada.id}/retry", headers=key) for _ in range(2))
    assert (retried.status, retried.json["status"], retried.json["retry_of"]) == (201, "pending", ada.id)
    assert again.json == retried.json
    assert retried.json["questions"] == ada.send("GET", f"/{ada.id}").json["questions"]


# Time.


def wait(database: Any, seconds: int) -> None:
    """Let time pass, as the database sees it."""
    with database.connect() as owner:
        owner.execute("create or replace function app.now() returns timestamptz language sql stable parallel safe "
                      f"return pg_catalog.now() + interval '{seconds} seconds'".encode())  # fmt: skip


def test_a_question_whose_time_is_over_is_skipped(ada: Candidate, database: Any) -> None:
    ada.prepare(questions=[QUESTIONS[0] | {"time_limit_seconds": 60}, QUESTIONS[1]])
    state = ada.start().json
    assert 55 <= state["answer_seconds_left"] <= 60
    wait(database, 70)
    late = ada.answer("Because of the sums.", state["answer_sequence_number"])
    assert (late.status, late.json["code"]) == (409, "sequence_conflict")
    state = ada.state()
    assert (state["question_index"], state["answer_seconds_left"]) == (1, None)
    stages = [turn["stage"] for turn in ada.send("GET", f"/{ada.id}/responses").json["data"]]
    assert stages == ["question", "expired", "question"]


def test_a_follow_up_has_a_time_of_its_own(ada: Candidate, emulator: Emulator, database: Any) -> None:
    follow_ups(emulator, "What did it cost?")
    ada.prepare(questions=[QUESTIONS[0] | {"time_limit_seconds": 60}])
    number = ada.start().json["answer_sequence_number"]
    wait(database, 50)
    state = ada.answer("Because of the sums.", number).json
    assert (state["asked"]["stage"], 55 <= state["answer_seconds_left"] <= 60) == ("follow_up", True)
    wait(database, 100)
    assert ada.state()["awaits"] == "answer"
    wait(database, 120)
    assert (ada.state()["status"], ada.state()["ended_reason"]) == ("completed", "finished")


def test_an_interview_whose_time_is_over_is_completed(ada: Candidate, database: Any) -> None:
    ada.prepare(time_limit_seconds=60)
    ada.start()
    wait(database, 70)
    state = ada.state()
    assert (state["status"], state["ended_reason"], state["awaits"]) == ("completed", "time_limit", None)


def test_an_interview_lasts_no_longer_than_its_time_however_late_somebody_looks(ada: Candidate, database: Any) -> None:
    ada.prepare(time_limit_seconds=60)
    ada.start()
    wait(database, 50 * 3600)
    ada.state()
    assert ada.send("GET", f"/{ada.id}").json["duration_minutes"] == 1


def test_an_answer_that_was_on_its_way_when_the_interview_ended_is_its_last(
    ada: Candidate, emulator: Emulator, database: Any
) -> None:
    ada.prepare(time_limit_seconds=60)
    number = ada.start().json["answer_sequence_number"]
    wait(database, 63)
    state = ada.answer("Because of the sums.", number).json
    assert (state["status"], state["ended_reason"], emulator.requests()) == ("completed", "time_limit", [])
    assert ada.send("GET", f"/{ada.id}/responses").json["data"][-1]["content"] == "Because of the sums."


def test_an_interview_that_fell_silent_is_completed_by_the_schedule_which_asks_for_its_feedback(
    ada: Candidate, schedules: Functions, database: Any
) -> None:
    ada.prepare()
    ada.start()
    wait(database, 23 * 3600)
    assert schedules.invoke("cache_cleanup", {})["interviews_closed"] == 0
    wait(database, 25 * 3600)
    report = schedules.invoke("cache_cleanup", {})
    assert (report["interviews_closed"], report["feedback_requested"]) == (1, 1)
    interview = ada.send("GET", f"/{ada.id}").json
    assert (interview["status"], interview["ended_reason"], interview["duration_minutes"]) == (
        "completed",
        "silence",
        0,
    )


# Without a model, and without the database.


def test_an_interview_goes_on_without_follow_ups_when_every_provider_is_down(
    ada: Candidate, emulator: Emulator
) -> None:
    ada.prepare()
    state = ada.start().json
    emulator.fault("unavailable", provider="*", times=100, retry_after="0")
    state = ada.answer("Because of the sums.", state["answer_sequence_number"]).json
    assert (state["asked"]["stage"], state["question_index"]) == ("question", 1)


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        '{"follow_ups": [3]}',
        '{"follow_ups": [""]}',
        json.dumps({"follow_ups": ["word " * 31]}),
        json.dumps({"follow_ups": [QUESTIONS[0]["question"].upper()]}),
    ],
)
def test_what_cannot_be_asked_is_no_follow_up(ada: Candidate, emulator: Emulator, text: str) -> None:
    emulator.answer(text)
    ada.prepare()
    state = ada.answer("Because of the sums.", ada.start().json["answer_sequence_number"]).json
    assert (state["asked"]["stage"], state["question_index"]) == ("question", 1)


@pytest.mark.parametrize(
    "follow_ups",
    [["", QUESTIONS[0]["question"], "1. Which sums?"], [{"question": "Which sums?"}], ["Which sums?", "Why?"]],
)
def test_the_first_follow_up_that_can_be_asked_is_asked(ada: Candidate, emulator: Emulator, follow_ups: Any) -> None:
    emulator.answer(json.dumps({"follow_ups": follow_ups}))
    ada.prepare()
    state = ada.answer("Because of the sums.", ada.start().json["answer_sequence_number"]).json
    assert (state["asked"]["stage"], state["asked"]["content"]) == ("follow_up", "Which sums?")


def test_an_answer_is_kept_where_its_follow_up_could_not_be_written(
    ada: Candidate, functions: Functions, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parley.database.errors import DatabaseUnavailable

    ada.prepare()
    number = ada.start().json["answer_sequence_number"]
    services = functions.module("interviews").services

    def away(*_: Any, **__: Any) -> Any:
        raise DatabaseUnavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(type(services.requests), "begin_model_call", away)
        refused = ada.answer("Because of the sums.", number)
    assert (refused.status, refused.json["code"]) == (503, "database_unavailable")
    assert refused.headers["Retry-After"]
    assert ada.state()["awaits"] == "interviewer"
    resumed = ada.start().json
    assert resumed["awaits"] == "answer"
    assert ada.answer("Because of the sums.", number).json | {"voice": None} == resumed


# Reading.


def test_interviews_are_listed_by_filter_and_page(ada: Candidate) -> None:
    ids = [ada.prepare(title=f"Number {n}").json["id"] for n in range(3)]
    ada.start()
    first = ada.send("GET", "?limit=2").json
    second = ada.send("GET", f"?limit=2&cursor={first['next_cursor']}").json
    assert [row["id"] for row in [*first["data"], *second["data"]]] == ids[::-1]
    assert second["next_cursor"] is None
    assert [row["id"] for row in ada.send("GET", "?status=in_progress").json["data"]] == ids[-1:]
    assert ada.send("GET", "?to=2020-01-01T00:00:00Z").json["data"] == []
    assert len(ada.send("GET", "?from=2020-01-01T00:00:00Z&interview_type=text&category=mixed").json["data"]) == 3


def test_turns_come_in_pages(ada: Candidate) -> None:
    ended(ada)
    first = ada.send("GET", f"/{ada.id}/responses?limit=3").json
    second = ada.send("GET", f"/{ada.id}/responses?limit=3&cursor={first['next_cursor']}").json
    assert [turn["sequence_number"] for turn in [*first["data"], *second["data"]]] == [1, 2, 3, 4]
    assert second["next_cursor"] is None


def test_an_interview_is_exported_to_be_kept(ada: Candidate) -> None:
    ended(ada, title="Ledgers")
    whole = ada.send("GET", f"/{ada.id}/export").json
    assert (whole["interview"]["title"], len(whole["turns"]), whole["feedback"]) == ("Ledgers", 4, None)
    lines = list(csv.DictReader(io.StringIO(ada.send("GET", f"/{ada.id}/export?format=csv").text)))
    assert [line["stage"] for line in lines] == ["question", "answer", "question", "answer"]
    assert lines[1]["content"] == "'=1+1 is two."
    document = ada.send("GET", f"/{ada.id}/export?format=md").text
    assert document.startswith("# Ledgers\n")
    assert "**Candidate:** \\=1+1 is two." in document
    assert ada.send("GET", f"/{ada.id}/transcript").text.startswith(
        f"Interviewer: {QUESTIONS[0]['question']}\n\nCandidate: =1+1"
    )


def test_what_is_too_large_to_be_exported_at_once_is_read_in_pages(ada: Candidate, database: Any) -> None:
    ended(ada)
    with database.connect() as owner:
        owner.execute(
            "insert into interview_responses (interview_id, role, stage, question_index, content, sequence_number)"
            " select %s, 'user', 'answer', 1, repeat(%s, 20000), n from generate_series(5, 70) n",
            (ada.id, "\u0434"),
        )
    for path in ("/transcript", "/export", "/export?format=csv", "/export?format=md"):
        refused = ada.send("GET", f"/{ada.id}{path}")
        assert (refused.status, refused.json["code"]) == (413, "answer_too_large")
        assert "in pages" in refused.json["detail"]
    turns, cursor = [], ""
    while cursor is not None:
        page = ada.send("GET", f"/{ada.id}/responses?limit=100{cursor and f'&cursor={cursor}'}").json
        turns += page["data"]
        cursor = page["next_cursor"]
    assert [turn["sequence_number"] for turn in turns] == [*range(1, 71)]
    assert {len(turn["content"]) for turn in turns[4:]} == {20_000}


FORGED = "Sure.\r\n\r\n## Feedback\u2028Score: 100 of 100\nInterviewer: Hired.\n===\n1. ![x](http://a.b/c) <img>"


def test_no_answer_passes_for_something_else_in_what_is_exported(ada: Candidate) -> None:
    ada.prepare(title="#1 *Ledgers*", description="# Not a heading", questions=QUESTIONS[:1], follow_up_depth="light")
    ada.answer(FORGED, ada.start().json["answer_sequence_number"])
    document = ada.send("GET", f"/{ada.id}/export?format=md").text
    assert [line for line in document.splitlines() if line.startswith("#")] == ["# \\#1 \\*Ledgers\\*", "## Question 1"]
    assert "\n\\===\n1\\. !\\[x\\](http://a.b/c) \\<img\\>\n" in document
    spoken = ada.send("GET", f"/{ada.id}/transcript").text.splitlines()
    assert [line.split(":")[0] for line in spoken if line and line[0] != " "] == ["Interviewer", "Candidate"]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@A1", " =1+1", "\uff1d1+1", "\u200b=1+1", "\ufeff=1+1",
                                     "\u2060 \u200b@A1", "\u3164=1+1"])  # fmt: skip
def test_no_answer_is_calculated_by_a_spreadsheet(ada: Candidate, formula: str) -> None:
    ada.prepare(questions=QUESTIONS[:1], follow_up_depth="light")
    ada.answer(formula, ada.start().json["answer_sequence_number"])
    lines = list(csv.DictReader(io.StringIO(ada.send("GET", f"/{ada.id}/export?format=csv").text, newline="")))
    assert lines[1]["content"] == f"'{formula}"


@pytest.mark.parametrize(
    "before", ["hi;", "\t", "\n", "hi\t", "hi\r\n", "hi;;", "hi\n;", "\u2028", 'a";"', ";\u200b", "\n "]
)
def test_no_part_of_an_answer_is_calculated_where_cells_are_parted_otherwise(ada: Candidate, before: str) -> None:
    ada.prepare(questions=QUESTIONS[:1], follow_up_depth="light")
    ada.answer(f"{before}=1+1", ada.start().json["answer_sequence_number"])
    text = ada.send("GET", f"/{ada.id}/export?format=csv").text
    (answer,) = [line["content"] for line in csv.DictReader(io.StringIO(text, newline="")) if line["role"] == "user"]
    assert answer.replace("'", "", 1) == f"{before}=1+1"
    for separator in (";", "\t"):
        cells = [cell for line in csv.reader(io.StringIO(text), delimiter=separator) for cell in line]
        assert [cell for cell in cells if cell.strip(' \u200b\u2028"').startswith("=")] == []


def test_every_cell_is_quoted(ada: Candidate) -> None:
    ada.prepare(questions=QUESTIONS[:1], follow_up_depth="light")
    ada.start()
    header = ada.send("GET", f"/{ada.id}/export?format=csv").text.splitlines()[0]
    assert header == '"sequence_number","role","stage","question_index","timestamp","content"'


@pytest.mark.parametrize(
    ("written", "shown"), [("1. x", "1\\. x"), ("2) x", "2\\) x"), ("- x", "\\- x"), ("---", "\\---"), ("+ x", "\\+ x")]
)
def test_a_text_is_no_list_and_no_rule_from_its_very_beginning(ada: Candidate, written: str, shown: str) -> None:
    ada.prepare(description=written, questions=QUESTIONS[:1], follow_up_depth="light")
    ada.start()
    assert f"\n\n{shown}\n\n## Question 1" in ada.send("GET", f"/{ada.id}/export?format=md").text


def test_statistics_and_recent_interviews_are_the_seeds(ada: Candidate) -> None:
    ended(ada, category="technical")
    figures = ada.send("GET", "/stats").json
    assert (figures["total_interviews"], figures["completed_interviews"], figures["by_type"]) == (
        1,
        1,
        {"technical": 1},
    )
    (recent,) = ada.send("GET", "/recent?limit=5").json["data"]
    assert (recent["id"], recent["status"]) == (ada.id, "completed")


def test_a_deleted_interview_is_gone_with_its_turns(ada: Candidate, database: Any) -> None:
    ended(ada)
    assert ada.send("DELETE", f"/{ada.id}").status == 204
    assert ada.send("GET", f"/{ada.id}").status == 404
    with database.connect() as owner:
        assert owner.execute("select count(*) from interview_responses").fetchone() == (0,)


@pytest.mark.parametrize("questions", ['["Why SQL?", {"question": "Why queues?"}]', '{"first": "Why SQL?"}', "[]"])
def test_an_adopted_interview_with_questions_of_another_shape_can_be_read(
    ada: Candidate, database: Any, questions: str
) -> None:
    ada.prepare()
    with database.connect() as owner:
        owner.execute("update interview_sessions set questions = %s", (questions,))
    listed = ada.send("GET", "").json["data"][0]["question_count"]
    assert len(ada.send("GET", f"/{ada.id}").json["questions"]) == listed == ada.state()["question_count"]
    state = ada.start().json
    assert state["status"] == ("in_progress" if listed else "completed")
    assert state["asked"] is None or state["asked"]["content"] == "Why SQL?"


@pytest.mark.parametrize("kept", ["null", '{"clarity": 80}', '"Well done"', '["Clear"]'])
def test_an_adopted_interview_with_words_and_feedback_of_its_own_is_told_within_the_contract(
    ada: Candidate, database: Any, kept: str
) -> None:
    ada.prepare()
    with database.connect() as owner:
        owner.execute("""
            alter table interview_sessions drop constraint interview_sessions_words_check,
              alter column metadata drop not null, disable trigger _10_status;
            alter table interview_responses drop constraint interview_responses_stage_check;
            alter table interview_feedback drop constraint interview_feedback_hiring_recommendation_check,
              alter column strengths drop not null
        """)
        owner.execute(
            "insert into interview_responses (interview_id, role, content, stage, sequence_number)"
            " values (%s, 'user', 'Hm', 'introduction', 1)", (ada.id,),
        )  # fmt: skip
        feedback = owner.execute(
            "insert into interview_feedback (interview_id, user_id, overall_score, hiring_recommendation, scores,"
            " strengths, improvements, recommendations) values (%s, 'ada', 85, 'maybe', %s, %s, %s, %s) returning id",
            (ada.id, *[kept] * 4),
        ).fetchone()[0]
        owner.execute("update interview_feedback set strengths = null where strengths = 'null'")
        owner.execute(
            "update interview_sessions set status = 'active', interview_type = 'phone', metadata = null,"
            " feedback_id = %s, competencies = '\"care\"'", (feedback,),
        )  # fmt: skip
    # Each answer is held against the contract.
    assert [ada.send("GET", path).json["data"][0]["status"] for path in ("", "/recent")] == ["active"] * 2
    assert ada.send("GET", f"/{ada.id}").json["metadata"] == {}
    assert ada.state()["status"] == "active"
    assert ada.send("GET", f"/{ada.id}/responses").json["data"][0]["stage"] == "introduction"
    told = {"null": [], '["Clear"]': ["Clear"]}.get(kept, [json.loads(kept)])
    assert ada.send("GET", f"/{ada.id}/export").json["feedback"]["strengths"] == told
    assert ada.send("GET", f"/{ada.id}/export?format=md").status == 200
    assert ada.send("GET", f"/{ada.id}/feedback").json["feedback"] is None
    assert ada.send("GET", f"/{ada.id}/feedback?version=1").status == 404


@pytest.mark.parametrize("interview_type", ["voice", "text"])
@pytest.mark.parametrize("turns", [[], ["assistant"], ["assistant", "user"]])
def test_an_interview_with_turns_from_elsewhere_is_read_but_not_conducted(
    ada: Candidate, database: Any, interview_type: str, turns: list[str]
) -> None:
    ada.prepare()
    with database.connect() as owner:
        owner.execute(
            "update interview_sessions set status = 'in_progress', started_at = now(), interview_type = %s",
            (interview_type,),
        )
        for number, role in enumerate(turns, start=1):
            owner.execute(
                "insert into interview_responses (interview_id, role, content, sequence_number)"
                " values (%s, %s, 'Hm', %s)",
                (ada.id, role, number),
            )
    state = ada.state()
    assert (state["status"], state["awaits"], state["asked"]) == ("in_progress", None, None)
    assert ada.answer("Mine.", len(turns) + 1).status == 409
    # The call of a voice interview can still be made, and ends it.
    assert ada.start().status == (200 if interview_type == "voice" else 409)
    assert ada.send("POST", f"/{ada.id}/complete").status == (409 if interview_type == "voice" else 202)


@pytest.mark.parametrize("questions", ['{"first": "Why SQL?"}', "null"])
def test_an_adopted_interview_without_questions_gets_no_verdict_and_asks_no_model(
    ada: Candidate, schedules: Functions, database: Any, emulator: Emulator, questions: str
) -> None:
    ada.prepare(questions=QUESTIONS[:1], follow_up_depth="light")
    ada.answer("Because of the sums. " * 40, ada.start().json["answer_sequence_number"])
    with database.connect() as owner:
        owner.execute("update interview_sessions set questions = %s", (questions,))
    message = json.dumps({"task": "interview_feedback", "id": ada.id})
    done = schedules.invoke("worker", {"Records": [{"messageId": "m", "body": message}]}, 120)
    assert done == {"batchItemFailures": []}
    feedback = ada.send("GET", f"/{ada.id}/feedback").json["feedback"]
    assert (feedback["overall_score"], feedback["hiring_recommendation"]) == (None, "insufficient_evidence")
    assert (feedback["questions"], emulator.requests()) == ([], [])


@pytest.mark.parametrize("kept", ['["Communication"]', '{"communication": 5}', '"communication"', '[{"name": "Care"}]'])
def test_an_adopted_interview_with_criteria_of_another_shape_can_be_held_and_judged(
    ada: Candidate, schedules: Functions, database: Any, kept: str
) -> None:
    ada.prepare(questions=QUESTIONS[:1], follow_up_depth="light", category="technical")
    with database.connect() as owner:
        owner.execute("update interview_sessions set competencies = %s", (kept,))
    ada.answer("Because of the sums.", ada.start().json["answer_sequence_number"])
    message = json.dumps({"task": "interview_feedback", "id": ada.id})
    done = schedules.invoke("worker", {"Records": [{"messageId": "m", "body": message}]}, 120)
    assert done == {"batchItemFailures": []}
    feedback = ada.send("GET", f"/{ada.id}/feedback").json["feedback"]
    assert [item["key"] for item in feedback["competencies"]] == [
        "technical_knowledge", "problem_solving", "communication",
    ]  # fmt: skip
    assert feedback["rubric_version"] != "own"
    assert ada.send("GET", f"/{ada.id}").json["competencies"] == [
        one for one in json.loads(kept) if isinstance(one, dict)
    ]
    assert ada.send("POST", f"/{ada.id}/retry").status == 201

"""Which question each turn of a call is about."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from parley.interviews.record import InterviewRecord
from parley.interviews.voice_reading import CallReport, Spoken
from parley.interviews.voice_turns import turns_of
from testing.interviews import make_turn

PROUD, CONFLICT, RUST = QUESTIONS = (
    "What are you proud of in your last project?",
    "How do you handle conflict in a team?",
    "Why Rust?",
)
WELCOME = "Welcome to this interview for a Rust developer position."
HAPPY, QUARREL, LANGUAGE = (
    "Which thing that you made makes you happiest?",
    "And when colleagues quarrel, what happens next?",
    "What drew you to that language?",
)


def asked(spoken: Sequence[str], questions: Sequence[str] = QUESTIONS) -> list[int | None]:
    """The question of each of the interviewer's turns; the candidate answers each of them."""
    said = [one for text in spoken for one in (Spoken("assistant", text), Spoken("user", "Something or other."))]
    placed = [turn["question_index"] for turn in turns_of(CallReport(said), questions)]
    assert placed[::2] == placed[1::2]
    return placed[::2]


@pytest.mark.parametrize(
    ("spoken", "placed"),
    [
        # What a greeting touches on is not asked by it.
        ([f"{WELCOME} {PROUD}", CONFLICT, RUST], [0, 1, 2]),
        ([WELCOME, PROUD, CONFLICT, RUST], [None, 0, 1, 2]),
        ([f"We will talk about your last project, conflict in a team, and why Rust. {PROUD}", CONFLICT], [0, 1]),
        # An agenda has all of them word for word.
        (["First: what are you proud of in your last project? Then: how do you handle conflict in a team? Why Rust?",
          PROUD, CONFLICT, RUST], [None, 0, 1, 2]),
        # Follow-ups stay, whatever of a later question they mention.
        ([PROUD, "And what did your team learn from it?", "So why this one?", CONFLICT, RUST], [0, 0, 0, 1, 2]),
        ([f"You said how you handle conflict in a team. {PROUD}", CONFLICT], [0, 1]),
        # Voices rephrase, and introduce.
        (["So, what are you really proud of in that last project of yours?",
          "I see. Then I would like to know how you handle conflicts in a team.", "And finally, why Rust?"], [0, 1, 2]),
        # One that was left out.
        ([PROUD, RUST], [0, 2]),
        ([PROUD, "Do you know why Rust developers are rare?"], [0, 0]),
        ([PROUD, "Let us go on. How did you choose the database?"], [0, 0]),
        # What is asked again is where it was asked first.
        ([PROUD, PROUD, CONFLICT], [0, 0, 1]),
    ],
)  # fmt: skip
def test_a_turn_is_about_the_question_that_it_asks(spoken: list[str], placed: list[int | None]) -> None:
    assert asked(spoken) == placed


@pytest.mark.parametrize("last", ["explain how the queues worked", "Could you explain queues a bit more?"])
def test_a_follow_up_with_the_next_questions_words_stays(last: str) -> None:
    questions = ["Tell me about your hardest defect.", "Explain queues."]
    assert asked([questions[0], last], questions) == [0, 0]
    assert asked([questions[0], last, "Good. Explain queues, please."], questions) == [0, 0, 1]


def test_a_later_question_is_asked_where_all_of_it_is_said() -> None:
    questions = [PROUD, CONFLICT, "Which figures would you ask for before designing a notification service?"]
    assert asked([PROUD, "Which figures did you ask for?", questions[2]], questions) == [0, 1, 2]
    assert asked([PROUD, "Which figures did you ask for?"], questions) == [0, 0]


@pytest.mark.parametrize(
    ("spoken", "placed"),
    [
        ([HAPPY, QUARREL, LANGUAGE], [0, 1, 2]),
        ([f"{WELCOME} {HAPPY}", QUARREL, LANGUAGE, "Could you start on Monday?"], [0, 1, 2, 2]),
        (["Hello.", HAPPY, QUARREL, LANGUAGE], [None, 0, 1, 2]),
        ([PROUD, QUARREL, RUST], [0, 1, 2]),
        ([HAPPY, CONFLICT, LANGUAGE], [0, 1, 1]),
        ([PROUD, QUARREL, LANGUAGE], [0, 1, 2]),
        (["tell me more", "go on", "and then"], [0, 1, 2]),
    ],
)
def test_questions_in_other_words_are_placed_in_their_order(spoken: list[str], placed: list[int | None]) -> None:
    assert asked(spoken) == placed


def test_questions_of_scripts_without_spaces_are_told_apart() -> None:
    questions = [
        "\u4f60\u4e3a\u4ec0\u4e48\u9009\u62e9\u8fd9\u4e2a\u6570\u636e\u5e93?",
        "\u4f60\u600e\u4e48\u6d4b\u8bd5\u8fd9\u4e2a\u6570\u636e\u5e93?",
    ]
    assert asked([f"\u4f60\u597d\u3002{questions[0]}", f"\u597d\u7684\u3002{questions[1]}"], questions) == [0, 1]


def test_an_interview_in_other_words_has_as_many_answers_as_a_verbatim_one() -> None:
    for spoken in ([f"{WELCOME} {PROUD}", CONFLICT, RUST], [f"{WELCOME} {HAPPY}", QUARREL, LANGUAGE]):
        said = [one for text in spoken for one in (Spoken("assistant", text), Spoken("user", "It went well."))]
        turns = [
            make_turn(number, turn["role"], turn["content"], turn["question_index"])
            for number, turn in enumerate(turns_of(CallReport(said), QUESTIONS), 1)
        ]
        record = InterviewRecord("en", "mixed", "", "", QUESTIONS, turns)
        assert record.asked == record.answered == {0, 1, 2}


def test_a_long_call_is_placed_in_time() -> None:
    """Where each question is looked for everywhere, this test does not end."""
    questions = [f"How would you explain topic {number} to a colleague who is new to it?" for number in range(20)]
    chatter = "how would you explain this to a colleague who is new " * 20
    spoken = [f"{chatter}. {questions[number // 10]}" for number in range(200)]
    assert asked(spoken, questions)[::10] == list(range(20))

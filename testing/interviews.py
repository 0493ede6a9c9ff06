"""Interviews and assessments of them, made from a seed: what tests and benchmarks of feedback share."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from parley.interviews.record import InterviewRecord
from parley.interviews.rubric import Rubric
from parley.interviews.session_records import Role, Stage, Turn

_SUBJECTS = ("We", "I", "My team", "The on-call group", "Our lead engineer and I", "Two colleagues and I")
_VERBS = ("moved", "measured", "rewrote", "reviewed", "reverted", "documented", "halved", "tested", "explained")
_OBJECTS = (
    "the billing queue",
    "a flaky deployment",
    "the customer\u2019s \u201curgent\u201d export",
    "the caf\u00e9 booking API",
    "our Postgres indexes",
    "the Stra\u00dfe lookup",
    "an over-full cache",
    "the retry storm",
)
_ENDINGS = (
    "in three weeks",
    "and wrote down why",
    "because p95 had doubled",
    "after the second outage",
    "with a flag so that we could go back",
    "which saved about 40% of the cost",
    "although nobody had asked for it",
)
_QUESTIONS = (
    "Which technical decision are you most proud of?",
    "How did you narrow down the hardest defect?",
    "When did a measurement change your plan?",
    "How do you handle disagreement?",
    "What would you do differently today?",
    "What makes you a fit for this role?",
)
# Words that no answer has.
_FOREIGN = ("zeppelin", "marmalade", "quasar", "harpsichord", "tundra")


def make_turn(sequence_number: int, role: Role, content: str, question_index: int | None) -> Turn:
    """A turn as a text interview has it."""
    stage: Stage = "question" if role == "assistant" else "answer"
    at = datetime(2026, 11, 29, tzinfo=UTC) + timedelta(minutes=sequence_number)
    return Turn(sequence_number, role, stage, content, question_index, at)


def make_record(
    random: Random, *, questions: int | None = None, language: str = "en", **members: Any
) -> InterviewRecord:
    """An interview in which every question is answered, by three to six sentences."""
    asked = random.sample(_QUESTIONS, questions or random.randint(2, len(_QUESTIONS)))
    turns = []
    for index, question in enumerate(asked):
        turns.append(make_turn(2 * index + 1, "assistant", question, index))
        turns.append(make_turn(2 * index + 2, "user", _answer(random), index))
    defaults: dict[str, Any] = {"category": "mixed", "role": "Backend engineer", "experience_level": "senior"}
    return InterviewRecord(language=language, questions=asked, turns=turns, **(defaults | members))


def _answer(random: Random) -> str:
    sentences = [
        f"{random.choice(_SUBJECTS)} {random.choice(_VERBS)} {random.choice(_OBJECTS)} {random.choice(_ENDINGS)}."
        for _ in range(random.randint(3, 6))
    ]
    return random.choice((" ", "  ", "\n")).join(sentences)


def make_answer(rubric: Rubric, record: InterviewRecord, random: Random, **members: Any) -> dict[str, Any]:
    """A valid answer of a model that quotes word for word, with the levels drawn."""
    answer = {
        "competencies": [
            {
                "key": key,
                "evidence": [verbatim(record, random)],
                "reasoning": "It fits the level's description.",
                "level": str(random.randint(1, 5)),
            }
            for key in rubric.keys
        ],
        "questions": [
            {
                "question": f"q{number}",
                "summary": "Answered with an example.",
                "missing_points": ["the figures"],
                "better_answer": "Name the figures first.",
                "status": "answered",
            }
            for number in range(1, len(record.questions) + 1)
        ],
        "strengths": ["Concrete examples."],
        "improvements": [{"what": "Few figures.", "action": "Name one figure in each answer."}],
        "next_steps": ["Practise the summary of one project."],
        "summary": "You answered with examples.",
    }
    return answer | members


def verbatim(record: InterviewRecord, random: Random) -> dict[str, Any]:
    """A quote of whole words of one of the candidate's turns, written as models write what they quote."""
    turn = random.choice(record.said)
    words = turn.content.split()
    length = min(len(words), random.randint(3, 12))
    start = random.randrange(len(words) - length + 1)
    part = words[start : start + length]
    if length > 6 and random.random() < 0.3:
        dots = random.choice(("...", " \u2026 ", " [...] ", "\u2026"))
        quote = " ".join(part[:3]) + dots + " ".join(part[-3:])
    else:
        quote = random.choice((" ", "  ", "\n", "\u00a0")).join(part)
    for change in (_other_marks, str.upper, str.lower, _within_marks):
        if random.random() < 0.3:
            quote = change(quote)
    return {"turn": random.choice((turn.sequence_number, turn.sequence_number, 1, 99)), "quote": quote}


def _other_marks(text: str) -> str:
    return text.replace("\u2019", "'").replace("\u201c", '"').replace("\u201d", "\u201f")


def _within_marks(text: str) -> str:
    return f"\u201e{text}\u201c"


def paraphrased(record: InterviewRecord, random: Random) -> dict[str, Any]:
    """A quote with one word changed."""
    quote = verbatim(record, random)
    words = quote["quote"].split()
    words[random.randrange(len(words))] = random.choice(_FOREIGN)
    return quote | {"quote": " ".join(words)}


def fabricated(record: InterviewRecord, random: Random) -> dict[str, Any]:
    """What nobody said, or what the interviewer said."""
    if random.random() < 0.3:
        return {"turn": 1, "quote": random.choice(record.questions)}
    return {"turn": random.choice(record.said).sequence_number, "quote": f"I flew a {random.choice(_FOREIGN)} to work."}


def as_json(answer: dict[str, Any]) -> str:
    """As a model writes it."""
    return json.dumps(answer, ensure_ascii=False)

"""Generated questions: the exact count, none twice, at most 30 words each, in the language that was asked for.

    python benchmarks/question_generation.py [--generations 500] [--seed 1]

Users ask for 1 to 20 questions in five languages, with and without competencies. The emulated model answers in the
language that the prompt names; of every four first answers one is short, one repeats itself, numbered and too long, and
one is cut or fenced. Exits 1 when something differs.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

from local.emulator.client import Emulator
from local.emulator.phrases import QUESTIONS
from parley.interviews.wording import alike, words
from testing.databases import ScratchDatabase, migrated_server
from testing.figures import Verdict
from testing.functions import Functions, function_environment, make_token
from testing.workers import Worker, messages, silence

_ROLES = ("Data engineer for railways", "Nurse in paediatrics", "Payroll accountant", "Wind turbine technician")
_COMPETENCIES = ("Safety", "Planning ahead", "Working with others", "Accuracy")
_REMEMBERED = 50
_SPOKEN = {
    language: [re.compile(re.escape(text).replace(re.escape("{topic}"), ".+"), re.IGNORECASE) for text in texts]
    for language, texts in QUESTIONS.items()
}


def container(connection: Any, environment: dict[str, str]) -> None:
    """A process that is handed (user, body) and answers with (status, body)."""
    silence()
    functions = Functions(environment)
    path = "/api/generate-interview-questions"
    for user, body in messages(connection):
        answer = functions.request("generate_interview_questions", "POST", path, body, token=make_token(user))
        connection.send((answer.status, answer.json))


def disturb(emulator: Emulator, random: Random, body: dict[str, Any]) -> None:
    """What is wrong with the model's first answer."""
    kind = random.randrange(8)
    templates = QUESTIONS[body["language"]]
    if kind == 0:
        texts = [templates[0].format(topic="ledgers")][: body["number"] - 1]
        emulator.answer(json.dumps({"description": "d", "questions": [{"question": text} for text in texts]}), times=1)
    elif kind == 1:
        text = templates[1].format(topic="brakes")
        texts = [f"1. {text}", f"2) {text.upper()}", f"{text} {'und ' * 30}", text + "!", ""]
        emulator.answer(json.dumps({"description": "d", "questions": [{"question": text} for text in texts]}), times=1)
    elif kind in (2, 3):
        emulator.fault(("fenced_json", "truncated_json")[kind - 2], provider="*", times=1)


def faults(body: dict[str, Any], answer: Any, known: list[str]) -> list[str]:
    """What is wrong with one generation."""
    status, found = answer
    if status != 200:
        return [f"{status} {found['code']}"]
    questions = [question["question"] for question in found["questions"]]
    compared = [words(text) for text in questions]
    wrong = []
    if len(questions) != body["number"]:
        wrong.append(f"{len(questions)} of {body['number']}")
    if any(alike(one, other) for at, one in enumerate(compared) for other in compared[:at]):
        wrong.append("asked twice")
    if any(alike(one, words(text)) for one in compared for text in known):
        wrong.append("asked before")
    if any(len(text.split()) > 30 for text in questions):
        wrong.append("too long")
    if found["degraded"] or not all(any(p.fullmatch(text) for p in _SPOKEN[body["language"]]) for text in questions):
        wrong.append(f"not in {body['language']}")
    return wrong


def prove(database: ScratchDatabase, emulator: Emulator, verdict: Verdict, generations: int, seed: int) -> None:
    """Ask so often."""
    random = Random(seed)
    worker = Worker(container, function_environment(database.app_url, emulator.url))
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_units = null")
    asked: dict[str, list[str]] = defaultdict(list)
    wrong: dict[str, int] = defaultdict(int)
    try:
        for number in range(generations):
            user = f"user-{number % 25}"
            competencies = random.sample(_COMPETENCIES, random.randrange(4))
            body = {
                "role": random.choice(_ROLES),
                "number": random.randint(1, 20),
                "language": random.choice([*QUESTIONS]),
                "competencies": competencies,
            }
            disturb(emulator, random, body)
            worker.send((user, body))
            answer = worker.receive()
            emulator.reset()
            for fault in faults(body, answer, asked[user][-_REMEMBERED:]):
                wrong[fault] += 1
            asked[user] += [question["question"] for question in answer[1].get("questions", ())]
    finally:
        worker.kill()
    verdict(f"{generations} generations of 1 to 20 questions in {len(QUESTIONS)} languages, with a fault", not wrong,
            dict(wrong) or 0)  # fmt: skip


def main() -> int:
    """Run it; 1 when something differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--generations", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    verdict = Verdict()
    with migrated_server() as database, Emulator() as emulator:
        prove(database, emulator, verdict, options.generations, options.seed)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())

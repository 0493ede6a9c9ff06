"""Feedback from models that fail at random: how many interviews end in valid feedback, and whether the rest says so.

    python benchmarks/feedback.py [--interviews 3000] [--containers 10]

Each answer of a model is faulty with probability 0.3, by one of seven kinds in equal shares, independently: in a fence,
cut short, a refusal, a choice that is none, a member left out, 429, and silence until the call times out. Then the same
with one provider wholly down besides. Interviews are real rows, containers are processes, the SDKs speak HTTP with the
emulator; each interview gets one delivery, and what failed a second one. Exits 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

from psycopg.types.json import Jsonb

from local.emulator.client import Emulator
from parley.interviews.evidence import OwnWords
from parley.interviews.record import InterviewRecord
from parley.interviews.rubric import rubric_for
from testing.databases import ScratchDatabase, migrated_server
from testing.figures import Verdict
from testing.functions import Functions, function_environment
from testing.interviews import make_record
from testing.workers import Worker, messages, silence, workers

KINDS = ("fenced_json", "truncated_json", "refusal", "wrong_enum", "missing_keys", "rate_limit", "silent")
SHARE = 0.3
# A task's time, 15 of which are kept back; a call that is silent takes a third of the rest at most.
SECONDS = 33.0
LEAST_VALID, LEAST_VALID_WITH_ONE_DOWN = 0.999, 0.99


def make_faults(emulator: Emulator, down: str | None = None) -> None:
    """Let models fail as described above."""
    if down is not None:
        emulator.fault("unavailable", down, times=10**9)
    each = SHARE / len(KINDS)
    for position, kind in enumerate(KINDS):
        # Of what the kinds before it left.
        delay = 30 if kind == "silent" else None
        wait = "1" if kind == "rate_limit" else None
        emulator.fault(kind, times=10**9, share=each / (1 - each * position), delay=delay, retry_after=wait)


def hold_interviews(database: ScratchDatabase, count: int, seed: int) -> dict[str, InterviewRecord]:
    """So many interviews that are over, each of another user, by their ids."""
    random = Random(seed)
    records = [make_record(random, category=random.choice(("mixed", "technical", "behavioral"))) for _ in range(count)]
    held = {}
    with database.connect() as owner, owner.transaction():
        for number, record in enumerate(records):
            user = f"candidate-{seed}-{number}"
            owner.execute('insert into "user" (id) values (%s)', (user,))
            row = owner.execute(
                "insert into interview_sessions (user_id, language, category, role, questions, status, started_at)"
                " values (%s, %s, %s, %s, %s, 'in_progress', now() - interval '20 minutes') returning id::text",
                (
                    user,
                    record.language,
                    record.category,
                    record.role,
                    Jsonb([{"question": q} for q in record.questions]),
                ),
            ).fetchone()
            assert row is not None
            held[row[0]] = record
            with owner.cursor() as cursor:
                cursor.executemany(
                    "insert into interview_responses (interview_id, role, stage, content, sequence_number,"
                    " question_index) values (%s, %s, %s, %s, %s, %s)",
                    [
                        (row[0], turn.role, "answer" if turn.role == "user" else "question", turn.content,
                         turn.sequence_number, turn.question_index)
                        for turn in record.turns
                    ],
                )  # fmt: skip
        owner.execute(
            "update interview_sessions set status = 'completed', completed_at = now() where status = 'in_progress'"
        )
    return held


def container(connection: Connection, _number: int, environment: dict[str, str]) -> None:
    """A process that writes one interview's feedback after another; says of each whether it is done."""
    silence()
    services = Functions(environment).module("worker").services
    # Importing an SDK takes a second or two of a busy core; a call has six seconds here, and 90 in Lambda.
    for provider in services.providers.values():
        provider.load()
    for interview in messages(connection):
        connection.send(services.feedback_writer.write(interview, SECONDS))


def write_all(running: list[Worker], interviews: list[str]) -> None:
    """Hand the interviews to whoever is free."""
    from multiprocessing.connection import wait

    waiting = list(reversed(interviews))
    busy: dict[Any, Worker] = {}
    for worker in running:
        if waiting:
            worker.send(waiting.pop())
            busy[worker.connection] = worker
    while busy:
        for connection in wait(list(busy), timeout=600):
            worker = busy.pop(connection)
            worker.receive()
            if waiting:
                worker.send(waiting.pop())
                busy[worker.connection] = worker


def judge(database: ScratchDatabase, held: dict[str, InterviewRecord]) -> tuple[list[str], Counter[str], list[str]]:
    """The interviews without feedback, what they say, and everything that is not as it should be."""
    missing, codes, wrong = [], Counter[str](), list[str]()
    with database.connect() as owner:
        found = owner.execute(
            """
            select s.id::text, s.feedback_status, s.feedback_error, s.overall_score, to_jsonb(f), f.id,
              (select count(*) from interview_feedback v where v.interview_id = s.id),
              (select count(*) from app.xp_events e
               where e.user_id = s.user_id and e.event_key = 'interview:' || s.id || ':judged')
            from interview_sessions s left join interview_feedback f on f.id = s.feedback_id
            where s.id = any (%s::uuid[])
            """,
            (list(held),),
        ).fetchall()
    for interview, status, error, score, feedback, _, versions, awards in found:
        if status == "ready":
            # Too little to judge by pays nothing for how it went.
            paid = int(feedback["hiring_recommendation"] != "insufficient_evidence")
            faults = [] if (versions, awards) == (1, paid) else [f"{versions} versions, {awards} awards"]
            faults += faults_of(feedback, held[interview])
        else:
            missing.append(interview)
            codes[error] += 1
            honest = (status, score, feedback, versions, awards) == ("failed", None, None, 0, 0) and error
            faults = [] if honest else [f"{status} with {versions} versions, {awards} awards, code {error}"]
        wrong += [f"{interview}: {fault}" for fault in faults]
    return missing, codes, wrong


def faults_of(feedback: dict[str, Any], record: InterviewRecord) -> list[str]:
    """What is wrong with a feedback that says it is valid."""
    rubric, own_words = rubric_for(record.category), OwnWords(record.said)
    faults = []
    if [item["key"] for item in feedback["scores"]] != rubric.keys:
        faults.append("competencies")
    if [item["question_index"] for item in feedback["questions"]] != list(range(len(record.questions))):
        faults.append("questions")
    if any(item["level"] not in (None, 1, 2, 3, 4, 5) for item in feedback["scores"]):
        faults.append("levels")
    quotes = [evidence for item in feedback["scores"] for evidence in item["evidence"]]
    if not all(own_words.find(evidence["quote"], evidence["sequence_number"]) for evidence in quotes):
        faults.append("quotes")
    scores = [item["score"] for item in feedback["scores"] if item["score"] is not None]
    if feedback["overall_score"] is not None and abs(feedback["overall_score"] - sum(scores) / len(scores)) > 0.5:
        faults.append("score")
    return faults


def run(
    database: ScratchDatabase, emulator: Emulator, running: list[Worker], verdict: Verdict, count: int, down: str | None
) -> None:
    """One measurement."""
    emulator.reset()
    make_faults(emulator, down)
    held = hold_interviews(database, count, 2 if down else 1)
    write_all(running, list(held))
    calls = sum(emulator.counts().values())
    missing, codes, wrong = judge(database, held)
    share, least = 1 - len(missing) / count, LEAST_VALID_WITH_ONE_DOWN if down else LEAST_VALID
    told = f"{calls / count:.2f} calls each, {', '.join(f'{n} {code}' for code, n in codes.items()) or 'none failed'}"
    name = f"{count} interviews, faults with probability {SHARE}" + (f", {down} down" if down else "")
    verdict(f"{name}: valid feedback after one delivery, at least {least:.1%}", share >= least, f"{share:.2%} ({told})")
    verdict(f"{name}: feedback that is not valid, and failures that are not honest", not wrong, wrong[:5] or 0)
    write_all(running, missing)
    again, codes, wrong = judge(database, held)
    verdict(f"{name}: left after a second delivery, all honest", not wrong, f"{len(again)} {dict(codes) or ''}".strip())


def main() -> int:
    """Run it; 1 when something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--interviews", type=int, default=3000)
    parser.add_argument("--containers", type=int, default=10)
    options = parser.parse_args()
    verdict = Verdict()
    with migrated_server() as database, Emulator() as emulator:
        environment = function_environment(database.service_url, emulator.url) | {"POWERTOOLS_LOG_LEVEL": "CRITICAL"}
        with workers(options.containers, container, environment) as running:
            run(database, emulator, running, verdict, options.interviews, None)
            run(database, emulator, running, verdict, options.interviews, "openai")
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())

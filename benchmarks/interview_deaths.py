"""Interviews whose clients and processes die at any moment: resumable, nothing lost, one unit, one feedback, one award.

    python benchmarks/interview_deaths.py [--interviews 200] [--seed 1]

Every request runs in a container of its own kind, a real process. At each statement: for every move of an interview
(make, start, answer, skip, complete) and every statement that it sends, the process is killed before the statement is
sent and after its answer has come; the request is sent again. At random: clients answer, skip, look, forget all but the
interview's id, or never come back, while processes are killed. Then a day passes, the schedules run, and the worker is
handed each message twice. Exits 1 when something differs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

from local.emulator.client import Emulator
from testing.databases import ScratchDatabase, migrated_server, set_clock
from testing.figures import Verdict
from testing.functions import Functions, function_environment, make_token
from testing.workers import Death, Worker, messages, silence

QUESTIONS = [{"question": "Which ledger would you choose, and why?"}, {"question": "What broke last, and when?"}]
_WORDS = ["ledger", "sums", "both", "sides", "checked", "every", "night", "because", "they", "must", "agree"]
MOVES = ("prepare", "start", "answer", "skip", "complete")
_LEASE = 120  # seconds, in which a dead holder's lease ends
_MOST_TRIES = 6


def container(connection: Connection, environment: dict[str, str]) -> None:
    """A process that is handed (token, method, path, body, headers, when it dies) and answers with (status, body).

    It dies at a statement of the request, as `Death` counts.
    """
    silence()
    functions = Functions(environment)
    death = Death(functions.module("interviews").services.database)
    connection.send("ready")
    for token, method, path, body, headers, at in messages(connection):
        death.expect(at)
        answer = functions.request("interviews", method, f"/api/interviews{path}", body, token=token, headers=headers)
        connection.send((answer.status, answer.json if answer.text else None, death.sent))


def service(connection: Connection, environment: dict[str, str]) -> None:
    """The process of schedules and queues: takes (function, event)."""
    silence()
    functions = Functions(environment)
    for function, event in messages(connection):
        connection.send(functions.invoke(function, event, 120))


@dataclass
class Stage:
    """Where interviews are held: a process of the API at a time, one of the service, and a clock that goes forward."""

    environment: dict[str, str]
    owner: Any
    service: Worker
    worker: Worker | None = None
    seconds: int = 0
    deaths: int = 0

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.seconds += seconds
        set_clock(self.owner, f"pg_catalog.now() + interval '{self.seconds} seconds'")

    def send(self, request: tuple[Any, ...], dies_at: float) -> tuple[int, Any, int] | None:
        """Have one request answered; None where the process died of it."""
        if self.worker is None:
            self.worker = Worker(container, self.environment)
            self.worker.receive()
        self.worker.send((*request, dies_at))
        try:
            answer: tuple[int, Any, int] = self.worker.receive(60)
        except EOFError:
            self.worker.kill()
            self.worker = None
            self.deaths += 1
            # Whoever asks while the dead one's lease holds would only wait for it.
            self.wait(_LEASE)
            return None
        return answer

    def run(self, function: str, event: dict[str, Any]) -> None:
        """Run a schedule, or hand the worker messages."""
        self.service.send((function, event))
        self.service.receive(120)

    def close(self) -> None:
        """End the processes."""
        self.service.kill()
        if self.worker is not None:
            self.worker.kill()


@dataclass
class Candidate:
    """Somebody who is interviewed.

    Attributes:
        acknowledged: by sequence number, the answers that were answered.
        sent: all answers that were ever sent.
        wrong: what should not have been answered.
    """

    stage: Stage
    user: str
    id: str = ""
    acknowledged: dict[int, str] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    wrong: list[Any] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, dies_at: float = 0, **headers: str) -> Any:
        """Send a request until it is answered; the first try dies."""
        for _ in range(_MOST_TRIES):
            answer = self.once(method, path, body, dies_at, **headers)
            if answer is not None:
                return answer
            dies_at = 0
        self.wrong.append((method, path, "never answered"))
        return None

    def once(self, method: str, path: str, body: Any = None, dies_at: float = 0, **headers: str) -> Any:
        """Send a request once; None where nobody answered, or somebody who has died seems to be at it."""
        answered = self.stage.send((make_token(self.user), method, path, body, headers), dies_at)
        if answered is None:
            return None
        status, found, _ = answered
        if status >= 300:
            if found["code"] != "request_in_progress":
                self.wrong.append((method, path, status, found["code"]))
            self.stage.wait(_LEASE)
            return None
        return found

    def prepare(self, dies_at: float = 0) -> None:
        """Make the interview."""
        made = self.ask("POST", "", {"questions": QUESTIONS}, dies_at, **{"Idempotency-Key": "one"})
        self.id = made["id"]

    def answer(self, state: Any, random: Random) -> dict[str, Any]:
        """The next answer."""
        number = state["answer_sequence_number"]
        content = f"Number {number}: {' '.join(random.choices(_WORDS, k=60))}."
        self.sent.add(content)
        return {"submission_id": f"s{number}-{random.random()}", "sequence_number": number, "content": content}

    def resume(self, dies_at: float) -> Any:
        """What a new client does, which knows the id alone."""
        state = self.ask("GET", f"/{self.id}/state")
        if state is not None and state["awaits"] in ("start", "interviewer"):
            state = self.ask("POST", f"/{self.id}/start", None, dies_at)
        return state

    def acknowledge(self, body: dict[str, Any]) -> None:
        """Note that an answer was answered."""
        self.acknowledged[body["sequence_number"]] = body["content"]


def hold(candidate: Candidate, random: Random) -> None:
    """An interview among deaths."""

    def dies_at() -> float:
        return random.choice((1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5)) if random.random() < 0.35 else 0

    candidate.prepare(dies_at())
    state = candidate.resume(dies_at())
    for _ in range(12):
        chance = random.random()
        if state is None or state["awaits"] is None or chance < 0.05:
            return  # over, or the client never comes back
        if chance < 0.15 or state["awaits"] != "answer":
            state = candidate.resume(dies_at())
            continue
        if chance < 0.2:
            state = candidate.ask("POST", f"/{candidate.id}/complete", None, dies_at())
        elif chance < 0.3:
            body = {"sequence_number": state["answer_sequence_number"]}
            state = candidate.ask("POST", f"/{candidate.id}/skip", body, dies_at())
        else:
            answer = candidate.answer(state, random)
            path = f"/{candidate.id}/responses"
            if random.random() < 0.2:  # the client dies with its request, or before the answer comes
                candidate.once("POST", path, answer, dies_at())
                candidate.stage.wait(_LEASE)
                state = candidate.resume(dies_at())
                continue
            state = candidate.ask("POST", path, answer, dies_at())
            if state is not None:
                candidate.acknowledge(answer)


def die_at_each_statement(stage: Stage, moves: Sequence[str]) -> Iterator[Candidate]:
    """One interview for each move and each moment of it that a process can die at."""
    for move in moves:
        for dies_at in itertools.count(2):  # in halves
            candidate = Candidate(stage, f"{move}-{dies_at}")
            before = stage.deaths
            _move(candidate, move, dies_at / 2)
            yield candidate
            if stage.deaths == before:  # it has no such statement
                break


def _move(candidate: Candidate, move: str, dies_at: float) -> None:
    at = {move: dies_at}
    candidate.prepare(at.get("prepare", 0))
    state = candidate.ask("POST", f"/{candidate.id}/start", None, at.get("start", 0))
    answer = candidate.answer(state, Random(move))
    if candidate.ask("POST", f"/{candidate.id}/responses", answer, at.get("answer", 0)) is not None:
        candidate.acknowledge(answer)
    if move == "skip":
        state = candidate.ask("GET", f"/{candidate.id}/state")
        body = {"sequence_number": state["answer_sequence_number"]}
        candidate.ask("POST", f"/{candidate.id}/skip", body, dies_at)
    if move == "complete":
        candidate.ask("POST", f"/{candidate.id}/complete", None, dies_at)


def faults(owner: Any, candidate: Candidate) -> list[str]:
    """What is wrong with an interview after the schedules and the worker ran."""
    session = owner.execute(
        """
        select s.status, s.started_at is not null, s.feedback_status,
          (select count(*) from public.interview_feedback f where f.interview_id = s.id),
          (select count(*) from app.xp_events e where e.event_key = format('interview:%%s:completed', s.id)),
          (select count(*) from app.ai_requests r
           where r.user_id = s.user_id and r.operation = 'interview' and r.state = 'settled'
             and r.reserved_day is not null)
        from public.interview_sessions s where s.user_id = %s
        """,
        (candidate.user,),
    ).fetchall()
    turns = owner.execute(
        """
        select r.sequence_number, r.role, r.stage, r.content
        from public.interview_responses r where r.interview_id = %s order by 1
        """,
        (candidate.id,),
    ).fetchall()
    found = list(map(str, candidate.wrong))
    if len(session) != 1:
        return [*found, f"{len(session)} interviews were made"]
    status, was_started, feedback_status, feedbacks, awards, units = session[0]
    if units != int(was_started):
        found.append(f"{units} units")
    if [number for number, *_ in turns] != list(range(1, len(turns) + 1)):
        found.append("gaps in the sequence")
    if any(one[1] == other[1] for one, other in itertools.pairwise(turns)):
        found.append("two turns of one speaker in a row")
    answers = {number: content for number, _, stage, content in turns if stage == "answer"}
    expected = ("completed", "ready", 1, int(bool(answers)))
    if was_started and (status, feedback_status, feedbacks, awards) != expected:
        found.append(f"ended {status}, feedback {feedback_status}, {feedbacks} feedbacks, {awards} awards")
    if not candidate.acknowledged.items() <= answers.items():
        found.append("an answer was lost")
    if not set(answers.values()) <= candidate.sent or len(set(answers.values())) < len(answers):
        found.append("an answer that was not sent, or stored twice")
    return found


def end(stage: Stage, candidates: list[Candidate]) -> None:
    """A day later: the schedules run, and the worker is handed each message twice."""
    stage.wait(25 * 3600)
    stage.run("cache_cleanup", {})
    stage.run("usage_reset", {})
    for candidate in [*candidates, *candidates]:
        body = json.dumps({"task": "interview_feedback", "id": candidate.id})
        stage.run("worker", {"Records": [{"messageId": "one", "body": body}]})


@contextmanager
def _stage(database: ScratchDatabase, emulator: Emulator) -> Iterator[Stage]:
    environment = function_environment(database.app_url, emulator.url)
    with database.connect() as owner:
        stage = Stage(environment, owner, Worker(service, environment | {"DATABASE_URL": database.service_url}))
        try:
            yield stage
        finally:
            stage.close()


def prove(
    database: ScratchDatabase, emulator: Emulator, verdict: Verdict, interviews: int, seed: int,
    moves: Sequence[str] = MOVES,
) -> None:  # fmt: skip
    """Both parts, with so many interviews among random deaths."""
    with _stage(database, emulator) as stage:
        for name in ("at each statement", "at random"):
            before = stage.deaths
            if name == "at random":
                candidates = [Candidate(stage, f"random-{number}") for number in range(interviews)]
                for number, candidate in enumerate(candidates):
                    hold(candidate, Random(f"{seed}-{number}"))
            else:
                candidates = list(die_at_each_statement(stage, moves))
            end(stage, candidates)
            wrong = {one.user: found for one in candidates if (found := faults(stage.owner, one))}
            what = f"{len(candidates)} interviews, {stage.deaths - before} processes killed"
            verdict(f"deaths {name}: {what}, interviews with a fault", not wrong, wrong or 0)
        left = stage.owner.execute(
            "select count(*) from public.interview_sessions where status = 'in_progress'"
        ).fetchone()
        verdict("interviews in progress after the schedule ran", left == (0,), left[0])
        states = {state for (state,) in stage.owner.execute("select distinct state from app.ai_requests").fetchall()}
        verdict("units that are still held", "reserved" not in states, sorted(states))


def main() -> int:
    """Run it; 1 when something differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--interviews", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    verdict = Verdict()
    with migrated_server() as database, Emulator() as emulator:
        prove(database, emulator, verdict, options.interviews, options.seed)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())

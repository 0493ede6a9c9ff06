"""Events of voice calls late, twice, out of order and lost: one final state, one award, a fast acknowledgement.

    python benchmarks/voice_events.py [--permutations 1000] [--reports 200] [--seed 1]

Twenty calls of all shapes that were seen: metadata in each of its places, words' times in each unit, durations in
milliseconds and seconds that differ from end times, no end times, no messages, a bot alone, unknown types, structured
output in both places. Each permutation sends the events of one of them: shuffled, some of them twice or more, some
late, some never, between deliveries of the queue in any order and number. Where the report was lost it is fetched.
Then session, turns, analytics and ledger have to be those of the call in its own order, to the byte. Reports of up to
1 MB are sent to a process of the function with a queue beside it. Exits 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

import boto3

from local.emulator.client import Emulator
from local.emulator.voice import PLACES, WORD_UNITS, Call, make_call
from parley.core.observability import logger
from testing.aws import CREDENTIALS, serve_aws
from testing.databases import ScratchDatabase, migrated_server
from testing.figures import Figures, Verdict, percentile, show_load
from testing.functions import Functions, function_environment, make_token
from testing.running import Function, running_parley
from testing.voice import SIGNED, VOICE_SECRET
from testing.workers import Worker

QUESTIONS = ("Which technical decision are you most proud of?", "How did you narrow down the hardest defect?")
CALLS = 20
_ACKNOWLEDGED = 60.0  # ms, p95
_SIZES = (10_000, 100_000, 500_000, 1_000_000)
_STATE = """
    select jsonb_build_object(
      'session', (select to_jsonb(s) - array['id', 'user_id', 'created_at', 'updated_at', 'call_report_at',
        'vapi_call_id', 'request_hash', 'feedback_requested_at'] from interview_sessions s where s.id = %(id)s::uuid),
      'turns', (select jsonb_agg(to_jsonb(r) - array['id', 'interview_id', 'created_at'] order by r.sequence_number)
        from interview_responses r where r.interview_id = %(id)s::uuid),
      'analytics', (select jsonb_agg(to_jsonb(v) - array['id', 'interview_id', 'created_at'])
        from voice_analytics v where v.interview_id = %(id)s::uuid),
      'ledger', (
        select jsonb_agg(replace(x.event_key, %(id)s::text, 'interview') || ' ' || x.amount order by x.event_key)
        from app.xp_events x join interview_sessions s on s.user_id = x.user_id where s.id = %(id)s::uuid),
      'points', (select p.total_xp from profiles p join interview_sessions s on s.user_id = p.id
        where s.id = %(id)s::uuid),
      'open', (select count(*) from app.webhook_events e join interview_sessions s on s.vapi_call_id = e.call_id
        where s.id = %(id)s::uuid and e.payload is not null))
"""


class Stage:
    """The functions over one database, and what permutations need of them."""

    def __init__(self, database: ScratchDatabase, emulator: Emulator) -> None:
        environment = function_environment(database.app_url, emulator.url)
        self._api = Functions(environment)
        self._service = Functions(environment | {"DATABASE_URL": database.service_url})
        self._emulator = emulator
        self._owner = database.connect()

    def close(self) -> None:
        """Let go of the database."""
        self._api.close()
        self._service.close()
        self._owner.close()

    def started(self, user: str) -> Any:
        """A voice interview of a user's that was started."""
        token = make_token(user)
        body = {"interview_type": "voice", "questions": [{"question": text} for text in QUESTIONS]}
        made = self._api.request("interviews", "POST", "/api/interviews", body, token=token).json
        return self._api.request("interviews", "POST", f"/api/interviews/{made['id']}/start", token=token).json

    def send(self, event: Any) -> None:
        """Send an event, as the vendor does."""
        answer = self._api.request("voice_events", "POST", "/api/webhooks/vapi", event, headers=SIGNED)
        if answer.status != 200:
            raise RuntimeError(f"an event was answered with {answer}")

    def deliver(self, task: str, work_id: str) -> None:
        """Hand the worker a message."""
        body = json.dumps({"task": task, "id": work_id})
        answer = self._service.invoke("worker", {"Records": [{"messageId": "m", "body": body}]}, 120)
        if answer["batchItemFailures"]:
            raise RuntimeError(f"{body} was not done")

    def events_of(self, call_id: str) -> list[str]:
        """The ids of a call's events in the inbox."""
        statement = "select id::text from app.webhook_events where call_id = %s order by id"
        return [row[0] for row in self._owner.execute(statement, (call_id,)).fetchall()]

    def fetch(self, call: Call) -> None:
        """Have a call fetched at the vendor, as the schedule does."""
        self._emulator.call(call.as_resource())
        self.deliver("voice_call", call.id)

    def state(self, interview_id: str) -> str:
        """Everything that an interview has led to, without the ids and times of this run."""
        row = self._owner.execute(_STATE.encode(), {"id": interview_id}).fetchone()
        assert row is not None
        return json.dumps(row[0], sort_keys=True)


def call_of(number: int, started: Any, call_id: str) -> Call:
    """One of the twenty calls, held in this interview."""
    shape: dict[str, Any] = {
        "place": PLACES[number % len(PLACES)],
        "word_unit": (*WORD_UNITS, None)[number % 4],
        "has_messages": number % 7 != 3,
        "has_end_times": number % 3 != 1,
        "duration_unit": "s" if number % 5 == 4 else "ms",
        "structured_place": ("artifact", "analysis")[number % 2],
    }
    call = make_call(Random(number), call_id, started, QUESTIONS, **shape)
    if number % 10 == 9:  # the bot alone
        bot = [one for one in call.said if one.role == "bot"]
        reason = "customer-did-not-give-microphone-permission" if number == 9 else "silence-timed-out"
        call = make_call(Random(number), call_id, started, QUESTIONS, **shape, said=bot, ended_reason=reason)
    return call


def in_order(stage: Stage, number: int) -> str:
    """The final state of a call whose events come once and in order."""
    started = stage.started(f"order-{number}")
    call = call_of(number, started, f"order-{number}")
    for event in call.events():
        stage.send(event)
    for event_id in stage.events_of(call.id):
        stage.deliver("voice_event", event_id)
    return stage.state(started["id"])


def permuted(stage: Stage, number: int, turn: int, random: Random) -> tuple[str, int]:
    """The final state of the call after a permutation of its events, and how many were sent."""
    started = stage.started(f"permutation-{turn}")
    call = call_of(number, started, f"permutation-{turn}")
    events = [event for event in call.events() if random.random() > 0.15]
    events += [event for event in events if random.random() < 0.3]
    events += [call.report(delivery) for delivery in range(2, 2 + random.randint(0, 2)) if call.report() in events]
    random.shuffle(events)
    for event in events:
        stage.send(event)
        # The queue delivers any of what came, now or later, once or more often.
        for event_id in stage.events_of(call.id):
            if random.random() < 0.15:
                stage.deliver("voice_event", event_id)
    late = stage.events_of(call.id)
    random.shuffle(late)
    has_report = call.report()["message"]["type"] in {event["message"]["type"] for event in events}
    if not has_report and random.random() < 0.5:
        stage.fetch(call)
    for event_id in late:
        stage.deliver("voice_event", event_id)
    if not has_report:
        stage.fetch(call)
    for event_id in random.sample(late, len(late) // 2):
        stage.deliver("voice_event", event_id)
    return stage.state(started["id"]), len(events)


def prove(database: ScratchDatabase, emulator: Emulator, verdict: Verdict, *, permutations: int, seed: int) -> None:
    """Compare the final states of so many permutations with those of the calls in their own order."""
    stage, random = Stage(database, emulator), Random(seed)
    shapes = range(min(CALLS, permutations))
    try:
        expected = {number: in_order(stage, number) for number in shapes}
        differing, sent = [], 0
        for turn in range(permutations):
            number = turn % len(shapes)
            state, events = permuted(stage, number, turn, random)
            sent += events
            if state != expected[number]:
                differing.append(turn)
    finally:
        stage.close()
    completed = sum('"status": "completed"' in state for state in expected.values())
    awards = {state.count("interview:interview:completed") for state in expected.values() if '"completed"' in state}
    verdict(
        "permutations that end in another state", not differing, f"{len(differing)} of {permutations} {differing[:5]}"
    )
    verdict("awards of a completed call", awards == {1}, f"1 in each of {completed}")
    print(f"        events sent: {sent}, calls: {len(shapes)}", flush=True)


def acknowledge(figures: Figures, reports: int, seed: int) -> None:
    """How long reports take to be acknowledged by a process of the function, the message to the queue included."""
    random = Random(seed)
    with ExitStack() as stack:
        parley = stack.enter_context(running_parley())
        aws = Worker(serve_aws, 0)
        stack.callback(aws.kill)
        address = aws.receive(60)
        sqs = boto3.client("sqs", endpoint_url=address, region_name="eu-north-1", aws_access_key_id="none",
                           aws_secret_access_key="none")  # fmt: skip
        stack.callback(sqs.close)
        parley.environment |= CREDENTIALS | {
            "AWS_ENDPOINT_URL": address,
            "PARLEY_WORK_QUEUE_URL": sqs.create_queue(QueueName="work")["QueueUrl"],
            "PARLEY_VOICE_SECRET": VOICE_SECRET,
        }
        function = stack.enter_context(Function(parley, "voice_events", "awslambdaric"))
        template = json.loads((Path(__file__).parents[1] / "events" / "voice_events.json").read_text())
        template["headers"] |= SIGNED
        took: dict[int, list[float]] = {size: [] for size in _SIZES}
        for turn in range(reports + len(_SIZES)):
            size = _SIZES[turn % len(_SIZES)]
            body = _report(random, f"call-{turn}", size)
            milliseconds, _ = function.answer(template | {"body": body})
            if turn >= len(_SIZES):  # the first ones connect
                took[size].append(milliseconds)
    for size, times in took.items():
        how = f"{len(times)} reports of {size // 1000} KB, the message to the queue included"
        figures.show("Acknowledgement p50", percentile(times, 50), "ms", how)
        figures.show("Acknowledgement p95", percentile(times, 95), "ms", how, at_most=_ACKNOWLEDGED)


def _report(random: Random, call_id: str, size: int) -> str:
    started = {
        "voice": {"variable_values": {"interview_id": "00000000-0000-4000-8000-000000000000", "call_token": "t"}}
    }
    call = make_call(random, call_id, started, QUESTIONS, has_messages=True, word_unit="epoch_ms")
    event = call.report()
    messages = event["message"]["artifact"]["messages"]
    repeated = json.dumps(messages)
    times = max(1, (size - len(json.dumps(event))) // len(repeated))
    event["message"]["artifact"]["messages"] = messages * (times + 1)
    return json.dumps(event)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit status says whether everything held."""
    parser = argparse.ArgumentParser(description="permutations of voice calls' events, and their acknowledgement")
    parser.add_argument("--permutations", type=int, default=1_000)
    parser.add_argument("--reports", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    logger.setLevel("CRITICAL")  # every event says that there is no queue
    verdict, figures = Verdict(), Figures()
    show_load(figures)
    began = time.monotonic()
    with migrated_server() as database, Emulator() as emulator:
        prove(database, emulator, verdict, permutations=options.permutations, seed=options.seed)
    print(f"        seconds: {time.monotonic() - began:.0f}", flush=True)
    acknowledge(figures, options.reports, options.seed)
    return 1 if figures.missed else verdict.status


if __name__ == "__main__":
    sys.exit(main())

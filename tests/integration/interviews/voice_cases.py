"""Voice interviews: started through the API, their calls' events sent as the vendor sends them, the worker run."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from local.emulator.voice import Call, make_call
from testing.functions import Answer, Functions
from testing.voice import SIGNED
from tests.integration.interviews.feedback_cases import rows, run_worker

QUESTIONS = ("Which technical decision are you most proud of?", "How did you narrow down the hardest defect?")
WEBHOOK = "/api/webhooks/vapi"


def start(functions: Functions, token: str, **request: Any) -> Any:
    """Make a voice interview and start it; what starting answers."""
    body = {"interview_type": "voice", "questions": [{"question": text} for text in QUESTIONS]} | request
    made = functions.request("interviews", "POST", "/api/interviews", body, token=token)
    assert made.status == 201, made.text
    started = functions.request("interviews", "POST", f"/api/interviews/{made.json['id']}/start", token=token)
    assert started.status == 200, started.text
    return started.json


def call_of(started: Any, seed: int = 1, call_id: str | None = None, **members: Any) -> Call:
    """A call of a started interview."""
    return make_call(Random(seed), call_id or f"call-{started['id']}", started, QUESTIONS, **members)


def send(functions: Functions, event: Any, headers: dict[str, str] = SIGNED) -> Answer:
    """Send one event."""
    return functions.request("voice_events", "POST", WEBHOOK, event, headers=headers)


def work(schedules: Functions, database: Any) -> None:
    """Do what the queue asks for: each event that came, once, then the feedback that is due."""
    events = rows(database, "select id::text from app.webhook_events where status = 'received' order by id")
    deliver(schedules, *events)
    run_worker(schedules, *rows(database, "select id::text from interview_sessions where feedback_status = 'pending'"))


def deliver(schedules: Functions, *events: str) -> None:
    """Have the worker work on events of the inbox."""
    records = [
        {"messageId": f"m{number}", "body": json.dumps({"task": "voice_event", "id": event})}
        for number, event in enumerate(events)
    ]
    assert schedules.invoke("worker", {"Records": records}, 120) == {"batchItemFailures": []}


def fall_silent(schedules: Functions, database: Any) -> None:
    """Have the schedule close each interview in progress, as after a day in which nothing came."""
    rows(
        database,
        "update interview_sessions set last_activity_at = last_activity_at - interval '25 hours'"
        " where status = 'in_progress' returning 1",
    )
    schedules.invoke("cache_cleanup", {})


def hollow(report: Any) -> Any:
    """The report of a call as it comes before the vendor has what was said in it."""
    artifact = {name: value for name, value in report["message"]["artifact"].items() if name == "variableValues"}
    return {"message": report["message"] | {"artifact": artifact}}


def inbox(database: Any) -> Any:
    """How many events there are in each state."""
    return dict(rows(database, "select status, count(*) from app.webhook_events group by status"))


class Queue:
    """The worker's queue, and the worker."""

    def __init__(self, sqs: Any, url: str, schedules: Functions) -> None:
        self.sqs = sqs
        self.url = url
        self._schedules = schedules

    def tasks(self) -> list[tuple[str, str]]:
        """What is asked for, taken out of the queue."""
        found = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        bodies = [json.loads(message["Body"]) for message in found]
        return [(body["task"], body["id"]) for body in bodies]

    def run(self) -> list[tuple[str, str]]:
        """Do what is asked for, and what that asks for in turn; what was asked for."""
        done: list[tuple[str, str]] = []
        while tasks := self.tasks():
            records = [
                {"messageId": f"m{number}", "body": json.dumps({"task": task, "id": one})}
                for number, (task, one) in enumerate(tasks)
            ]
            assert self._schedules.invoke("worker", {"Records": records}, 120) == {"batchItemFailures": []}
            done += tasks
        return done

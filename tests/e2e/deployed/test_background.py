"""What nobody calls: schedules run their targets, and what a queue gave up is taken up again."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.checkout import CHECKOUT
from local.deployment.api import Api
from local.deployment.emulated import Deployed
from local.template import cloudformation
from local.template.definitions import Schedule, read

SECONDS = 60.0
ANSWER = "We moved the billing queue to a new broker in three weeks, measured the lag, and went back once."
SCHEDULES = read(cloudformation.load(CHECKOUT / "template.yaml"), CHECKOUT, {}, {}).schedules


def eventually(found: Callable[[], Any], what: str) -> Any:
    """The first true value of `found`."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.2)
    raise AssertionError(f"{what} did not happen in {SECONDS:.0f} s")


@pytest.fixture(scope="module")
def runs(deployed: Deployed) -> None:
    """Every schedule's target is due now, once, with the schedule's own input."""
    scheduler = deployed.stack.account.client("scheduler")
    now = datetime.now(UTC) - timedelta(seconds=1)
    for schedule in SCHEDULES:
        made = scheduler.get_schedule(Name=deployed.stack.resource(schedule.name))
        scheduler.create_schedule(
            Name=f"now-{schedule.name}", ScheduleExpression=f"at({now:%Y-%m-%dT%H:%M:%S})",
            FlexibleTimeWindow={"Mode": "OFF"}, Target=made["Target"],
        )  # fmt: skip


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: str(schedule.function))
def test_a_schedule_runs_its_target(deployed: Deployed, schedule: Schedule) -> None:
    functions, logs = (deployed.stack.account.client(name) for name in ("lambda", "logs"))
    name = deployed.stack.resource(schedule.function)
    group = functions.get_function_configuration(FunctionName=name)["LoggingConfig"]["LogGroup"]

    def told() -> str:
        text = "\n".join(event["message"] for event in logs.filter_log_events(logGroupName=group)["events"])
        return text if "REPORT" in text else ""

    text = eventually(told, f"a run of {schedule.function}")
    assert "ERROR" not in text, text


def test_what_a_queue_gave_up_is_redriven_and_done(deployed: Deployed, api: Api) -> None:
    sqs, functions = (deployed.stack.account.client(name) for name in ("sqs", "lambda"))
    queue, dead = (deployed.stack.resource(name) for name in ("WorkQueue", "WorkDeadLetters"))
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    (mapping,) = functions.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    token = api.token("candidate")
    feedback = f"{completed_interview(api, token)}/feedback"

    # The worker dies ten times on it.
    def given_up() -> bool:
        sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)
        counted = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])
        return bool(counted["Attributes"]["ApproximateNumberOfMessages"] == "1")

    eventually(given_up, "giving up")
    assert api.request("GET", feedback, token=token).json["feedback_status"] == "pending"
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    # What StartMessageMoveTask does, which MiniStack does not have.
    (message,) = sqs.receive_message(QueueUrl=dead)["Messages"]
    sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
    sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
    eventually(lambda: api.request("GET", feedback, token=token).json["feedback_status"] == "ready", "feedback")


def completed_interview(api: Api, token: str) -> str:
    """The path of an interview that waits for its feedback."""

    def ask(method: str, path: str, body: Any = None) -> Any:
        answer = api.request(method, path, body, token)
        assert answer.status < 300, answer.text
        return answer.json

    questions = [{"question": "Which change to a running system are you proud of?"}]
    interview = ask("POST", "/api/interviews", {"questions": questions, "follow_up_depth": "light"})
    path = f"/api/interviews/{interview['id']}"
    state = ask("POST", f"{path}/start")
    answer = {"submission_id": "one", "sequence_number": state["answer_sequence_number"], "content": ANSWER}
    assert ask("POST", f"{path}/responses", answer)["status"] == "completed"
    return path

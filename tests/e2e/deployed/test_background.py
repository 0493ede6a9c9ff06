"""What nobody calls: schedules run their targets, and what a queue gave up is taken up again."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from local.checkout import CHECKOUT
from local.deployment import operations
from local.deployment.api import Api
from local.deployment.emulated import Deployed
from local.template import cloudformation
from local.template.definitions import Schedule, read

SECONDS = 90.0
ANSWER = "We moved the billing queue to a new broker in three weeks, measured the lag, and went back once."
SCHEDULES = read(cloudformation.load(CHECKOUT / "template.yaml"), CHECKOUT, {}, {}).schedules


def eventually(found: Callable[[], Any], what: str, pause: float = 0.2) -> Any:
    """The first true value of `found`, which is asked every `pause` seconds."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(pause)
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
    assert operations.redrive(deployed.stack, "work") == 1
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


def test_the_logins_passwords_are_changed_while_the_api_answers(deployed: Deployed, api: Api) -> None:
    before = deployed.secrets.value("database-app")
    operations.rotate(deployed.stack, deployed.secrets, "logins", {})
    now = deployed.secrets.value("database-app")
    assert now != before
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(before)
    psycopg.connect(now).close()
    # What has a connection keeps it; what connects anew reads the secret again, a minute after it did so last.
    with psycopg.connect(deployed.postgres.url(), autocommit=True) as owner:
        owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename like 'parley\\_%'")
    user, operator = api.token("loyal"), api.token("operator", role="service_role")

    def chats() -> bool:
        chat = api.request("POST", "/api/chat", {"message": "Who is there?"}, user)
        assert chat.status == 200, chat.text  # degraded at first, which it may be five times
        return "X-Parley-Degraded" not in chat.headers

    def reads() -> bool:
        paths = ("/api/usage", "/api/ai-provider", "/api/health?ready=true")
        answers = [api.request("GET", path, token=user) for path in paths]
        answers.append(api.request("GET", "/api/admin/tiers", token=operator))
        return all(answer.status == 200 for answer in answers)

    eventually(chats, "chatting with the new password", pause=20)
    eventually(reads, "reading with the new passwords")


def test_migrating_by_hand_finds_nothing_to_do_after_a_deployment(deployed: Deployed) -> None:
    assert operations.migrate(deployed.stack) == []

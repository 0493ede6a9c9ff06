"""SQS: messages from one function to another that must not be lost, and whose effect no caller waits for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from parley.core.observability import log_fault, logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Queue:
    """One queue. Sending gives up after a few seconds, because a caller waits for the function that sends."""

    def __init__(self, url: str) -> None:
        self.url = url

    def send(self, body: str, delay: int = 0) -> None:
        """Send a message of up to 256 KiB, delivered in so many seconds (at most 900). Raises what boto3 raises."""
        self._client.send_message(QueueUrl=self.url, MessageBody=body, DelaySeconds=delay)

    @cached_property
    def _client(self) -> SQSClient:
        import boto3  # 250 ms of CPU: only when there is something to send
        from botocore.config import Config

        return boto3.client("sqs", config=Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2}))


# The names that the worker knows its work by: the writing of an interview's feedback, by the interview's id.
INTERVIEW_FEEDBACK: Final = "interview_feedback"
# An event of the inbox by its id; a call by the vendor's id, whose report did not come or could not be taken in.
VOICE_EVENT: Final = "voice_event"
VOICE_CALL: Final = "voice_call"
# The calls to delete at their vendor, by the id of the first of them.
CALL_DELETIONS: Final = "call_deletions"

# What the function `worker` can be asked to do. It takes an id and the seconds there are for it, and says whether it
# is done; if not, the queue delivers the message again.
Task = Callable[[str, float], bool]

# With less time than this, a task is left to the next delivery.
_LEAST_SECONDS = 30.0


class WorkQueue(NamedTuple):
    """One kind of work for the function `worker`. What is to do stands in the database; a message has the id alone.

    Args:
        url: None keeps every message back.
        task: the name that the worker knows the work by.
    """

    url: str | None
    task: str

    def send(self, work_id: str, delay: int = 0) -> None:
        """Have the work done, in so many seconds. What cannot be sent is logged: the schedule sends another one."""
        try:
            if self.url is None:
                raise LookupError("PARLEY_WORK_QUEUE_URL is not set")
            Queue(self.url).send(json.dumps({"task": self.task, "id": work_id}), delay)
        except Exception as error:
            log_fault("work could not be queued", error)


def run_tasks(
    records: Sequence[Mapping[str, Any]], tasks: Mapping[str, Task], seconds_left: Callable[[], float]
) -> list[str]:
    """Do what SQS records ask for; returns the message ids to be delivered again."""
    again = []
    for record in records:
        try:
            message = json.loads(record["body"])
            seconds = seconds_left()
            done = seconds >= _LEAST_SECONDS and tasks[message["task"]](message["id"], seconds)
            logger.info("task run", task=message["task"], id=message["id"], done=done)
        except Exception as error:
            # The queue moves it to the dead-letter queue after its last delivery.
            log_fault("a task failed", error)
            done = False
        if not done:
            again.append(record["messageId"])
    return again

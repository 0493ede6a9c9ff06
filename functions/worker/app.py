"""SQS: does what no caller waits for, task by task."""

from __future__ import annotations

from typing import Any

from parley.container import Container
from parley.core.observability import logger
from parley.core.queues import CALL_DELETIONS, INTERVIEW_FEEDBACK, VOICE_CALL, VOICE_EVENT, run_tasks

services = Container.from_environment(calls_models=True)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Run a batch of tasks; what is not done is delivered again."""

    def seconds_left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    tasks = {
        INTERVIEW_FEEDBACK: services.feedback_writer.write,
        VOICE_EVENT: services.voice_calls.process,
        VOICE_CALL: services.voice_calls.reconcile,
        CALL_DELETIONS: services.voice_calls.delete,
    }
    with services.database.patient(seconds_left):
        again = run_tasks(event["Records"], tasks, seconds_left)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}

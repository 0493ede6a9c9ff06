"""SQS: writes usage of a database outage into the ledger, once."""

from __future__ import annotations

from typing import Any

from parley.container import Container
from parley.core.observability import logger

services = Container.from_environment()


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Replay a batch; what failed is delivered again."""
    with services.database.patient(lambda: context.get_remaining_time_in_millis() / 1000):
        failed = services.replay.replay(event["Records"])
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

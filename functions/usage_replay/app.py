"""SQS: writes usage of a database outage into the ledger, once."""

from __future__ import annotations

from typing import Any

from parley.assembly import Assembly
from parley.observability import logger

parley = Assembly.from_environment()


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Replay a batch; what failed is delivered again."""
    failed = parley.replay.replay(event["Records"])
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

"""Daily schedule: roll counters over, keep the ledger's months, release dead holds."""

from __future__ import annotations

from typing import Any

from parley.container import Container
from parley.core.observability import logger

services = Container.from_environment()


@logger.inject_lambda_context
def lambda_handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Go on until nothing is left or time runs short; running it again changes nothing."""

    def seconds_left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    with services.database.patient(seconds_left):
        return services.maintenance.usage_reset(seconds_left)

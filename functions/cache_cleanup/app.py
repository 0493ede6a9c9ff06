"""Hourly schedule: delete expired answers."""

from __future__ import annotations

from typing import Any

from parley.assembly import Assembly
from parley.observability import logger

parley = Assembly.from_environment()


@logger.inject_lambda_context
def lambda_handler(_event: dict[str, Any], context: Any) -> dict[str, int]:
    """Delete until nothing is left or time runs short; the next run goes on."""
    return parley.maintenance.clean_cache(lambda: context.get_remaining_time_in_millis() / 1000)

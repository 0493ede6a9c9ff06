"""Schedule: moves users' keys under the current KMS key."""

from __future__ import annotations

from typing import Any

from parley.container import Container
from parley.core.observability import logger

services = Container.from_environment()


@logger.inject_lambda_context
def lambda_handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Rotate until nothing is left or time runs short; the next run goes on."""

    def seconds_left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    with services.database.patient(seconds_left):
        return services.key_rotation.rotate(seconds_left)

"""Daily schedule: roll counters over, keep the ledger's months, release dead holds."""

from __future__ import annotations

from typing import Any

from parley.assembly import Assembly
from parley.observability import logger

parley = Assembly.from_environment()


@logger.inject_lambda_context
def lambda_handler(_event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Run once; running it again changes nothing."""
    return parley.maintenance.reset_usage()

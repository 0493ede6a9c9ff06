"""Usage that could not be written while the database was away: taken from the queue and into the ledger, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from parley.admission.records import QueuedOutcome
from parley.admission.requests import Requests
from parley.core.observability import log_fault, logger
from parley.database.errors import DatabaseUnavailable


@dataclass(frozen=True, slots=True)
class UsageReplay:
    """The consumer of what `DegradedMode.remember` queued."""

    requests: Requests

    def replay(self, records: list[dict[str, Any]]) -> list[str]:
        """Write SQS records; returns the message ids to be delivered again. While the database is away, the rest is not
        tried: each would wait for it, and together longer than the function may run.
        """
        failed: list[str] = []
        for number, record in enumerate(records):
            try:
                queued = QueuedOutcome.decode(record["body"])
                state = self.requests.replay(queued)
                logger.info("usage replayed", request=queued.outcome["request_id"], outcome=state)
            except DatabaseUnavailable:
                return failed + [left["messageId"] for left in records[number:]]
            except Exception as error:
                # The queue moves it to the dead-letter queue after its last delivery.
                log_fault("usage could not be replayed", error)
                failed.append(record["messageId"])
        return failed

"""Usage that could not be written while the database was away: taken from the queue and into the ledger, once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from parley.admission.requests import log_unrecorded
from parley.core.observability import log_fault, logger
from parley.database.connection import Database
from parley.database.errors import DatabaseUnavailable


@dataclass(frozen=True, slots=True)
class UsageReplay:
    """The consumer of what `degraded.DegradedMode.remember` queued."""

    database: Database

    def replay(self, records: list[dict[str, Any]]) -> list[str]:
        """Write SQS records; returns the message ids to be delivered again."""
        failed = []
        for record in records:
            try:
                message = json.loads(record["body"])
                function = "record_offline_call" if message["admitted_offline"] else "finish_request"
                outcome = self._write(function, message["claims"], message["outcome"])
                log_unrecorded(outcome, message["outcome"])
                logger.info("usage replayed", request=message["outcome"]["request_id"], outcome=outcome)
            except DatabaseUnavailable:
                failed.append(record["messageId"])
            except Exception as error:
                # The queue moves it to the dead-letter queue after its last delivery.
                log_fault("usage could not be replayed", error)
                failed.append(record["messageId"])
        return failed

    def _write(self, function: str, claims: dict[str, Any], outcome: dict[str, Any]) -> str:
        if function == "record_offline_call":
            recorded = self.database.call("select app.record_offline_call(%s, %s)", (claims, outcome), idempotent=True)
            return str(recorded["outcome"])
        finished = self.database.call("select app.finish_request(%s, %s)", (claims, outcome), idempotent=True)
        return str(finished["state"])

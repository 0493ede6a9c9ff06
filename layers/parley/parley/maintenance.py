"""What the schedules and operators run. Nothing depends on when, or whether, it runs: counters roll over by themselves
and dead holds come back when somebody needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from parley.caller import SERVICE
from parley.database import Database
from parley.observability import logger

Task = Literal["reset_usage", "clean_cache"]

# One batch is one transaction: small enough that no lock is held for long.
_BATCH = 1_000
_LEDGER_KEEPS = "90 days"


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The maintenance service; runs as the service role."""

    database: Database

    def run(self, task: Task, time_left: Callable[[], float]) -> dict[str, Any]:
        """Run a schedule's work now, for an operator."""
        return self.reset_usage() if task == "reset_usage" else dict(self.clean_cache(time_left))

    def reset_usage(self) -> dict[str, Any]:
        """S2's two resets, the ledger's partitions, archive and sums, and the sweep of requests and events."""
        # Archiving takes the ledger's exclusive lock until the end, so it comes last.
        *_, made, summed, swept, events, archived = self.database.batch(
            SERVICE.claims,
            [
                ("select public.reset_daily_ai_usage()", ()),
                ("select public.reset_monthly_ai_usage()", ()),
                ("select app.ensure_usage_partitions() as n", ()),
                ("select app.roll_up_usage() as n", ()),
                ("select app.sweep_requests() as swept", ()),
                ("select app.delete_old_events() as n", ()),
                ("select app.archive_usage(%s::interval) as n", (_LEDGER_KEEPS,)),
            ],
        )
        report = {
            "months_made": made[0]["n"],
            "days_summed": summed[0]["n"],
            "requests": swept[0]["swept"],
            "events_deleted": events[0]["n"],
            "months_archived": archived[0]["n"],
        }
        logger.info("usage reset", report=report)
        return report

    def clean_cache(self, time_left: Callable[[], float]) -> dict[str, int]:
        """Delete expired answers batch by batch until none is left or `time_left()` falls under five seconds."""
        deleted = 0
        while time_left() > 5:
            batch = self.database.query(
                SERVICE.claims, "select app.delete_expired_answers(%s) as n", (_BATCH,), idempotent=True
            )[0]["n"]
            deleted += batch
            if batch < _BATCH:
                break
        logger.info("cache cleaned", deleted=deleted)
        return {"deleted": deleted}

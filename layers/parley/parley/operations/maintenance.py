"""What the schedules and operators run. Nothing depends on when, or whether, it runs: counters roll over by themselves
and dead holds come back when somebody needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple

from parley.core.caller import SERVICE
from parley.core.observability import logger
from parley.database.connection import Database

if TYPE_CHECKING:  # pydantic is no schedule's business
    from parley.core.queues import WorkQueue
    from parley.operations.schemas import CacheCleanup, Task, UsageReset

# One batch is one transaction: small enough that no lock is held for long.
_BATCH = 1_000
_LEDGER_KEEPS = "90 days"


class Maintenance(NamedTuple):
    """The maintenance service; runs as the service role.

    Args:
        feedback_queue: gives what asks the worker for an interview's feedback; few runs have one to ask for.
    """

    database: Database
    feedback_queue: Callable[[], WorkQueue]

    def run(self, task: Task, time_left: Callable[[], float]) -> UsageReset | CacheCleanup:
        """Run a schedule's work now, for an operator."""
        return self.usage_reset() if task == "usage_reset" else self.cache_cleanup(time_left)

    def usage_reset(self) -> UsageReset:
        """S2's two resets, the ledger's partitions, archive and sums, and the sweep of requests and events."""
        # A transaction each: months are made and moved under a lock that requests wait for, and no request may at that
        # time be waiting for a counter that was reset.
        self._alone("select public.reset_daily_ai_usage()")
        self._alone("select public.reset_monthly_ai_usage()")
        report: UsageReset = {
            "months_made": self._alone("select app.ensure_usage_partitions() as found"),
            "days_summed": self._alone("select app.roll_up_usage() as found"),
            "requests": self._alone("select app.sweep_requests() as found"),
            "events_deleted": self._alone("select app.delete_old_events() as found"),
            "months_archived": self._alone("select app.archive_usage(%s::interval) as found", _LEDGER_KEEPS),
        }
        logger.info("usage reset", report=report)
        return report

    def cache_cleanup(self, time_left: Callable[[], float]) -> CacheCleanup:
        """Close silent interviews and ask for their feedback, and again for feedback whose message may be lost; delete
        expired answers batch by batch until none is left or `time_left()` falls under five seconds.
        """
        closed = self._interviews("select app.close_silent_interviews(%s)::text as id")
        overdue = self._interviews("select app.overdue_feedback(%s)::text as id")
        for interview_id in closed + overdue:
            self.feedback_queue().send(interview_id)
        deleted = 0
        while time_left() > 5:
            batch = self.database.query(
                SERVICE.claims, "select app.delete_expired_answers(%s) as n", (_BATCH,), idempotent=True
            )[0]["n"]
            deleted += batch
            if batch < _BATCH:
                break
        report: CacheCleanup = {
            "deleted": deleted,
            "interviews_closed": len(closed),
            "feedback_requested": len(closed + overdue),
        }
        logger.info("cache cleaned", report=report)
        return report

    def _interviews(self, statement: LiteralString) -> list[str]:
        """The ids that a statement finds."""
        return [row["id"] for row in self.database.query(SERVICE.claims, statement, (_BATCH,), idempotent=True)]

    def _alone(self, statement: LiteralString, *parameters: str | int) -> Any:
        """What a statement finds, in a transaction of its own."""
        return self.database.query(SERVICE.claims, statement, parameters, idempotent=True)[0].get("found")

"""What the schedules and operators run. Nothing depends on when, or whether, it runs: counters roll over by themselves
and dead holds come back when somebody needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
# With less time than this, nothing more is begun. What is cut short all the same is rolled back, for the next run.
_RESERVE = 5.0


class Maintenance(NamedTuple):
    """The maintenance service; runs as the service role.

    A run takes its work step by step, each a transaction that may be repeated, until nothing is left or time is short.
    Two runs at once share the work: a batch skips the rows that another one has.

    Args:
        feedback_queue: gives what asks the worker for an interview's feedback; few runs have one to ask for.
        voice_event_queue, voice_call_queue: give what asks it for voice calls' events, and for the reports of calls.
        call_deletion_queue: gives what asks it to delete calls at their vendor.
    """

    database: Database
    feedback_queue: Callable[[], WorkQueue]
    voice_event_queue: Callable[[], WorkQueue]
    voice_call_queue: Callable[[], WorkQueue]
    call_deletion_queue: Callable[[], WorkQueue]

    def run(self, task: Task, time_left: Callable[[], float]) -> UsageReset | CacheCleanup:
        """Run a schedule's work now, for an operator."""
        return self.usage_reset(time_left) if task == "usage_reset" else self.cache_cleanup(time_left)

    def usage_reset(self, time_left: Callable[[], float]) -> UsageReset:
        """S2's two resets, the ledger's partitions, archive and sums, the sweep of requests and events, and the
        leaderboard's ranks with the award of last week.

        Args:
            time_left: seconds that the run may still take.
        """
        report: UsageReset = {
            "months_made": 0,
            "days_summed": 0,
            "requests": {"released": 0, "answers_expired": 0, "forgotten": 0, "callers_forgotten": 0},
            "events_deleted": 0,
            "ranks_changed": 0,
            "months_archived": 0,
            "finished": False,
        }
        report["finished"] = _taken(self._usage_reset(report), time_left)
        logger.info("usage reset", report=report)
        return report

    def cache_cleanup(self, time_left: Callable[[], float]) -> CacheCleanup:
        """Close silent interviews and ask for their feedback, and again for whatever's message may be lost; ask for
        reports of calls that did not come, and for the deletion of calls that no interview has any more; delete expired
        answers.

        Args:
            time_left: seconds that the run may still take.
        """
        report: CacheCleanup = {
            "deleted": 0,
            "interviews_closed": 0,
            "feedback_requested": 0,
            "voice_events_requested": 0,
            "voice_calls_requested": 0,
            "call_deletions_due": 0,
            "finished": False,
        }
        report["finished"] = _taken(self._cache_cleanup(report), time_left)
        logger.info("cache cleaned", report=report)
        return report

    def _usage_reset(self, report: UsageReset) -> Iterator[None]:
        # A transaction each: months are made and moved under a lock that requests wait for, and no request may at that
        # time be waiting for a counter that was reset.
        self._alone("select public.reset_daily_ai_usage()")
        yield
        self._alone("select public.reset_monthly_ai_usage()")
        yield
        report["months_made"] = self._alone("select app.ensure_usage_partitions() as found")
        yield
        while self._alone("select app.roll_up_usage(1) as found"):
            report["days_summed"] += 1
            yield
        swept = {"": _BATCH}
        while max(swept.values()) >= _BATCH:
            swept = self._alone("select app.sweep_requests(%s) as found", _BATCH)
            so_far = report["requests"]
            report["requests"] = {
                "released": so_far["released"] + swept["released"],
                "answers_expired": so_far["answers_expired"] + swept["answers_expired"],
                "forgotten": so_far["forgotten"] + swept["forgotten"],
                "callers_forgotten": so_far["callers_forgotten"] + swept["callers_forgotten"],
            }
            yield
        report["events_deleted"] = self._alone("select app.delete_old_events() as found")
        yield
        report["ranks_changed"] = self._alone("select app.refresh_leaderboard_ranks() as found")
        yield
        report["months_archived"] = self._alone("select app.archive_usage(%s::interval) as found", _LEDGER_KEEPS)

    def _cache_cleanup(self, report: CacheCleanup) -> Iterator[None]:
        while (closed := self._alone("select app.close_silent_interview()::text as found")) is not None:
            report["interviews_closed"] += 1
            self.feedback_queue().send(closed)
            report["feedback_requested"] += 1
            yield
        for _ in self._sent("select app.overdue_feedback(%s)::text as id", self.feedback_queue):
            report["feedback_requested"] += 1
            yield
        for _ in self._sent("select app.overdue_voice_events(%s)::text as id", self.voice_event_queue):
            report["voice_events_requested"] += 1
            yield
        for _ in self._sent("select app.overdue_voice_calls(%s) as id", self.voice_call_queue):
            report["voice_calls_requested"] += 1
            yield
        report["call_deletions_due"] = self._ask_for_deletions()
        yield
        batch = _BATCH
        while batch == _BATCH:
            batch = self._alone("select app.delete_expired_answers(%s) as found", _BATCH)
            report["deleted"] += batch
            yield

    def _sent(self, statement: LiteralString, queue: Callable[[], WorkQueue]) -> Iterator[None]:
        """Send a message for each id that is found; one that is not sent is overdue in the next run."""
        for row in self.database.query(SERVICE.claims, statement, (_BATCH,), idempotent=True):
            queue().send(row["id"])
            yield

    def _ask_for_deletions(self) -> int:
        """How many calls are to be deleted at their vendor. One message a run asks for them all: where the vendor
        cannot be asked, the log says so once, and not once for each.
        """
        statement = "select d.call_id as id from app.due_call_deletions(%s) as d"
        due = self.database.query(SERVICE.claims, statement, (_BATCH,), idempotent=True)
        if due:
            self.call_deletion_queue().send(due[0]["id"])
        return len(due)

    def _alone(self, statement: LiteralString, *parameters: str | int) -> Any:
        """What a statement finds, in a transaction of its own."""
        return self.database.query(SERVICE.claims, statement, parameters, idempotent=True)[0].get("found")


def _taken(steps: Iterator[None], time_left: Callable[[], float]) -> bool:
    """Take steps for as long as there is time for another one; whether none is left."""
    while time_left() > _RESERVE:
        try:
            next(steps)
        except StopIteration:
            return True
    return False

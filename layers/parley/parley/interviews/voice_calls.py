"""What the worker does with voice calls: their events, each once, and their deletion (schema/73_voice_events.sql)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from parley.core.caller import SERVICE
from parley.core.config import ConfigurationError
from parley.core.errors import Problem
from parley.core.observability import log_fault, logger
from parley.core.queues import WorkQueue
from parley.database.connection import Database
from parley.database.errors import DatabaseError
from parley.interviews.session_records import Question
from parley.interviews.voice_analytics import analytics
from parley.interviews.voice_reading import CallEvent, CallReport, as_time, parse, read_call, read_event
from parley.interviews.voice_tokens import CallTokens
from parley.interviews.voice_turns import turn_of, turns_of

if TYPE_CHECKING:
    from parley.providers.voice_vendor import VoiceVendor

# How long a call's report may take after its end, before the vendor is asked for it.
_REPORT_SECONDS = 120
# With less time than this, no other call is deleted: the vendor may take twenty seconds.
_DELETION_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class VoiceCalls:
    """Works on voice calls.

    Args:
        tokens: says whose a call is.
        vendor: is asked for calls whose report did not come, and to delete those that no interview has.
        calls: has it asked later.
        feedback_queue: asks for the feedback of an interview that is completed, or of which more is known than was.
    """

    database: Database
    tokens: CallTokens
    vendor: Callable[[], VoiceVendor]
    calls: Callable[[], WorkQueue]
    feedback_queue: Callable[[], WorkQueue]

    def process(self, event_id: str, _seconds: float) -> bool:
        """Work on an event of the inbox, and on those of its call that waited for it.

        Always done: what cannot be read or kept stays in the inbox for the schedule. Raises DatabaseUnavailable.
        """
        self._work_off([event_id])
        return True

    def reconcile(self, call_id: str, _seconds: float) -> bool:
        """Ask the vendor for a call whose report did not come, or could not be taken in.

        Nothing is done to a call in which nothing was said, unless its report says so too: it is asked for again, since
        it may be over before the vendor has the rest. Returns False where the vendor cannot be
        asked now. Raises DatabaseUnavailable.
        """
        if self._asked("select app.has_call_report(%s) as found", call_id):
            return True
        try:
            found = self.vendor().call(call_id)
        except ConfigurationError as error:
            logger.error("a call's report cannot be asked for", detail=str(error))
            return True
        except Problem as problem:
            logger.warning("a call's report cannot be asked for", call=call_id, code=problem.code)
            return False
        call = read_call(found)
        if call.report is None or call.call_id != call_id:
            logger.info("a call has no report", call=call_id, status=call.status)
            return True
        interview_id = self._interview_of(call)
        reading = {"interview_id": interview_id, "report": self._report(call.report, call_id, interview_id)}
        done = self._asked("select app.apply_voice_call(%s, %s) as found", call_id, reading)
        logger.info("a call was fetched", call=call_id, outcome=done["outcome"])
        self._ask_for_feedback(done)
        self._work_off(done.get("waiting", []))
        return True

    def delete(self, _first: str, seconds: float) -> bool:
        """Delete the calls at the vendor that no interview has any more, one after the other, in so many seconds.

        Always done: what is left stays in the outbox for the schedule. It ends at the first call that cannot be
        deleted, since the others most likely cannot be now. Raises DatabaseUnavailable.
        """
        ends = time.monotonic() + seconds - _DELETION_SECONDS
        while time.monotonic() < ends:
            due = self.database.query(
                SERVICE.claims,
                "select d.call_id, d.requested_at::text as requested_at from app.due_call_deletions(1) as d",
                (),
                idempotent=True,
            )
            if not due or not self._delete(due[0]["call_id"], due[0]["requested_at"]):
                break
        return True

    def _delete(self, call_id: str, requested_at: str) -> bool:
        """Delete a call at the vendor; whether it is gone."""
        try:
            self.vendor().delete(call_id)
            is_deleted = True
        except ConfigurationError as error:
            logger.warning("calls wait for their deletion at the voice vendor", detail=str(error))
            return False
        except Problem as problem:
            logger.warning("a call cannot be deleted at the voice vendor", call=call_id, code=problem.code)
            is_deleted = False
        self._asked("select app.finish_call_deletion(%s, %s::timestamptz, %s)", call_id, requested_at, is_deleted)
        if is_deleted:
            logger.info("call deleted at the voice vendor", call=call_id)
        return is_deleted

    def _work_off(self, waiting: list[str]) -> None:
        while waiting:
            one = waiting.pop(0)
            try:
                done = self._process(one)
            except (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, DatabaseError) as error:
                log_fault("a voice event could not be worked on", error)
                self._asked("select app.fail_voice_event(%s, %s)", int(one), type(error).__name__)
                continue
            waiting += [other for other in done.get("waiting", []) if other not in waiting]

    def _process(self, event_id: str) -> dict[str, Any]:
        found = self._asked("select app.voice_event(%s) as found", int(event_id))
        if found is None:
            return {}
        event = read_event(parse(found["payload"].encode()))
        interview_id = self._interview_of(event)
        reading: dict[str, Any] = {"interview_id": interview_id}
        if event.report is not None:
            reading["report"] = self._report(event.report, event.call_id, interview_id)
        elif event.said is not None:
            reading["turn"] = turn_of(event.said)
        done: dict[str, Any] = self._asked("select app.apply_voice_event(%s, %s) as found", int(event_id), reading)
        logger.info("voice event applied", type=event.type, call=event.call_id, outcome=done["outcome"])
        self._ask_for_feedback(done)
        # Also after a report that is not whole.
        is_over = event.status == "ended" or event.report is not None
        if is_over and done.get("awaits_report") and event.call_id is not None:
            self.calls().send(event.call_id, _REPORT_SECONDS)
        return done

    def _ask_for_feedback(self, done: Mapping[str, Any]) -> None:
        if done.get("feedback_is_due"):
            self.feedback_queue().send(done["interview_id"])

    def _interview_of(self, event: CallEvent) -> str | None:
        """The interview that the call names with its token; None where it names none, or another one's."""
        return next((claimed for claimed, token in event.claims if self.tokens.fits(claimed, token)), None)

    def _report(self, report: CallReport, call_id: str | None, interview_id: str | None) -> dict[str, Any]:
        found = self._asked(
            """
            select coalesce((
              select jsonb_build_object('questions', s.questions, 'language', s.language)
              from public.interview_sessions s
              where s.vapi_call_id = %s or s.id = %s::uuid order by s.vapi_call_id = %s desc nulls last limit 1
            ), '{"questions": [], "language": "en"}') as found
            """,
            call_id, interview_id, call_id,
        )  # fmt: skip
        return {
            "turns": turns_of(report, [question.question for question in Question.all_of(found["questions"])]),
            "started_at": as_time(report.started),
            "ended_at": as_time(report.ended),
            "ended_reason": report.ended_reason,
            "cost": report.cost,
            "has_words": report.has_words,
            "is_failure": report.is_failure,
            "analytics": analytics(report, found["language"]),
        }

    def _asked(self, statement: Any, *parameters: Any) -> Any:
        return self.database.query(SERVICE.claims, statement, parameters, idempotent=True)[0].get("found")

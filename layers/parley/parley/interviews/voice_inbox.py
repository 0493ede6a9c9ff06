"""Taking in a voice vendor's webhooks: check who sent it, keep it, have it worked on (voice_calls), answer at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from parley.core.clock import Clock
from parley.core.config import ConfigurationError
from parley.core.errors import Problem
from parley.core.observability import logger
from parley.core.queues import WorkQueue
from parley.database.connection import Database
from parley.database.errors import DatabaseUnavailable
from parley.interviews.voice_reading import identify, parse
from parley.interviews.voice_schemas import EventReceipt
from parley.interviews.voice_signatures import Credential, credentials_of, is_signed

LARGEST_EVENT = 4 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class VoiceInbox:
    """The inbox of voice calls' events.

    Args:
        secret: gives the deployment's voice secret, whose `webhook` says how events are signed; none lets nothing in.
        events: asks the worker for an event, by its id in the inbox.
        calls: asks the worker for a call whose report could not be taken in, by its id.
    """

    database: Database
    secret: Callable[[], Mapping[str, Any]]
    events: WorkQueue
    calls: WorkQueue
    clock: Clock

    def take(self, headers: Mapping[str, str], body: bytes) -> EventReceipt:
        """Take an event in.

        Args:
            headers: by lower-case name.

        Raises Problem: 401 for one that the vendor did not send, 400 for what is no JSON, 413 for a larger one; its
        call, like that of an event that comes in an outage, is asked for at the vendor. Raises DatabaseUnavailable.
        """
        if not is_signed(self._credentials(), headers, body, self.clock):
            raise Problem("webhook_unauthorized", "The event is not signed as its sender has to sign it.", status=401)
        try:
            event = identify(parse(body))
        except ValueError:
            raise Problem("invalid_request", "The body is not JSON.", status=400) from None
        if len(body) > LARGEST_EVENT:
            if event.call_id is not None:
                self.calls.send(event.call_id)
            raise Problem("body_too_large", f"An event may have at most {LARGEST_EVENT // 1024} KiB.", status=413)
        if event.key is None:
            return {"received": True, "duplicate": False}
        try:
            event_id = self.database.call(
                "select app.receive_voice_event(%s, %s, %s, %s)",
                (event.key, event.type, event.call_id, body.decode("utf-8-sig")),
                idempotent=True,
            )
        except (DatabaseUnavailable, Problem):  # of the database's password, which cannot be read right now
            if event.call_id is not None:
                self.calls.send(event.call_id)
            raise
        if event_id is not None:
            self.events.send(str(event_id))
        logger.info("voice event received", type=event.type, call=event.call_id, duplicate=event_id is None)
        return {"received": True, "duplicate": event_id is None}

    def _credentials(self) -> tuple[Credential, ...]:
        try:
            return credentials_of(self.secret().get("webhook"))
        except ConfigurationError as error:
            logger.error("not configured", detail=str(error))
            return ()

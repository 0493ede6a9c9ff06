"""Whose a machine key is: begin_request says it of a request that it admits. Elsewhere the database is asked, and what
it said is trusted for a minute.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from parley.admission.quota import Window
from parley.admission.refusals import refusal
from parley.core.caller import AccessKey, Caller
from parley.core.clock import Clock
from parley.database.connection import Database

_TRUSTED_SECONDS = 60.0
_MOST_KEYS = 1_000


class _Resolved(NamedTuple):
    """What the database said of a key, and until when it is taken to hold.

    Attributes:
        units: of its own daily limit; None where it has none.
    """

    id: str
    user_id: str
    organization_id: str | None
    scopes: frozenset[str]
    until: float
    units: Window | None


class AccessKeys:
    """The machine keys that this container has seen."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._resolved: OrderedDict[str, _Resolved] = OrderedDict()

    def resolve(self, caller: Caller, key: AccessKey) -> Caller:
        """The caller with its key's user. Raises Refused for a key that does not hold, DatabaseUnavailable."""
        trusted = self.trusted(caller, key)
        if trusted is not None:
            return trusted
        # Not to be repeated: a key that does not exist is counted.
        return self.take_in(
            caller, key, self._database.call("select app.resolve_access_key(%s)", (caller.credentials,))
        )

    def take_in(self, caller: Caller, key: AccessKey, found: Mapping[str, Any]) -> Caller:
        """Read what app.resolve_access_key or begin_request said of the caller's key: the caller with its user.

        Raises Refused where it does not hold.
        """
        row = found.get("access_key")
        if row is None:
            self._resolved.pop(key.hash, None)
            raise refusal(found)
        until = self._clock.now().timestamp() + _TRUSTED_SECONDS
        if row["expires_at"] is not None:
            until = min(until, datetime.fromisoformat(row["expires_at"]).timestamp())
        units = found.get("quota", {}).get("access_key")
        self._resolved[key.hash] = resolved = _Resolved(
            row["id"],
            row["user_id"],
            row["organization_id"],
            frozenset(row["scopes"]),
            until,
            None if units is None else Window.of(units),
        )
        self._resolved.move_to_end(key.hash)
        if len(self._resolved) > _MOST_KEYS:
            self._resolved.popitem(last=False)
        return _named(caller, key, resolved)

    def trusted(self, caller: Caller, key: AccessKey) -> Caller | None:
        """The caller with the user of its key, if the database named it within a minute and it reaches this far."""
        resolved = self._resolved.get(key.hash)
        if (
            resolved is None
            or resolved.until <= self._clock.now().timestamp()
            or not resolved.scopes.issuperset(key.scopes)
        ):
            return None
        return _named(caller, key, resolved)

    def take_unit(self, key: AccessKey) -> None:
        """Count a unit of a trusted key while the database cannot. Raises Refused beyond the key's own daily limit, as
        far as this container knows what the key took.
        """
        resolved = self._resolved[key.hash]
        if resolved.units is None:
            return
        if resolved.units.remaining == 0:
            wait = (resolved.units.resets_at - self._clock.now()).total_seconds()
            raise refusal({"outcome": "access_key_limit_used_up", "retry_after": max(1, math.ceil(wait))})
        self._resolved[key.hash] = resolved._replace(units=resolved.units._replace(used=resolved.units.used + 1))


def _named(caller: Caller, key: AccessKey, resolved: _Resolved) -> Caller:
    return caller.with_user(AccessKey(key.hash, key.scopes, resolved.id), resolved.user_id, resolved.organization_id)

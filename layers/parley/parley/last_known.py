"""What a warm container remembers of its callers, so that a database outage need not undo their choices."""

from __future__ import annotations

from collections import OrderedDict

_MOST_CALLERS = 1_000


class LastKnown:
    """The last preference and tier seen per caller.

    S1 kept one process-wide provider, which would leak one user's choice to another; this is keyed by the caller.
    """

    def __init__(self) -> None:
        self._callers: OrderedDict[str, tuple[str | None, str | None]] = OrderedDict()

    def get(self, caller_key: str) -> str | None:
        """The provider in the caller's own spelling; None when nothing is known."""
        return self._callers.get(caller_key, (None, None))[0]

    def tier(self, caller_key: str) -> str | None:
        """The caller's tier; None when nothing is known."""
        return self._callers.get(caller_key, (None, None))[1]

    def put(self, caller_key: str, provider: str | None, tier: str | None = None) -> None:
        """Remember the preference (None: there is none any more); a tier of None leaves the known one."""
        self._callers[caller_key] = (provider, tier or self.tier(caller_key))
        self._callers.move_to_end(caller_key)
        if len(self._callers) > _MOST_CALLERS:
            self._callers.popitem(last=False)

"""What a warm container remembers of its callers, so that a database outage need not undo their choices."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from parley.core.caller import Caller
from parley.core.provider_names import ProviderName

_MOST_CALLERS = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """What was last seen of a caller; None is unknown, or for `provider` and `allowed_providers` also unset.

    Attributes:
        provider: the preference, in the caller's own spelling.
        allowed_providers: what the caller's organization allows; None allows all.
    """

    provider: str | None = None
    tier: str | None = None
    allowed_providers: tuple[ProviderName, ...] | None = None


class KnownCallers:
    """The last preference and rules seen per caller and organization: a member of two may have others in each.

    S1 kept one process-wide provider, which would leak one user's choice to another.
    """

    def __init__(self) -> None:
        self._callers: OrderedDict[tuple[str, str | None], Known] = OrderedDict()

    def get(self, caller: Caller) -> Known:
        """What is known of a caller; an empty `Known` for a stranger."""
        return self._callers.get(_slot(caller), Known())

    def put_provider(self, caller: Caller, provider: str | None) -> None:
        """Remember the preference; None: there is none any more."""
        self._put(caller, replace(self.get(caller), provider=provider))

    def put_rules(self, caller: Caller, tier: str, allowed_providers: list[ProviderName] | None) -> None:
        """Remember the tier and what the organization allows."""
        allowed = None if allowed_providers is None else tuple(allowed_providers)
        self._put(caller, replace(self.get(caller), tier=tier, allowed_providers=allowed))

    def _put(self, caller: Caller, known: Known) -> None:
        self._callers[_slot(caller)] = known
        self._callers.move_to_end(_slot(caller))
        if len(self._callers) > _MOST_CALLERS:
            self._callers.popitem(last=False)


def _slot(caller: Caller) -> tuple[str, str | None]:
    return caller.key, caller.organization_id

"""What a warm container remembers of its callers, so that a database outage need not undo their choices."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

from parley.core.caller import Caller
from parley.core.provider_names import ProviderName

_MOST_CALLERS = 1_000


class Known(NamedTuple):
    """What was last seen of a caller; None is unknown, or for `provider` and `allowed_providers` also unset.

    Attributes:
        provider: the preference, in the caller's own spelling.
        allowed_providers: what the caller's organization allows; None allows all.
        has_rules: whether that was seen, be it in another member's request.
    """

    provider: str | None = None
    tier: str | None = None
    allowed_providers: tuple[ProviderName, ...] | None = None
    has_rules: bool = False


class KnownCallers:
    """The last preference and rules seen per caller and organization: a member of two may have others in each.

    S1 kept one process-wide provider, which would leak one user's choice to another.
    """

    def __init__(self) -> None:
        self._callers: OrderedDict[tuple[str, str | None], Known] = OrderedDict()
        self._policies: OrderedDict[str, tuple[ProviderName, ...] | None] = OrderedDict()

    def get(self, caller: Caller) -> Known:
        """What is known of a caller; of a stranger no more than the organization's rules."""
        known = self._callers.get(_slot(caller), Known())
        if caller.organization_id is None or caller.organization_id not in self._policies:
            return known
        return known._replace(allowed_providers=self._policies[caller.organization_id], has_rules=True)

    def put_provider(self, caller: Caller, provider: str | None) -> None:
        """Remember the preference; None: there is none any more."""
        self._put(caller, self.get(caller)._replace(provider=provider))

    def put_rules(self, caller: Caller, tier: str, allowed_providers: list[ProviderName] | None) -> None:
        """Remember the tier and what the organization allows."""
        self._put(caller, self.get(caller)._replace(tier=tier))
        if caller.organization_id is not None:
            allowed = None if allowed_providers is None else tuple(allowed_providers)
            _remember(self._policies, caller.organization_id, allowed)

    def _put(self, caller: Caller, known: Known) -> None:
        _remember(self._callers, _slot(caller), known)


def _remember(of: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    of[key] = value
    of.move_to_end(key)
    if len(of) > _MOST_CALLERS:
        of.popitem(last=False)


def _slot(caller: Caller) -> tuple[str, str | None]:
    return caller.key, caller.organization_id

"""The circuit breaker: a model that keeps failing is not called for a while.

A circuit is closed until three failures in a row, then open for a while; after that one call decides (half-open).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from parley.core.provider_names import ProviderName
from parley.providers.errors import ACCOUNT_FAULTS, ProviderError, ProviderErrorCode

FAILURES_TO_OPEN = 3
COOLDOWN_SECONDS = 10.0
MAX_COOLDOWN_SECONDS = 60.0


@dataclass(slots=True)
class _Circuit:
    """One model's circuit; times are on the clock's monotonic scale.

    Attributes:
        reported_code: the error code of a request that finds it open.
    """

    failures: int = 0
    reported_code: ProviderErrorCode = "overloaded"
    cooldown: float = COOLDOWN_SECONDS
    open_until: float = 0.0


class CircuitBreaker:
    """The circuits of one container: one for each model and key, because each fails independently of the others."""

    def __init__(self) -> None:
        self._circuits: dict[Hashable, _Circuit] = {}

    def open_until(self, key: Hashable) -> float:
        """When the circuit may be tried again; in the past where it is closed."""
        circuit = self._circuits.get(key)
        return circuit.open_until if circuit else 0.0

    def error(self, key: Hashable, provider: ProviderName, now: float) -> ProviderError:
        """The error of a request that finds the circuit open."""
        circuit = self._circuits[key]
        return ProviderError(provider, circuit.reported_code, retry_after=circuit.open_until - now)

    def failed(self, key: Hashable, error: ProviderError, now: float) -> float:
        """Count a failure. A fault of the account opens the circuit at once, a stated wait for at least that long.

        Returns:
            For how many seconds nobody tries again; none or fewer where the circuit stays closed.
        """
        circuit = self._circuits.setdefault(key, _Circuit())
        circuit.failures += 1
        of_the_account = error.code in ACCOUNT_FAULTS
        circuit.reported_code = error.code if of_the_account or error.code == "rate_limited" else "overloaded"
        if circuit.failures >= FAILURES_TO_OPEN or of_the_account:
            circuit.open_until = max(circuit.open_until, now + circuit.cooldown)
            circuit.cooldown = min(circuit.cooldown * 2, MAX_COOLDOWN_SECONDS)
        if error.retry_after is not None:
            circuit.open_until = max(circuit.open_until, now + error.retry_after)
        return circuit.open_until - now

    def succeeded(self, key: Hashable) -> None:
        """Close the circuit."""
        self._circuits.pop(key, None)

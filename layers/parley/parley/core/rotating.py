"""Values that their owner replaces while containers run: secrets, an issuer's published keys."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Generic, TypeVar

from parley.core.clock import Clock
from parley.core.config import ConfigurationError
from parley.core.errors import Problem

REFUSED_SECONDS = 60.0
LONGEST_SECONDS = 300.0

T = TypeVar("T")


class Rotating(Generic[T]):
    """A value that a container keeps, and when it reads it again.

    A value that was refused is read again at its next use, but at most once a minute, so that a caller who sends bad
    tokens cannot cause a reading for each. Every value is read again after five minutes: one that was replaced because
    it leaked must stop working. While the new value cannot be read, or is unusable, the old one stays.

    Args:
        read: gives the current value, and logs why it cannot: raises Problem where it cannot be had now,
            ConfigurationError where it is unusable.
        clock: its wall clock counts: the monotonic one may stand still while a container is frozen.
    """

    def __init__(self, read: Callable[[], T], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._held: tuple[T] | None = None
        self._read_at = 0.0
        self._refused = False

    def get(self) -> T:
        """The value. Raises what `read` does while there was never one."""
        now = self._clock.now().timestamp()
        if self._held is None:
            self._held = (self._read(),)
            self._read_at = now
        elif now - self._read_at >= (REFUSED_SECONDS if self._refused else LONGEST_SECONDS):
            self._read_at = now
            self._refused = True  # until it could be read
            with contextlib.suppress(Problem, ConfigurationError):
                self._held = (self._read(),)
                self._refused = False
        return self._held[0]

    def refused(self) -> None:
        """Note that the value was refused where it was used: the next `get` may read it again."""
        self._refused = True

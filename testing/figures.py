"""Figures that are measured, and claims that hold or do not: printed, judged and remembered."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Figures:
    """Prints figures, one a line, and remembers whether one missed its target."""

    missed: bool = False

    def show(self, name: str, value: float, unit: str, how: str, *, at_most: float | None = None) -> None:
        """Print one figure; `at_most` is its target."""
        late = at_most is not None and value > at_most
        self.missed |= late
        target = f"target <= {at_most:g}; " if at_most is not None else ""
        print(f"{name}: {value:.3g} {unit} ({target}{how}){'  MISSED' if late else ''}", flush=True)


class Verdict:
    """Prints what was found, and remembers what did not hold."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def __call__(self, claim: str, holds: bool, figure: object) -> None:
        """Print one claim with its figure."""
        print(f"{'held  ' if holds else 'MISSED'}  {claim}: {figure}", flush=True)
        if not holds:
            self.missed.append(f"{claim}: {figure}")

    @property
    def status(self) -> int:
        """The program's exit status."""
        return 1 if self.missed else 0


def show_load(figures: Figures) -> None:
    """Print what else the machine does: latency on busy cores is mostly waiting for one."""
    figures.show("Load average before", os.getloadavg()[0], "", f"{os.cpu_count()} cores, the last minute")


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median_of_rounds(rounds: Sequence[Sequence[float]]) -> float:
    """The median of the rounds' medians: a round that was disturbed counts once."""
    return statistics.median(statistics.median(one) for one in rounds)


def cpu_ms(pid: int) -> float:
    """User and system time of a process and its descendants, milliseconds; children that ended included."""
    parents: dict[int, list[int]] = {}
    times: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
            times[int(entry.name)] = sum(map(int, fields[11:15])) * 1000 / _TICK
    found = [pid]
    for one in found:
        found += parents.get(one, ())
    return sum(times.get(one, 0.0) for one in found)

"""EventBridge Scheduler's expressions: `cron(...)` and `rate(...)` in a time zone.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html. Around daylight saving a local time
that does not exist is skipped, one that exists twice runs once.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from local.template.definitions import ACCOUNT, REGION, Schedule

_MONTHS = {name: str(number) for number, name in enumerate(
    ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1)}  # fmt: skip
_DAYS = {name: str(number) for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_UNITS = {"minute": 60, "hour": 3600, "day": 86400}
_HORIZON = timedelta(days=366 * 5)


class ScheduleError(ValueError):
    """The expression is not one that is understood here."""


@dataclass(frozen=True)
class _Cron:
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    years: frozenset[int]
    last_day: bool

    def on(self, day: datetime) -> bool:
        """Whether it runs on a day at all."""
        if day.year not in self.years or day.month not in self.months:
            return False
        if self.last_day:
            return (day + timedelta(days=1)).day == 1
        return day.day in self.days and day.isoweekday() % 7 + 1 in self.weekdays


def following(expression: str, timezone: str) -> Callable[[datetime], datetime | None]:
    """A function from an instant to the next run after it; None when there is none within five years.

    Raises ScheduleError for what is not understood: `W` and `#` in cron fields are not.
    """
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        step = timedelta(seconds=int(rate[1]) * _UNITS[rate[2]])
        return lambda after: after + step
    fields = re.fullmatch(r"cron\((.*)\)", expression)
    if fields is None or len(fields[1].split()) != 6:
        raise ScheduleError(f"not understood: {expression}")
    minutes, hours, days, months, weekdays, years = fields[1].upper().split()
    cron = _Cron(
        minutes=_numbers(minutes, 0, 59),
        hours=_numbers(hours, 0, 23),
        days=frozenset(range(1, 32)) if days == "L" else _numbers(days, 1, 31),
        months=_numbers(_named(months, _MONTHS), 1, 12),
        weekdays=_numbers(_named(weekdays, _DAYS), 1, 7),
        years=_numbers(years, 1970, 2199),
        last_day=days == "L",
    )
    zone = ZoneInfo(timezone)
    return lambda after: _next(cron, zone, after)


def payload(schedule: Schedule, at: datetime) -> bytes:
    """The event of one run, with EventBridge Scheduler's context attributes filled in."""
    text = schedule.input
    for name, value in {
        "schedule-arn": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{schedule.name}",
        "scheduled-time": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "execution-id": str(uuid.uuid4()),
        "attempt-number": "1",
    }.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text.encode()


def _next(cron: _Cron, zone: ZoneInfo, after: datetime) -> datetime | None:
    local = after.astimezone(zone).replace(tzinfo=None, fold=0)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    while day - local < _HORIZON:
        if cron.on(day):
            for hour in sorted(cron.hours):
                for minute in sorted(cron.minutes):
                    at = day.replace(hour=hour, minute=minute, tzinfo=zone).astimezone(UTC)
                    exists = at.astimezone(zone).hour == hour
                    if exists and at > after:
                        return at
        day += timedelta(days=1)
    return None


def _named(text: str, names: dict[str, str]) -> str:
    for name, number in names.items():
        text = text.replace(name, number)
    return text


def _numbers(text: str, low: int, high: int) -> frozenset[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        matched = re.fullmatch(r"(?:(\*|\?)|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
        if matched is None:
            raise ScheduleError(f"not understood: {text}")
        every, first, last, step = matched.groups()
        start = low if every else int(first)
        stop = high if every or (step and not last) else int(last or first)
        if not low <= start <= stop <= high:
            raise ScheduleError(f"out of range: {text}")
        numbers.update(range(start, stop + 1, int(step or 1)))
    return frozenset(numbers)

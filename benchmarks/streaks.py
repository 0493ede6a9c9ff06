"""Streaks against a naive count: every IANA zone, clock changes, journeys between zones, three years of days and weeks.

One person lives in each zone for three years: stretches of daily practice at the first and the last second of a day,
gaps, single days a week, activities that are told late, and moves to other zones, also several within a week; and
streaks that end when a day on which the clocks change begins or ends. After each activity the state that
app.count_streak_day returns is compared with a count that walks from day to day and from week to week; at instants in
between, and on both sides of the instants at which it says that a streak ends, what app.streak_status says. Local days
come from Python's zoneinfo; a zone whose rules the server knows otherwise is named and left out.

    python -m benchmarks.streaks [--zones 600] [--seed 1]

Exit status 1 when anything differs.
"""

from __future__ import annotations

import argparse
import sys
import time as clock
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import psycopg

from testing.databases import migrated_server
from testing.figures import Verdict

START, END = datetime(2023, 11, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
AFTERWARDS = END + timedelta(days=60)  # the last streaks have ended
# Clocks that change at midnight, by half an hour or by two hours, and zones at the ends of the day.
HARD = (
    "America/Havana", "Atlantic/Azores", "Africa/Cairo", "America/Santiago", "Australia/Lord_Howe", "Antarctica/Troll",
    "America/Asuncion", "Asia/Beirut", "Pacific/Kiritimati", "Pacific/Apia", "America/Scoresbysund", "America/Adak",
    "Asia/Kathmandu", "Africa/Casablanca", "Europe/Stockholm", "America/New_York", "UTC",
)  # fmt: skip
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
_ZONES = """
select name from pg_timezone_names
where name !~ '^(posix|right)/' and name not in ('Factory', 'localtime', 'posixrules')
"""
_OFFSETS = """
select (t.at at time zone %(zone)s)::text
from generate_series(%(start)s::timestamptz, %(end)s, '9 hours') t (at) order by 1
"""
_COUNT = """
select s.current_streak, s.longest_streak, s.freezes, s.weekly_streak, s.longest_weekly_streak, s.last_activity_date,
  s.timezone
from unnest(%s::text[], %s::timestamptz[]) with ordinality a (zone, at, number),
  lateral app.count_streak_day(%s, a.zone, a.at) s
order by a.number
"""
_STATUS = """
select s.current_streak, s.weekly_streak, s.status, s.expires_at, s.week_expires_at
from unnest(%s::timestamptz[]) with ordinality a (at, number), lateral app.streak_status(%s, a.at) s
order by a.number
"""


class Activity(NamedTuple):
    """What somebody did, and the zone that the profile names then."""

    zone: str
    at: datetime


class State(NamedTuple):
    """What app.count_streak_day returns."""

    current: int
    longest: int
    freezes: int
    weekly: int
    longest_weekly: int
    last: date
    zone: str


@dataclass
class Naive:
    """A streak, counted by walking."""

    zone: str = ""
    moved: datetime | None = None
    days: list[date] = field(default_factory=list)  # that count, in order
    freezes: int = 0

    def count(self, activity: Activity) -> State:
        """Take an activity in and walk over all days again."""
        if not self.zone:
            self.zone = activity.zone
        elif activity.zone != self.zone and (self.moved is None or activity.at - self.moved >= 7 * DAY):
            self.zone, self.moved = activity.zone, activity.at
        day = self.today(activity.at)
        if not self.days or day > self.days[-1]:
            self.days.append(day)
        current, longest, self.freezes, _ = self._walk(self.days[-1])
        weekly, longest_weekly = self._weeks()
        return State(current, longest, self.freezes, weekly, longest_weekly, self.days[-1], self.zone)

    def today(self, at: datetime) -> date:
        """The day that it is where days are counted."""
        return at.astimezone(ZoneInfo(self.zone)).date()

    def read(self, at: datetime) -> tuple[int, int, str]:
        """The streak, the weekly streak and the status at an instant after the last activity."""
        today = self.today(at)
        current, _, freezes, missed = self._walk(max(today, self.days[-1]))
        if today >= self.days[-1] + DAY:
            missed -= 1  # today may still come
        status = "active" if today <= self.days[-1] else "at_risk" if not missed else "frozen"
        if missed > freezes:
            current, status = 0, "broken"
        weekly, _ = self._weeks()
        if _monday(today) not in (_monday(self.days[-1]), _monday(self.days[-1]) + 7 * DAY):
            weekly = 0 if _monday(today) > _monday(self.days[-1]) else weekly
        return current, weekly, status

    def _walk(self, until: date) -> tuple[int, int, int, int]:
        """Day by day: current, longest, freezes, and the days without activity since the last one."""
        done = set(self.days)
        current = longest = freezes = missed = 0
        day = self.days[0]
        while day <= until:
            if day in done:
                if current and missed <= freezes:
                    freezes -= missed
                    current += 1
                else:
                    current = 1
                missed = 0
                if current % 7 == 0:
                    freezes = min(2, freezes + 1)
                longest = max(longest, current)
            else:
                missed += 1
            day += DAY
        return current, longest, freezes, missed

    def _weeks(self) -> tuple[int, int]:
        """Week by week: current and longest."""
        done = {_monday(day) for day in self.days}
        current = longest = 0
        week = min(done)
        while week <= max(done):
            current = current + 1 if week in done else 0
            longest = max(longest, current)
            week += 7 * DAY
        return current, longest


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def life(random: Random, home: str, zones: Sequence[str], naive: Naive) -> Iterator[list[Activity]]:
    """Three years of somebody's practice, in parts after which the streak is read."""
    zone, day = home, START.date()
    changes = clock_changes(home)
    for part in range(1_000):
        if day >= END.date():
            return
        # Every other part ends so that the streak, with the freezes that it has by then, ends when a day of another
        # length begins or has ended.
        coming = [change for change in changes if change > day + 20 * DAY]
        if part % 2 == 0 and coming:
            zone, change = home, coming[0]
            yield [_at(random, zone, change - back * DAY) for back in range(random.randint(4, 19), 3, -1)]
            for back in (3, 2)[: 2 - naive.freezes]:
                yield [_at(random, zone, change - back * DAY)]
            day = change
            continue
        activities = []
        kind = random.choice(("daily", "daily", "sparse", "weekly", "late", "journey"))
        for _ in range(random.randint(5, 40)):
            if kind == "journey" and random.random() < 0.3:
                zone = random.choice([*zones, home, home])
            if day >= END.date():
                break
            gap = {"weekly": random.randint(4, 10), "sparse": random.choice((0, 1, 1, 1, 2, 3, 4))}.get(kind, 1)
            if kind == "late" and random.random() < 0.3:
                activities.append(_at(random, zone, day - random.randint(1, 3) * DAY))
            day += gap * DAY
            activities.append(_at(random, zone, day))
        yield activities
        zone = home if random.random() < 0.5 else zone


def clock_changes(zone: str) -> list[date]:
    """The days that are longer or shorter than others, and those after them."""
    found, day, here = [], START.date(), ZoneInfo(zone)
    while day <= END.date():
        begins, ends = (datetime.combine(one, time.min, here).astimezone(UTC) for one in (day, day + DAY))
        if ends - begins != DAY:
            found += [day, day + DAY]
        day += DAY
    return found


def _at(random: Random, zone: str, day: date) -> Activity:
    moment = random.choice((time.min, time(23, 59, 59), time(random.randint(0, 23), random.randint(0, 59))))
    local = datetime.combine(day, moment, ZoneInfo(zone)).replace(fold=random.randint(0, 1))
    return Activity(zone, local.astimezone(UTC))


def live(owner: psycopg.Connection[Any], zone: str, zones: Sequence[str], random: Random) -> tuple[int, list[str]]:
    """Let somebody live in a zone; how many states were compared, and what differs."""
    person = f"of {zone}"
    owner.execute('insert into "user" (id) values (%s)', (person,))
    naive, compared, wrong = Naive(), 0, list[str]()
    for part in life(random, zone, zones, naive):
        places, instants = [activity.zone for activity in part], [activity.at for activity in part]
        for activity, row in zip(part, owner.execute(_COUNT, (places, instants, person)).fetchall(), strict=True):
            expected = naive.count(activity)
            compared += 1
            if row != expected:
                wrong.append(f"{zone}: after {activity}: {row}, not {tuple(expected)}")
        after = max(instants)
        asked = [after + timedelta(hours=random.randint(0, 120)) for _ in range(6)]
        told = owner.execute(_STATUS, (asked, person)).fetchall()
        # Both sides of each instant at which something ends.
        ends = sorted({end for *_, daily, weekly in told for end in (daily, weekly) if end is not None and end > after})
        asked += [instant for end in ends for instant in (end - SECOND, end)]
        told = owner.execute(_STATUS, (asked, person)).fetchall()
        for instant, row in zip(asked, told, strict=True):
            compared += 1
            if row[:3] != naive.read(instant):
                wrong.append(f"{zone}: read at {instant}: {row[:3]}, not {naive.read(instant)}")
        seen = dict(zip(asked, told, strict=True))
        for end in ends:
            before, at = seen[end - SECOND], seen[end]
            if not ((before[0] and not at[0]) or (before[1] and not at[1])):
                wrong.append(f"{zone}: nothing ends at {end}: {before[:3]}, then {at[:3]}")
    return compared, wrong


def known_alike(owner: psycopg.Connection[Any], zones: Sequence[str]) -> list[str]:
    """The zones whose local times Python and the server agree on."""
    alike = []
    for zone in zones:
        rows = owner.execute(_OFFSETS, {"zone": zone, "start": START, "end": AFTERWARDS}).fetchall()
        at, local = START, []
        while at <= AFTERWARDS:
            local.append(str(at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)))
            at += timedelta(hours=9)
        if [row[0] for row in rows] == sorted(local):
            alike.append(zone)
    return alike


def prove(owner: psycopg.Connection[Any], verdict: Verdict, *, most: int, seed: int) -> None:
    """Let somebody live in each of so many zones, the hard ones first; print and judge what differs."""
    offered = {row[0] for row in owner.execute(_ZONES).fetchall()}
    everywhere = [zone for zone in sorted(offered) if _is_known(zone)]
    zones = [*(zone for zone in HARD if zone in everywhere), *(zone for zone in everywhere if zone not in HARD)][:most]
    alike = known_alike(owner, zones)
    left_out = [*sorted(offered - set(everywhere)), *(zone for zone in zones if zone not in alike)]
    print(
        f"{len(alike)} zones; known otherwise to the server and left out: {', '.join(left_out) or 'none'}", flush=True
    )
    random, began, compared, wrong = Random(seed), clock.monotonic(), 0, list[str]()
    for number, zone in enumerate(alike, start=1):
        count, found = live(owner, zone, alike, random)
        compared += count
        wrong += found
        if number % 50 == 0 or number == len(alike):
            print(
                f"{number} zones, {compared:,} states, {len(wrong)} wrong, {clock.monotonic() - began:.0f} s",
                flush=True,
            )
    for line in wrong[:10]:
        print(f"WRONG {line}")
    verdict(f"streaks are what a naive count says in {len(alike)} zones", not wrong, f"{compared:,} states")


def _is_known(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return False
    return True


def main(words: Sequence[str] | None = None) -> int:
    """Read the arguments, by default the command line's, and run; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zones", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(words)
    verdict = Verdict()
    with migrated_server() as database, database.connect() as owner:
        prove(owner, verdict, most=arguments.zones, seed=arguments.seed)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())

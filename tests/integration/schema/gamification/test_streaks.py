"""Streaks over days, freezes, clock changes and moves between time zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.schema.activities import NOON, one


def oracle(days: list[int]) -> tuple[int, int, int]:
    """Current and longest streak and freezes after activity on the given days, counted naively."""
    current = longest = freezes = 0
    last: int | None = None
    for day in days:
        if last is not None and day <= last:
            continue
        if last is None or day - last - 1 > freezes:
            current = 1
        else:
            freezes -= day - last - 1
            current += 1
        if current % 7 == 0:
            freezes = min(2, freezes + 1)
        longest, last = max(longest, current), day
    return current, longest, freezes


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=60))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_streak_is_what_a_naive_count_says(owner: psycopg.Connection, gaps: list[int]) -> None:
    owner.execute("truncate streaks")
    days, day = [], 0
    for gap in gaps:
        day += gap
        days.append(day)
        owner.execute("select app.count_streak_day('alice', 'UTC', %s)", (NOON + timedelta(days=day),))
    assert one(owner, "select current_streak, longest_streak, freezes from streaks") == oracle(days)


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Stockholm", "Australia/Lord_Howe", "Pacific/Apia", "UTC"])
def test_every_local_day_of_a_year_counts_once_across_clock_changes(owner: psycopg.Connection, zone: str) -> None:
    owner.execute(
        """
        select app.count_streak_day('alice', %(zone)s, (day + hour)::timestamp at time zone %(zone)s)
        from generate_series('2026-01-01'::timestamp, '2026-12-31', '1 day') day,
          unnest(array['00:00:01', '23:59:59']::interval[]) hour order by day, hour
        """,
        {"zone": zone},
    )
    assert one(owner, "select current_streak from streaks") == 365


@pytest.mark.parametrize(("days", "status", "streak"), [
    (0, "active", 7), (1, "at_risk", 7), (2, "frozen", 7), (3, "broken", 0),
])  # fmt: skip
def test_what_is_left_of_a_streak_is_known_when_it_is_read(
    owner: psycopg.Connection, days: int, status: str, streak: int
) -> None:
    for day in range(7):
        owner.execute("select app.count_streak_day('alice', 'Europe/Stockholm', %s)", (NOON + timedelta(days=day),))
    read = one(
        owner,
        "select status, current_streak, expires_at from app.streak_status('alice', %s)",
        NOON + timedelta(days=6 + days),
    )
    assert read[:2] == (status, streak)
    # The clocks go back on the 25th: midnight is an hour later by UTC. One freeze was earned.
    assert read[2] == (None if status == "broken" else datetime(2026, 10, 28, 23, tzinfo=UTC))


def test_a_second_change_of_time_zone_within_a_week_does_not_move_the_day(owner: psycopg.Connection) -> None:
    for zone in ("UTC", "Pacific/Kiritimati", "America/Adak"):
        owner.execute("select app.count_streak_day('alice', %s, %s)", (zone, NOON))
    assert one(owner, "select timezone from streaks") == "Pacific/Kiritimati"


def test_an_unknown_time_zone_is_refused(owner: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        owner.execute("update profiles set timezone = 'Mars/Olympus' where id = 'alice'")

"""What users of other games reported, tried on ours. Each test names the report that it is about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from testing.claims import ANONYMOUS, set_claims
from testing.claims import user as claims_of
from tests.integration.schema.activities import one
from tests.integration.schema.gamification.test_standings import populate


def days(owner: psycopg.Connection, *activities: tuple[str, str]) -> Any:
    """Be active at these instants, told with their zones; the streak and the freezes after each."""
    return [
        one(owner, "select (s).current_streak, (s).freezes from app.count_streak_day('alice', %s, %s) s", zone, at)
        for zone, at in activities
    ]


def status(owner: psycopg.Connection, at: str) -> Any:
    return one(owner, "select status, current_streak, weekly_streak from app.streak_status('alice', %s)", at)


def test_a_journey_east_and_back_west_after_midnight_costs_no_streak(owner: psycopg.Connection) -> None:
    # HabitRPG/habitica#3433, nishit546/OpenPrep-AI#1176
    west, east = "America/Los_Angeles", "America/New_York"
    told = days(
        owner, (west, "2026-05-01T12:00-07"), (east, "2026-05-02T23:00-04"), (east, "2026-05-03T00:30-04"),
        (west, "2026-05-02T21:45-07"), (west, "2026-05-03T12:00-07"), (west, "2026-05-04T12:00-07"),
    )  # fmt: skip
    assert [streak for streak, _ in told] == [1, 2, 3, 3, 3, 4]


def test_the_hour_that_comes_twice_is_no_second_day(owner: psycopg.Connection) -> None:
    # HabitRPG/habitica#4211 and #6103, InlitX/streak#162
    zone = "America/New_York"
    told = days(
        owner, (zone, "2026-10-31T12:00-04"), (zone, "2026-11-01T01:30-04"), (zone, "2026-11-01T01:30-05"),
        (zone, "2026-11-01T23:59-05"), (zone, "2026-11-02T00:00-05"),
    )  # fmt: skip
    assert [streak for streak, _ in told] == [1, 2, 2, 2, 3]


def test_a_day_of_23_hours_is_a_day(owner: psycopg.Connection) -> None:
    # advokatb/readingstreak.koplugin#12, lordi/tickmate#113, ajay-dhangar/algo#3973
    zone = "Europe/Berlin"
    told = days(
        owner, (zone, "2026-03-28T23:59+01"), (zone, "2026-03-29T00:00+01"), (zone, "2026-03-29T23:59+02"),
        (zone, "2026-03-30T00:00+02"),
    )  # fmt: skip
    assert [streak for streak, _ in told] == [1, 2, 2, 3]


def test_two_local_days_within_one_of_utc_are_two(owner: psycopg.Connection) -> None:
    # rishabhx29/AlgoForge#6, freeCodeCamp#479
    told = days(owner, ("Asia/Kolkata", "2026-06-01T23:30+05:30"), ("Asia/Kolkata", "2026-06-02T00:15+05:30"))
    assert [streak for streak, _ in told] == [1, 2]


@pytest.mark.parametrize(
    ("zone", "last", "ends"),
    [
        ("Asia/Seoul", "2026-10-20T12:00+09", "2026-10-21T15:00Z"),
        # Midnight comes twice there in these nights; the day begins with the first one.
        ("America/Havana", "2026-10-30T12:00-04", "2026-11-01T04:00Z"),
        ("Atlantic/Azores", "2026-10-23T12:00Z", "2026-10-25T00:00Z"),
        # It does not come at all there: the clocks go from midnight to one.
        ("Africa/Cairo", "2026-04-22T12:00+02", "2026-04-23T22:00Z"),
    ],
)
def test_a_streak_ends_when_it_is_said_to_and_not_before(
    owner: psycopg.Connection, zone: str, last: str, ends: str
) -> None:
    # monkeytypegame/monkeytype#4735, neetcode-gh/leetcode#5987, Naramsim/GithubOriginalStreak#38
    days(owner, (zone, last))
    told = one(owner, "select expires_at from app.streak_status('alice', %s)", last)
    assert told == datetime.fromisoformat(ends)
    second = timedelta(seconds=1)
    assert status(owner, str(told - second))[:2] == ("at_risk", 1)
    assert status(owner, str(told))[:2] == ("broken", 0)


def test_a_weekly_streak_stands_in_the_middle_of_a_week_and_passes_the_53rd(owner: psycopg.Connection) -> None:
    # krwg/cultiva#147, atomantic/PortOS#3467, srg-kostyrko/obsidian-journal#200
    for day in ("2026-12-22", "2026-12-30", "2027-01-03", "2027-01-04"):
        days(owner, ("UTC", f"{day}T12:00Z"))
    assert status(owner, "2027-01-14T12:00Z")[2] == 3
    assert status(owner, "2027-01-17T23:59Z")[2] == 3
    assert status(owner, "2027-01-18T00:00Z")[2] == 0
    keys = "select app.leaderboard_key('weekly', %s)"
    assert [one(owner, keys, f"{day}T12:00Z") for day in ("2026-12-28", "2027-01-03", "2027-01-04")] == [
        "2026-W53", "2026-W53", "2027-W01",
    ]  # fmt: skip


def test_a_freeze_covers_one_day_and_neither_a_long_absence_nor_a_clock_that_goes_back_takes_one(
    owner: psycopg.Connection,
) -> None:
    # bug-ops/helix-trainer#344
    start = datetime(2026, 1, 1, 12, tzinfo=UTC)
    week = days(owner, *(("UTC", str(start + timedelta(days=day))) for day in range(7)))
    assert week[-1] == (7, 1)
    assert days(owner, ("UTC", "2026-01-05T12:00Z")) == [(7, 1)]
    assert days(owner, ("UTC", "2026-03-08T12:00Z")) == [(1, 1)]
    assert days(owner, ("UTC", "2026-03-10T12:00Z")) == [(2, 0)]
    assert one(owner, "select last_activity_date, streak_data from streaks") == (
        date(2026, 3, 10), {"frozen": ["2026-03-09"]},
    )  # fmt: skip


def test_who_is_hidden_takes_no_place_and_who_ties_shares_one_wherever_a_page_ends(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    # theCrag/website#1040, LQDJudge/online-judge#254, PennyDreadfulMTG/Penny-Dreadful-Tools#5721
    populate(owner, [900, 500, 500, 500, 500, 100])
    owner.execute("update app.leaderboard_scores set is_hidden = true where user_id = 'u1'")
    set_claims(app, ANONYMOUS)
    top = app.execute("select rank from app.leaderboard_page(null, 'all_time', null, 3)").fetchall()
    assert [rank for (rank,) in top] == [1, 1, 1]
    app.rollback()
    set_claims(app, claims_of("u5"))
    page = app.execute("select section, rank, is_me from app.leaderboard_page('u5', 'all_time', null, 2)").fetchall()
    assert [row for row in page if row[2]] == [("me", 1, True)]
    app.rollback()
    set_claims(app, claims_of("u6"))
    page = app.execute("select section, rank, is_me from app.leaderboard_page('u6', 'all_time', null, 2)").fetchall()
    assert [rank for section, rank, _ in page if section == "me"] == [5]

"""What a caller sends and reads of its profile and of the game. Points, levels, ranks and dates are never sent."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from parley.core.fields import BODY, QUERY, Count, Note

# One line: no control characters, and none that turn the direction of what stands beside it on the leaderboard.
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+$"
_Name = Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True, pattern=_LINE)]
_Role = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True, pattern=_LINE)]
_Technology = Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True, pattern=_LINE)]
_MOST_MEMBERS = 50

Period = Literal["all_time", "weekly", "monthly"]
LeaderboardScope = Literal["global", "organization"]
ExperienceLevel = Literal["intern", "junior", "mid", "senior", "lead"]
Score = Annotated[float, Field(ge=0, le=100)]


class ProfileChange(BaseModel):
    """What describes the caller. What is left out stays; null clears a text. Everything else is earned.

    `timezone` is an IANA name (`Europe/Stockholm`); streaks follow it at most once in seven days. `preferences` are the
    application's own, up to 50 members and 4 KiB, and are replaced as a whole.
    """

    model_config = BODY
    display_name: _Name | None = None
    timezone: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = "UTC"
    leaderboard_opt_out: bool = False
    experience_level: ExperienceLevel | None = None
    target_role: _Role | None = None
    tech_stack: Annotated[list[_Technology], Field(max_length=20)] = []
    preferences: Annotated[Note, Field(max_length=_MOST_MEMBERS)] = {}


class Profile(TypedDict):
    """A user's public face, choices and figures; `level` begins at 1, and `xp_to_next_level` is what it lacks."""

    user_id: str
    display_name: str | None
    timezone: str
    leaderboard_opt_out: bool
    experience_level: str | None
    target_role: str | None
    tech_stack: list[str]
    preferences: dict[str, Any]
    total_interviews: Count
    completed_interviews: Count
    average_score: Score | None
    total_xp: Count
    level: Annotated[int, Field(ge=1)]
    xp_into_level: Count
    xp_to_next_level: Annotated[int, Field(ge=1)]
    current_streak: Count
    longest_streak: Count
    created_at: datetime


class XpEvent(TypedDict):
    """An entry of the ledger: points once for one reason. `local_date` was the user's own date."""

    id: int
    event_key: str
    amount: Count
    reason: str
    ref_id: str | None
    local_date: date
    created_at: datetime


class XpEventList(TypedDict):
    """The ledger, newest first."""

    data: list[XpEvent]
    next_cursor: str | None


class Achievement(TypedDict):
    """What can be achieved and how far the caller is; `unlocked_at` is null where it is locked."""

    achievement_type: str
    title: str
    description: str
    icon: str
    xp_reward: Count
    current: float
    target: float
    unlocked_at: datetime | None


class AchievementList(TypedDict):
    """The whole catalogue, what was unlocked last first."""

    data: list[Achievement]
    next_cursor: None


class DailyStreak(TypedDict):
    """Days in a row as of now. `none` before the first one; `at_risk` while today does not count yet; `frozen` while
    freezes cover missed days. `expires_at` is when the local day begins on which it breaks.
    """

    current: Count
    longest: Count
    status: Literal["none", "active", "at_risk", "frozen", "broken"]
    freezes: Annotated[int, Field(ge=0, le=2)]
    expires_at: datetime | None


class WeeklyStreak(TypedDict):
    """ISO weeks in a row as of now, in the same zone as the days."""

    current: Count
    longest: Count
    expires_at: datetime | None


class Streaks(TypedDict):
    """The caller's streaks, in the zone that they are counted in."""

    daily: DailyStreak
    weekly: WeeklyStreak
    last_activity_date: date | None
    timezone: str


class SkillProgress(TypedDict):
    """How the caller does in a skill. `trend` is points per attempt over the last ten; null below two."""

    skill: str
    attempts: Count
    best_score: Score | None
    average_score: Score | None
    last_score: Score | None
    trend: float | None
    last_practiced_at: datetime | None


class ProgressList(TypedDict):
    """The caller's skills, what was practised last first; five hundred at most."""

    data: list[SkillProgress]
    next_cursor: None


class LeaderboardQuery(BaseModel):
    """Which window, and how many of its first places. `period_key` names a past one: `2026-W43`, `2026-10`. The scope
    `organization` is what its members earned while they acted for it: points stay where they were earned.
    """

    model_config = QUERY
    period: Period = "all_time"
    period_key: (
        Annotated[str, StringConstraints(max_length=8, pattern=r"^\d{4}-(W(0[1-9]|[1-4]\d|5[0-3])|0[1-9]|1[0-2])$")]
        | None
    ) = None
    scope: LeaderboardScope = "global"
    limit: Annotated[int, Field(ge=1, le=100)] = 10

    @model_validator(mode="after")
    def _key_of_the_period(self) -> Self:
        if self.period_key is not None and ("W" in self.period_key, self.period) not in (
            (True, "weekly"),
            (False, "monthly"),
        ):
            raise ValueError("a period_key like 2026-W43 goes with weekly, one like 2026-10 with monthly")
        return self


class Standing(TypedDict):
    """One place. Equal scores share a rank; who was there first stands first."""

    rank: Annotated[int, Field(ge=1)]
    display_name: str | None
    score: Count
    is_me: bool


class Leaderboard(TypedDict):
    """The first places, the caller's own (null without one), and two neighbours on either side."""

    period: Period
    period_key: str
    scope: LeaderboardScope
    data: list[Standing]
    me: Standing | None
    neighbours: list[Standing]
    next_cursor: None

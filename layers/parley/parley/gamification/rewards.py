"""What a caller has earned: points, achievements, streaks, progress. app.record_activity writes it (schema/85)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from parley.core.caller import Caller
from parley.core.paging import PageQuery, a_long_number, a_time
from parley.database.connection import Database

if TYPE_CHECKING:
    from parley.gamification.schemas import (
        Achievement,
        AchievementList,
        ProgressList,
        SkillProgress,
        Streaks,
        XpEventList,
    )


@dataclass(frozen=True, slots=True)
class Rewards:
    """The reading of rewards."""

    database: Database

    def xp_events(self, caller: Caller, query: PageQuery) -> XpEventList:
        """The caller's ledger of points, newest first."""
        moment, key = query.after(a_time, a_long_number)
        rows = self.database.query(
            caller.claims,
            """
            select e.id, e.event_key, e.amount, e.reason, e.ref_id, e.local_date, e.created_at
            from app.xp_events e
            where e.user_id = %s and (%s::timestamptz is null or (e.created_at, e.id) < (%s, %s))
            order by e.created_at desc, e.id desc
            limit %s
            """,
            (caller.user_id, moment, moment, key, query.limit + 1),
            idempotent=True,
        )
        data, following = query.page(rows, "created_at", "id")
        return {"data": data, "next_cursor": following}

    def achievements(self, caller: Caller) -> AchievementList:
        """Every achievement with the caller's progress."""
        rows = self.database.query(
            caller.claims,
            """
            select a.achievement_type, a.title, a.description, a.icon, a.xp_reward, a.current::float8, a.target::float8,
              a.unlocked_at
            from app.achievement_progress(%s) a
            """,
            (caller.user_id,),
            idempotent=True,
        )
        return {"data": cast("list[Achievement]", rows), "next_cursor": None}

    def streaks(self, caller: Caller) -> Streaks:
        """The caller's streaks as they stand now."""
        status, profile = self.database.batch(
            caller.claims,
            [
                ("select s.* from app.streak_status(%s) s", (caller.user_id,)),
                ("select p.timezone from public.profiles p where p.id = %s", (caller.user_id,)),
            ],
            idempotent=True,
        )
        if not status:
            return {
                "daily": {"current": 0, "longest": 0, "status": "none", "freezes": 0, "expires_at": None},
                "weekly": {"current": 0, "longest": 0, "expires_at": None},
                "last_activity_date": None,
                "timezone": profile[0]["timezone"] if profile else "UTC",
            }
        found = status[0]
        return {
            "daily": {
                "current": found["current_streak"],
                "longest": found["longest_streak"],
                "status": found["status"],
                "freezes": found["freezes"],
                "expires_at": found["expires_at"],
            },
            "weekly": {
                "current": found["weekly_streak"],
                "longest": found["longest_weekly_streak"],
                "expires_at": found["week_expires_at"],
            },
            "last_activity_date": found["last_activity_date"],
            "timezone": found["timezone"],
        }

    def progress(self, caller: Caller) -> ProgressList:
        """The caller's skills with their trend."""
        rows = self.database.query(
            caller.claims,
            """
            select u.skill, u.attempts, u.best_score::float8, u.average_score::float8, u.last_score::float8,
              app.skill_trend(u.recent_scores) as trend, u.last_practiced_at
            from public.user_progress u
            where u.user_id = %s
            order by u.last_practiced_at desc nulls last, u.skill
            limit 500
            """,
            (caller.user_id,),
            idempotent=True,
        )
        return {"data": cast("list[SkillProgress]", rows), "next_cursor": None}

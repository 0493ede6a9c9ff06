"""A caller's profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from parley.core.caller import Caller
from parley.core.errors import Problem, subject_deleted
from parley.database.connection import Database, Statement
from parley.database.errors import DatabaseError
from parley.database.values import jsonb

if TYPE_CHECKING:
    from parley.gamification.schemas import Profile, ProfileChange

_UNKNOWN_ZONE = "22023"  # app.guard_timezone
_FOREIGN_KEY_VIOLATION = "23503"  # the user was deleted between two statements


@dataclass(frozen=True, slots=True)
class Profiles:
    """The profile service. A profile is made when it is first asked for."""

    database: Database

    def read(self, caller: Caller) -> Profile:
        """The caller's profile. Raises Problem (403) for a deleted user."""
        return self._after(caller, [])

    def change(self, caller: Caller, change: ProfileChange) -> Profile:
        """Change what was sent of it. Raises Problem: 400 for an unknown time zone, 403 for a deleted user."""
        sent = change.model_dump(exclude_unset=True)
        update: Statement = (
            """
            update public.profiles p
            set (display_name, timezone, leaderboard_opt_out, experience_level, target_role, tech_stack,
              preferences) = (
              select n.display_name, n.timezone, n.leaderboard_opt_out, n.experience_level, n.target_role, n.tech_stack,
                n.preferences
              from jsonb_populate_record(p, %s) n)
            where p.id = %s
            """,
            (jsonb(sent), caller.user_id),
        )
        return self._after(caller, [update] if sent else [])

    def _after(self, caller: Caller, statements: list[Statement]) -> Profile:
        made: Statement = (
            "insert into public.profiles (id) select %s where app.provision() on conflict (id) do nothing",
            (caller.user_id,),
        )
        read: Statement = (
            """
            select p.id as user_id, p.display_name, p.timezone, p.leaderboard_opt_out, p.experience_level,
              p.target_role, p.tech_stack, p.preferences, p.total_interviews, p.completed_interviews,
              p.average_score::float8, p.total_xp, p.level, p.total_xp - 50 * p.level * (p.level - 1) as xp_into_level,
              50 * p.level * (p.level + 1) - p.total_xp as xp_to_next_level,
              coalesce(s.current_streak, 0) as current_streak, coalesce(s.longest_streak, 0) as longest_streak,
              p.created_at
            from public.profiles p left join app.streak_status(%s) s on true
            where p.id = %s
            """,
            (caller.user_id, caller.user_id),
        )
        try:
            found = self.database.batch(caller.claims, [made, *statements, read], idempotent=True)[-1]
        except DatabaseError as error:
            if error.sqlstate == _UNKNOWN_ZONE:
                raise Problem(
                    "invalid_request",
                    "Send an IANA name such as Europe/Stockholm as `timezone`.",
                    status=400,
                    param="timezone",
                ) from None
            if error.sqlstate == _FOREIGN_KEY_VIOLATION:
                raise subject_deleted() from None
            raise
        if not found:
            raise subject_deleted()
        return cast("Profile", found[0])

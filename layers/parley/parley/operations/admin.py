"""What operators do: tiers, a user's tier, analytics. Runs as the service role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, cast

from parley.core.caller import SERVICE, Caller, is_identifier
from parley.core.clock import Clock
from parley.core.errors import Problem, subject_deleted, user_referenced
from parley.core.period import Period
from parley.database.connection import Database
from parley.database.errors import DatabaseError
from parley.operations.schemas import Analytics, Tier, TierLimits, TierList, UserTier, UserTierChange


@dataclass(frozen=True, slots=True)
class Admin:
    """The operators' service."""

    database: Database
    clock: Clock

    def tiers(self) -> TierList:
        """Every tier with its limits."""
        return {"data": self._query("select * from app.ai_tiers order by tier"), "next_cursor": None}

    def change_tier(self, name: str, limits: TierLimits) -> Tier:
        """Change a tier's limits; they hold from the next request on. Raises Problem (404)."""
        rows = self._query(
            """
            update app.ai_tiers set daily_units = %s, monthly_units = %s, daily_embedding_tokens = %s
            where tier = %s returning *
            """,
            (limits.daily_units, limits.monthly_units, limits.daily_embedding_tokens, name),
        )
        return cast("Tier", _one(rows, "tier"))

    def change_user_tier(self, user_id: str, change: UserTierChange) -> UserTier:
        """Move a user to a tier, also before the first call; `is_new` says that there was none. Raises Problem: 404 for
        an id that no token can have, 403 for a deleted user.
        """
        if not is_identifier(user_id):
            raise _no_such_user()
        known = self._query("""select id from public."user" where id = %s""", (user_id,))
        self.database.query(Caller(user_id).claims, "select app.provision()")
        rows = self._query(
            """
            insert into public.user_ai_settings (user_id, tier)
            select id, %s from public."user" where id = %s
            on conflict (user_id) do update set tier = excluded.tier
            returning user_id, tier, %s as is_new
            """,
            (change.tier, user_id, not known),
        )
        if not rows:
            raise subject_deleted()
        return cast("UserTier", rows[0])

    def delete_user(self, user_id: str) -> None:
        """Delete a user with everything personal; the subject is refused from now on.

        Raises:
            Problem: 404 for an unknown user; 409 where an adopted application's own table refers to the user.
        """
        try:
            rows = self._query("select app.delete_user(%s) as known", (user_id,))
        except DatabaseError as error:
            if error.sqlstate != "23503":  # foreign_key_violation
                raise
            raise user_referenced() from None
        if not rows[0]["known"]:
            raise _no_such_user()

    def analytics(self, period: Period) -> Analytics:
        """Everybody's usage by day, provider, model and operation, users by tier, preferences by provider, and searches
        by type with what became of them.
        """
        bounds = period.bounds(self.clock.now())
        usage, tiers, preferences, searches = self.database.batch(
            SERVICE.claims,
            [
                (
                    """
                    select day, provider, model, operation_type as operation, own_key, calls, tokens as total_tokens,
                      coalesce(cost, 0) as cost_usd, unpriced_calls, mean_latency_ms
                    from app.usage_between(%s, %s)
                    """,
                    bounds,
                ),
                ("select tier, count(*) as users from public.user_ai_settings group by tier order by tier", ()),
                (
                    """
                    select preferred_provider::text as provider, count(*) as preferences
                    from public.ai_provider_preferences where is_active group by 1 order by 1
                    """,
                    (),
                ),
                ("select * from app.searches_between(%s, %s)", bounds),
            ],
            idempotent=True,
        )
        found = {
            "usage": usage,
            "users_by_tier": tiers,
            "preferences_by_provider": preferences,
            "searches_by_type": searches,
        }
        return cast("Analytics", found)

    def _query(self, statement: LiteralString, parameters: Sequence[Any] = ()) -> list[Any]:
        return self.database.query(SERVICE.claims, statement, parameters)


def _no_such_user() -> Problem:
    return Problem("not_found", "There is no such user.", status=404)


def _one(rows: list[Any], what: str) -> Any:
    if not rows:
        raise Problem("not_found", f"There is no such {what}.", status=404)
    return rows[0]

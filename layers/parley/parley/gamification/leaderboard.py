"""Standings: the first places of a window, the caller and its neighbours; app.leaderboard_page ranks (schema/85)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from parley.core.caller import Caller
from parley.core.errors import Problem, subject_deleted
from parley.database.connection import Database

if TYPE_CHECKING:
    from parley.gamification.schemas import Leaderboard, LeaderboardQuery, Standing


@dataclass(frozen=True, slots=True)
class Standings:
    """The leaderboard. Ranks are exact when they are read."""

    database: Database

    def page(self, caller: Caller, query: LeaderboardQuery) -> Leaderboard:
        """One window of it; without a token there is no place of one's own.

        Raises Problem (403) for an organization's standings where the token names none, and for a deleted user.
        """
        if query.scope == "organization" and caller.organization_id is None:
            raise Problem("organization_required", "Your token names no organization.", status=403)
        known, key, rows = self.database.batch(
            caller.claims,
            [
                ("select app.provision() as it" if caller.is_user else "select true as it", ()),
                ("select coalesce(%s, app.leaderboard_key(%s)) as key", (query.period_key, query.period)),
                (
                    """
                    select p.section, p.rank, p.display_name, p.score, p.is_me
                    from app.leaderboard_page(%s, %s, %s, %s, %s) p
                    """,
                    (caller.user_id, query.period, query.period_key, query.limit, query.scope),
                ),
            ],
            idempotent=True,
        )
        if not known[0]["it"]:
            raise subject_deleted()
        mine = [_standing(row) for row in rows if row["section"] == "me"]
        return {
            "period": query.period,
            "period_key": key[0]["key"],
            "scope": query.scope,
            "data": [_standing(row) for row in rows if row["section"] == "top"],
            "me": mine[0] if mine else None,
            "neighbours": [_standing(row) for row in rows if row["section"] == "neighbour"],
            "next_cursor": None,
        }


def _standing(row: dict[str, Any]) -> Standing:
    return {
        "rank": row["rank"],
        "display_name": row["display_name"],
        "score": row["score"],
        "is_me": row["is_me"],
    }

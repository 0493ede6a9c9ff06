"""What callers did with the application's items, and what they may like next."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import cast

from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem, subject_deleted
from parley.core.paging import PageQuery, a_time
from parley.database.connection import Database
from parley.database.values import jsonb
from parley.search.refused_writes import refused_writes
from parley.search.schemas import (
    MOST_INTERACTIONS,
    Answered,
    CreatedList,
    InteractionList,
    InteractionsRequest,
    Recommendation,
    RecommendationList,
    RecommendationsQuery,
)


@dataclass(frozen=True, slots=True)
class Interactions:
    """The interaction service.

    Args:
        daily_limit: how many one user may record in a day.
    """

    database: Database
    daily_limit: int

    def record(self, context: RequestContext, request: InteractionsRequest) -> Answered[CreatedList]:
        """Record a batch, all or nothing; the ids come back in its order. A repeated key records nothing.

        Raises Problem: 422 for a key that was used with another batch, 429 beyond the day's rows.
        """
        user_id = context.caller.user_id
        ids = context.new_ids(len(request.interactions))
        possible = context.new_ids(MOST_INTERACTIONS)
        rows = [
            interaction.model_dump() | {"id": key} for key, interaction in zip(ids, request.interactions, strict=True)
        ]
        with refused_writes():
            _, provisioned, known, _ = self.database.batch(
                context.caller.claims,
                [
                    # Two batches at once: the second one looks when the first is there.
                    ("select app.bound_free_writes('interactions', %s::uuid[], %s)", (ids, self.daily_limit)),
                    ("select app.provision() as known", ()),
                    (
                        """
                        select id::text, interaction_type, item_type, item_id, metadata from public.user_interactions
                        where user_id = %s and id = any(%s::uuid[])
                        """,
                        (user_id, possible),
                    ),
                    (
                        """
                        insert into public.user_interactions
                          (id, user_id, interaction_type, item_type, item_id, metadata)
                        select i.id, u.id, i.interaction_type, i.item_type, i.item_id, i.metadata
                        from jsonb_to_recordset(%s) as i (
                          id uuid, interaction_type text, item_type text, item_id text, metadata jsonb)
                        join public."user" u on u.id = %s
                        where not exists (
                          select from public.user_interactions k where k.user_id = u.id and k.id = any(%s::uuid[]))
                        on conflict (id) do nothing
                        """,
                        (jsonb(rows), user_id, possible),
                    ),
                ],
            )
        if not provisioned[0]["known"]:
            raise subject_deleted()
        if known and {row["id"]: row for row in known} != {row["id"]: row for row in rows}:
            raise Problem(
                "idempotency_key_reused",
                "This Idempotency-Key was used with another batch; use a new key.",
                status=422,
            )
        return Answered({"data": [{"id": key} for key in ids]}, replayed=bool(known))

    def page(self, caller: Caller, query: PageQuery) -> InteractionList:
        """The caller's interactions, newest first."""
        moment, key = query.after(a_time, uuid.UUID)
        rows = self.database.query(
            caller.claims,
            """
            select i.id, i.interaction_type, i.item_type, i.item_id, i.metadata, i.created_at
            from public.user_interactions i
            where i.user_id = %s
              and (%s::timestamptz is null or (i.created_at, i.id) < (%s, %s))
            order by i.created_at desc, i.id desc
            limit %s
            """,
            (caller.user_id, moment, moment, key, query.limit + 1),
            idempotent=True,
        )
        data, following = query.page(rows, "created_at", "id")
        return {"data": data, "next_cursor": following}

    def recommendations(self, caller: Caller, query: RecommendationsQuery) -> RecommendationList:
        """Items by what the caller and like-minded members of the organization did, each with its reason."""
        rows = self.database.query(
            caller.claims,
            "select * from app.recommend_items(%s, %s, %s)",
            (caller.user_id, query.item_type, query.limit),
            idempotent=True,
        )
        return {"data": cast("list[Recommendation]", rows), "next_cursor": None}

"""What callers did with the application's items, and what they may like next."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem, subject_deleted
from parley.core.paging import PageQuery
from parley.database.connection import Database
from parley.database.values import jsonb

Word = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[a-z0-9_.:-]+$")]
_LARGEST_METADATA = 50  # members
_MOST_INTERACTIONS = 100


class Interaction(BaseModel):
    """One interaction: view, click, add_to_cart... of an item."""

    model_config = ConfigDict(extra="forbid")
    interaction_type: Word
    item_type: Word
    item_id: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    metadata: Annotated[dict[str, Any], Field(max_length=_LARGEST_METADATA)] = {}


class InteractionsRequest(BaseModel):
    """The body of POST /api/interactions: a batch."""

    model_config = ConfigDict(extra="forbid")
    interactions: Annotated[list[Interaction], Field(min_length=1, max_length=_MOST_INTERACTIONS)]


class RecommendationsQuery(BaseModel):
    """The query of GET /api/recommendations."""

    item_type: Word | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 10


@dataclass(frozen=True, slots=True)
class Interactions:
    """The interaction service."""

    database: Database

    def record(self, context: RequestContext, request: InteractionsRequest) -> dict[str, Any]:
        """Record a batch, all or nothing; returns the ids in its order. A repetition of the key records nothing.

        Raises Problem (422) for a key that was used with another batch.
        """
        user_id = context.caller.user_id
        ids = context.new_ids(len(request.interactions))
        possible = context.new_ids(_MOST_INTERACTIONS)
        rows = [
            interaction.model_dump() | {"id": key} for key, interaction in zip(ids, request.interactions, strict=True)
        ]
        _, provisioned, known, _ = self.database.batch(
            context.caller.claims,
            [
                # Two batches under one key at once: the second one looks when the first is there.
                ("select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s, 0))", (ids[0],)),
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
                    insert into public.user_interactions (id, user_id, interaction_type, item_type, item_id, metadata)
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
        return {"data": [{"id": key} for key in ids]}

    def page(self, caller: Caller, query: PageQuery) -> dict[str, Any]:
        """The caller's interactions, newest first."""
        moment, key = query.after(uuid.UUID)
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
        return query.page(rows, "created_at")

    def recommendations(self, caller: Caller, query: RecommendationsQuery) -> dict[str, Any]:
        """Items by what the caller and like-minded members of the organization did, each with its reason."""
        rows = self.database.query(
            caller.claims,
            "select * from app.recommend_items(%s, %s, %s)",
            (caller.user_id, query.item_type, query.limit),
            idempotent=True,
        )
        return {"data": rows, "next_cursor": None}

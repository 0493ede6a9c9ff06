"""The application's content of six types, as everybody signed in reads it (`operations.content` writes it)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import cast, get_args

from parley.core.caller import Caller
from parley.core.errors import Problem
from parley.core.ids import path_uuid
from parley.core.paging import a_time
from parley.database.connection import Database
from parley.retrieval.filters import filter_of
from parley.retrieval.kinds import ContentType
from parley.search.schemas import ContentItem, ContentList, ContentQuery


@dataclass(frozen=True, slots=True)
class Content:
    """The content service."""

    database: Database

    def page(self, caller: Caller, kind: str, query: ContentQuery) -> ContentList:
        """The items of a type, newest first. Raises Problem (404) for a type that there is not."""
        if kind not in get_args(ContentType):
            raise _not_found()
        moment, key = query.after(a_time, uuid.UUID)
        contained, matching = filter_of(query.metadata)
        rows = self.database.query(
            caller.claims,
            """
            select c.id, c.content_type as type, c.title, c.description, c.language, c.metadata, c.created_at,
              c.updated_at
            from public.content_items c
            where c.content_type = %s and c.metadata @> %s and app.matches(c.metadata, %s::jsonpath)
              and (%s::timestamptz is null or (c.created_at, c.id) < (%s, %s))
            order by c.created_at desc, c.id desc
            limit %s
            """,
            (kind, contained, matching, moment, moment, key, query.limit + 1),
            idempotent=True,
        )
        data, following = query.page(rows, "created_at", "id")
        return {"data": data, "next_cursor": following}

    def read(self, caller: Caller, kind: str, content_id: str) -> ContentItem:
        """One item. Raises Problem (404)."""
        rows = self.database.query(
            caller.claims,
            """
            select id, content_type as type, title, description, language, metadata, created_at, updated_at
            from public.content_items where id = %s and content_type = %s
            """,
            (path_uuid(content_id, _not_found), kind),
            idempotent=True,
        )
        if not rows:
            raise _not_found()
        return cast("ContentItem", rows[0])


def _not_found() -> Problem:
    return Problem("not_found", "There is no such content.", status=404)

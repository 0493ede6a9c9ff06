"""Answers that need no model, as operators keep them. Runs as the service role."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, cast

from parley.core.caller import SERVICE
from parley.core.errors import Problem
from parley.core.ids import path_uuid
from parley.core.paging import PageQuery, a_number_or_none, a_text
from parley.database.connection import Database
from parley.operations.schemas import Faq, FaqList, NewFaq


@dataclass(frozen=True, slots=True)
class Faqs:
    """The precomputed responses, inactive ones too."""

    database: Database

    def page(self, query: PageQuery) -> FaqList:
        """The precomputed responses, inactive ones too, the first to match first."""
        priority, pattern, key = query.after(a_number_or_none, a_text, uuid.UUID)
        rows = self._query(
            """
            select id, pattern, response, priority, is_active, updated_at from public.ai_precomputed_responses
            where %s::uuid is null
              or (coalesce(-priority::bigint, 2147483648), -length(pattern), pattern, id)
                > (coalesce(-%s::bigint, 2147483648), -length(%s), %s, %s)
            order by coalesce(-priority::bigint, 2147483648), -length(pattern), pattern, id
            limit %s
            """,
            (key, priority, pattern, pattern, key, query.limit + 1),
        )
        data, following = query.page(rows, "priority", "pattern", "id")
        return {"data": data, "next_cursor": following}

    def add(self, faq: NewFaq) -> Faq:
        """Add a precomputed response. Raises Problem (409) for a pattern that is there."""
        rows = self._query(
            """
            insert into public.ai_precomputed_responses (pattern, response, priority, is_active)
            select %s, %s, %s, %s
            where not exists (select from public.ai_precomputed_responses where pattern = %s)
            returning id, pattern, response, priority, is_active, updated_at
            """,
            (faq.pattern, faq.response, faq.priority, faq.is_active, faq.pattern),
        )
        if not rows:
            raise Problem("faq_exists", "There is a response for this pattern; change that one.", status=409)
        return cast("Faq", rows[0])

    def change(self, faq_id: str, faq: NewFaq) -> Faq:
        """Replace a precomputed response. Raises Problem (404)."""
        rows = self._query(
            """
            update public.ai_precomputed_responses set pattern = %s, response = %s, priority = %s, is_active = %s
            where id = %s returning id, pattern, response, priority, is_active, updated_at
            """,
            (faq.pattern, faq.response, faq.priority, faq.is_active, path_uuid(faq_id, _not_found)),
        )
        if not rows:
            raise _not_found()
        return cast("Faq", rows[0])

    def delete(self, faq_id: str) -> None:
        """Delete a precomputed response. Raises Problem (404)."""
        key = path_uuid(faq_id, _not_found)
        rows = self._query("delete from public.ai_precomputed_responses where id = %s returning id", (key,))
        if not rows:
            raise _not_found()

    def _query(self, statement: LiteralString, parameters: Sequence[Any] = ()) -> list[Any]:
        return self.database.query(SERVICE.claims, statement, parameters)


def _not_found() -> Problem:
    return Problem("not_found", "There is no such FAQ.", status=404)

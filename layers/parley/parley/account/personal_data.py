"""Everything personal of a caller: taken along, and deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from parley.core.caller import Caller
from parley.core.errors import user_referenced
from parley.core.paging import PageQuery, a_text
from parley.database.connection import Database
from parley.database.errors import DatabaseError

if TYPE_CHECKING:
    from parley.account.schemas import PersonalRecordList

_REFERENCED = "23503"  # foreign_key_violation
# Of chunks of documents that go in one statement, which must end within parley_app's time limit.
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class PersonalData:
    """What the database has of a caller (schema/97, schema/98)."""

    database: Database

    def page(self, caller: Caller, query: PageQuery) -> PersonalRecordList:
        """The next records of the export, kind after kind."""
        kind, key = query.after(a_text, a_text)
        rows = self.database.query(
            caller.claims,
            "select e.kind, e.key, e.record from app.export_user(%s, %s, %s, %s) e",
            (caller.user_id, kind, key, query.limit + 1),
            idempotent=True,
        )
        data, following = query.page(rows, "kind", "key")
        return {
            "data": [{"kind": row["kind"], "record": row["record"]} for row in data],
            "next_cursor": following,
        }

    def delete(self, caller: Caller) -> None:
        """Delete it, and remember the subject as a hash: its tokens are refused from now on. A second time is no error.

        Documents go first, batch by batch: they may be too many for one statement's time. What is cut short goes on
        when it is asked for again.

        Raises Problem (409) where an adopted application's own table refers to the user, whose documents are gone then.
        """
        while self._delete_chunks(caller) == _BATCH:
            pass
        try:
            self.database.query(caller.claims, "select app.delete_user(%s)", (caller.user_id,), idempotent=True)
        except DatabaseError as error:
            if error.sqlstate != _REFERENCED:
                raise
            raise user_referenced() from None

    def _delete_chunks(self, caller: Caller) -> int:
        """Delete a batch of the caller's documents; returns of how many chunks."""
        rows = self.database.query(
            caller.claims,
            """
            with deleted as (
              delete from public.embeddings where id in (
                select id from public.embeddings where user_id = %s order by created_at desc, id limit %s)
              returning id
            )
            select count(*) as n from deleted
            """,
            (caller.user_id, _BATCH),
            idempotent=True,
        )
        return int(rows[0]["n"])

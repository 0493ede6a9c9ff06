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

        Raises Problem (409) where an adopted application's own table refers to the user.
        """
        try:
            self.database.query(caller.claims, "select app.delete_user(%s)", (caller.user_id,), idempotent=True)
        except DatabaseError as error:
            if error.sqlstate != _REFERENCED:
                raise
            raise user_referenced() from None

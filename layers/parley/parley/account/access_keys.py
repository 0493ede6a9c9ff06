"""Machine keys as their users keep them: made, listed, renamed, revoked, and what each used."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from parley.account.schemas import (
    AccessKeyList,
    AccessKeyQuery,
    AccessKeyRename,
    AccessKeySummary,
    AccessKeyUsageList,
    AccessKeyUsageQuery,
    CreatedAccessKey,
    NewAccessKey,
    Scope,
)
from parley.core.access_keys import access_key_hash, new_access_key
from parley.core.caller import Caller
from parley.core.clock import Clock
from parley.core.errors import Problem, subject_deleted
from parley.core.ids import path_uuid
from parley.core.paging import a_text, a_time
from parley.database.connection import Database


@dataclass(frozen=True, slots=True)
class AccessKeyKeeper:
    """The service of machine keys."""

    database: Database
    clock: Clock

    def create(self, caller: Caller, new: NewAccessKey) -> CreatedAccessKey:
        """Make a key; this answer alone shows it.

        Raises Problem: 400 for an expiry that has passed and for a limit of units without the scope that takes them,
        403, 409.
        """
        _check_owner(caller, new.owner)
        if new.expires_at is not None and new.expires_at <= self.clock.now():
            raise Problem("invalid_request", "expires_at has passed.", status=400, param="expires_at")
        if new.daily_limit is not None and "chat" not in new.scopes:
            raise Problem(
                "invalid_request",
                "daily_limit counts units, which only the scope chat takes. Leave it out: searches and embeddings are "
                "limited by your tokens of the day.",
                status=400,
                param="daily_limit",
            )
        key = new_access_key()
        described = {
            "owner": new.owner,
            "name": new.name,
            "hash": access_key_hash(key),
            "last_four": key[-4:],
            "scopes": sorted(set(new.scopes)),
            "daily_limit": new.daily_limit,
            "expires_at": None if new.expires_at is None else new.expires_at.isoformat(),
        }
        created = self.database.call("select app.create_access_key(%s, %s)", (caller.claims, described))
        if created["outcome"] == "access_key_limit_reached":
            raise Problem(
                "access_key_limit_reached",
                "One user has at most 100 machine keys, and makes at most so many a day; revoke one.",
                status=409,
            )
        return cast("CreatedAccessKey", {**_summary(created), "key": key})

    def page(self, caller: Caller, query: AccessKeyQuery) -> AccessKeyList:
        """The caller's keys, or as its admin the organization's, the newest first. Raises Problem (403)."""
        _check_owner(caller, query.owner)
        moment, key_id = query.after(a_time, _an_id)
        rows = self.database.call(
            "select app.access_keys_page(%s, %s, %s, %s, %s)",
            (caller.claims, query.owner == "organization", moment, key_id, query.limit + 1),
            idempotent=True,
        )
        data, following = query.page([_with_times(row) for row in rows], "created_at", "id")
        return {"data": data, "next_cursor": following}

    def rename(self, caller: Caller, key_id: str, change: AccessKeyRename) -> AccessKeySummary:
        """Give a key another name. Raises Problem (404)."""
        return self._change(caller, key_id, change.name, revoke=False)

    def revoke(self, caller: Caller, key_id: str) -> None:
        """End a key for good; a second time changes nothing. Raises Problem (404)."""
        self._change(caller, key_id, None, revoke=True)

    def usage(self, caller: Caller, query: AccessKeyUsageQuery) -> AccessKeyUsageList:
        """What each key used in the period. Raises Problem (403)."""
        _check_owner(caller, query.owner)
        start, end = query.bounds(self.clock.now())
        rows = self.database.call(
            "select app.access_key_usage_between(%s, %s, %s, %s)",
            (caller.claims, start, end, query.owner == "organization"),
            idempotent=True,
        )
        return {"data": rows, "next_cursor": None}

    def _change(self, caller: Caller, key_id: str, name: str | None, *, revoke: bool) -> AccessKeySummary:
        parameters = (caller.claims, path_uuid(key_id, _not_found), name, revoke)
        changed = self.database.call("select app.change_access_key(%s, %s, %s, %s)", parameters, idempotent=True)
        if changed["outcome"] == "access_key_not_found":
            raise _not_found()
        return _summary(changed)


def _summary(found: Any) -> AccessKeySummary:
    if found["outcome"] == "subject_deleted":
        raise subject_deleted()
    return cast("AccessKeySummary", _with_times(found["key"]))


def _with_times(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its times as such."""
    return {
        name: datetime.fromisoformat(value) if name.endswith("_at") and value is not None else value
        for name, value in row.items()
    }


def _check_owner(caller: Caller, owner: Scope) -> None:
    if owner == "organization" and not caller.is_organization_admin:
        raise Problem("organization_admin_required", "Only an organization's admin may do this.", status=403)


def _an_id(value: Any) -> str:
    return str(uuid.UUID(a_text(value)))


def _not_found() -> Problem:
    return Problem("access_key_not_found", "There is no such machine key of yours.", status=404)

"""Conversations: list, read, rename, delete, export. Turns are appended by chat, under a row lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from parley.core.caller import Caller
from parley.core.errors import Problem
from parley.core.paging import PageQuery
from parley.database.connection import Database


class ReadQuery(BaseModel):
    """The query of GET /api/conversations/{id}."""

    format: Literal["json", "markdown"] = "json"


class Rename(BaseModel):
    """The body of PATCH /api/conversations/{id}. With `version`, a conversation that changed since is left alone."""

    model_config = ConfigDict(extra="forbid")
    # One line: no control characters.
    title: Annotated[
        str,
        StringConstraints(
            min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
        ),
    ]
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Conversations:
    """The conversation service."""

    database: Database

    def page(self, caller: Caller, query: PageQuery) -> dict[str, Any]:
        """The caller's conversations, the latest first, without their messages."""
        moment, key = query.after()
        rows = self.database.query(
            caller.claims,
            """
            select c.id, c.title, c.model, c.total_tokens, c.total_cost,
              case jsonb_typeof(c.messages) when 'array' then jsonb_array_length(c.messages) else 0 end
                as message_count, c.version, c.created_at, c.updated_at
            from public.ai_conversations c
            where c.user_id = %s
              and (%s::timestamptz is null or (c.updated_at, c.id) < (%s, %s))
            order by c.updated_at desc, c.id desc
            limit %s
            """,
            (caller.user_id, moment, moment, key, query.limit + 1),
            idempotent=True,
        )
        return query.page(rows, "updated_at")

    def read(self, caller: Caller, conversation_id: str) -> dict[str, Any]:
        """One conversation with its messages and context. Raises Problem (404)."""
        rows = self.database.query(
            caller.claims,
            """
            select id, title, model, messages, context, total_tokens, total_cost, version, created_at, updated_at
            from public.ai_conversations where id = %s and user_id = %s
            """,
            (conversation_id, caller.user_id),
            idempotent=True,
        )
        if not rows:
            raise _not_found()
        return rows[0]

    def markdown(self, caller: Caller, conversation_id: str) -> str:
        """One conversation as a document to keep. Raises Problem (404)."""
        found = self.read(caller, conversation_id)
        parts = [f"# {found['title'] or 'Conversation'}"]
        # An application may keep turns of its own shape, and something else in their place.
        messages = found["messages"] if isinstance(found["messages"], list) else []
        turns = [turn for turn in messages if isinstance(turn, dict)]
        parts += [f"**{turn.get('role')}**\n\n{turn.get('content')}" for turn in turns]
        return "\n\n".join(parts) + "\n"

    def rename(self, caller: Caller, conversation_id: str, change: Rename) -> dict[str, Any]:
        """Give it another title. Raises Problem: 404, or 409 where `version` is no longer the current one."""
        rows = self.database.query(
            caller.claims,
            """
            update public.ai_conversations set title = %s
            where id = %s and user_id = %s and version = coalesce(%s, version)
            returning id, title, version, updated_at
            """,
            (change.title, conversation_id, caller.user_id, change.version),
        )
        if rows:
            return rows[0]
        current = self.read(caller, conversation_id)["version"]
        raise Problem(
            "version_conflict",
            "The conversation changed since you read it; read it again.",
            status=409,
            extra={"version": current},
        )

    def delete(self, caller: Caller, conversation_id: str) -> None:
        """Delete it with its messages. Raises Problem (404)."""
        rows = self.database.query(
            caller.claims,
            "delete from public.ai_conversations where id = %s and user_id = %s returning id",
            (conversation_id, caller.user_id),
        )
        if not rows:
            raise _not_found()


def _not_found() -> Problem:
    return Problem("conversation_not_found", "There is no such conversation of yours.", status=404)

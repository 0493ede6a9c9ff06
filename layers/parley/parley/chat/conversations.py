"""Conversations: list, read, rename, delete, export. Turns are appended by chat, under a row lock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from parley.chat.conversation_schemas import (
    Conversation,
    ConversationList,
    ConversationMessage,
    ConversationQuery,
    ConversationRename,
    RenamedConversation,
)
from parley.core.caller import Caller
from parley.core.errors import Problem
from parley.core.paging import PageQuery, a_text, a_time, how_many_fit, read_cursor, write_cursor
from parley.database.connection import Database


@dataclass(frozen=True, slots=True)
class Conversations:
    """The conversation service."""

    database: Database

    def page(self, caller: Caller, query: PageQuery) -> ConversationList:
        """The caller's conversations, the latest first, without their messages."""
        moment, key = query.after(a_time, a_text)
        rows = self.database.query(
            caller.claims,
            """
            select c.id, c.title, c.model, c.total_tokens, c.total_cost as cost_usd, c.unpriced_calls,
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
        data, following = query.page(rows, "updated_at", "id")
        return {"data": data, "next_cursor": following}

    def read(self, caller: Caller, conversation_id: str, query: ConversationQuery) -> Conversation:
        """One conversation with its context and the newest messages before the cursor. Raises Problem (404)."""
        rows = self.database.query(
            caller.claims,
            """
            select id, title, model, messages, context, total_tokens, total_cost as cost_usd, unpriced_calls, version,
              created_at, updated_at
            from public.ai_conversations where id = %s and user_id = %s
            """,
            (conversation_id, caller.user_id),
            idempotent=True,
        )
        if not rows:
            raise _not_found()
        messages = _messages(rows[0]["messages"])
        # Turns are appended only, so that a count of them says where a page begins.
        end = len(messages) if query.cursor is None else read_cursor(query.cursor, _a_count)[0]
        begin = len(messages[:end]) - how_many_fit(reversed(messages[:end]))
        earlier = write_cursor([begin]) if begin else None
        return cast("Conversation", rows[0] | {"messages": messages[begin:end], "next_cursor": earlier})

    def markdown(self, caller: Caller, conversation_id: str, query: ConversationQuery) -> tuple[str, str | None]:
        """One conversation as a document to keep, and the cursor of the document before. Raises Problem (404)."""
        found = self.read(caller, conversation_id, query)
        parts = [f"# {found['title'] or 'Conversation'}"]
        parts += [f"**{turn['role']}**\n\n{turn['content']}" for turn in found["messages"]]
        return "\n\n".join(parts) + "\n", found["next_cursor"]

    def rename(self, caller: Caller, conversation_id: str, change: ConversationRename) -> RenamedConversation:
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
            return cast("RenamedConversation", rows[0])
        current = self.read(caller, conversation_id, ConversationQuery())["version"]
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


def _messages(kept: Any) -> list[ConversationMessage]:
    """The turns that read as such: an application may keep others of its own shape, and something else than a list."""
    return [
        cast(
            "ConversationMessage",
            {"role": turn["role"], "content": turn["content"], "created_at": _time(turn.get("timestamp"))}
            | {
                name: turn[name]
                for name in ("tool_calls", "tool_call_id", "failed", "media", "citations")
                if name in turn
            },
        )
        for turn in (kept if isinstance(kept, list) else ())
        if isinstance(turn, dict) and isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)
    ]


def _a_count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no count")
    return value


def _time(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError):
        return None


def _not_found() -> Problem:
    return Problem("conversation_not_found", "There is no such conversation of yours.", status=404)

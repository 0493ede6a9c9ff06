"""The caller's documents: stored, listed, read and deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem
from parley.core.paging import a_text, a_time
from parley.database.connection import Database, Statement
from parley.database.values import Vector
from parley.embedding.call import EmbeddingCalls
from parley.search.refused_writes import refused_writes
from parley.search.schemas import (
    Answered,
    CreatedList,
    DeletedDocuments,
    DeleteQuery,
    Document,
    DocumentList,
    DocumentQuery,
    DocumentsRequest,
)


@dataclass(frozen=True, slots=True)
class Documents:
    """The document service."""

    database: Database
    embedding_calls: EmbeddingCalls

    def store(self, context: RequestContext, request: DocumentsRequest) -> Answered[CreatedList]:
        """Embed and store; with an idempotency key a repetition stores nothing and answers the same. Raises Problem."""
        contents = [document.content for document in request.documents]
        with refused_writes(), self.embedding_calls.admit(context, "documents", contents) as call:
            if call.replay is not None:
                return Answered(cast("CreatedList", call.replay), replayed=True)
            embedded = call.embed()
            ids = call.new_ids(len(contents))
            answer: CreatedList = {"data": [{"id": key} for key in ids]}
            statements: list[Statement] = [
                (
                    """
                    insert into public.embeddings (id, user_id, content, embedding, metadata, model)
                    values (%s, %s, %s, app.pad_embedding(%s::extensions.vector), %s, %s)
                    on conflict (id) do nothing
                    """,
                    (key, context.caller.user_id, document.content, Vector(vector), document.metadata, embedded.model),
                )
                for key, document, vector in zip(ids, request.documents, embedded.vectors, strict=True)
            ]
            call.settle(answer, statements=statements)
            return Answered(answer, replayed=False)

    def page(self, caller: Caller, query: DocumentQuery) -> DocumentList:
        """The caller's own documents, newest first."""
        moment, key = query.after(a_time, a_text)
        rows = self.database.query(
            caller.claims,
            """
            select id, content, metadata, model, false as is_public, created_at
            from public.embeddings e
            where e.user_id = %s and e.metadata @> %s
              and (%s::timestamptz is null or (e.created_at, e.id) < (%s, %s))
            order by e.created_at desc, e.id desc
            limit %s
            """,
            (caller.user_id, query.metadata, moment, moment, key, query.limit + 1),
        )
        data, following = query.page(rows, "created_at", "id")
        return {"data": data, "next_cursor": following}

    def read(self, caller: Caller, document_id: str) -> Document:
        """One document, own or public. Raises Problem (404)."""
        rows = self.database.query(
            caller.claims,
            """
            select id, content, metadata, model, user_id is null as is_public, created_at
            from public.embeddings where id = %s and (user_id is null or user_id = %s)
            """,
            (document_id, caller.user_id),
        )
        if not rows:
            raise _not_found()
        return cast("Document", rows[0])

    def delete(self, caller: Caller, document_id: str) -> None:
        """Delete one of the caller's own. Raises Problem (404)."""
        rows = self.database.query(
            caller.claims,
            "delete from public.embeddings where id = %s and user_id = %s returning id",
            (document_id, caller.user_id),
        )
        if not rows:
            raise _not_found()

    def delete_matching(self, caller: Caller, query: DeleteQuery) -> DeletedDocuments:
        """Delete the caller's documents that match, or all; returns how many. Raises Problem (400) without a choice."""
        if query.all == bool(query.metadata):
            raise Problem(
                "invalid_request", "Send a non-empty metadata filter, or all=true for every document.", status=400
            )
        if query.all:
            deleted = self.database.query(caller.claims, "select public.clear_all_embeddings() as n")
        else:
            deleted = self.database.query(caller.claims, "select public.delete_by_metadata(%s) as n", (query.metadata,))
        return {"deleted": deleted[0]["n"]}


def _not_found() -> Problem:
    return Problem("not_found", "There is no such document of yours.", status=404)

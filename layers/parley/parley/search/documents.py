"""The caller's documents: cut into chunks and stored, listed, read and deleted."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem
from parley.core.paging import a_text, a_time
from parley.database.connection import Database, Statement
from parley.database.values import Vectors, jsonb
from parley.embedding.call import EmbeddingCalls
from parley.providers.protocol import Embeddings
from parley.retrieval.chunking import chunks
from parley.retrieval.language import language_of
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
    NewDocument,
)


@dataclass(frozen=True, slots=True)
class Documents:
    """The document service."""

    database: Database
    embedding_calls: EmbeddingCalls

    def store(self, context: RequestContext, request: DocumentsRequest) -> Answered[CreatedList]:
        """Embed what is new or changed, and store; with an idempotency key a repetition stores nothing and answers the
        same. Raises Problem.
        """
        with refused_writes():
            known = self._known_hashes(context.caller, [each.id for each in request.documents if each.id is not None])
            kept = [each for each in request.documents if each.id is not None and known.get(each.id) == _hash(each)]
            cut = [(each, chunks(each.content)) for each in request.documents if each not in kept]
            texts = [_embedded(document, part) for document, parts in cut for part in parts]
            with self.embedding_calls.admit(context, "documents", texts) as call:
                if call.replay is not None:
                    return Answered(cast("CreatedList", call.replay), replayed=True)
                embedded = call.embed() if texts else None
                rows = _rows(cut, call.new_ids(len(texts)))
                # A document without an id of the caller's goes by that of its first chunk.
                new_ids = iter([row["document_id"] for row in rows if row["position"] == 0])
                answer: CreatedList = {
                    "data": [{"id": each.id or "" if each in kept else next(new_ids)} for each in request.documents]
                }
                statements = [_update_metadata(context.caller, kept)] if kept else []
                if embedded is not None:
                    statements += [_insert(context.caller, rows, embedded), _delete_surplus(context.caller, rows)]
                call.settle(answer, statements=statements)
                return Answered(answer, replayed=False)

    def _known_hashes(self, caller: Caller, ids: list[str]) -> dict[str, str]:
        """Of the caller's documents under these ids, what their vectors were made from."""
        if not ids:
            return {}
        rows = self.database.query(
            caller.claims,
            """
            select document_id, document_hash from public.embeddings
            where user_id = %s and document_id = any(%s) and position = 0
            """,
            (caller.user_id, ids),
            idempotent=True,
        )
        return {row["document_id"]: row["document_hash"] for row in rows}

    def page(self, caller: Caller, query: DocumentQuery) -> DocumentList:
        """The caller's own documents, newest first."""
        moment, key = query.after(a_time, a_text)
        rows = self.database.query(
            caller.claims,
            """
            select e.document_id as id, e.title, d.content, e.language, e.metadata, e.model, false as is_public,
              e.created_at, e.id as row
            from public.embeddings e
            cross join lateral (
              select string_agg(c.content, '' order by c.position) as content
              from public.embeddings c where c.user_id = %s and c.document_id = e.document_id
            ) d
            where e.user_id = %s and e.position = 0 and e.metadata @> %s
              and (%s::timestamptz is null or (e.created_at, e.id) < (%s, %s))
            order by e.created_at desc, e.id desc
            limit %s
            """,
            (caller.user_id, caller.user_id, query.metadata, moment, moment, key, query.limit + 1),
        )
        data, following = query.page(rows, "created_at", "row")
        return {"data": [_without_row(each) for each in data], "next_cursor": following}

    def read(self, caller: Caller, document_id: str) -> Document:
        """One document, own or public; of two with this id, the own one. Raises Problem (404)."""
        rows = self.database.query(
            caller.claims,
            """
            select document_id as id, min(title) as title, string_agg(content, '' order by position) as content,
              min(language) as language, (array_agg(metadata order by position))[1] as metadata, min(model) as model,
              user_id is null as is_public, min(created_at) as created_at
            from public.embeddings
            where document_id = %s and (user_id is null or user_id = %s)
            group by document_id, user_id
            order by user_id is null
            limit 1
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
            "delete from public.embeddings where document_id = %s and user_id = %s returning id",
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
        deleted = self.database.query(
            caller.claims,
            """
            with deleted as (
              delete from public.embeddings where user_id = %s and metadata @> %s returning document_id
            )
            select count(distinct document_id) as n from deleted
            """,
            (caller.user_id, query.metadata or {}),
        )
        return {"deleted": deleted[0]["n"]}


def _hash(document: NewDocument) -> str:
    said = json.dumps([document.title, document.content, document.language])
    return hashlib.sha256(said.encode()).hexdigest()


def _embedded(document: NewDocument, part: str) -> str:
    return part if document.title is None else f"{document.title}. {part}"


def _rows(cut: Sequence[tuple[NewDocument, list[str]]], ids: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each chunk, in order."""
    rows: list[dict[str, Any]] = []
    for document, parts in cut:
        document_id, starts_at = document.id or ids[len(rows)], 0
        language = document.language or language_of(document.content)
        for position, part in enumerate(parts):
            rows.append(
                {
                    "number": len(rows), "id": ids[len(rows)], "document_id": document_id, "position": position,
                    "starts_at": starts_at, "title": document.title, "content": part, "language": language,
                    "document_hash": _hash(document), "metadata": document.metadata,
                }
            )  # fmt: skip
            starts_at += len(part)
    return rows


def _insert(caller: Caller, rows: Sequence[dict[str, Any]], embedded: Embeddings) -> Statement:
    """All chunks in one statement, which is one segment of the word index."""
    return (
        """
        insert into public.embeddings (
          id, user_id, external_id, position, starts_at, title, content, language, document_hash, embedding, metadata,
          model)
        select c.id, %s, c.document_id, c.position, c.starts_at, c.title, c.content, c.language, c.document_hash,
          app.pad_embedding((v.components[c.number * v.size + 1 : (c.number + 1) * v.size])::extensions.vector),
          c.metadata, %s
        from jsonb_to_recordset(%s) as c (
          number integer, id text, document_id text, position integer, starts_at integer, title text, content text,
          language text, document_hash text, metadata jsonb)
        cross join (select %s::real[] as components, %s::integer as size) as v
        order by c.document_id, c.position
        on conflict (user_id, document_id, position) do update set
          starts_at = excluded.starts_at, title = excluded.title, content = excluded.content,
          language = excluded.language, document_hash = excluded.document_hash, embedding = excluded.embedding,
          metadata = excluded.metadata, model = excluded.model
        """,
        (caller.user_id, embedded.model, jsonb(rows), Vectors(embedded.vectors), len(embedded.vectors[0])),
    )


def _delete_surplus(caller: Caller, rows: Sequence[dict[str, Any]]) -> Statement:
    """Chunks that a document had before and has no more."""
    counts = Counter(row["document_id"] for row in rows)
    return (
        """
        delete from public.embeddings e using unnest(%s::text[], %s::integer[]) as d (document_id, chunks)
        where e.user_id = %s and e.document_id = d.document_id and e.position >= d.chunks
        """,
        (list(counts), list(counts.values()), caller.user_id),
    )


def _update_metadata(caller: Caller, documents: Sequence[NewDocument]) -> Statement:
    """What may have changed of documents whose text has not."""
    return (
        """
        update public.embeddings e set metadata = d.metadata
        from jsonb_to_recordset(%s) as d (id text, metadata jsonb)
        where e.user_id = %s and e.document_id = d.id and e.metadata <> d.metadata
        """,
        (jsonb([{"id": each.id, "metadata": each.metadata} for each in documents]), caller.user_id),
    )


def _without_row(document: dict[str, Any]) -> Document:
    return cast("Document", {name: value for name, value in document.items() if name != "row"})


def _not_found() -> Problem:
    return Problem("not_found", "There is no such document of yours.", status=404)

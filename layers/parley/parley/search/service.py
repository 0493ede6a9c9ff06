"""Documents in, found again by meaning, by words, or both; content of the six types beside them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from parley.core.caller import Caller, RequestContext, derived_ids
from parley.core.errors import Problem, subject_deleted
from parley.database.connection import Database, Statement
from parley.database.errors import DatabaseError
from parley.database.values import Vector
from parley.embedding.retrieval import Retrieval
from parley.providers.protocol import Embeddings
from parley.search.schemas import DeleteQuery, DocumentsRequest, ListQuery, SearchRequest, SelectionRequest

_NO_SUCH_USER = "23503"  # a deleted subject is not provisioned again


@dataclass(frozen=True, slots=True)
class Search:
    """The search service."""

    database: Database
    retrieval: Retrieval

    def store(self, context: RequestContext, request: DocumentsRequest) -> dict[str, Any]:
        """Embed and store; with an idempotency key a repetition stores nothing and answers the same. Raises Problem."""
        contents = [document.content for document in request.documents]
        with _known_user(), self.retrieval.begin(context, "documents", contents) as work:
            if work.held.answer is not None:
                return work.held.answer
            embedded = work.embed()
            ids = work.new_ids(len(contents))
            answer = {"data": [{"id": key} for key in ids]}
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
            work.settle(answer, statements)
            return answer

    def search(self, context: RequestContext, request: SearchRequest) -> dict[str, Any]:
        """The nearest or best matching, best first, and the id under which a selection is noted. Raises Problem."""
        caller, by_words = context.caller, request.mode == "keyword"
        with _known_user():
            if by_words and context.idempotency_key is None:
                # Nothing is spent and nothing remembered: no row to begin and to finish.
                answer = {"search_id": derived_ids(context.request_id, 1)[0], "data": self._find(caller, request, None)}
                self.database.batch(
                    caller.claims, [("select app.provision()", ()), _log(caller, request, answer)], idempotent=True
                )
                return answer
            with self.retrieval.begin(context, "search", [] if by_words else [request.query]) as work:
                if work.held.answer is not None:
                    return self._found_before(caller, work.held.answer)
                found = self._find(caller, request, None if by_words else work.embed())
                answer = {"search_id": work.new_ids(1)[0], "data": found}
                # Remembered without what was found: a document that is deleted must not live on in an answer.
                hits = [{name: hit[name] for name in ("id", "type", "similarity", "score")} for hit in found]
                work.settle(answer | {"data": hits}, [_log(caller, request, answer)])
                return answer

    def _find(self, caller: Caller, request: SearchRequest, embedded: Embeddings | None) -> list[dict[str, Any]]:
        vector = None if embedded is None else Vector(embedded.vectors[0])
        model = None if embedded is None else embedded.model
        types = [name for name in request.types if name != "document"]
        words = request.query if request.mode != "semantic" else None
        options = (request.mode, request.limit, request.threshold, request.filter)
        statements: list[Statement] = []
        if "document" in request.types:
            statements.append(
                (
                    """
                    select id, 'document' as type, content, metadata, is_public, similarity, score
                    from app.search_documents(%s, %s::extensions.vector, %s, %s, %s, %s, %s, %s::text)
                    """,
                    (caller.user_id, vector, words, *options, model),
                )
            )
        if types:
            statements.append(
                (
                    """
                    select id::text, content_type as type, title, description, metadata, similarity, score
                    from app.search_content(%s, %s::extensions.vector, %s, %s, %s, %s, %s, %s, %s::text)
                    """,
                    (caller.user_id, vector, words, request.mode, types, *options[1:], model),
                )
            )
        found = [hit for rows in self.database.batch(caller.claims, statements, idempotent=True) for hit in rows]
        found.sort(key=lambda hit: (-hit["score"], hit["id"]))
        return found[: request.limit]

    def _found_before(self, caller: Caller, answer: dict[str, Any]) -> dict[str, Any]:
        """A remembered answer with what was found, as far as it still is there."""
        hits = answer["data"]
        documents, content = self.database.batch(
            caller.claims,
            [
                (
                    """
                    select id, content, metadata, user_id is null as is_public
                    from public.embeddings where id = any(%s) and (user_id is null or user_id = %s)
                    """,
                    ([hit["id"] for hit in hits if hit["type"] == "document"], caller.user_id),
                ),
                (
                    """
                    select id::text, title, description, metadata from public.content_items where id = any(%s::uuid[])
                    """,
                    ([hit["id"] for hit in hits if hit["type"] != "document"],),
                ),
            ],
            idempotent=True,
        )
        there = {(row["id"], "content" in row): row for row in [*documents, *content]}
        data = []
        for hit in hits:
            row = there.get((hit["id"], hit["type"] == "document"))
            if row is not None:
                scores = {name: hit[name] for name in ("similarity", "score")}
                data.append({"id": hit["id"], "type": hit["type"]} | row | scores)
        return {"search_id": answer["search_id"], "data": data}

    def select(self, caller: Caller, search_id: str, request: SelectionRequest) -> None:
        """Note what was chosen. Raises Problem (404) for a search that is not the caller's."""
        noted = self.database.query(
            caller.claims,
            "select app.record_selection(%s, %s, %s) as noted",
            (caller.user_id, _uuid(search_id), request.content_id),
        )
        if not noted[0]["noted"]:
            raise _not_found("search")

    def documents(self, caller: Caller, query: ListQuery) -> dict[str, Any]:
        """The caller's own documents, newest first."""
        moment, key = query.after()
        rows = self.database.query(
            caller.claims,
            """
            select id, content, metadata, model, created_at
            from public.embeddings e
            where e.user_id = %s and e.metadata @> %s
              and (%s::timestamptz is null or (e.created_at, e.id) < (%s, %s))
            order by e.created_at desc, e.id desc
            limit %s
            """,
            (caller.user_id, query.metadata, moment, moment, key, query.limit + 1),
        )
        return query.page(rows, "created_at")

    def document(self, caller: Caller, document_id: str) -> dict[str, Any]:
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
            raise _not_found("document")
        return rows[0]

    def delete_document(self, caller: Caller, document_id: str) -> None:
        """Delete one of the caller's own. Raises Problem (404)."""
        rows = self.database.query(
            caller.claims,
            "delete from public.embeddings where id = %s and user_id = %s returning id",
            (document_id, caller.user_id),
        )
        if not rows:
            raise _not_found("document")

    def delete_documents(self, caller: Caller, query: DeleteQuery) -> int:
        """Delete the caller's documents that match, or all; returns how many. Raises Problem (400) without a choice."""
        if query.all == bool(query.metadata):
            raise Problem(
                "invalid_request", "Send a non-empty metadata filter, or all=true for every document.", status=400
            )
        if query.all:
            deleted = self.database.query(caller.claims, "select public.clear_all_embeddings() as n")
        else:
            deleted = self.database.query(caller.claims, "select public.delete_by_metadata(%s) as n", (query.metadata,))
        return int(deleted[0]["n"])


@contextmanager
def _known_user() -> Iterator[None]:
    """Raises Problem (403) where a user was deleted before something could be written for them."""
    try:
        yield
    except DatabaseError as error:
        if error.sqlstate != _NO_SUCH_USER:
            raise
        raise subject_deleted() from None


def _log(caller: Caller, request: SearchRequest, answer: dict[str, Any]) -> Statement:
    kind = request.types[0] if len(set(request.types)) == 1 else "mixed"
    return (
        "select app.record_search(%s::uuid, %s, %s, %s, %s, %s)",
        (answer["search_id"], caller.user_id, request.query, kind, request.filter, len(answer["data"])),
    )


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise _not_found("search") from None


def _not_found(what: str) -> Problem:
    return Problem("not_found", f"There is no such {what} of yours.", status=404)

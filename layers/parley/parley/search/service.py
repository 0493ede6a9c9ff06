"""Search over documents and content, and what was chosen from it."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import cast

from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem
from parley.database.connection import Database, Row, Statement
from parley.embedding.call import EmbeddingCalls
from parley.retrieval import Query, Retrieval, ScoredHit
from parley.search.deleted_user import refuse_deleted_user
from parley.search.schemas import SearchRequest, SearchResults, SelectionRequest


@dataclass(frozen=True, slots=True)
class Search:
    """The search service."""

    database: Database
    retrieval: Retrieval
    embedding_calls: EmbeddingCalls

    def search(self, context: RequestContext, request: SearchRequest) -> tuple[SearchResults, bool]:
        """The nearest or best matching, best first, and the id under which a selection is noted. Raises Problem.

        Returns the answer, and whether it repeats that of an earlier request with this idempotency key.
        """
        caller, by_words = context.caller, request.mode == "keyword"
        query = Query(request.query, request.mode, request.types, request.limit, request.threshold, request.filter)
        with refuse_deleted_user():
            if by_words and context.idempotency_key is None:
                # Nothing is spent and nothing remembered: no row to begin and to finish.
                found = self.retrieval.find(caller, query, None)
                search_id = str(uuid.uuid4())
                statements: list[Statement] = [("select app.provision()", ()), _log(caller, request, search_id, found)]
                self.database.batch(caller.claims, statements, idempotent=True)
                return _results(search_id, found), False
            with self.embedding_calls.admit(context, "search", [] if by_words else [request.query]) as call:
                if call.replay is not None:
                    hits = [ScoredHit(**hit) for hit in call.replay["data"]]
                    return _results(call.replay["search_id"], self.retrieval.read_again(caller, hits)), True
                found = self.retrieval.find(caller, query, None if by_words else call.embed())
                search_id = call.new_ids(1)[0]
                # Remembered without what was found: a document that is deleted must not live on in an answer.
                hits = [ScoredHit(hit["id"], hit["type"], hit["similarity"], hit["score"]) for hit in found]
                call.settle(
                    {"search_id": search_id, "data": [asdict(hit) for hit in hits]},
                    statements=[_log(caller, request, search_id, found)],
                )
                return _results(search_id, found), False

    def select(self, caller: Caller, search_id: str, request: SelectionRequest) -> None:
        """Note what was chosen. Raises Problem (404) for a search that is not the caller's."""
        noted = self.database.query(
            caller.claims,
            "select app.record_selection(%s, %s, %s) as noted",
            (caller.user_id, _uuid(search_id), request.content_id),
        )
        if not noted[0]["noted"]:
            raise _not_found()


def _results(search_id: str, found: list[Row]) -> SearchResults:
    return cast("SearchResults", {"search_id": search_id, "data": found})


def _log(caller: Caller, request: SearchRequest, search_id: str, found: list[Row]) -> Statement:
    kind = request.types[0] if len(set(request.types)) == 1 else "mixed"
    return (
        "select app.record_search(%s::uuid, %s, %s, %s, %s, %s)",
        (search_id, caller.user_id, request.query, kind, request.filter, len(found)),
    )


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise _not_found() from None


def _not_found() -> Problem:
    return Problem("not_found", "There is no such search of yours.", status=404)

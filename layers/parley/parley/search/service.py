"""Search over documents and content, and what was chosen from it."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import Any, cast, get_args

from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem
from parley.core.paging import a_text, how_many_fit, read_cursor, write_cursor
from parley.database.connection import Database, Row, Statement
from parley.embedding.call import EmbeddingCalls
from parley.retrieval import Query, Retrieval, ScoredHit
from parley.search.refused_writes import refused_writes
from parley.search.schemas import Answered, ContentType, SearchRequest, SearchResults, SelectionRequest

_MOST_HITS = 100
_LONGEST_LOGGED = 1_000  # characters of a query


@dataclass(frozen=True, slots=True)
class Search:
    """The search service.

    Args:
        daily_limit: how many searches one user may have logged in a day before those by words, which cost nothing,
            are refused.
    """

    database: Database
    retrieval: Retrieval
    embedding_calls: EmbeddingCalls
    daily_limit: int

    def search(self, context: RequestContext, request: SearchRequest) -> Answered[SearchResults]:
        """The nearest or best matching, best first, and the id under which a selection is noted. Raises Problem."""
        caller, by_words = context.caller, request.mode == "keyword"
        query = Query(request.query, request.mode, request.types, request.limit, request.threshold, request.filter)
        if request.cursor is not None:
            search_id, hits = read_cursor(request.cursor, _a_search_id, _hits)
            return Answered(_results(search_id, self.retrieval.read_again(caller, hits)), replayed=False)
        with refused_writes():
            if by_words and context.idempotency_key is None:
                # Nothing is spent and nothing remembered: no row to begin and to finish.
                search_id = str(uuid.uuid4())
                found = self.retrieval.find(caller, query, None, admitted_by=self._bound(request, search_id))
                provision: Statement = ("select app.provision()", ())
                statements = [provision, *self._log(caller, request, search_id, found)]
                self.database.batch(caller.claims, statements, idempotent=True)
                return Answered(_results(search_id, found), replayed=False)
            with self.embedding_calls.admit(context, "search", [] if by_words else [request.query]) as call:
                if call.replay is not None:
                    hits = [ScoredHit(**hit) for hit in call.replay["data"]]
                    return Answered(
                        _results(call.replay["search_id"], self.retrieval.read_again(caller, hits)), replayed=True
                    )
                search_id = call.new_ids(1)[0]
                embedded = None if by_words else call.embed()
                found = self.retrieval.find(caller, query, embedded, admitted_by=self._bound(request, search_id))
                # Remembered without what was found: a document that is deleted must not live on in an answer.
                hits = [ScoredHit(hit["id"], hit["type"], hit["similarity"], hit["score"]) for hit in found]
                call.settle(
                    {"search_id": search_id, "data": [asdict(hit) for hit in hits]},
                    statements=self._log(caller, request, search_id, found),
                )
                return Answered(_results(search_id, found), replayed=False)

    def _log(self, caller: Caller, request: SearchRequest, search_id: str, found: list[Row]) -> list[Statement]:
        kind = request.types[0] if len(set(request.types)) == 1 else "mixed"
        written: Statement = (
            "select app.record_search(%s::uuid, %s, %s, %s, %s, %s)",
            (search_id, caller.user_id, request.query[:_LONGEST_LOGGED], kind, request.filter, len(found)),
        )
        # Looked at again: searches at the same time may all have been admitted.
        return [*self._bound(request, search_id), written]

    def _bound(self, request: SearchRequest, search_id: str) -> list[Statement]:
        """What refuses a search by words beyond the day's limit."""
        if request.mode != "keyword":
            return []
        return [("select app.bound_free_writes('searches', %s::uuid[], %s)", ([search_id], self.daily_limit))]

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
    """The hits that one answer holds, and what a request for the others must bring: that costs nothing, and is read as
    the caller may see it then.
    """
    count = how_many_fit(found)
    rest = [[hit["id"], hit["type"], hit["similarity"], hit["score"]] for hit in found[count:]]
    cursor = write_cursor([search_id, rest]) if rest else None
    return cast("SearchResults", {"search_id": search_id, "data": found[:count], "next_cursor": cursor})


def _a_search_id(value: Any) -> str:
    return str(uuid.UUID(value))


def _hits(values: Any) -> list[ScoredHit]:
    if len(values) > _MOST_HITS:
        raise ValueError("more hits than a search finds")
    return [_hit(*value) for value in values]


def _hit(key: Any, kind: Any, similarity: Any, score: Any) -> ScoredHit:
    if kind not in ("document", *get_args(ContentType)):
        raise ValueError("no such kind")
    key = a_text(key) if kind == "document" else str(uuid.UUID(key))
    return ScoredHit(key, kind, None if similarity is None else float(similarity), float(score))


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise _not_found() from None


def _not_found() -> Problem:
    return Problem("not_found", "There is no such search of yours.", status=404)

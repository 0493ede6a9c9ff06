"""Search over documents and content, and what was chosen from it."""

from __future__ import annotations

import uuid
from dataclasses import asdict, astuple, dataclass
from typing import Any, cast, get_args

from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem
from parley.core.paging import a_number_or_none, a_text, how_many_fit, read_cursor, write_cursor
from parley.database.connection import Database, Statement
from parley.embedding.call import EmbeddingCalls
from parley.retrieval.kinds import ContentType
from parley.retrieval.retrieval import Hit, LoggedSearch, Query, Retrieval, ScoredHit
from parley.search.refused_writes import refused_writes
from parley.search.schemas import (
    Answered,
    ContentHit,
    DocumentHit,
    SearchRequest,
    SearchResults,
    SelectionRequest,
)

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
                log = LoggedSearch(str(uuid.uuid4()), request.query[:_LONGEST_LOGGED])
                provision: Statement = ("select app.provision()", ())
                found = self.retrieval.find(
                    caller, query, None, log=log, admitted_by=[*self._bound(request, log), provision]
                )
                return Answered(_results(log.id, found), replayed=False)
            with self.embedding_calls.admit(context, "search", [] if by_words else [request.query]) as call:
                if call.replay is not None:
                    hits = [ScoredHit(**hit) for hit in call.replay["data"]]
                    return Answered(
                        _results(call.replay["search_id"], self.retrieval.read_again(caller, hits)), replayed=True
                    )
                log = LoggedSearch(call.new_ids(1)[0], request.query[:_LONGEST_LOGGED])
                embedded = None if by_words else call.embed()
                found = self.retrieval.find(caller, query, embedded, log=log, admitted_by=self._bound(request, log))
                # Remembered without what was found: a document that is deleted must not live on in an answer.
                call.settle({"search_id": log.id, "data": [asdict(hit.scored) for hit in found]})
                return Answered(_results(log.id, found), replayed=False)

    def _bound(self, request: SearchRequest, log: LoggedSearch) -> list[Statement]:
        """What refuses a search by words beyond the day's limit."""
        if request.mode != "keyword":
            return []
        return [("select app.bound_free_writes('searches', %s::uuid[], %s)", ([log.id], self.daily_limit))]

    def select(self, caller: Caller, search_id: str, request: SelectionRequest) -> None:
        """Note what was chosen. Raises Problem (404) for a search that is not the caller's."""
        noted = self.database.query(
            caller.claims,
            "select app.record_selection(%s, %s, %s) as noted",
            (caller.user_id, _uuid(search_id), request.content_id),
        )
        if not noted[0]["noted"]:
            raise _not_found()


def _results(search_id: str, found: list[Hit]) -> SearchResults:
    """The hits that one answer holds, and what a request for the others must bring: that costs nothing, and is read as
    the caller may see it then.
    """
    shown = [_shown(hit) for hit in found]
    count = how_many_fit(shown)
    rest = [astuple(hit.scored) for hit in found[count:]]
    cursor = write_cursor([search_id, rest]) if rest else None
    return {"search_id": search_id, "data": shown[:count], "next_cursor": cursor}


def _shown(hit: Hit) -> DocumentHit | ContentHit:
    if hit.type == "document":
        return {
            "id": hit.id, "type": "document", "title": hit.title, "content": hit.content, "starts_at": hit.starts_at,
            "metadata": dict(hit.metadata), "is_public": hit.is_public, "similarity": hit.similarity,
            "score": hit.score,
        }  # fmt: skip
    return {
        "id": hit.id, "type": cast("ContentType", hit.type), "title": hit.title or "", "description": hit.content,
        "metadata": dict(hit.metadata), "similarity": hit.similarity, "score": hit.score,
    }  # fmt: skip


def _a_search_id(value: Any) -> str:
    return str(uuid.UUID(value))


def _hits(values: Any) -> list[ScoredHit]:
    if len(values) > _MOST_HITS:
        raise ValueError("more hits than a search finds")
    return [_hit(*value) for value in values]


def _hit(key: Any, kind: Any, starts_at: Any, is_public: Any, similarity: Any, score: Any) -> ScoredHit:
    if kind not in ("document", *get_args(ContentType)):
        raise ValueError("no such kind")
    key = a_text(key) if kind == "document" else str(uuid.UUID(key))
    start = a_number_or_none(starts_at) or 0
    return ScoredHit(key, kind, start, bool(is_public), None if similarity is None else float(similarity), float(score))


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise _not_found() from None


def _not_found() -> Problem:
    return Problem("not_found", "There is no such search of yours.", status=404)

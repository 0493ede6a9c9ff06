"""Search over documents and content, and what was chosen from it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem
from parley.core.ids import path_uuid
from parley.database.connection import Database, Statement
from parley.embedding.call import EmbeddingCall, EmbeddingCalls
from parley.providers.protocol import Embeddings
from parley.retrieval.retrieval import Hit, LoggedSearch, Query, Retrieval, ScoredHit
from parley.search.pages import Page, shown
from parley.search.refused_writes import refused_writes
from parley.search.schemas import Answered, EmbeddedBy, SearchRequest, SearchResults, SelectionRequest

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
        began = time.monotonic()
        page, caller = Page.of(request), context.caller
        query = Query(
            request.query, request.mode, request.types, page.depth, request.threshold, request.filter, request.languages
        )
        with refused_writes():
            if request.mode == "keyword" and context.idempotency_key is None:
                # Nothing is spent and nothing remembered: no row to begin and to finish.
                log = self._log(page, str(uuid.uuid4()))
                provision: Statement = ("select app.provision()", ())
                found = self.retrieval.find(caller, query, None, log=log, admitted_by=[*_bound(log), provision])
                answered, _ = _answer(page, log.id, found, began)
                return Answered(answered, replayed=False)
            texts = [] if request.mode == "keyword" else [request.query]
            with self.embedding_calls.admit(context, "search", texts) as call:
                if call.replay is not None:
                    return Answered(self._repeated(caller, request, call.replay), replayed=True)
                log = self._log(page, call.new_ids(1)[0])
                embedded = self._embed(call, request)
                if embedded is None:
                    query = replace(query, mode="keyword")
                found = self.retrieval.find(caller, query, embedded, log=log, admitted_by=_bound(log))
                by: EmbeddedBy | None = None
                if embedded is not None:
                    by = {"provider": call.provider or "", "model": embedded.model}
                answered, hits = _answer(page, log.id, found, began, by)
                # Remembered without what was found: a document that is deleted must not live on in an answer.
                call.settle({**answered, "data": [asdict(hit.scored) for hit in hits]})
                return Answered(answered, replayed=False)

    def _log(self, page: Page, new_id: str) -> LoggedSearch:
        """The first page's search is written down; the others' are the same one."""
        request = page.request
        # What is searched by words costs nothing; the rows it leaves are bounded.
        limit = self.daily_limit if request.mode == "keyword" else None
        return LoggedSearch(page.search_id or new_id, request.query[:_LONGEST_LOGGED], request.limit, limit)

    def _embed(self, call: EmbeddingCall, request: SearchRequest) -> Embeddings | None:
        """The query's vector; None where words are all that is searched by, or can be."""
        if request.mode == "keyword":
            return None
        try:
            return call.embed()
        except Problem as problem:
            if request.mode == "hybrid" and problem.code == "embeddings_unavailable":
                return None
            raise

    def _repeated(self, caller: Caller, request: SearchRequest, remembered: Mapping[str, Any]) -> SearchResults:
        """An earlier answer again, without what is gone or may not be seen any more."""
        hits = self.retrieval.read_again(
            caller, [ScoredHit(**hit) for hit in remembered["data"]], words=Query(request.query).wording.words
        )
        return cast("SearchResults", {**remembered, "data": [shown(hit) for hit in hits]})

    def select(self, caller: Caller, search_id: str, request: SelectionRequest) -> None:
        """Note what was chosen. Raises Problem (404) for a search that is not the caller's."""
        noted = self.database.query(
            caller.claims,
            "select app.record_selection(%s, %s, %s) as noted",
            (caller.user_id, path_uuid(search_id, _not_found), request.content_id),
        )
        if not noted[0]["noted"]:
            raise _not_found()


def _answer(
    page: Page, search_id: str, found: Sequence[Hit], began: float, by: EmbeddedBy | None = None
) -> tuple[SearchResults, list[Hit]]:
    """A page as it is answered, and the hits on it."""
    hits, data = page.hits(found)
    return {
        "search_id": search_id,
        "data": data,
        "next_cursor": replace(page, search_id=search_id).next_cursor(found, hits),
        "embedded_by": by,
        "degraded": "keyword" if page.request.mode == "hybrid" and by is None else None,
        "took_ms": round((time.monotonic() - began) * 1000),
    }, hits


def _bound(log: LoggedSearch) -> list[Statement]:
    """What refuses a search beyond the day's limit before anything is looked for. Searches of one user run beside each
    other: they queue where they are logged, and are counted there again.
    """
    if log.daily_limit is None:
        return []
    return [("select app.bound_free_writes('searches', %s::uuid[], %s, false)", ([log.id], log.daily_limit))]


def _not_found() -> Problem:
    return Problem("not_found", "There is no such search of yours.", status=404)

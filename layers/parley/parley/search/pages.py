"""The pages of a search: each is searched for anew, and leaves out what the pages before it have shown."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from parley.core.encoding import encode
from parley.core.paging import how_many_fit, read_cursor, write_cursor
from parley.retrieval.kinds import ContentType
from parley.retrieval.retrieval import Hit, ScoredHit
from parley.retrieval.snippets import matches_of, snippet_of
from parley.search.schemas import ContentHit, DocumentHit, SearchRequest, Span

_DEEPEST = 1_000  # hits on all pages of a search
_HASH = 8  # bytes


@dataclass(frozen=True, slots=True)
class Page:
    """One page of what a request looks for.

    Attributes:
        search_id: of the first page's search, which the others belong to.
        seen: short hashes of the hits on the pages before.
    """

    request: SearchRequest
    search_id: str | None
    seen: frozenset[bytes]

    @classmethod
    def of(cls, request: SearchRequest) -> Page:
        """The page that a request asks for. Raises Problem (400) for a cursor of another search."""
        if request.cursor is None:
            return cls(request, None, frozenset())
        of_this = _digest(request)

        def read_digest(value: Any) -> None:
            if value != of_this:
                raise ValueError("a cursor of another search")

        search_id, _, seen = read_cursor(request.cursor, _a_search_id, read_digest, _hashes)
        return cls(request, search_id, seen)

    @property
    def depth(self) -> int:
        """How many hits to look for: those of the pages before, this one's, and one that tells of a next page."""
        return min(_DEEPEST, len(self.seen) + self.request.limit) + 1

    def hits(self, found: Sequence[Hit]) -> tuple[list[Hit], list[DocumentHit | ContentHit]]:
        """What stands on this page, of everything that was found: the hits, and each as it is answered."""
        most = min(self.request.limit, _DEEPEST - len(self.seen))
        hits = [hit for hit in found if _hash(hit) not in self.seen][:most]
        answered = [shown(hit) for hit in hits]
        count = how_many_fit(answered)
        return hits[:count], answered[:count]

    def next_cursor(self, found: Sequence[Hit], hits: Sequence[Hit]) -> str | None:
        """What leads to the page after these hits; None where they are the last."""
        seen = self.seen | {_hash(hit) for hit in hits}
        if len(seen) >= _DEEPEST or all(_hash(hit) in seen for hit in found):
            return None
        hashes = base64.b64encode(b"".join(sorted(seen))).decode()
        return write_cursor([self.search_id, _digest(self.request), hashes])


def shown(hit: Hit) -> DocumentHit | ContentHit:
    """A hit as it is answered."""
    matches = matches_of(hit.marked, hit.content)
    snippet = snippet_of(hit.content, matches)
    spans: list[Span] = [{"start": match.start, "end": match.end} for match in matches]
    if hit.type == "document":
        return {
            "id": hit.id, "type": "document", "title": hit.title, "content": hit.content, "starts_at": hit.starts_at,
            "snippet": snippet, "matches": spans, "metadata": dict(hit.metadata), "is_public": hit.is_public,
            "similarity": hit.similarity, "score": hit.score,
        }  # fmt: skip
    return {
        "id": hit.id, "type": cast("ContentType", hit.type), "title": hit.title or "", "description": hit.content,
        "snippet": snippet, "matches": spans, "metadata": dict(hit.metadata), "similarity": hit.similarity,
        "score": hit.score,
    }  # fmt: skip


def _hash(hit: ScoredHit) -> bytes:
    return hashlib.sha256(f"{hit.type}\n{hit.is_public}\n{hit.id}".encode()).digest()[:_HASH]


def _digest(request: SearchRequest) -> str:
    """Tells searches apart; a page may have another size than the one before."""
    looked_for = request.model_dump(exclude={"cursor", "limit"}) | {"types": sorted(set(request.types))}
    return hashlib.sha256(encode(looked_for).encode()).hexdigest()[:16]


def _a_search_id(value: Any) -> str:
    return str(uuid.UUID(value))


def _hashes(value: Any) -> frozenset[bytes]:
    joined = base64.b64decode(value, validate=True)
    hashes = frozenset(joined[start : start + _HASH] for start in range(0, len(joined), _HASH))
    if len(joined) % _HASH or not 0 < len(hashes) < _DEEPEST:
        raise ValueError("no page ends so")
    return hashes

"""Finding documents and content: by meaning, by words, or by both (hybrid)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from parley.core.caller import Caller
from parley.database.connection import Database, Row, Statement
from parley.database.values import Vector
from parley.providers.protocol import Embeddings

Mode = Literal["semantic", "keyword", "hybrid"]


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for.

    Attributes:
        types: `document`, and the types of content.
        limit: the most hits.
        threshold: the least cosine similarity of a semantic hit, -1 to 1; None takes the nearest whatever they are.
        filter: members that a hit's metadata must have.
    """

    text: str
    mode: Mode
    types: Sequence[str]
    limit: int
    threshold: float | None
    filter: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScoredHit:
    """A hit as it is stored for a repeated request: without its content.

    Attributes:
        similarity: cosine, None for a hit by words alone.
        score: what hits are ordered by, highest first.
    """

    id: str
    type: str
    similarity: float | None
    score: float


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Finds what a caller may see: own and public documents, and content."""

    database: Database

    def find(
        self, caller: Caller, query: Query, embedded: Embeddings | None, *, admitted_by: Sequence[Statement] = ()
    ) -> list[Row]:
        """The hits, best first, with their contents. One round trip.

        Args:
            embedded: the query's vector; None for keyword mode.
            admitted_by: what runs before the search, in its transaction; nothing is looked for where one is refused.
        """
        vector = None if embedded is None else Vector(embedded.vectors[0])
        model = None if embedded is None else embedded.model
        words = None if query.mode == "semantic" else query.text
        content_types = [name for name in query.types if name != "document"]
        statements: list[Statement] = []
        if "document" in query.types:
            statements.append(
                (
                    """
                    select id, 'document' as type, content, metadata, is_public, similarity, score
                    from app.search_documents(%s, %s::extensions.vector, %s, %s, %s, %s, %s, %s::text)
                    """,
                    (caller.user_id, vector, words, query.mode, query.limit, query.threshold, query.filter, model),
                )
            )
        if content_types:
            statements.append(
                (
                    """
                    select id::text, content_type as type, title, description, metadata, similarity, score
                    from app.search_content(%s, %s::extensions.vector, %s, %s, %s, %s, %s, %s, %s::text)
                    """,
                    (
                        caller.user_id, vector, words, query.mode, content_types, query.limit, query.threshold,
                        query.filter, model,
                    ),
                )
            )  # fmt: skip
        answers = self.database.batch(caller.claims, [*admitted_by, *statements], idempotent=True)
        found = [hit for rows in answers[len(admitted_by) :] for hit in rows]
        found.sort(key=lambda hit: (-hit["score"], hit["id"]))
        return found[: query.limit]

    def read_again(self, caller: Caller, hits: Sequence[ScoredHit]) -> list[Row]:
        """Earlier hits as `find` gave them, in their order, without what is gone or may not be seen any more. One round
        trip.
        """
        documents, content = self.database.batch(
            caller.claims,
            [
                (
                    """
                    select id, content, metadata, user_id is null as is_public
                    from public.embeddings where id = any(%s) and (user_id is null or user_id = %s)
                    """,
                    ([hit.id for hit in hits if hit.type == "document"], caller.user_id),
                ),
                (
                    """
                    select id::text, title, description, metadata from public.content_items where id = any(%s::uuid[])
                    """,
                    ([hit.id for hit in hits if hit.type != "document"],),
                ),
            ],
            idempotent=True,
        )
        document_by_id, content_by_id = ({row["id"]: row for row in rows} for rows in (documents, content))
        found = []
        for hit in hits:
            row = (document_by_id if hit.type == "document" else content_by_id).get(hit.id)
            if row is not None:
                found.append({"type": hit.type, **row, "similarity": hit.similarity, "score": hit.score})
        return found

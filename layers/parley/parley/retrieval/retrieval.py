"""Finding documents and content: by meaning, by words, or by both (hybrid)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from parley.core.caller import Caller
from parley.database.connection import Database, Statement
from parley.database.values import Vector
from parley.providers.protocol import Embeddings
from parley.retrieval.filters import filter_of
from parley.retrieval.kinds import Mode
from parley.retrieval.wording import Wording

_NORWEGIAN = {"nb", "nn"}


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for.

    Attributes:
        types: `document`, and the types of content.
        limit: the most hits, 1 to 1,000.
        threshold: the least cosine similarity of a hit that has one, -1 to 1; None takes the nearest whatever they are.
        filter: what a hit's metadata must have; see `filter_of`.
        languages: language tags of the hits, longer tags that begin so included; None takes any.
        operators: whether quotes and hyphens in the text are instructions, as in a query; in prose they are characters.
    """

    text: str
    mode: Mode = "hybrid"
    types: Sequence[str] = ("document",)
    limit: int = 10
    threshold: float | None = None
    filter: Mapping[str, Any] = field(default_factory=dict)
    languages: Sequence[str] | None = None
    operators: bool = True

    @property
    def wording(self) -> Wording:
        """Its words, phrases and excluded words."""
        return Wording.of(self.text) if self.operators else Wording(self.text)

    @property
    def language_patterns(self) -> list[str] | None:
        """Its languages as patterns of lower-case tags (RFC 4647, basic filtering); Norwegian is either of its two."""
        if self.languages is None:
            return None
        tags = {tag.lower() for tag in self.languages}
        tags |= _NORWEGIAN if "no" in tags else set()
        return [pattern for tag in sorted(tags) for pattern in (tag, f"{tag}-%")]


@dataclass(frozen=True, slots=True)
class LoggedSearch:
    """How a search is written down (`ai_content_searches`).

    Attributes:
        id: under which a selection is noted; a search is logged once.
        query: its text, or the beginning of it.
        most: how many hits are shown, where more are looked for.
        daily_limit: how many searches a user may have logged in a day; None any number.
    """

    id: str
    query: str
    most: int = 1_000
    daily_limit: int | None = None


@dataclass(frozen=True, slots=True)
class ScoredHit:
    """A hit as it is stored for a repeated request: without its text.

    Attributes:
        id: the document's or the content's.
        starts_at: where in the document its best passage begins, in characters.
        is_public: whether it is nobody's document.
        similarity: the passage's cosine, None for a hit by words alone.
        score: what hits are ordered by, highest first.
    """

    id: str
    type: str
    starts_at: int
    is_public: bool
    similarity: float | None
    score: float


@dataclass(frozen=True, slots=True)
class Hit(ScoredHit):
    """A document or content that was found, with its best passage.

    Attributes:
        content: the passage: the whole text, or the best chunk of a long document. A content's description.
        content_hash: SHA-256 of the passage, hexadecimal.
        marked: the passage with marks around words of the query; see `matches_of`.
    """

    title: str | None
    content: str
    metadata: Mapping[str, Any]
    content_hash: str
    marked: str | None = None

    @property
    def scored(self) -> ScoredHit:
        """What is stored of it."""
        return ScoredHit(*(getattr(self, each.name) for each in fields(ScoredHit)))


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Finds what a caller may see: own and public documents, and content."""

    database: Database

    def find(
        self,
        caller: Caller,
        query: Query,
        embedded: Embeddings | None,
        *,
        log: LoggedSearch | None = None,
        admitted_by: Sequence[Statement] = (),
    ) -> list[Hit]:
        """The hits, best first, each document once. One round trip.

        Args:
            embedded: the vector of `query.text`; None for keyword mode.
            log: writes the search down, in its transaction; None does not.
            admitted_by: what runs before the search, in its transaction; nothing is looked for where one is refused.
        """
        wording, types = query.wording, sorted(set(query.types))
        contained, matching = filter_of(query.filter)
        search: Statement = (
            """
            with found as materialized (
              select id, type, starts_at, is_public, similarity, score, title, content, metadata, content_hash,
                marked
              from app.search(
                p_user_id => %s, p_mode => %s, p_types => %s, p_words => %s, p_embedding => %s::extensions.vector,
                p_model => %s, p_limit => %s, p_threshold => %s, p_filter => %s, p_matching => %s::jsonpath,
                p_languages => %s::text[], p_phrases => %s, p_excluded => %s)
            ), logged as materialized (
              select app.record_search(
                l.id, %s, %s, %s, %s, least((select count(*) from found), %s)::integer, %s)
              from (select %s::uuid as id) as l where l.id is not null
            )
            -- A row even where nothing was found, or nothing would be logged.
            select found.* from (select) as always left join logged on true left join found on true
            """,
            (
                caller.user_id, query.mode, types, wording.words,
                None if embedded is None else Vector(embedded.vectors[0]), None if embedded is None else embedded.model,
                query.limit, query.threshold, contained, matching,
                query.language_patterns,
                list(wording.phrases), list(wording.excluded),
                caller.user_id, None if log is None else log.query, types[0] if len(types) == 1 else "mixed",
                query.filter, None if log is None else log.most, None if log is None else log.daily_limit,
                None if log is None else log.id,
            ),
        )  # fmt: skip
        *_, rows = self.database.batch(caller.claims, [*admitted_by, search], idempotent=True)
        return [Hit(**row) for row in rows if row["id"] is not None]

    def read_again(self, caller: Caller, hits: Sequence[ScoredHit], words: str = "") -> list[Hit]:
        """Earlier hits as `find` gave them, in their order, without what is gone or may not be seen any more. One round
        trip.

        Args:
            words: what is marked in them.
        """
        rows = self.database.query(
            caller.claims,
            """
            select h.*, c.title, c.content, c.metadata,
              encode(sha256(convert_to(c.content, 'UTF8')), 'hex') as content_hash,
              app.marked(c.content, %s, app.stemmer(c.language)) as marked
            from unnest(%s::text[], %s::text[], %s::integer[], %s::boolean[], %s::float8[], %s::float8[])
              as h (id, type, starts_at, is_public, similarity, score)
            join lateral (
              select e.title, e.content, e.metadata, e.language from public.embeddings e
              where e.user_id = %s and e.document_id = h.id and e.starts_at = h.starts_at
                and h.type = 'document' and not h.is_public
              union all
              select e.title, e.content, e.metadata, e.language from public.embeddings e
              where e.user_id is null and e.document_id = h.id and e.starts_at = h.starts_at
                and h.type = 'document' and h.is_public
              union all
              select i.title, i.description, i.metadata, i.language from public.content_items i
              where i.id = case when h.type <> 'document' then h.id::uuid end
            ) as c on true
            order by h.score desc, h.type, h.id
            """,
            (words, *([getattr(hit, each.name) for hit in hits] for each in fields(ScoredHit)), caller.user_id),
            idempotent=True,
        )
        return [Hit(**row) for row in rows]

"""What a caller sends to store, to find and to tell what it looked at, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Json, StringConstraints
from typing_extensions import TypedDict

from parley.core.fields import BODY, LONGEST_TEXT, QUERY, Count, Language, Metadata, Note, Whole
from parley.core.paging import PageQuery
from parley.retrieval.kinds import ContentType, Filter, Mode

Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=r"\S")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[a-z0-9_.:-]+$")]
DocumentId = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
_MOST_DOCUMENTS = 100
MOST_INTERACTIONS = 100
_MOST_MEMBERS = 50  # of an interaction's metadata


class NewDocument(BaseModel):
    """One document to store. Under an `id` of yours it replaces the one before; without, it is new. `language` is a tag
    such as en, en-GB or sv: words are found in all their forms where it is known. Without it, twelve languages are
    recognised by the content's small words; `und` says that there is none.
    """

    model_config = BODY
    id: DocumentId | None = None
    title: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"\S")] | None = None
    content: Text
    language: Language | None = None
    metadata: Metadata = {}


def _ids_once(documents: list[NewDocument]) -> list[NewDocument]:
    ids = [document.id for document in documents if document.id is not None]
    if len(set(ids)) < len(ids):
        raise ValueError("each id once")
    return documents


class DocumentsRequest(BaseModel):
    """Documents to embed and store, all or none. What has not changed since is not embedded again."""

    model_config = ConfigDict(
        **BODY,
        json_schema_extra={
            "examples": [{"documents": [{"id": "refunds", "content": "Refunds take five days.", "language": "en"}]}]
        },
    )
    documents: Annotated[list[NewDocument], Field(min_length=1, max_length=_MOST_DOCUMENTS), AfterValidator(_ids_once)]


class SearchRequest(BaseModel):
    """What to find: words, "phrases in quotes" that a hit must hold, -excluded words that it must not.

    The first 16 phrases and the first 16 exclusions count, each of up to 500 characters. `threshold` is the least
    cosine similarity of a hit that has one. `filter`, of up to 8 KiB and five levels, is contained in a hit's metadata;
    a member may be `{"$in": [...]}` instead, or bounds for numbers and ISO dates: `{"$gte": 2020, "$lt": 2024}`; a date
    is its first moment, UTC where no zone is named. `languages` are tags: en takes en-GB too, and no takes nb.
    `cursor` is `next_cursor` of the page before, with the rest as it was; a search goes 1,000 hits deep.
    """

    model_config = ConfigDict(**BODY, json_schema_extra={"examples": [{"query": "when are refunds paid?"}]})
    query: Text
    types: Annotated[list[Literal["document"] | ContentType], Field(min_length=1, max_length=20)] = ["document"]
    mode: Mode = "hybrid"
    limit: Annotated[int, Field(ge=1, le=100), Whole] = 10
    threshold: Annotated[float, Field(ge=-1, le=1)] | None = None
    filter: Filter = {}
    languages: Annotated[list[Language], Field(min_length=1, max_length=20)] | None = None
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=50_000)] | None = None


class SelectionRequest(BaseModel):
    """What was chosen of a search's hits."""

    model_config = BODY
    content_id: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class DocumentQuery(PageQuery):
    """`metadata` is JSON that a document's metadata contains."""

    metadata: Json[Metadata] = Field(default_factory=dict)


class ContentQuery(PageQuery):
    """`metadata` is a filter in JSON, as that of a search."""

    metadata: Json[Filter] = Field(default_factory=dict)


class DeleteQuery(BaseModel):
    """A non-empty metadata filter (JSON), or `all=true`; not both."""

    model_config = QUERY
    metadata: Json[Annotated[Metadata, Field(min_length=1)]] | None = None
    all: bool = False


class Interaction(BaseModel):
    """One interaction: view, click, add_to_cart... of an item. `metadata` has up to 50 members and 4 KiB."""

    model_config = BODY
    interaction_type: Word
    item_type: Word
    item_id: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    metadata: Annotated[Note, Field(max_length=_MOST_MEMBERS)] = {}


class InteractionsRequest(BaseModel):
    """A batch, recorded all or none."""

    model_config = ConfigDict(
        **BODY,
        json_schema_extra={
            "examples": [{"interactions": [{"interaction_type": "view", "item_type": "product", "item_id": "p1"}]}]
        },
    )
    interactions: Annotated[list[Interaction], Field(min_length=1, max_length=MOST_INTERACTIONS)]


class RecommendationsQuery(BaseModel):
    """Of which kind, and how many."""

    model_config = QUERY
    item_type: Word | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 10


class Created(TypedDict):
    """The id of something that was stored."""

    id: str


class CreatedList(TypedDict):
    """The ids, in the order of the request."""

    data: list[Created]


class Document(TypedDict):
    """A stored document; public ones belong to nobody."""

    id: str
    title: str | None
    content: str
    language: str | None
    metadata: Metadata
    model: str
    is_public: bool
    created_at: datetime


class DocumentList(TypedDict):
    """A page of the caller's documents, newest first."""

    data: list[Document]
    next_cursor: str | None


class DeletedDocuments(TypedDict):
    """How many were deleted."""

    deleted: Count


class ContentItem(TypedDict):
    """An item of the application's content."""

    id: UUID
    type: ContentType
    title: str
    description: str
    language: str | None
    metadata: Metadata
    created_at: datetime
    updated_at: datetime


class ContentList(TypedDict):
    """A page of content, newest first."""

    data: list[ContentItem]
    next_cursor: str | None


class Span(TypedDict):
    """A part of a text: characters from `start` up to `end`."""

    start: Count
    end: Count


class DocumentHit(TypedDict):
    """A document that was found. `content` is its best passage, which begins at character `starts_at` of the document,
    `snippet` the part of it around what matched, `matches` where words of the query stand in `content`; `similarity`
    (cosine) is null where there is none.
    """

    id: str
    type: Literal["document"]
    title: str | None
    content: str
    starts_at: Count
    snippet: str
    matches: list[Span]
    metadata: Metadata
    is_public: bool
    similarity: float | None
    score: float


class ContentHit(TypedDict):
    """Content of the application that was found; `snippet` and `matches` are of its description."""

    id: str
    type: ContentType
    title: str
    description: str | None
    snippet: str
    matches: list[Span]
    metadata: Metadata
    similarity: float | None
    score: float


class EmbeddedBy(TypedDict):
    """Who made the query's vector."""

    provider: str
    model: str


class SearchResults(TypedDict):
    """The hits, best first, and the id under which a selection is noted. `next_cursor` leads to more. `degraded` says
    that a hybrid search went by words alone, because nobody embeds; `took_ms` is the time in the function.
    """

    search_id: str
    data: list[DocumentHit | ContentHit]
    next_cursor: str | None
    embedded_by: EmbeddedBy | None
    degraded: Literal["keyword"] | None
    took_ms: Count


class RecordedInteraction(TypedDict):
    """An interaction as it was recorded."""

    id: UUID
    interaction_type: str
    item_type: str
    item_id: str | None
    metadata: Metadata
    created_at: datetime


class InteractionList(TypedDict):
    """A page of the caller's interactions, newest first."""

    data: list[RecordedInteraction]
    next_cursor: str | None


class Recommendation(TypedDict):
    """An item, why, and how many other people of the organization that rests on."""

    item_type: str
    item_id: str
    score: float
    reason: Literal["viewed_before", "similar_people", "popular_here", "similar_content"]
    people: Count


class RecommendationList(TypedDict):
    """Items, the best first."""

    data: list[Recommendation]
    next_cursor: None


Body = TypeVar("Body")


@dataclass(frozen=True, slots=True)
class Answered(Generic[Body]):
    """What a service hands its handler of a POST that takes an Idempotency-Key.

    Attributes:
        body: the answer.
        replayed: whether it repeats that of an earlier request with this key.
    """

    body: Body
    replayed: bool

"""What a caller sends to store and to find."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Json, StringConstraints

from parley.core.paging import PageQuery
from parley.embedding.embedder import LONGEST_TEXT
from parley.retrieval import Mode

ContentType = Literal["route", "learning_path", "exercise", "school", "event", "instructor"]
Metadata = dict[str, Any]
Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=r"\S")]
_MOST_DOCUMENTS = 100


class Document(BaseModel):
    """One document to store."""

    model_config = ConfigDict(extra="forbid")
    content: Text
    metadata: Metadata = {}


class DocumentsRequest(BaseModel):
    """The body of POST /api/documents."""

    model_config = ConfigDict(extra="forbid")
    documents: Annotated[list[Document], Field(min_length=1, max_length=_MOST_DOCUMENTS)]


class SearchRequest(BaseModel):
    """The body of POST /api/search. `threshold` is the least cosine similarity of a semantic hit."""

    model_config = ConfigDict(extra="forbid")
    query: Text
    types: Annotated[list[Literal["document"] | ContentType], Field(min_length=1, max_length=7)] = ["document"]
    mode: Mode = "semantic"
    limit: Annotated[int, Field(ge=1, le=100)] = 10
    threshold: Annotated[float, Field(ge=-1, le=1)] | None = None
    filter: Metadata = {}


class SelectionRequest(BaseModel):
    """The body of POST /api/search/{id}/selection."""

    model_config = ConfigDict(extra="forbid")
    content_id: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class ListQuery(PageQuery):
    """The query of GET /api/documents."""

    metadata: Json[Metadata] = Field(default_factory=dict)


class DeleteQuery(BaseModel):
    """The query of DELETE /api/documents: a metadata filter, or `all=true`."""

    metadata: Json[Metadata] | None = None
    all: bool = False

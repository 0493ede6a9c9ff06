"""What a caller asks of its conversations, and what one is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, Field, StringConstraints
from typing_extensions import TypedDict

from parley.core.fields import BODY, QUERY, Count, Tokens, Usd, Whole
from parley.core.paging import Cursor
from parley.retrieval.kinds import Found


class ConversationQuery(BaseModel):
    """`format=markdown` exports it as a document. `cursor` is `next_cursor` (of a document the header X-Next-Cursor) of
    the messages after these.
    """

    model_config = QUERY
    cursor: Cursor | None = None
    format: Literal["json", "markdown"] = "json"


class ConversationRename(BaseModel):
    """Another title. With `version`, a conversation that changed since is left alone."""

    model_config = BODY
    # One line: no control characters.
    title: Annotated[
        str,
        StringConstraints(
            min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
        ),
    ]
    version: Annotated[int, Field(ge=1, le=2_147_483_647), Whole] | None = None


class ToolCallAsked(TypedDict):
    """A call that the model asks you to run: send it back with its result. `signature` is opaque; keep it. Where the
    answer's `finish_reason` is `length`, `arguments` may break off.
    """

    id: str
    name: str
    arguments: str
    signature: str | None


class Citation(TypedDict):
    """What `[number]` in an answer points to: the characters from `starts_at` to `ends_at` of a document, or of the
    description of content.
    """

    number: int
    type: Found
    id: str
    title: str | None
    starts_at: Count
    ends_at: Count


class ConversationSummary(TypedDict):
    """A conversation without its messages."""

    id: str
    title: str | None
    model: str
    message_count: Count
    total_tokens: Tokens
    cost_usd: Usd
    unpriced_calls: Count
    version: int
    created_at: datetime | None
    updated_at: datetime | None


class ConversationList(TypedDict):
    """A page of conversations, the latest first."""

    data: list[ConversationSummary]
    next_cursor: str | None


class KeptMedia(TypedDict):
    """What is kept of an image or a PDF: never its bytes."""

    type: Literal["image", "document"]
    media_type: str | None
    sha256: str | None
    size: Count | None
    url: str | None
    name: str | None


class ConversationMessage(TypedDict):
    """One turn as it is kept."""

    role: str
    content: str
    created_at: datetime | None
    tool_calls: NotRequired[list[ToolCallAsked]]
    tool_call_id: NotRequired[str]
    failed: NotRequired[bool]
    media: NotRequired[list[KeptMedia]]
    citations: NotRequired[list[Citation]]


class Conversation(TypedDict):
    """A conversation. Turns that an application keeps in a shape of its own are not among the messages.

    Of a conversation too large for one answer these are the newest messages; `next_cursor` leads to those before.
    """

    id: str
    title: str | None
    model: str
    messages: list[ConversationMessage]
    next_cursor: str | None
    context: Any
    total_tokens: Tokens
    cost_usd: Usd
    unpriced_calls: Count
    version: int
    created_at: datetime | None
    updated_at: datetime | None


class RenamedConversation(TypedDict):
    """The new title, and the version that it made."""

    id: str
    title: str
    version: int
    updated_at: datetime | None

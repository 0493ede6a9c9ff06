"""What a caller sends to chat and is answered, whole or as events."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from parley.completion.prompt import CacheMode
from parley.core.fields import (
    BODY,
    LONGEST_TEXT,
    CallUsage,
    Count,
    NullIsAbsent,
    ProviderSource,
    RequestedProvider,
    Whole,
)
from parley.core.provider_names import ProviderName
from parley.providers.fitting import Adjustable
from parley.providers.protocol import FinishReason
from parley.retrieval.kinds import Filter, Found, Mode

Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000, pattern=r"\S")]
AnswerCache = Literal["none", "faq", "exact", "semantic"]
SearchState = Literal["found", "nothing_found", "unavailable"]

# A `message`, or `messages` alone: a conversation keeps its own history.
_ONE_QUESTION: dict[str, Any] = {
    "allOf": [
        {
            "oneOf": [
                {"required": ["message"], "properties": {"message": {"type": "string"}, "messages": {"type": "null"}}},
                {
                    "required": ["messages"],
                    "properties": {
                        "message": {"type": "null"},
                        "messages": {"type": "array"},
                        "conversation_id": {"type": "null"},
                    },
                },
            ]
        }
    ],
    "examples": [
        {"message": "What is a fjord?", "provider": "auto"},
        {"message": "When are refunds paid?", "search": {"types": ["document"]}},
    ],
}


class ChatMessage(BaseModel):
    """One turn as a caller sends it."""

    model_config = BODY
    role: Literal["system", "user", "assistant"]
    content: Text


class ChatSearch(NullIsAbsent, BaseModel):
    """What the answer is to rest on: passages of the caller's and public documents, and of content of these `types`.

    `query` replaces the last user message as what is looked for. `threshold` is the least cosine similarity of a
    passage that has one; `filter` is as that of a search.
    """

    model_config = BODY
    query: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=r"\S")] | None = None
    mode: Mode = "hybrid"
    types: Annotated[list[Found], Field(min_length=1, max_length=7)] = ["document"]
    limit: Annotated[int, Field(ge=1, le=20), Whole] = 5
    threshold: Annotated[float, Field(ge=-1, le=1)] | None = None
    filter: Filter = {}


class ChatRequest(NullIsAbsent, BaseModel):
    """A `message`, or `messages` that end with the user's.

    `conversation_id` is `new` or an id from an earlier answer. `system`, and messages of that role, are your own
    instructions to the model: put nothing of your users into them. `context` (the page, the cart...) is told to the
    model as data, in which it follows no instruction, and kept with the conversation. With `search` the answer rests on
    passages that are found for the last message, and cites them as `[1]`; sign in for that. `cache` is `exact`, `off`,
    or `semantic`, which also serves the answer to an equivalent question, without `search`; `cache_threshold` raises
    how similar it must be.
    """

    model_config = ConfigDict(**BODY, json_schema_extra=_ONE_QUESTION)
    message: Text | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=100)] | None = None
    conversation_id: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    provider: RequestedProvider | None = None
    model: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    system: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    context: dict[str, Any] | None = None
    search: ChatSearch | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=16_384), Whole] = 1_024
    stop: Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=100)]], Field(max_length=4)] = []
    cache: CacheMode = "exact"
    cache_threshold: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _one_question(self) -> ChatRequest:
        if self.message is None and self.messages is None:
            raise ValueError("send message (a text) or messages (a list of turns that ends with the user's)")
        if self.message is not None and self.messages is not None:
            raise ValueError("send message or messages, not both")
        if self.messages is not None and self.messages[-1].role != "user":
            raise ValueError("the last of messages must be the user's")
        if self.messages is not None and self.conversation_id is not None:
            raise ValueError("a conversation keeps its own history: send message, not messages")
        return self


class AssistantMessage(TypedDict):
    """The answer's text."""

    role: Literal["assistant"]
    content: str


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


class ChatAnswer(TypedDict):
    """The answer.

    `provider_source` says why a provider was asked; `fallback` says that another one answered in its place. `adjusted`
    names the members of the request (temperature, top_p, max_tokens) that the model does not take as they were: they
    were lowered or left out. `turns_left_out` is how many of the conversation's earliest turns the model was not told.
    `search` says what became of one: `unavailable` is an answer without it, null where none was asked for; a selection
    is noted under `search_id`. `citations` are what the text's markers point to, in the order of their numbers.
    `usage` is null where no model was called, and where a provider reported none that can be true.
    """

    id: str
    message: AssistantMessage
    finish_reason: FinishReason
    provider: ProviderName | None
    provider_source: ProviderSource
    fallback: bool
    adjusted: list[Adjustable]
    model: str | None
    cache: AnswerCache
    conversation_id: str | None
    turns_left_out: Count
    search: SearchState | None
    search_id: str | None
    citations: list[Citation]
    usage: CallUsage | None


class ChatStart(TypedDict):
    """The first event: who is about to be asked. `done` says who answered, another one after a fallback."""

    id: str
    provider: ProviderName | None
    model: str | None
    provider_source: ProviderSource
    cache: AnswerCache


class ChatDelta(TypedDict):
    """The next piece of the answer's text."""

    text: str


class ChatUsage(TypedDict):
    """What was used, when the text is complete."""

    usage: CallUsage | None


class ChatDone(TypedDict):
    """The last event of a complete answer: who gave it, which may not be who `start` named."""

    finish_reason: FinishReason
    provider: ProviderName | None
    fallback: bool
    adjusted: list[Adjustable]
    model: str | None
    conversation_id: str | None
    turns_left_out: Count
    search: SearchState | None
    search_id: str | None
    citations: list[Citation]


class ChatEvents(TypedDict):
    """The stream's events by name, in their order; `error` may end it at any time."""

    start: ChatStart
    delta: ChatDelta
    usage: ChatUsage
    done: ChatDone

"""What a caller sends to chat, and what it is answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from parley.completion.prompt import CacheMode
from parley.core.provider_names import PROVIDER_CHOICES

Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000, pattern=r"\S")]


class ChatMessage(BaseModel):
    """One turn as a caller sends it."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["system", "user", "assistant"]
    content: Text


class ChatRequest(BaseModel):
    """The body of /api/chat and /api/chat/stream: a `message`, or `messages` that end with the user's.

    `conversation_id` is `new` or an id from an earlier answer. `context` (S4: page, cart...) is told to the model and
    kept with the conversation. `cache` is `exact`, `off`, or `semantic`, which also
    serves the answer to an equivalent question; `cache_threshold` raises how similar it must be.
    """

    model_config = ConfigDict(extra="forbid")
    message: Text | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=100)] | None = None
    conversation_id: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    provider: Annotated[str, Field(max_length=40, description=PROVIDER_CHOICES)] | None = None
    model: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    system: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    context: dict[str, Any] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=16_384)] = 1_024
    stop: Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=100)]], Field(max_length=4)] = []
    cache: CacheMode = "exact"
    cache_threshold: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _one_question(self) -> ChatRequest:
        if (self.message is None) == (self.messages is None):
            raise ValueError("send either message or messages")
        if self.messages is not None and self.messages[-1].role != "user":
            raise ValueError("the last of messages must be the user's")
        if self.messages is not None and self.conversation_id is not None:
            raise ValueError("a conversation keeps its own history: send message, not messages")
        return self


class ChatAnswer(BaseModel):
    """The answer's body, and what a replay returns.

    `provider_source` says why a provider was asked; `fallback` says that another one answered in its place.
    """

    id: str
    message: ChatMessage
    finish_reason: str
    provider: str | None
    provider_source: str
    fallback: bool = False
    model: str | None
    cache: Literal["none", "faq", "exact", "semantic"]
    conversation_id: str | None
    usage: dict[str, Any] | None

"""What a caller sends to chat and is answered, whole or as events."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator
from typing_extensions import TypedDict

from parley.chat.conversation_schemas import Citation, ToolCallAsked
from parley.completion.asked import (
    LONGEST_DATA,
    CalledName,
    CallId,
    ImageType,
    JsonSchema,
    SchemaName,
    ToolName,
    check_choice,
    check_data,
    check_results,
)
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
from parley.providers.protocol import CacheLifetime, FinishReason, NamedTool, ReasoningEffort, ToolChoice
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


Base64 = Annotated[str, StringConstraints(min_length=4, max_length=LONGEST_DATA, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
Url = Annotated[str, StringConstraints(max_length=2_048, pattern=r"^https://[^\s\x00-\x1f]+$")]


class TextPart(BaseModel):
    """Text of a message."""

    model_config = BODY
    type: Literal["text"]
    text: Text


class ImagePart(NullIsAbsent, BaseModel):
    """An image: its base64 `data` with its `media_type`, or a `url` that the provider fetches, where it does that."""

    model_config = BODY
    type: Literal["image"]
    media_type: ImageType | None = None
    data: Base64 | None = None
    url: Url | None = None
    detail: Literal["low", "high", "auto"] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> ImagePart:
        if (self.data is None) is (self.url is None):
            raise ValueError("send data or url, one of them")
        if self.data is not None:
            _check_data(self.data, self.media_type)
        return self


class DocumentPart(NullIsAbsent, BaseModel):
    """A PDF: base64 `data`, or a `url` that the provider fetches, where it does that."""

    model_config = BODY
    type: Literal["document"]
    media_type: Literal["application/pdf"] = "application/pdf"
    data: Base64 | None = None
    url: Url | None = None
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> DocumentPart:
        if (self.data is None) is (self.url is None):
            raise ValueError("send data or url, one of them")
        if self.data is not None:
            _check_data(self.data, self.media_type)
        return self


def _check_data(data: str, media_type: str | None) -> None:
    if media_type is None:
        raise ValueError("data needs its media_type")
    check_data(data, media_type)


class ToolCallMade(NullIsAbsent, BaseModel):
    """A call that a model asked for, as it was answered: also one that was cut off, or that is of no tool."""

    model_config = BODY
    id: CallId
    name: CalledName
    arguments: Annotated[str, StringConstraints(max_length=100_000)] = "{}"
    signature: Annotated[str, StringConstraints(max_length=100_000)] | None = None


class ChatMessage(NullIsAbsent, BaseModel):
    """One turn as a caller sends it.

    The `content` of a user, and that of a `tool` message, may be a list of texts, images and PDFs. An assistant's turn
    with `tool_calls` is followed by a `tool` message for each, with its `tool_call_id`, the result as `content`, and
    `failed` where it is an error. `cache` asks the provider to keep the prompt up to here in its prompt cache, for five
    minutes or an hour where it lets one choose.
    """

    model_config = BODY
    role: Literal["system", "user", "assistant", "tool"]
    content: Annotated[
        Annotated[str, StringConstraints(max_length=100_000), Tag("text")]
        | Annotated[
            list[Annotated[TextPart | ImagePart | DocumentPart, Field(discriminator="type")]],
            Field(min_length=1, max_length=50),
            Tag("parts"),
        ],
        Discriminator(lambda value: "parts" if isinstance(value, list) else "text"),
    ] = ""
    tool_calls: Annotated[list[ToolCallMade], Field(min_length=1, max_length=64)] | None = None
    tool_call_id: CallId | None = None
    failed: bool = False
    cache: CacheLifetime | None = None

    @model_validator(mode="after")
    def _fits_its_role(self) -> ChatMessage:
        if self.tool_calls is not None and self.role != "assistant":
            raise ValueError("tool_calls are the assistant's")
        if (self.tool_call_id is not None) is not (self.role == "tool"):
            raise ValueError("a tool message has the tool_call_id of its call, and no other message has one")
        if self.failed and self.role != "tool":
            raise ValueError("failed is said of a tool's result")
        if isinstance(self.content, list) and self.role not in ("user", "tool"):
            raise ValueError("only a user's content and a tool's result may be a list; send text")
        needs_text = self.role != "tool" and self.tool_calls is None
        if needs_text and isinstance(self.content, str) and not self.content.strip():
            raise ValueError("content is empty")
        return self


class Tool(NullIsAbsent, BaseModel):
    """A function that the model may ask you to run; `parameters` is the JSON schema of its arguments, an object. With
    `strict` the arguments fit it, where the provider can promise that.
    """

    model_config = BODY
    name: ToolName
    description: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    parameters: JsonSchema | None = None
    strict: bool = False


class ToolChosen(BaseModel):
    """The one tool that has to be called."""

    model_config = BODY
    name: ToolName


class TextFormat(BaseModel):
    """Free text, or a JSON object of whatever members."""

    model_config = BODY
    type: Literal["text", "json_object"]


class SchemaFormat(BaseModel):
    """JSON that fits `schema`, the schema of an object."""

    model_config = ConfigDict(extra="forbid", strict=True, serialize_by_alias=True)
    type: Literal["json_schema"]
    name: SchemaName = "answer"
    json_schema: Annotated[JsonSchema, Field(alias="schema")]


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
    tools: Annotated[list[Tool], Field(min_length=1, max_length=128)] | None = None
    tool_choice: Literal["auto", "required", "none"] | ToolChosen = "auto"
    parallel_tool_calls: bool | None = None
    response_format: Annotated[TextFormat | SchemaFormat, Field(discriminator="type")] | None = None
    reasoning_effort: ReasoningEffort | None = None
    seed: Annotated[int, Field(ge=-(2**31), le=2**31 - 1), Whole] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    prompt_cache_key: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    n: Annotated[int, Field(ge=1, le=1), Whole] = 1

    @model_validator(mode="after")
    def _one_question(self) -> ChatRequest:
        if self.message is None and self.messages is None:
            raise ValueError("send message (a text) or messages (a list of turns that ends with the user's)")
        if self.message is not None and self.messages is not None:
            raise ValueError("send message or messages, not both")
        if self.messages is not None and self.messages[-1].role not in ("user", "tool"):
            raise ValueError("the last of messages must be the user's, or a tool's result")
        if self.messages is not None and self.conversation_id not in (None, "new"):
            roles = [message.role for message in self.messages]
            if roles != ["user"] and set(roles) != {"tool"}:
                raise ValueError("a conversation keeps its own history: send a user message, or tool results")
        elif self.messages is not None:
            check_results(self.messages)
        check_choice([tool.name for tool in self.tools or ()], self.chosen_tool)
        return self

    @property
    def chosen_tool(self) -> ToolChoice:
        """`tool_choice`, as `ToolUse` has it."""
        return NamedTool(self.tool_choice.name) if isinstance(self.tool_choice, ToolChosen) else self.tool_choice


class AssistantMessage(TypedDict):
    """The answer's text, and the calls it asks for; `finish_reason` is `tool_calls` where these are to be run."""

    role: Literal["assistant"]
    content: str
    tool_calls: NotRequired[list[ToolCallAsked]]


class ChatAnswer(TypedDict):
    """The answer.

    `provider_source` says why a provider was asked; `fallback` says that another one answered in its place. `adjusted`
    names the members of the request (temperature, reasoning_effort...) that the model does not take as they were: they
    were changed or left out. `turns_left_out` is how many of the conversation's earliest turns the model was not told.
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


class ChatToolCall(TypedDict):
    """The next piece of a tool call. The first piece of an `index` has `id` and `name`, later ones have null; all its
    `arguments` joined are the call's.
    """

    index: Count
    id: str | None
    name: str | None
    arguments: str
    signature: str | None


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
    tool_call: ChatToolCall
    usage: ChatUsage
    done: ChatDone

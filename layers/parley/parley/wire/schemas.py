"""OpenAI's wire format: what its clients send, and what they are answered.

https://platform.openai.com/docs/api-reference/chat. A member that is not known here is ignored; `ignored` names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NotRequired

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)
from typing_extensions import TypedDict

from parley.completion.asked import (
    LONGEST_DATA,
    CalledName,
    CallId,
    JsonSchema,
    SchemaName,
    ToolName,
    base64_of,
    check_choice,
    check_results,
    image_type_of,
    media_type_of,
)
from parley.completion.prompt import CacheMode
from parley.core.fields import LONGEST_TEXT, Count, NullIsAbsent, Tokens, Whole
from parley.core.provider_names import ProviderName
from parley.providers.fitting import Adjustable
from parley.providers.protocol import CacheLifetime, Media, NamedTool, ReasoningEffort, ToolChoice

_SENT = ConfigDict(extra="allow", strict=True, defer_build=True)

AUTO = "auto"
MOST_TOKENS = 16_384  # of an answer, as for /api/chat
MOST_INPUTS = 2_048
_MOST_NAMED = 20
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
# Before the data: a type and parameters, which say nothing that the data does not.
_DATA_URL = re.compile(r"data:.{0,1000}?;\s*base64\s*,", re.IGNORECASE | re.DOTALL)

Text = Annotated[str, StringConstraints(max_length=512 * 1024)]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_Source = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_DATA)]


def is_auto(name: str) -> bool:
    """Whether a name leaves the choice of the model to Parley."""
    return name.strip().lower() == AUTO


def ignored(query: AnyQuery, sent: BaseModel | None = None) -> list[str]:
    """The parameters and members of a request that nothing here knows, by their paths without positions, and those
    whose value asks for nothing; null says nothing.
    """
    names = {*_unknown(query, ""), *_unknown(sent, "")}
    if isinstance(sent, ChatCompletionRequest):
        if "" in ([sent.stop] if isinstance(sent.stop, str) else sent.stop):
            names.add("stop")
        if sent.reasoning_effort != sent.effort:
            names.add("reasoning_effort")
    return sorted(names)[:_MOST_NAMED]


def _unknown(sent: Any, place: str) -> Iterator[str]:
    if isinstance(sent, list):
        for item in sent:
            yield from _unknown(item, place)
    elif isinstance(sent, BaseModel):
        for name, value in (sent.model_extra or {}).items():
            if value is not None:
                yield place + (name if _NAME.fullmatch(name) else "(unknown)")
        for name in sent.model_fields_set & type(sent).model_fields.keys():
            yield from _unknown(getattr(sent, name), f"{place}{name}.")


class AnyQuery(BaseModel):
    """Parameters that clients add of their own, such as `client_version` or `api-version`; none has a meaning here."""

    model_config = ConfigDict(extra="allow", defer_build=True)


# What is sent to /v1/chat/completions.


class CacheControl(NullIsAbsent, BaseModel):
    """Anthropic's hint: keep the prompt up to here in the provider's prompt cache."""

    model_config = _SENT
    type: Literal["ephemeral"] = "ephemeral"
    ttl: CacheLifetime = "5m"


class TextContent(NullIsAbsent, BaseModel):
    """Text of a message; `input_text` and `output_text` are what OpenAI's Responses call it."""

    model_config = _SENT
    type: Literal["text", "input_text", "output_text"]
    text: Text
    cache_control: CacheControl | None = None


class RefusalContent(BaseModel):
    """What a model said in place of an answer."""

    model_config = _SENT
    type: Literal["refusal"]
    refusal: Text


class ThinkingContent(BaseModel):
    """What a model thought, which no other one is told."""

    model_config = _SENT
    type: Literal["thinking", "redacted_thinking", "reasoning", "reasoning_content"]


class ImageUrl(NullIsAbsent, BaseModel):
    """An image as a data URL (PNG, JPEG, WebP, GIF; its bytes say which), or at a URL that the provider fetches, where
    it does that. `original` is `high` here, the most that every model has.
    """

    model_config = _SENT
    url: _Source
    detail: Literal["low", "high", "auto", "original", ""] | None = None

    @model_validator(mode="after")
    def _is_an_image(self) -> ImageUrl:
        self.media()
        return self

    def media(self) -> Media:
        """The image. Raises ValueError where it is none."""
        found = _media("image", self.url, None)
        if not self.detail or found.kind == "document":
            return found
        return found._replace(detail="high" if self.detail == "original" else self.detail)


def _with_url(sent: Any) -> Any:
    return {"url": sent} if isinstance(sent, str) else sent


class ImageContent(NullIsAbsent, BaseModel):
    """An image of a message."""

    model_config = _SENT
    type: Literal["image_url"]
    image_url: Annotated[ImageUrl, BeforeValidator(_with_url, json_schema_input_type=ImageUrl | _Source)]
    cache_control: CacheControl | None = None


class FileData(NullIsAbsent, BaseModel):
    """A PDF or an image as a data URL or as base64. Files that were uploaded elsewhere are not known here."""

    model_config = _SENT
    file_data: _Source
    filename: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _is_a_file(self) -> FileData:
        self.media()
        return self

    def media(self) -> Media:
        """The document, or the image. Raises ValueError where it is neither."""
        return _media("document", self.file_data, self.filename)


class FileContent(NullIsAbsent, BaseModel):
    """A PDF of a message."""

    model_config = _SENT
    type: Literal["file"]
    file: FileData
    cache_control: CacheControl | None = None


def _media(kind: Literal["image", "document"], source: str, name: str | None) -> Media:
    """What a data URL, base64 or a URL is of. Clients label what they send as they please: of data the bytes say what
    it is, of a URL the part that it stands in.

    Raises ValueError for what no model sees.
    """
    if re.fullmatch(r"https://[^\s\x00-\x1f]{1,2000}", source):
        return Media(kind, "application/pdf" if kind == "document" else image_type_of(source), url=source, name=name)
    if re.match(r"\s*[a-z]+://", source, re.IGNORECASE):
        raise ValueError("send a data URL with base64, or a URL that begins with https://")
    head = _DATA_URL.match(source)
    data = base64_of(source if head is None else source[head.end() :])
    media_type = media_type_of(data)
    if media_type is None:
        raise ValueError("this is no PNG, JPEG, WebP, GIF or PDF")
    return Media("document" if media_type == "application/pdf" else "image", media_type, data, name=name)


def _kind(content: Any) -> str:
    """Which form of content this is, so that an error tells of that one alone."""
    return "parts" if isinstance(content, list) else "text"


_AsText = Annotated[Text, Tag("text")]
TextContents = Annotated[
    _AsText | Annotated[list[TextContent], Field(max_length=200), Tag("parts")], Discriminator(_kind)
]
MediaContents = Annotated[
    _AsText
    | Annotated[
        list[Annotated[TextContent | ImageContent | FileContent, Field(discriminator="type")]],
        Field(max_length=200),
        Tag("parts"),
    ],
    Discriminator(_kind),
]
AssistantContents = Annotated[
    _AsText
    | Annotated[
        list[Annotated[TextContent | RefusalContent | ThinkingContent, Field(discriminator="type")]],
        Field(max_length=200),
        Tag("parts"),
    ],
    Discriminator(_kind),
]


class SystemMessage(NullIsAbsent, BaseModel):
    """Your instructions to the model; `developer` is the same."""

    model_config = _SENT
    role: Literal["system", "developer"]
    content: TextContents = ""


class UserMessage(NullIsAbsent, BaseModel):
    """What the user says, shows or hands over."""

    model_config = _SENT
    role: Literal["user"]
    content: MediaContents = ""


class FunctionCall(NullIsAbsent, BaseModel):
    """Which function a model asked for, with the JSON text of its arguments: also what of them came, where that breaks
    off, and a function that there is not.
    """

    model_config = _SENT
    name: CalledName
    arguments: Text = "{}"


class GoogleContent(NullIsAbsent, BaseModel):
    """What Gemini wants back with a call of its own."""

    model_config = _SENT
    thought_signature: Annotated[str, StringConstraints(max_length=100_000)] | None = None


class ExtraContent(NullIsAbsent, BaseModel):
    """What a vendor added to a call; send it back as it came."""

    model_config = _SENT
    google: GoogleContent | None = None


class ToolCallSent(NullIsAbsent, BaseModel):
    """A call that a model asked for, as it was answered."""

    model_config = _SENT
    id: CallId
    type: Literal["function"] = "function"
    function: FunctionCall
    extra_content: ExtraContent | None = None

    @property
    def signature(self) -> str | None:
        """Gemini's signature."""
        google = self.extra_content.google if self.extra_content is not None else None
        return None if google is None else google.thought_signature


class AssistantTurn(NullIsAbsent, BaseModel):
    """What a model answered earlier. A `tool` message with the result follows for each of its calls."""

    model_config = _SENT
    role: Literal["assistant"]
    content: AssistantContents = ""
    refusal: Text | None = None
    tool_calls: Annotated[list[ToolCallSent], Field(max_length=128)] | None = None


class ToolMessage(NullIsAbsent, BaseModel):
    """The result of a call: text, and images and PDFs where it has some."""

    model_config = _SENT
    role: Literal["tool"]
    content: MediaContents = ""
    tool_call_id: CallId


def _without_functions(sent: Any) -> Any:
    """Raises ValueError for a call, or a result, as they were before there were tools: a model would not be told."""
    if isinstance(sent, dict) and (sent.get("role") == "function" or sent.get("function_call")):
        raise ValueError("functions are tools here: a call stands in tool_calls, its result in a message of role tool")
    return sent


SentMessage = Annotated[
    Annotated[SystemMessage | UserMessage | AssistantTurn | ToolMessage, Field(discriminator="role")],
    BeforeValidator(_without_functions),
]


class FunctionDefinition(NullIsAbsent, BaseModel):
    """A function that the model may ask you to run; `parameters` is the JSON schema of its arguments, an object."""

    model_config = _SENT
    name: ToolName
    description: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    parameters: JsonSchema | None = None
    strict: bool = False


class FunctionTool(BaseModel):
    """A tool. Others than functions are not known here."""

    model_config = _SENT
    type: Literal["function"]
    function: FunctionDefinition


class FunctionName(BaseModel):
    """The function that has to be called."""

    model_config = _SENT
    name: ToolName


class FunctionChoice(BaseModel):
    """The one tool that has to be called."""

    model_config = _SENT
    type: Literal["function"]
    function: FunctionName


class AllowedTools(BaseModel):
    """The tools that may be called, be it whichever or at least one of them; the model is told of no others."""

    model_config = _SENT
    mode: Literal["auto", "required"]
    tools: Annotated[list[FunctionChoice], Field(min_length=1, max_length=128)]


class AllowedChoice(BaseModel):
    """A choice among some of the tools."""

    model_config = _SENT
    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


class ChoiceByType(BaseModel):
    """`tool_choice` in the form of Anthropic's."""

    model_config = _SENT
    type: Literal["auto", "any", "required", "none"]


def _choice_kind(sent: Any) -> str:
    kind = sent.get("type") if isinstance(sent, dict) else getattr(sent, "type", "word")
    return str(kind) if kind in ("word", "function", "allowed_tools") else "type"


SentChoice = Annotated[
    Annotated[Literal["auto", "required", "none", "any"], Tag("word")]
    | Annotated[FunctionChoice, Tag("function")]
    | Annotated[AllowedChoice, Tag("allowed_tools")]
    | Annotated[ChoiceByType, Tag("type")],
    Discriminator(_choice_kind),
]


class PlainFormat(BaseModel):
    """Free text, or a JSON object of whatever members."""

    model_config = _SENT
    type: Literal["text", "json_object"]


class AnswerSchema(NullIsAbsent, BaseModel):
    """The schema of an object. The answer fits it, whatever `strict` says."""

    model_config = ConfigDict(**_SENT, serialize_by_alias=True)
    name: SchemaName
    description: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    json_schema: Annotated[JsonSchema, Field(alias="schema")]
    strict: bool = True


class JsonSchemaFormat(BaseModel):
    """JSON that fits a schema."""

    model_config = _SENT
    type: Literal["json_schema"]
    json_schema: AnswerSchema


class StreamOptions(NullIsAbsent, BaseModel):
    """With `include_usage` a last chunk, without choices, says what was used."""

    model_config = _SENT
    include_usage: bool = False


class ChatCompletionRequest(NullIsAbsent, BaseModel):
    """OpenAI's request, answered by any provider.

    `model` is the vendor's own name, `provider/model`, or `auto`: the cheapest model that the request fits and whose
    provider is well. `models` are asked after it, in their order, where it fails; nobody else is then. Of an answer
    that is asked to be longer, 16,384 tokens are written. `metadata` is checked and kept nowhere. `user` groups prompts
    in OpenAI's prompt cache where there is no `prompt_cache_key`. `cache` and `cache_threshold` are Parley's own, as
    for /api/chat.
    """

    model_config = _SENT
    model: ModelName
    models: Annotated[list[ModelName], Field(max_length=8)] | None = None
    messages: Annotated[list[SentMessage], Field(min_length=1, max_length=1_000)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=10_000_000), Whole] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000), Whole] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    stop: Annotated[
        Annotated[str, StringConstraints(max_length=100), Tag("text")]
        | Annotated[list[Annotated[str, StringConstraints(max_length=100)]], Field(max_length=32), Tag("parts")],
        Discriminator(_kind),
    ] = []
    n: Annotated[int, Field(ge=1, le=1), Whole] = 1
    tools: Annotated[list[FunctionTool], Field(max_length=128)] | None = None
    tool_choice: SentChoice = "auto"
    parallel_tool_calls: bool | None = None
    response_format: Annotated[PlainFormat | JsonSchemaFormat, Field(discriminator="type")] | None = None
    reasoning_effort: ReasoningEffort | Literal["default"] | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1), Whole] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    prompt_cache_key: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    user: Annotated[str, StringConstraints(max_length=512)] | None = None
    metadata: Annotated[
        dict[
            Annotated[str, StringConstraints(max_length=64)],
            Annotated[str, StringConstraints(max_length=512)],
        ],
        Field(max_length=16),
    ] = {}
    cache: CacheMode = "exact"
    cache_threshold: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _can_be_asked(self) -> ChatCompletionRequest:
        if any(is_auto(name) for name in self.models or ()):
            raise ValueError("models names models, so auto is not among them")
        check_results([_Turn(message) for message in self.messages])
        names = [tool.function.name for tool in self.tools or ()]
        check_choice(names, self.chosen_tool)
        if self.allowed is not None and not self.allowed.issubset(names):
            raise ValueError("tool_choice allows a tool that is not among the tools")
        return self

    @property
    def chosen_tool(self) -> ToolChoice:
        """`tool_choice`, as `ToolUse` has it."""
        choice = self.tool_choice
        if isinstance(choice, FunctionChoice):
            return NamedTool(choice.function.name)
        if isinstance(choice, AllowedChoice):
            return choice.allowed_tools.mode
        word = choice.type if isinstance(choice, ChoiceByType) else choice
        return "required" if word == "any" else word

    @property
    def allowed(self) -> frozenset[str] | None:
        """The tools that may be called; None where all may."""
        choice = self.tool_choice
        return (
            frozenset(one.function.name for one in choice.allowed_tools.tools)
            if isinstance(choice, AllowedChoice)
            else None
        )

    @property
    def stop_sequences(self) -> list[str]:
        """`stop` without what is empty."""
        return [one for one in ([self.stop] if isinstance(self.stop, str) else self.stop) if one]

    @property
    def effort(self) -> ReasoningEffort | None:
        """`reasoning_effort`, where it is one."""
        return None if self.reasoning_effort == "default" else self.reasoning_effort


class _Turn:
    """A message as `check_results` reads it."""

    def __init__(self, message: SystemMessage | UserMessage | AssistantTurn | ToolMessage) -> None:
        self.role = message.role
        self.tool_calls = message.tool_calls if isinstance(message, AssistantTurn) else None
        self.tool_call_id = message.tool_call_id if isinstance(message, ToolMessage) else None


# What /v1/chat/completions answers.


class FunctionCalled(TypedDict):
    """Which function to run, and the JSON text of its arguments, which breaks off where the answer's length cut it; of
    a streamed call, the next piece of it.
    """

    name: NotRequired[str]
    arguments: str


class SignatureAnswered(TypedDict):
    """What Gemini wants back with the call."""

    thought_signature: str


class ExtraAnswered(TypedDict):
    """What a vendor added to a call."""

    google: SignatureAnswered


class ToolCallAnswered(TypedDict):
    """A call that the model asks you to run: send it back with its result. `extra_content` is Gemini's; keep it."""

    id: str
    type: Literal["function"]
    function: FunctionCalled
    extra_content: NotRequired[ExtraAnswered]


class CompletedMessage(TypedDict):
    """The answer; `refusal` in the place of `content` where the model refused."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: NotRequired[list[ToolCallAnswered]]


FinishedBecause = Literal["stop", "length", "tool_calls", "content_filter"]


class CompletionChoice(TypedDict):
    """The one answer."""

    index: Literal[0]
    message: CompletedMessage
    logprobs: None
    finish_reason: FinishedBecause


class PromptTokenDetails(TypedDict):
    """How much of the prompt the provider had in its prompt cache."""

    cached_tokens: Tokens


class CompletionTokenDetails(TypedDict):
    """How much of the answer was thought, which nobody sees."""

    reasoning_tokens: Tokens


class CompletionUsage(TypedDict):
    """What all calls of this request used; zeros where none was made."""

    prompt_tokens: Tokens
    completion_tokens: Tokens
    total_tokens: Tokens
    prompt_tokens_details: PromptTokenDetails
    completion_tokens_details: CompletionTokenDetails


class Provenance(TypedDict):
    """Parley's own member: who answered, whether in another's place, what of the request was changed or left out for
    that model, and where an answer came from that no model was asked for.
    """

    provider: ProviderName | None
    fallback: bool
    adjusted: list[Adjustable]
    cache: Literal["none", "faq", "exact", "semantic"]


class ChatCompletion(TypedDict):
    """OpenAI's answer. `usage` is null where a provider reported none that can be true."""

    id: str
    object: Literal["chat.completion"]
    created: Count
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage | None
    parley: Provenance


class ToolCallPiece(TypedDict):
    """The next piece of a tool call. The first of an `index` has all but the arguments; those of all pieces, joined,
    are the call's.
    """

    index: Count
    id: NotRequired[str]
    type: NotRequired[Literal["function"]]
    function: FunctionCalled
    extra_content: NotRequired[ExtraAnswered]


class ChunkDelta(TypedDict):
    """What is new; empty in the chunk that says why the answer ended."""

    role: NotRequired[Literal["assistant"]]
    content: NotRequired[str | None]
    refusal: NotRequired[str | None]
    tool_calls: NotRequired[list[ToolCallPiece]]


class ChunkChoice(TypedDict):
    """The one answer's next piece."""

    index: Literal[0]
    delta: ChunkDelta
    logprobs: None
    finish_reason: FinishedBecause | None


class ChatCompletionChunk(TypedDict):
    """A piece of an answer. `model` is the one that was asked until the chunk with the finish reason, which names the
    one that answered. Where usage was asked for, all but the last chunk have null, and the last has no choices.
    """

    id: str
    object: Literal["chat.completion.chunk"]
    created: Count
    model: str
    choices: list[ChunkChoice]
    usage: NotRequired[CompletionUsage | None]
    parley: NotRequired[Provenance]


class ChatCompletionEvents(TypedDict):
    """The stream's events: chunks without a name, `error` in their place where the answer breaks off, and where it is
    complete at last the text `[DONE]`.
    """

    message: ChatCompletionChunk


# Embeddings


def _texts(value: Any) -> Any:
    given = value if isinstance(value, list) else [value]
    if any(isinstance(one, int) or (isinstance(one, list) and one) for one in given):
        raise ValueError("this takes text, no tokens: have your client send it (LangChain: check_embedding_ctx_length)")
    return given


EmbeddedText = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]
_Texts = Annotated[list[EmbeddedText], Field(min_length=1, max_length=MOST_INPUTS)]


class EmbeddingsRequest(NullIsAbsent, BaseModel):
    """OpenAI's request. `model` is one that GET /v1/models lists, or `auto`: the one that the deployment embeds
    documents with. Vectors of two models do not compare, so no other one answers in its place.
    """

    model_config = _SENT
    model: ModelName
    input: Annotated[
        _Texts,
        BeforeValidator(_texts, json_schema_input_type=EmbeddedText | _Texts),
    ]
    dimensions: Annotated[int, Field(ge=1, le=3_072), Whole] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: Annotated[str, StringConstraints(max_length=512)] | None = None


class EmbeddingRow(TypedDict):
    """One vector: numbers, or with `base64` those numbers as little-endian 32-bit floats."""

    object: Literal["embedding"]
    index: Count
    embedding: list[float] | str


class EmbeddingUsage(TypedDict):
    """The tokens that were embedded, as the provider counted them; as they were estimated where it counts none."""

    prompt_tokens: Tokens
    total_tokens: Tokens


class EmbeddingList(TypedDict):
    """The vectors in the order of the texts."""

    object: Literal["list"]
    data: list[EmbeddingRow]
    model: str
    usage: EmbeddingUsage


# Models


class ModelEntry(TypedDict):
    """A model; `created` is the day since which its price is known here, in seconds since 1970."""

    id: str
    object: Literal["model"]
    created: Count
    owned_by: str


class ModelList(TypedDict):
    """The models that may be named, and `auto`."""

    object: Literal["list"]
    data: list[ModelEntry]

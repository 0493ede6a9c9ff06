"""The protocol that a provider's adapter implements, and the words it is written in.

An adapter imports its SDK at first use, makes exactly one upstream call per method call (the SDK's own retries are
off: `routing` decides), and raises nothing but `ProviderError`. Keys are given per call and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from parley.core.provider_names import ProviderName

FinishReason = Literal["stop", "length", "refusal", "tool_calls"]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
# How long a provider is asked to keep a prompt's beginning, where it lets callers say so.
CacheLifetime = Literal["5m", "1h"]

# More than any model takes or gives in one call.
MOST_TOKENS = 1_000_000_000

# Those that cite the passages of a request by themselves; others have to be told them in a message.
CITING_PROVIDERS: frozenset[ProviderName] = frozenset({"anthropic"})

# The operator's key that took the place of one that its provider refused; None where there is no other.
RenewedKey = Callable[[ProviderName, str], str | None]


class Media(NamedTuple):
    """An image or a PDF in a message, as base64 text or as a URL that the provider fetches itself; one of the two.

    Attributes:
        media_type: `image/png` and the like, or `application/pdf`; None for an image by URL.
        data: base64 without line breaks.
        name: a document's file name, for the model.
        detail: how closely an image is looked at, where the provider lets callers say so.
    """

    kind: Literal["image", "document"]
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    name: str | None = None
    detail: Literal["low", "high", "auto"] | None = None


class ToolDefinition(NamedTuple):
    """A function that the model may ask the caller to run.

    Attributes:
        name: letters, digits, `_` and `-`, up to 128.
        parameters: JSON schema of an object; None where it takes no arguments.
        strict: whether the arguments must fit the schema; where a provider cannot promise that, they may not.
    """

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool = False


class NamedTool(NamedTuple):
    """The one tool that the model has to call."""

    name: str


ToolChoice = Literal["auto", "required", "none"] | NamedTool


class ToolUse(NamedTuple):
    """The tools of a request, at least one.

    Attributes:
        parallel: whether one answer may have several calls; None leaves the provider's default, which is yes.
    """

    definitions: Sequence[ToolDefinition]
    choice: ToolChoice = "auto"
    parallel: bool | None = None

    @property
    def must_call(self) -> bool:
        """Whether an answer without a call is none."""
        return self.choice == "required" or isinstance(self.choice, NamedTool)


class ToolCall(NamedTuple):
    """A call that a model asks for.

    Attributes:
        id: names it, for its result; unique within a conversation, made here where the provider gives none.
        arguments: JSON text of an object, as the model wrote it.
        signature: what Gemini wants back with the call, opaque; None from the others.
    """

    id: str
    name: str
    arguments: str
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of one call of a streamed answer. The first one of an index has id and name; the arguments of all pieces
    with that index, joined, are the call's.
    """

    index: int
    arguments: str = ""
    id: str | None = None
    name: str | None = None
    signature: str | None = None


class RefusalDelta(str):
    """A piece of a streamed answer's text, where it is known that the model refuses with it: OpenAI's say so at once,
    the others at the end.
    """

    __slots__ = ()


# A piece of a streamed answer: of its text, or of a tool call.
Delta = str | ToolCallDelta


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a prompt.

    Attributes:
        content: the text. Where there are `parts`, all text of those; of a `tool` message the result.
        parts: text and media in their order, where a user's message or a tool's result has media; empty where `content`
            says all.
        tool_calls: those of an assistant's turn. Each is answered by a `tool` message right after it.
        tool_call_id: of a `tool` message, the call whose result this is.
        failed: of a `tool` message, whether the result is an error.
        cache: asks the provider to keep the prompt up to the end of this message in its prompt cache.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    parts: Sequence[str | Media] = ()
    tool_calls: Sequence[ToolCall] = ()
    tool_call_id: str | None = None
    failed: bool = False
    cache: CacheLifetime | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text that an answer may rest on and cite.

    Attributes:
        source: what it is a passage of, for the model.
    """

    source: str
    title: str | None
    text: str


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One prompt for one model.

    Attributes:
        model: the provider's model id.
        messages: at least one; system messages first.
        max_output_tokens: upper bound of generated tokens, reasoning included.
        temperature, top_p: sampling; None leaves the provider's default.
        stop: stop sequences for the provider; `fitting.fitted` leaves it four at most.
        cut_at: stop sequences that the provider does not take: the adapter ends the text there.
        schema: JSON schema that the answer must fit; None for free text. `fitting.fitted` makes it one that the
            provider takes.
        schema_name: short identifier for the schema (letters, digits, underscores).
        json_object: whether the answer has to be a JSON object, of whatever members.
        must_fit: whether an answer that does not fit `schema`, or is no JSON object, is none. Otherwise whoever asks
            sees to it.
        may_not_fit: whether the provider does not promise that the answer fits.
        tools: None where none may be called.
        reasoning_effort: how much the model thinks first; None leaves the provider's default.
        seed: for answers that repeat, as far as the provider can.
        frequency_penalty, presence_penalty: -2 to 2; None leaves the provider's default.
        cache_key: groups prompts that begin alike, for OpenAI's prompt cache.
        timeout: seconds until the call is given up, connecting included.
        passages: what the last message is to be answered from, numbered from 1, for `CITING_PROVIDERS` alone. Their
            citations stand in the answer's text as markers: `[1]`.
    """

    model: str
    messages: Sequence[Message]
    max_output_tokens: int
    timeout: float
    temperature: float | None = None
    top_p: float | None = None
    stop: Sequence[str] = ()
    cut_at: Sequence[str] = ()
    schema: dict[str, Any] | None = None
    schema_name: str = "answer"
    passages: Sequence[Passage] = ()
    json_object: bool = False
    must_fit: bool = False
    may_not_fit: bool = False
    tools: ToolUse | None = None
    reasoning_effort: ReasoningEffort | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    cache_key: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as they are billed, after each provider's own semantics were resolved. The five input and output counts
    are disjoint: the prompt cost tokens in exactly one of the first four, and `reasoning_tokens` is a part of
    `output_tokens`.

    Attributes:
        input_tokens: prompt tokens billed at the full input price (neither read from nor written to a cache).
        cached_input_tokens: prompt tokens read from the provider's prompt cache.
        cache_write_5m_tokens, cache_write_1h_tokens: prompt tokens written to it, by lifetime. A provider with one
            price for writes (OpenAI) has them in the first.
        output_tokens: generated tokens, reasoning included.
        reasoning_tokens: the part of output_tokens that the caller never sees.
        service_tier: the billing tier that served the call (`flex`, `priority`...); None is the standard one.

    Raises ValueError for counts, or a tier, that cannot be true.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    service_tier: str | None = None

    def __post_init__(self) -> None:
        for count in (
            self.input_tokens,
            self.output_tokens,
            self.cached_input_tokens,
            self.cache_write_5m_tokens,
            self.cache_write_1h_tokens,
            self.reasoning_tokens,
        ):
            if type(count) is not int or not 0 <= count <= MOST_TOKENS:
                raise ValueError("a token count that cannot be true")
        if self.reasoning_tokens > self.output_tokens:
            raise ValueError("more reasoning than output")
        if self.service_tier is not None and not isinstance(self.service_tier, str):
            raise ValueError("a billing tier that is no name")

    @property
    def prompt_tokens(self) -> int:
        """All tokens of the prompt."""
        return self.input_tokens + self.cached_input_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def total_tokens(self) -> int:
        """Prompt and answer together."""
        return self.prompt_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished answer.

    Attributes:
        text: the whole answer (for a refusal: the provider's words, or empty).
        tool_calls: what the model asks the caller to run; `finish_reason` is then `tool_calls`, or `length` where the
            last one may be cut off and none should be run.
        usage: None where the provider reported none; never estimated here.
        model: the model id that the provider says answered; the one that was asked where it says none.
    """

    text: str
    finish_reason: FinishReason
    model: str
    usage: Usage | None
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors in the order of the texts; each has `dimensions` numbers and length one."""

    vectors: list[list[float]]
    model: str
    dimensions: int
    input_tokens: int | None = None


class Provider(Protocol):
    """A model provider."""

    name: ProviderName

    def load(self) -> None:
        """Import the SDK and build its client, which the first call does otherwise: for before a snapshot."""

    def complete(self, request: CompletionRequest, api_key: str) -> Completion:
        """Make the provider's unstreamed call. Raises ProviderError."""

    def stream(self, request: CompletionRequest, api_key: str) -> Generator[Delta, None, Completion]:
        """Yield the answer's pieces as they arrive; the generator's return value is the finished answer.

        A stream that ends without the provider's own end marker raises ProviderError("stream_interrupted"). Closing the
        generator closes the upstream connection; throwing `StreamCancelled` into it does too, and makes it raise
        ProviderError("stream_interrupted") with the usage reported so far.
        """

    def embed(self, texts: Sequence[str], model: str, dimensions: int, api_key: str, timeout: float) -> Embeddings:
        """Embed up to 100 texts. Raises ProviderError; ("unsupported") where the provider has no embeddings."""

    def check(self, model: str, api_key: str, timeout: float) -> None:
        """Read the model's metadata, which takes a valid key and costs no tokens. Raises ProviderError."""

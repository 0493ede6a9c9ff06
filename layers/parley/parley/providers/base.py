"""The protocol that a model vendor's adapter implements, and the words it is written in.

An adapter imports its SDK at first use, makes exactly one upstream call per method call (the SDK's own retries are
off: `routing` decides), and raises nothing but `ProviderError`. Keys are given per call and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from parley.vendors import ProviderName

FinishReason = Literal["stop", "length", "refusal"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One prompt for one model.

    Attributes:
        model: the vendor's model id.
        messages: at least one; system messages first.
        max_output_tokens: upper bound of generated tokens, reasoning included.
        temperature, top_p: sampling; None leaves the vendor's default.
        stop: up to four stop sequences.
        schema: JSON schema that the answer must fit; None for free text. Every property required, no recursion.
        schema_name: short identifier for the schema (letters, digits, underscores).
        timeout: seconds until the call is given up, connecting included.
    """

    model: str
    messages: Sequence[Message]
    max_output_tokens: int
    timeout: float
    temperature: float | None = None
    top_p: float | None = None
    stop: Sequence[str] = ()
    schema: dict[str, Any] | None = None
    schema_name: str = "answer"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as they are billed, after each vendor's own semantics were resolved. The five input and output counts are
    disjoint: the prompt cost tokens in exactly one of the first four, and `reasoning_tokens` is a part of
    `output_tokens`.

    Attributes:
        input_tokens: prompt tokens billed at the full input price (neither read from nor written to a cache).
        cached_input_tokens: prompt tokens read from the vendor's prompt cache.
        cache_write_5m_tokens, cache_write_1h_tokens: prompt tokens written to it, by lifetime. A vendor with one price
            for writes (OpenAI) has them in the first.
        output_tokens: generated tokens, reasoning included.
        reasoning_tokens: the part of output_tokens that the caller never sees.
        service_tier: the billing tier that served the call (`flex`, `priority`...); None is the standard one.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    service_tier: str | None = None

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
        text: the whole answer (for a refusal: the vendor's words, or empty).
        usage: None where the vendor reported none; never estimated here.
        model: the model id that the vendor says answered.
        upstream_id: the vendor's request id, for support cases.
    """

    text: str
    finish_reason: FinishReason
    model: str
    usage: Usage | None
    upstream_id: str | None = None


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors in the order of the texts; each has `dimensions` numbers and length one."""

    vectors: list[list[float]]
    model: str
    dimensions: int
    input_tokens: int | None = None


class Provider(Protocol):
    """A model vendor."""

    name: ProviderName

    def load(self) -> None:
        """Import the SDK and build its client, which the first call does otherwise: for before a snapshot."""

    def complete(self, request: CompletionRequest, api_key: str) -> Completion:
        """Make the vendor's unstreamed call. Raises ProviderError."""

    def stream(self, request: CompletionRequest, api_key: str) -> Generator[str, None, Completion]:
        """Yield the answer's text as it arrives; the generator's return value is the finished answer.

        A stream that ends without the vendor's own end marker raises ProviderError("stream_interrupted"). Closing the
        generator closes the upstream connection; throwing `StreamCancelled` into it does too, and makes it raise
        ProviderError("stream_interrupted") with the usage reported so far.
        """

    def embed(self, texts: Sequence[str], model: str, dimensions: int, api_key: str, timeout: float) -> Embeddings:
        """Embed up to 256 texts. Raises ProviderError; ("unsupported") where the vendor has no embeddings."""

    def check(self, model: str, api_key: str, timeout: float) -> None:
        """Read the model's metadata, which takes a valid key and costs no tokens. Raises ProviderError."""


ProviderErrorCode = Literal[
    "rate_limited",  # 429, waiting helps
    "quota_exhausted",  # the key's account is out of credit: waiting does not help
    "credentials_rejected",  # 401, 403: the key is bad
    "model_not_found",
    "context_length_exceeded",
    "content_refused",  # refused before generating (safety filter on the prompt)
    "invalid_request",
    "overloaded",  # 503, 529
    "upstream_error",  # 5xx
    "bad_response",  # HTML, empty or unparseable body
    "timeout",
    "connection_failed",
    "stream_interrupted",
    "unsupported",
]


# The same call may succeed a little later, or at once with another vendor. Everything else fails again until the
# request, the key or the account changes.
RETRYABLE: frozenset[ProviderErrorCode] = frozenset(
    {
        "rate_limited",
        "overloaded",
        "upstream_error",
        "bad_response",
        "timeout",
        "connection_failed",
        "stream_interrupted",
    }
)


class StreamCancelled(Exception):
    """Thrown into a provider's stream by who no longer wants it."""


@dataclass(eq=False)
class ProviderError(Exception):
    """An upstream fault in Parley's words. It never carries a key, and of what the vendor said only what is named here.

    Attributes:
        retry_after: seconds the vendor asked us to wait; None where it said nothing or waiting does not help.
        upstream_status, upstream_code: what the vendor said, for logs and the error's `upstream` member.
        usage: tokens that were used before the fault, as far as the vendor had reported them.
        detail: the vendor's message, bounded and with key-like text removed; for an operator, never for a caller.
    """

    provider: ProviderName
    code: ProviderErrorCode
    retry_after: float | None = None
    upstream_status: int | None = None
    upstream_code: str | None = None
    usage: Usage | None = None
    detail: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        super().__init__(self.provider, self.code)

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later, or elsewhere."""
        return self.code in RETRYABLE

    def __str__(self) -> str:
        return f"{self.provider}: {self.code} (upstream status {self.upstream_status}, code {self.upstream_code})"

"""What a caller is told of its model calls."""

from __future__ import annotations

from typing_extensions import TypedDict

from parley.core.fields import Tokens, Usd


class CallUsage(TypedDict):
    """What all model calls of one request used together; the cost is null where a price is not known."""

    input_tokens: Tokens
    output_tokens: Tokens
    cached_input_tokens: Tokens
    cache_write_tokens: Tokens
    reasoning_tokens: Tokens
    cost_usd: Usd | None

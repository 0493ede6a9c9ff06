"""What a caller is told about a provider's fault, once `errors` has said what its answer means."""

from __future__ import annotations

import math

from parley.core.errors import Problem
from parley.providers.errors import ProviderError, ProviderErrorCode

# What a caller sees: code, status, and what happened in a sentence that names no foreign text.
_SHOWN: dict[ProviderErrorCode, tuple[str, int, str]] = {
    "rate_limited": ("upstream_rate_limited", 429, "The model provider limits how often it may be called right now."),
    "quota_exhausted": (
        "upstream_quota_exhausted",
        502,
        "The operator's account with the provider is spent or capped.",
    ),
    "credentials_rejected": ("upstream_credentials_rejected", 502, "The provider rejected the operator's key."),
    "model_not_found": ("model_not_found", 404, "The provider does not know this model."),
    "context_length_exceeded": ("context_length_exceeded", 400, "The prompt is too long for this model. Shorten it."),
    "request_too_large": ("request_too_large", 400, "The request is too large for the provider's limits. Shorten it."),
    "content_refused": ("content_refused", 400, "The provider's safety rules refused the prompt."),
    "no_answer": ("upstream_no_answer", 502, "The model ended without an answer to this prompt."),
    "invalid_request": ("upstream_invalid_request", 400, "The provider does not accept this request for this model."),
    "overloaded": ("upstream_overloaded", 503, "The model provider is overloaded."),
    "upstream_error": ("upstream_error", 502, "The model provider failed."),
    "bad_response": ("upstream_bad_response", 502, "The model provider answered with something unreadable."),
    "timeout": ("upstream_timeout", 504, "The model provider did not answer in time."),
    "connection_failed": ("upstream_unreachable", 502, "The model provider could not be reached."),
    "stream_interrupted": ("stream_interrupted", 502, "The answer broke off before its end and is incomplete."),
    "unforeseen": (
        "internal_error",
        500,
        "Something went wrong in Parley; its operator finds it by the request id.",
    ),
    "unsupported": ("unsupported", 400, "The provider does not offer this."),
}
_SHOWN_WITH_OWN_KEY: dict[ProviderErrorCode, tuple[str, int, str]] = {
    "rate_limited": ("own_key_rate_limited", 429, "The provider limits your own key right now."),
    "quota_exhausted": ("own_key_quota_exhausted", 402, "The provider account of your own key is spent or capped."),
    "credentials_rejected": (
        "own_key_rejected",
        403,
        "The provider rejected your own key or its account. Store a valid one.",
    ),
}
# Where the provider asks for a wait but not for how long.
_DEFAULT_RETRY_AFTER: dict[ProviderErrorCode, int] = {"rate_limited": 10, "overloaded": 5}


def problem_for(error: ProviderError, own_key: bool, model: str | None = None) -> Problem:
    """What a caller is told about an upstream fault.

    Args:
        own_key: whether the call was made with the caller's key. A fault of the operator's key is never the caller's:
            it is a 502, not a 401.
        model: what was asked for, where the caller may have named it.
    """
    shown = _SHOWN_WITH_OWN_KEY.get(error.code) if own_key else None
    code, status, detail = shown or _SHOWN[error.code]
    if error.code == "model_not_found" and model is not None:
        detail = f'There is no model "{model}" at {error.provider}; GET /api/ai-providers lists the models.'
    wait: int | None = None
    if error.retryable:
        wait = _DEFAULT_RETRY_AFTER.get(error.code) if error.retry_after is None else math.ceil(error.retry_after)
    return Problem(
        code,
        detail if wait is None else f"{detail} Try again in {max(1, wait)} s.",
        status=status,
        retry_after=wait,
        param="model" if error.code == "model_not_found" else None,
        extra={
            "retryable": error.retryable,
            "upstream": {
                "provider": error.provider,
                "status": error.upstream_status,
                "code": error.upstream_code,
            },
        },
    )

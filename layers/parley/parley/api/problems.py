"""Problems on the wire: RFC 9457 documents that also carry the `error` member OpenAI's SDKs parse."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from parley.core.errors import Problem

CONTENT_TYPE = "application/problem+json"

# Codes that more than one route can answer with, beside those of every route (local/problem_codes.py).
_UPSTREAM = (
    "upstream_rate_limited", "upstream_quota_exhausted", "upstream_credentials_rejected", "upstream_invalid_request",
    "upstream_overloaded", "upstream_error", "upstream_bad_response", "upstream_timeout", "upstream_unreachable",
    "model_not_found", "context_length_exceeded", "request_too_large", "content_refused", "upstream_no_answer",
    "unsupported",
)  # fmt: skip
_WITH_OWN_KEY = (
    "own_key_unreadable", "own_key_rate_limited", "own_key_quota_exhausted", "own_key_rejected", "own_keys_unavailable"
)  # fmt: skip
EMBEDDING = (
    "embedding_quota_exceeded", "provider_not_allowed", "embeddings_unavailable", "subject_deleted", *_UPSTREAM
)  # fmt: skip
CONTENT = ("content_type_conflict", "embeddings_unavailable", *_UPSTREAM)
MODEL_CALL = (
    "invalid_provider", "invalid_model", "quota_exceeded", "own_key_missing", "provider_not_allowed",
    "user_required", "subject_deleted", "no_provider_available", "stream_interrupted", "daily_limit_reached",
    "access_key_limit_used_up", *_UPSTREAM, *_WITH_OWN_KEY,
)  # fmt: skip
OWN_KEY = (
    "invalid_provider", "provider_not_allowed", "own_key_not_found", "own_key_replaced", *_UPSTREAM, *_WITH_OWN_KEY
)  # fmt: skip


class OpenAIError(TypedDict):
    """The problem as OpenAI's clients read it."""

    message: str
    type: str
    param: str | None
    code: str


class FieldError(TypedDict):
    """A member of the request that does not fit, and why."""

    field: str
    message: str


class Upstream(TypedDict):
    """What the model's provider said."""

    provider: str
    status: int | None
    code: str | None


class ProblemDocument(TypedDict):
    """RFC 9457, with the `error` member that OpenAI's clients read. The last members come with some codes only:
    `errors` with invalid_request, `version` with version_conflict, `limit`, `used` and `resets_at` with quota_exceeded
    and embedding_quota_exceeded, `tier` with the first of them, `models` with invalid_model and under /v1 with
    model_not_found, `keyword` with schema_unsupported, `retryable` and `upstream` where a provider failed, and
    `retry_after` (seconds) in a stream, which has sent its headers.
    """

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: Annotated[str, Field(pattern=r"^[a-z_]+$", description="Stable; there may be newer ones.")]
    request_id: str
    error: OpenAIError
    errors: NotRequired[list[FieldError]]
    version: NotRequired[int]
    tier: NotRequired[str]
    limit: NotRequired[int | None]
    used: NotRequired[int]
    resets_at: NotRequired[datetime]
    retryable: NotRequired[bool]
    upstream: NotRequired[Upstream]
    models: NotRequired[list[str]]
    keyword: NotRequired[str]
    retry_after: NotRequired[int]


# RFC 9110 renamed these two; Python has the new names since 3.13 only.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


def document(problem: Problem, request_id: str) -> dict[str, Any]:
    """The body of an error answer, a `ProblemDocument`."""
    return {
        "type": f"urn:parley:problem:{problem.code}",
        "title": _TITLES.get(problem.status) or HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
        **problem.extra,
        "error": {
            "message": problem.detail,
            "type": _openai_type(problem.status),
            "param": problem.param,
            "code": problem.code,
        },
    }


def headers(problem: Problem) -> dict[str, str]:
    """The headers that go with it: Retry-After only where waiting helps, the challenge on 401."""
    found: dict[str, str] = {}
    if problem.retry_after is not None:
        found["Retry-After"] = str(max(1, problem.retry_after))
    if problem.status == HTTPStatus.UNAUTHORIZED:
        found["WWW-Authenticate"] = 'Bearer error="invalid_token"' if problem.code != "token_missing" else "Bearer"
    return found


def _openai_type(status: int) -> str:
    types = {
        HTTPStatus.UNAUTHORIZED: "authentication_error",
        HTTPStatus.FORBIDDEN: "permission_error",
        HTTPStatus.NOT_FOUND: "not_found_error",
        HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    }
    return types.get(HTTPStatus(status)) or ("invalid_request_error" if status < 500 else "api_error")

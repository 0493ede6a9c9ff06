"""Problems on the wire: RFC 9457 documents that also carry the `error` member OpenAI's SDKs parse."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from parley.core.errors import Problem

CONTENT_TYPE = "application/problem+json"


def document(problem: Problem, request_id: str) -> dict[str, Any]:
    """The body of an error answer."""
    return {
        "type": f"urn:parley:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
        **problem.extra,
        "error": {
            "message": problem.detail,
            "type": _openai_type(problem.status),
            "param": None,
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

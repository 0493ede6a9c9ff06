"""Why a request is not admitted: the codes, and what the caller can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parley.admission.quota import Quota
from parley.core.errors import Problem


class Refused(Problem):
    """A request that was not admitted, with the caller's quota as it stands."""

    def __init__(self, code: str, detail: str, *, quota: Quota, **members: Any) -> None:
        super().__init__(code, detail, **members)
        self.quota = quota


# By begin_request's outcome: code, status, and what the caller can do.
_REFUSALS = {
    "in_progress": (
        "request_in_progress",
        409,
        "The same request is still being answered; ask again with the same Idempotency-Key.",
    ),
    "idempotency_key_reused": (
        "idempotency_key_reused",
        422,
        "This Idempotency-Key was used with another body; use a new key.",
    ),
    "embedding_quota_exceeded": (
        "embedding_quota_exceeded",
        429,
        "Today's allowance does not hold that many tokens to embed; it starts anew at `resets_at`.",
    ),
    "quota_exceeded": (
        "quota_exceeded",
        429,
        "The allowance is used up; Retry-After says when it comes back, if it does.",
    ),
    "own_key_missing": (
        "own_key_missing",
        409,
        "Your tier calls models with your own key; store one under /api/settings/api-keys.",
    ),
    "model_not_offered": (
        "invalid_model",
        400,
        "This model takes a key of your own; without one choose one of `models`.",
    ),
    "provider_not_allowed": (
        "provider_not_allowed",
        403,
        "Your organization does not allow this provider; choose another.",
    ),
    "conversation_not_found": ("conversation_not_found", 404, "There is no such conversation of yours."),
    "subject_deleted": ("subject_deleted", 403, "This account was deleted."),
}


def refusal(found: Mapping[str, Any]) -> Refused:
    """The answer to a caller whose request begin_request refused; `found` is what it returned."""
    quota = Quota.of(found.get("quota"))
    code, status, detail = _REFUSALS[found["outcome"]]
    extra: dict[str, Any] = {}
    if code == "quota_exceeded" and quota.daily:
        extra = {"tier": found["tier"], "limit": quota.daily.limit}
    elif code == "invalid_model":
        extra = {"models": found["offered_models"]}
    elif code == "embedding_quota_exceeded" and (window := quota.embedding_tokens):
        extra = {"limit": window.limit, "used": window.used, "resets_at": window.resets_at}
    return Refused(code, detail, status=status, retry_after=found.get("retry_after"), extra=extra, quota=quota)


def taken_over() -> Problem:
    """The answer of a holder whose lease ended and whose request a retry took over: the retry's answer counts."""
    return Problem(
        "request_in_progress",
        "The same request is being answered again; ask with the same Idempotency-Key.",
        status=409,
        retry_after=1,
    )

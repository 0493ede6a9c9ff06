"""Why a request is not admitted: the codes, and what the caller can do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from parley.admission.quota import Quota, Window
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
        "The same request is still being answered; send it again as it was.",
    ),
    "idempotency_key_reused": (
        "idempotency_key_reused",
        422,
        "This Idempotency-Key was used with another body; use a new key.",
    ),
    "embedding_quota_exceeded": ("embedding_quota_exceeded", 429, "Today's tokens to embed are used up."),
    "quota_exceeded": ("quota_exceeded", 429, "The allowance is used up."),
    "daily_limit_reached": (
        "daily_limit_reached",
        429,
        "So many answers without a model are kept for one user in a day; ask without an Idempotency-Key.",
    ),
    "own_key_missing": (
        "own_key_missing",
        409,
        "Your tier calls models with your own key; store one under /api/settings/api-keys.",
    ),
    "model_not_offered": (
        "invalid_model",
        400,
        "Without a key of your own there is no such model; choose one of `models`.",
    ),
    "provider_not_allowed": (
        "provider_not_allowed",
        403,
        "Your organization does not allow this provider; choose another.",
    ),
    "conversation_not_found": ("conversation_not_found", 404, "There is no such conversation of yours."),
    "subject_deleted": ("subject_deleted", 403, "This account was deleted."),
    "access_key_unknown": ("access_key_invalid", 401, "There is no such machine key."),
    "access_key_revoked": ("access_key_revoked", 401, "This machine key was revoked; make a new one."),
    "access_key_expired": ("access_key_expired", 401, "This machine key has expired; make a new one."),
    "access_key_scope_missing": (
        "access_key_scope_missing",
        403,
        "This machine key lacks the scope that this needs (chat, embeddings, search or usage); make one that has it.",
    ),
    "access_key_attempts_used_up": (
        "access_key_attempts_used_up",
        429,
        "Too many machine keys that do not exist came from this address today.",
    ),
    "access_key_limit_used_up": (
        "access_key_limit_used_up",
        429,
        "This machine key's own daily limit is used up; it starts anew tomorrow.",
    ),
}


def refusal(found: Mapping[str, Any]) -> Refused:
    """The answer to a caller whose request begin_request refused; `found` is what it returned."""
    quota = Quota.of(found.get("quota"))
    code, status, detail = _REFUSALS[found["outcome"]]
    extra: dict[str, Any] = {}
    wait = found.get("retry_after")
    if code == "invalid_model":
        detail = (
            f'Without a key of your own there is no model "{found["model"]}" at {found["provider"]}; choose one of '
            "`models`, which GET /api/ai-providers describes."
        )
        extra = {"models": found["offered_models"]}
    elif code == "quota_exceeded" and (window := quota.exhausted):
        period = "month" if window is quota.monthly else "day"
        what = f"answers a {period} of the tier {found['tier']}"
        detail = f"All {window.limit} {what} are used" if wait else f"There are no {what}"
        extra = {"tier": found["tier"]} | _window_members(window)
    elif code == "embedding_quota_exceeded" and (window := quota.embedding_tokens):
        detail = (
            f"This needs more than the {window.remaining} that are left of {window.limit} tokens to embed a day"
            if wait
            else f"This needs more than the {window.limit} tokens to embed of a whole day; send less at a time"
        )
        extra = _window_members(window)
    if "resets_at" in extra:
        detail += f"; they start anew at {_time(extra['resets_at'])}." if wait else "."
    if extra.get("tier") == "anonymous":
        detail += " Sign in for an allowance of your own."
    param = "model" if code == "invalid_model" else None
    return Refused(code, detail, status=status, retry_after=wait, param=param, extra=extra, quota=quota)


def _window_members(window: Window) -> dict[str, Any]:
    return {"limit": window.limit, "used": window.used, "resets_at": window.resets_at}


def _time(moment: datetime) -> str:
    """In UTC, as the document's members are."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def taken_over() -> Problem:
    """The answer of a holder whose lease ended and whose request a retry took over: the retry's answer counts."""
    return Problem(
        "request_in_progress",
        "The same request is being answered again; send it again as it was.",
        status=409,
        retry_after=1,
    )

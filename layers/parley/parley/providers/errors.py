"""What went wrong upstream, in Parley's words: the error table. What a caller is shown of it: problems.py.

What only a provider's message tells comes first, then its documented codes, then the HTTP status. Sources: the error
pages of the three providers, the types in their SDKs, Google's `google.rpc` details and `google.api.ErrorReason`, and
for the sentences public bug reports about the three.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from parley.core.provider_names import ProviderName
from parley.providers.protocol import Usage

ProviderErrorCode = Literal[
    "rate_limited",  # 429, waiting helps
    "quota_exhausted",  # the key's account is spent or capped: waiting does not help
    "credentials_rejected",  # 401, 403: the key is bad, or its account disabled, unverified or suspended
    "model_not_found",
    "context_length_exceeded",
    "request_too_large",  # for this account or transport at once, whatever the model's window
    "content_refused",  # refused before generating (safety filter on the prompt)
    "no_answer",  # the model ended without one, for a reason of this prompt
    "invalid_request",
    "overloaded",  # 503, 529
    "upstream_error",  # 5xx
    "bad_response",  # HTML, empty or unparseable body
    "timeout",
    "connection_failed",
    "stream_interrupted",
    "unsupported",
    "unforeseen",  # a mistake of ours
]
# The same call may succeed a little later, or at once with another provider. Everything else fails again until the
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
# Faults of the account that the key belongs to.
ACCOUNT_FAULTS: frozenset[ProviderErrorCode] = frozenset({"credentials_rejected", "quota_exhausted"})
# Faults of the provider itself, independent of key and request.
PROVIDER_FAULTS: frozenset[ProviderErrorCode] = frozenset(
    {"overloaded", "upstream_error", "bad_response", "timeout", "connection_failed", "stream_interrupted"}
)


class StreamCancelled(Exception):
    """Thrown into a provider's stream to cancel it."""


@dataclass(eq=False)
class ProviderError(Exception):
    """An upstream fault in Parley's words. It never carries a key, nor the provider's words but for its code.

    Attributes:
        retry_after: seconds the provider asked us to wait; None where it said nothing or waiting does not help.
        upstream_status, upstream_code: what the provider said, for logs and the error's `upstream` member.
        usage: tokens that were used before the fault, as far as the provider had reported them.
        model: the model that was answering, where the provider had named it.
        tokens_a_minute: of a rate limit, the most tokens that the account may send in a minute, where that was said.
    """

    provider: ProviderName
    code: ProviderErrorCode
    retry_after: float | None = None
    upstream_status: int | None = None
    upstream_code: str | None = None
    usage: Usage | None = None
    model: str | None = None
    tokens_a_minute: int | None = None

    def __post_init__(self) -> None:
        super().__init__(self.provider, self.code)

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later, or elsewhere."""
        return self.code in RETRYABLE

    def __str__(self) -> str:
        return f"{self.provider}: {self.code} (upstream status {self.upstream_status}, code {self.upstream_code})"


# The providers' codes, types, statuses and reasons never contradict each other, so one table serves all three. Those
# that say no more than the HTTP status does (invalid_request_error, server_error, INVALID_ARGUMENT) are left out.
_BY_CODE: dict[str, ProviderErrorCode] = {
    # OpenAI: `code`, else `type`
    "insufficient_quota": "quota_exhausted",
    "billing_hard_limit_reached": "quota_exhausted",
    "billing_not_active": "quota_exhausted",
    "billing_limit_user_error": "quota_exhausted",
    "usage_limit_reached": "quota_exhausted",
    "account_deactivated": "credentials_rejected",
    "no_organization": "credentials_rejected",
    "organization_restricted": "credentials_rejected",
    "access_terminated": "credentials_rejected",
    "invalid_api_key": "credentials_rejected",
    "invalid_organization": "credentials_rejected",
    "unsupported_country_region_territory": "credentials_rejected",
    "rate_limit_exceeded": "rate_limited",
    "tokens": "rate_limited",
    "requests": "rate_limited",
    "model_not_found": "model_not_found",
    "context_length_exceeded": "context_length_exceeded",
    "string_above_max_length": "context_length_exceeded",
    "content_policy_violation": "content_refused",
    "content_filter": "content_refused",
    "invalid_prompt": "content_refused",
    "moderation_blocked": "content_refused",
    "bio_policy": "content_refused",
    "cyber_policy": "content_refused",
    "misalignment_policy_violation": "content_refused",
    "engine_overloaded": "overloaded",
    "server_is_overloaded": "overloaded",
    "slow_down": "overloaded",
    # Anthropic: `type`
    "authentication_error": "credentials_rejected",
    "permission_error": "credentials_rejected",
    "billing_error": "quota_exhausted",
    "not_found_error": "model_not_found",
    "request_too_large": "request_too_large",
    "rate_limit_error": "rate_limited",
    "overloaded_error": "overloaded",
    "timeout_error": "timeout",
    # Google: `reason` of ErrorInfo, else `status`
    "API_KEY_INVALID": "credentials_rejected",
    "API_KEY_EXPIRED": "credentials_rejected",
    "API_KEY_SERVICE_BLOCKED": "credentials_rejected",
    "API_KEY_HTTP_REFERRER_BLOCKED": "credentials_rejected",
    "API_KEY_IP_ADDRESS_BLOCKED": "credentials_rejected",
    "API_KEY_ANDROID_APP_BLOCKED": "credentials_rejected",
    "API_KEY_IOS_APP_BLOCKED": "credentials_rejected",
    "CONSUMER_INVALID": "credentials_rejected",
    "CONSUMER_SUSPENDED": "credentials_rejected",
    "USER_PROJECT_DENIED": "credentials_rejected",
    "ACCOUNT_STATE_INVALID": "credentials_rejected",
    "SERVICE_DISABLED": "credentials_rejected",
    "MODEL_CAPACITY_EXHAUSTED": "overloaded",
    "BILLING_DISABLED": "quota_exhausted",
    "UNAUTHENTICATED": "credentials_rejected",
    "PERMISSION_DENIED": "credentials_rejected",
    "FAILED_PRECONDITION": "credentials_rejected",  # the account's country or billing
    "NOT_FOUND": "model_not_found",
    "RESOURCE_EXHAUSTED": "rate_limited",
    "UNAVAILABLE": "overloaded",
    "DEADLINE_EXCEEDED": "timeout",
    "INTERNAL": "upstream_error",
    "ABORTED": "upstream_error",
    "CANCELLED": "upstream_error",
}
# What a 400 says anyway; read only of an error inside a 200.
_OF_THE_REQUEST = frozenset({"invalid_request_error", "INVALID_ARGUMENT", "OUT_OF_RANGE"})
# Google writes it for limits by the minute as well, and only the details tell them apart.
_CURRENT_QUOTA = "you exceeded your current quota"
_BY_STATUS: dict[int, ProviderErrorCode] = {
    401: "credentials_rejected",
    402: "quota_exhausted",
    403: "credentials_rejected",
    404: "model_not_found",
    408: "timeout",
    409: "upstream_error",  # OpenAI: another request changed the same thing; asks to try again
    413: "request_too_large",
    425: "rate_limited",
    429: "rate_limited",
    499: "upstream_error",
    503: "overloaded",
    504: "timeout",
    524: "timeout",  # Cloudflare, in front of two providers: the origin was too slow
    529: "overloaded",  # Anthropic
}
# What a proxy or a wrong base URL answers with a page instead of JSON says nothing about the request.
_ONLY_FROM_A_PROVIDER: frozenset[ProviderErrorCode] = frozenset({"invalid_request", "model_not_found"})
_MAX_RETRY_AFTER = 86_400.0
# A limit that is lifted no sooner is one by the day, the week or the month: the account is spent until then.
_SPENT_SECONDS = 3_600.0
# Of tokens that may be sent in a minute: Anthropic and OpenAI.
_LIMIT_HEADERS = ("anthropic-ratelimit-input-tokens-limit", "x-ratelimit-limit-tokens")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def from_response(
    provider: ProviderName, status: int, headers: Mapping[str, str], body: bytes, api_key: str, now: datetime
) -> ProviderError:
    """The fault that an HTTP answer other than 200 stands for.

    Args:
        headers: with case-insensitive or lower-case names.
        now: against which a Retry-After date is measured.
    """
    if 300 <= status < 400:
        return ProviderError(provider, "bad_response", upstream_status=status)
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    error = error_object(parsed)
    if error is None:
        code = _by_status(status)
        fault = ProviderError(provider, "bad_response" if code in _ONLY_FROM_A_PROVIDER else code)
    else:
        fault = from_error_object(provider, status, error, api_key)
    fault.upstream_status = status
    if fault.retryable:
        fault.retry_after = retry_after(headers, now, fault.retry_after)
    if fault.code == "rate_limited":
        if fault.retry_after is not None and fault.retry_after >= _SPENT_SECONDS:
            fault.code, fault.retry_after = "quota_exhausted", None
        elif fault.tokens_a_minute is None:
            limit = next((number for name in _LIMIT_HEADERS if (number := _number(headers.get(name)))), None)
            fault.tokens_a_minute = None if limit is None else round(limit)
    return fault


def from_error_object(provider: ProviderName, status: int, error: dict[str, Any], api_key: str) -> ProviderError:
    """The fault that a provider's error object stands for, be it a body's or a stream event's (`status` 200)."""
    message = str(error.get("message") or "")
    details = _dicts(error.get("details"))
    names = [
        name
        for name in (
            *(item.get("reason") for item in details),
            error.get("code"),
            error.get("type"),
            error.get("status"),
        )
        if isinstance(name, str) and _CODE.fullmatch(name)
    ]
    from parley.providers import sentences

    code = sentences.meaning(message)
    if "RESOURCE_EXHAUSTED" in names:
        if _daily(details):
            code = "quota_exhausted"
        elif message.lower().startswith(_CURRENT_QUOTA) and _passing(details):
            code = "rate_limited"
    if code is None:
        code = next((_BY_CODE[name] for name in names if name in _BY_CODE), None)
    if code is None:
        code = _by_status(status if status != 200 else _inner_status(error, names))
    return ProviderError(
        provider,
        code,
        retry_after=_retry_info(details) if code in RETRYABLE else None,
        tokens_a_minute=sentences.tokens_a_minute(message) or _tokens_a_minute(details),
        upstream_status=status,
        upstream_code=next((name for name in names if api_key not in name), None),
    )


def error_object(parsed: Any) -> dict[str, Any] | None:
    """The error inside a provider's JSON, or None. Google wraps it in a list where it was asked for a stream."""
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    error = parsed.get("error") if isinstance(parsed, dict) else None
    if isinstance(error, str) and error:
        return {"message": error}
    return error if isinstance(error, dict) else None


def retry_after(headers: Mapping[str, str], now: datetime, otherwise: float | None = None) -> float | None:
    """Seconds to wait, from `retry-after-ms`, or from `retry-after` in seconds or as an HTTP date; at most a day."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    raw = headers.get("retry-after")
    seconds = _number(raw)
    if seconds is not None:
        return _bounded(seconds)
    try:
        moment = parsedate_to_datetime(raw or "")
    except ValueError:
        return otherwise
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _bounded((moment - now).total_seconds())


def _by_status(status: int) -> ProviderErrorCode:
    return _BY_STATUS.get(status) or ("upstream_error" if status >= 500 else "invalid_request")


def _inner_status(error: dict[str, Any], names: list[str]) -> int:
    """The status that an error inside a 200 names in `code` (Google), or stands for by its type."""
    code = str(error.get("code"))
    if re.fullmatch("[45][0-9]{2}", code):
        return int(code)
    return 500 if _OF_THE_REQUEST.isdisjoint(names) else 400


def _daily(details: list[dict[str, Any]]) -> bool:
    """Whether Google's rate limit is one by the day: no wait within a request helps."""
    return any("PerDay" in quota for quota in _quotas(details))


def _passing(details: list[dict[str, Any]]) -> bool:
    """Whether Google names a limit, or a wait, for its rate limit."""
    return bool(_quotas(details) or _retry_info(details))


def _quotas(details: list[dict[str, Any]]) -> list[str]:
    return [str(violation.get("quotaId", "")) for violation in _violations(details)]


def _tokens_a_minute(details: list[dict[str, Any]]) -> int | None:
    """What Google says of tokens, e.g. {"quotaId": "InputTokensPerModelPerMinute", "quotaValue": "250000"}."""
    values = [
        _number(str(violation.get("quotaValue")))
        for violation in _violations(details)
        if re.search(r"Tokens.*PerMinute", str(violation.get("quotaId")))
    ]
    known = [round(value) for value in values if value]
    return min(known, default=None)


def _violations(details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [violation for item in details for violation in _dicts(item.get("violations"))]


def _retry_info(details: list[dict[str, Any]]) -> float | None:
    """Seconds from google.rpc.RetryInfo, e.g. {"retryDelay": "17.5s"}."""
    for item in details:
        delay = item.get("retryDelay")
        seconds = _number(delay[:-1]) if isinstance(delay, str) and delay.endswith("s") else None
        if seconds is not None:
            return _bounded(seconds)
    return None


def _dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a JSON list; none of what is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER)

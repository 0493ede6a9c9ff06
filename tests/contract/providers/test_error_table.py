"""The error contract: what each upstream fault becomes, for the program and for the caller."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulator.client import Emulator
from parley.core.clock import SystemClock
from parley.core.provider_names import ProviderName
from parley.providers.errors import RETRYABLE, ProviderError, ProviderErrorCode, retry_after
from parley.providers.problems import problem_for
from parley.providers.protocol import Provider
from testing.providers import KEY, at_emulator, call, over, request

Adapters = Mapping[ProviderName, Provider]
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
HTML = b"<html><body>It works!</body></html>"


@pytest.fixture
def adapters(emulator: Emulator) -> Iterator[Adapters]:
    """The adapters at the emulator, over real connections."""
    with at_emulator(emulator.url) as adapters:
        yield adapters


class FrozenClock(SystemClock):
    """The machine's clock, but for the date."""

    def now(self) -> datetime:
        return NOW


@dataclass(frozen=True)
class Row:
    """One upstream answer and what it means."""

    provider: ProviderName
    status: int
    body: Any
    code: ProviderErrorCode
    wait: float | None = None
    upstream_code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        told = self.body.get("error", {}) if isinstance(self.body, dict) else {}
        hint = self.upstream_code or (told.get("message") if isinstance(told, dict) else None) or "no json"
        return f"{self.provider} {self.status} {hint} {' '.join(self.headers.values())}"


def openai(
    status: int, kind: str | None, code: str | None, message: str = "Something."
) -> tuple[ProviderName, int, Any]:
    return "openai", status, {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(status: int, kind: str, message: str = "Something.") -> tuple[ProviderName, int, Any]:
    return "anthropic", status, {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def google(status: int, name: str, message: str = "Something.", *details: Any) -> tuple[ProviderName, int, Any]:
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    return "google", status, {"error": error | ({"details": list(details)} if details else {})}


def reason(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": name}


def delay(text: Any) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": text}


def quota(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": name}]}


INVALID = "invalid_request_error"
EXHAUSTED = "You exceeded your current quota, please check your plan and billing details."
ROWS = [
    Row(*openai(401, INVALID, "invalid_api_key"), "credentials_rejected", None, "invalid_api_key"),
    Row(*openai(401, INVALID, None), "credentials_rejected", None, INVALID),
    Row(*openai(401, INVALID, "invalid_organization"), "credentials_rejected", None, "invalid_organization"),
    Row(*openai(403, "request_forbidden", "unsupported_country_region_territory"), "credentials_rejected"),
    Row(*openai(429, "insufficient_quota", "insufficient_quota"), "quota_exhausted", None, "insufficient_quota"),
    Row(*openai(429, "insufficient_quota", None), "quota_exhausted", headers={"retry-after": "7"}),
    Row(*openai(429, "requests", "rate_limit_exceeded"), "rate_limited", 7.0, headers={"retry-after": "7"}),
    Row(*openai(429, "tokens", "rate_limit_exceeded"), "rate_limited", 0.25, headers={"retry-after-ms": "250"}),
    Row(*openai(429, "requests", None), "rate_limited"),
    Row(*openai(429, None, None, "Slow down"), "rate_limited", 1.5, headers={"retry-after": "1.5"}),
    Row(*openai(400, INVALID, "context_length_exceeded"), "context_length_exceeded", None, "context_length_exceeded"),
    Row(*openai(400, INVALID, None, "This model's maximum context length is 8 tokens."), "context_length_exceeded"),
    Row(*openai(400, INVALID, "string_above_max_length"), "context_length_exceeded"),
    Row(*openai(400, INVALID, "content_policy_violation"), "content_refused"),
    Row(*openai(400, INVALID, "invalid_prompt"), "content_refused"),
    Row(*openai(400, INVALID, "unsupported_value"), "invalid_request", None, "unsupported_value"),
    Row(*openai(400, "billing", "billing_hard_limit_reached"), "quota_exhausted"),
    Row(*openai(404, INVALID, "model_not_found"), "model_not_found", None, "model_not_found"),
    Row(*openai(409, INVALID, None), "upstream_error"),
    Row(*openai(422, INVALID, None), "invalid_request"),
    Row(*openai(500, "server_error", None), "upstream_error", None, "server_error"),
    Row(*openai(503, "server_error", None), "overloaded", 3.0, "server_error", {"retry-after": "3"}),
    Row(*openai(503, "service_unavailable_error", "server_is_overloaded"), "overloaded"),
    Row(*openai(503, None, "slow_down"), "overloaded"),
    Row("openai", 401, b"", "credentials_rejected"),
    Row("openai", 404, HTML, "bad_response"),
    Row("openai", 400, HTML, "bad_response"),
    Row("openai", 400, {"detail": "from a proxy"}, "bad_response"),
    Row("openai", 302, b"", "bad_response", headers={"location": "https://example.org/"}),
    Row("openai", 502, HTML, "upstream_error"),
    Row("openai", 504, HTML, "timeout"),
    Row("openai", 524, HTML, "timeout"),
    Row("openai", 429, HTML, "rate_limited", 60.0, headers={"retry-after": "Sat, 21 Nov 2026 12:01:00 GMT"}),
    Row("openai", 503, HTML, "overloaded", 0.0, headers={"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}),
    Row("openai", 503, HTML, "overloaded", headers={"retry-after": "soon"}),
    Row("openai", 503, HTML, "overloaded", headers={"retry-after": "nan"}),
    Row("openai", 503, HTML, "overloaded", 86400.0, headers={"retry-after": "99999999"}),
    Row("openai", 200, HTML, "bad_response"),
    Row("openai", 200, b"", "bad_response"),
    Row("openai", 200, b'{"id": "broken", "choices": [', "bad_response"),
    Row("openai", 200, b'{"choices": [], "usage": %s}' % (b"9" * 5000), "bad_response"),
    Row("openai", 500, b'{"error": {"code": %s}}' % (b"9" * 5000), "upstream_error"),
    Row("openai", 200, {"choices": []}, "bad_response"),
    Row("openai", 200, ["not", "an", "object"], "bad_response"),
    Row("openai", 200, b"\xff\xfe\x00", "bad_response"),
    Row(*anthropic(400, INVALID), "invalid_request", None, INVALID),
    Row(*anthropic(400, INVALID, "prompt is too long: 9 tokens > 8 maximum"), "context_length_exceeded"),
    Row(*anthropic(400, INVALID, "input length and `max_tokens` exceed context limit"), "context_length_exceeded"),
    Row(*anthropic(400, INVALID, "Your credit balance is too low to access the API."), "quota_exhausted"),
    Row(*anthropic(401, "authentication_error"), "credentials_rejected", None, "authentication_error"),
    Row(*anthropic(402, "billing_error"), "quota_exhausted"),
    Row(*anthropic(403, "permission_error"), "credentials_rejected"),
    Row(*anthropic(404, "not_found_error"), "model_not_found"),
    Row(*anthropic(413, "request_too_large"), "request_too_large"),
    Row(*anthropic(429, "rate_limit_error"), "rate_limited", 12.0, "rate_limit_error", {"retry-after": "12"}),
    Row(*anthropic(500, "api_error"), "upstream_error"),
    Row(*anthropic(503, "api_error"), "overloaded"),
    Row(*anthropic(504, "timeout_error"), "timeout"),
    Row(*anthropic(529, "overloaded_error"), "overloaded", None, "overloaded_error"),
    Row("anthropic", 529, b"", "overloaded"),
    Row("anthropic", 520, HTML, "upstream_error"),
    Row("anthropic", 200, {"type": "message", "content": []}, "bad_response"),
    Row(*google(400, "INVALID_ARGUMENT"), "invalid_request", None, "INVALID_ARGUMENT"),
    Row(*google(400, "INVALID_ARGUMENT", "Bad key.", reason("API_KEY_INVALID")), "credentials_rejected"),
    Row(*google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), "credentials_rejected"),
    Row(
        *google(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."),
        "context_length_exceeded",
    ),
    Row(*google(400, "FAILED_PRECONDITION", "User location is not supported."), "credentials_rejected"),
    Row(*google(401, "UNAUTHENTICATED"), "credentials_rejected"),
    Row(*google(403, "PERMISSION_DENIED"), "credentials_rejected", None, "PERMISSION_DENIED"),
    Row(*google(403, "PERMISSION_DENIED", "Off.", reason("SERVICE_DISABLED")), "credentials_rejected"),
    Row(*google(404, "NOT_FOUND"), "model_not_found"),
    Row(*google(429, "RESOURCE_EXHAUSTED", EXHAUSTED, delay("17.5s")), "rate_limited", 17.5),
    Row(*google(429, "RESOURCE_EXHAUSTED", EXHAUSTED, quota("RequestsPerMinute"), delay("4s")), "rate_limited", 4.0),
    Row(*google(429, "RESOURCE_EXHAUSTED", EXHAUSTED, quota("RequestsPerDay"), delay("4s")), "quota_exhausted"),
    Row(*google(429, "RESOURCE_EXHAUSTED", EXHAUSTED), "quota_exhausted"),
    Row(*google(429, "RESOURCE_EXHAUSTED", "Busy.", delay({"seconds": 3})), "rate_limited"),
    Row(*google(429, "RESOURCE_EXHAUSTED", "Busy."), "rate_limited", 9.0, None, {"retry-after": "9"}),
    Row(*google(499, "CANCELLED"), "upstream_error"),
    Row(*google(500, "INTERNAL"), "upstream_error"),
    Row(*google(503, "UNAVAILABLE"), "overloaded", 3.0, "UNAVAILABLE", {"retry-after": "3"}),
    Row(*google(504, "DEADLINE_EXCEEDED"), "timeout"),
    Row("google", 503, [google(503, "UNAVAILABLE")[2]], "overloaded", None, "UNAVAILABLE"),
    Row("google", 404, HTML, "bad_response"),
    Row("google", 200, {"candidates": []}, "bad_response"),
    Row("google", 200, {"promptFeedback": {"blockReason": "SAFETY"}}, "content_refused", None, "SAFETY"),
]


VERIFY = (
    " Please go to: https://platform.openai.com/settings/organization/general and click on Verify Organization. If you"
    " just verified, it can take up to 15 minutes for access to propagate."
)
TOO_LARGE = (
    "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 31538. The"
    " input or output tokens must be reduced in order to run successfully. Visit"
    " https://platform.openai.com/account/rate-limits to learn more."
)
LIMITS = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
SPENDING = "Your project has exceeded its monthly spending cap. Please go to AI Studio at https://ai.studio/spend."
DEPLETED = (
    "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage billing."
)
TEMPORARY = "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 20000, "
# The sentences are the providers', as public reports quote them.
ACCOUNTS = [
    Row(*anthropic(400, INVALID, LIMITS), "quota_exhausted"),
    Row(*anthropic(400, INVALID, LIMITS.replace("API", "workspace API")), "quota_exhausted"),
    Row(
        *anthropic(
            400,
            INVALID,
            "Your credit balance is too low to access the Claude API. Please go to Plans & Billing to upgrade.",
        ),
        "quota_exhausted",
    ),
    Row(*anthropic(429, "rate_limit_error", LIMITS), "quota_exhausted", headers={"retry-after": "7"}),
    Row(*anthropic(400, INVALID, "This organization has been disabled."), "credentials_rejected"),
    Row(*anthropic(404, "not_found_error", "This organization has been disabled."), "credentials_rejected"),
    Row(
        *anthropic(400, INVALID, "Your organization has been suspended due to unusual activity."),
        "credentials_rejected",
    ),
    Row(*anthropic(400, INVALID, "Your account is on hold. Please contact support."), "credentials_rejected"),
    Row(*anthropic(429, "rate_limit_error", "Extra usage is required for long context requests."), "request_too_large"),
    Row(*google(429, "RESOURCE_EXHAUSTED", DEPLETED), "quota_exhausted"),
    Row(*google(429, "RESOURCE_EXHAUSTED", DEPLETED, delay("8s")), "quota_exhausted"),
    Row(*google(429, "RESOURCE_EXHAUSTED", SPENDING), "quota_exhausted"),
    Row(*google(403, "PERMISSION_DENIED", "Off.", reason("BILLING_DISABLED")), "quota_exhausted"),
    Row(*google(403, "PERMISSION_DENIED", "Consumer suspended.", reason("CONSUMER_SUSPENDED")), "credentials_rejected"),
    Row(
        *google(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another."),
        "credentials_rejected",
    ),
    Row(*google(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."), "credentials_rejected"),
    Row(
        *google(400, "INVALID_ARGUMENT", "Your project has been denied access. Please contact support."),
        "credentials_rejected",
    ),
    Row(*google(429, "RESOURCE_EXHAUSTED", "No capacity.", reason("MODEL_CAPACITY_EXHAUSTED")), "overloaded"),
    Row(
        *google(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."), "request_too_large"
    ),
    Row(
        *openai(400, INVALID, "unsupported_value", "Your organization must be verified to stream this model." + VERIFY),
        "credentials_rejected",
    ),
    Row(
        *openai(404, INVALID, "model_not_found", "Your organization must be verified to use the model `o3`." + VERIFY),
        "credentials_rejected",
    ),
    Row(
        *openai(401, INVALID, None, "The OpenAI account associated with this API key has been deactivated."),
        "credentials_rejected",
    ),
    Row(
        *openai(
            403, INVALID, None, "Your access was terminated due to violation of our policies, please check your email."
        ),
        "credentials_rejected",
    ),
    Row(*openai(400, INVALID, None, "This project has been archived."), "credentials_rejected"),
    *(
        Row(*openai(400, INVALID, None, said), "credentials_rejected")
        for said in (
            "Organization has been restricted. Please reach out to support if you believe this was in error.",
            "You do not have an account because it has been deleted or deactivated. If you believe ...",
            "You must be a member of an organization to use the API. Please contact us through our help center.",
            "You do not have access to the organization tied to the API key.",
            "This key is associated with a deactivated account. If you feel this is an error, contact us.",
        )
    ),
    *(
        Row(*anthropic(400, INVALID, said), "credentials_rejected")
        for said in (
            "Access to Anthropic models is not allowed for this account",
            "OAuth authentication is currently not allowed for this organization.",
            "Gemini has been disabled in this account for violation of Terms of Service. If you believe ...",
        )
    ),
    *(
        Row(*anthropic(400, INVALID, said), "quota_exhausted")
        for said in (
            "Your workspace has reached its monthly spend limit of $100.",
            "This request would exceed your organization's monthly spend limit.",
            "Your organization's billing is past due. Please update your payment method.",
            "Budget has been exceeded!",
        )
    ),
    Row(*anthropic(429, "rate_limit_error", "Limited."), "quota_exhausted", headers={"retry-after": "51360"}),
    Row(*google(429, "RESOURCE_EXHAUSTED", "Exhausted.", delay("513607s")), "quota_exhausted"),
    Row(*anthropic(429, "rate_limit_error", "Limited."), "rate_limited", 3599.0, headers={"retry-after": "3599"}),
    Row(*openai(400, INVALID, None, "Billing hard limit has been reached."), "quota_exhausted"),
    Row(
        *openai(429, "requests", None, "You exceeded your current quota, please check your plan and billing details."),
        "quota_exhausted",
    ),
    Row(
        *openai(429, None, None, "Your account is not active, please check your billing details on our website."),
        "quota_exhausted",
    ),
    Row(*openai(429, "tokens", "rate_limit_exceeded", TOO_LARGE), "request_too_large", headers={"retry-after": "1"}),
    Row(
        *openai(429, "tokens", "rate_limit_exceeded", TOO_LARGE.replace(" in organization org-x", "")),
        "request_too_large",
    ),
    Row(
        *openai(429, "tokens", "rate_limit_exceeded", TEMPORARY + "Requested 40000. Please try again in 6s."),
        "request_too_large",
    ),
    Row(
        *openai(429, "tokens", "rate_limit_exceeded", TEMPORARY + "Requested 15000. Please try again in 6s."),
        "rate_limited",
    ),
    Row("openai", 413, HTML, "request_too_large"),
    Row(
        *anthropic(400, INVALID, "You're out of extra usage. Add more at claude.ai/settings/usage and keep going."),
        "quota_exhausted",
    ),
    Row(*anthropic(429, "rate_limit_error", "Your account has hit its usage acceleration limit."), "rate_limited"),
    Row(
        *anthropic(400, INVALID, "This organization has been disabled because it violated our Usage Policy."),
        "credentials_rejected",
    ),
    Row(*anthropic(400, INVALID, "Access to this organization has been disabled."), "credentials_rejected"),
    Row(*anthropic(400, INVALID, "This API key has expired."), "credentials_rejected"),
    Row(
        *anthropic(400, INVALID, "Your organization does not have access to Claude. Please login again."),
        "credentials_rejected",
    ),
    Row(
        *openai(400, INVALID, None, "The project you are requesting has been archived and is no longer accessible"),
        "credentials_rejected",
    ),
    Row(*openai(403, INVALID, None, "You have insufficient credits to run this request."), "quota_exhausted"),
    Row(*openai(429, "usage_limit_reached", None, "The usage limit has been reached"), "quota_exhausted"),
    Row(
        *openai(400, INVALID, None, "Your organization must be verified to use gpt-image-1." + VERIFY),
        "credentials_rejected",
    ),
    Row(
        *google(400, "INVALID_ARGUMENT", "Permission denied: Consumer 'api_key:AIzaX' has been suspended."),
        "credentials_rejected",
    ),
    Row(*google(429, "RESOURCE_EXHAUSTED", "Your project's spend cap has been reached."), "quota_exhausted"),
    Row(*google(429, "RESOURCE_EXHAUSTED", "Your free trial credits have expired."), "quota_exhausted"),
    Row(
        *google(
            429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'x'.", quota("RequestsPerDay"), delay("9s")
        ),
        "quota_exhausted",
    ),
    Row(
        *google(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'x'.", quota("TokensPerMinute")),
        "rate_limited",
    ),
    # What a filter refuses is no fault of the provider's.
    Row(*anthropic(400, INVALID, "Output blocked by content filtering policy"), "content_refused"),
    Row(
        *openai(
            400, INVALID, None, "Invalid prompt: your prompt was flagged as potentially violating our usage policy."
        ),
        "content_refused",
    ),
    Row(*openai(400, INVALID, "bio_policy"), "content_refused"),
]


def odd(**members: Any) -> dict[str, Any]:
    return {"error": {"message": "Something.", "status": "UNAVAILABLE", "code": 503} | members}


ODD_BODIES = [
    Row("google", 503, odd(details=5), "overloaded"),
    Row("google", 503, odd(details={"a": 1}), "overloaded"),
    Row(
        "google",
        503,
        odd(details=[5, None, {"reason": 7, "violations": 5, "retryDelay": {"seconds": 1}}]),
        "overloaded",
    ),
    Row("google", 429, odd(status="RESOURCE_EXHAUSTED", message=EXHAUSTED, details=7), "quota_exhausted"),
    Row("google", 503, odd(message={"text": "x"}), "overloaded"),
    Row("google", 503, odd(status=["UNAVAILABLE"], code=None), "overloaded"),
    Row("openai", 500, {"error": {"message": ["x"], "type": {}, "code": 1.5}}, "upstream_error"),
    Row("openai", 500, {"error": [1]}, "upstream_error"),
    Row("openai", 500, b"[" * 100_000, "upstream_error"),
    Row("openai", 200, b"[" * 100_000, "bad_response"),
    Row("anthropic", 529, {"error": 7}, "overloaded"),
    # An error body is one whatever the status.
    Row("openai", 200, openai(429, "requests", "rate_limit_exceeded")[2], "rate_limited"),
    Row("openai", 200, openai(400, INVALID, "content_policy_violation")[2], "content_refused"),
    Row("openai", 200, {"error": {"code": 503, "message": "Down."}}, "overloaded"),
    Row("openai", 200, {"error": "Down."}, "upstream_error"),
    Row("openai", 200, openai(400, INVALID, "unsupported_value")[2], "invalid_request"),
    Row("openai", 200, {"error": {"code": "400", "message": "Not so."}}, "invalid_request"),
    Row("anthropic", 200, anthropic(400, INVALID)[2], "invalid_request"),
    Row("anthropic", 200, anthropic(400, INVALID, "Output blocked by content filtering policy")[2], "content_refused"),
    Row("google", 200, {"error": {"status": "INVALID_ARGUMENT", "message": "Not so."}}, "invalid_request"),
    Row("anthropic", 200, anthropic(529, "overloaded_error")[2], "overloaded"),
    Row("anthropic", 200, anthropic(400, INVALID, LIMITS)[2], "quota_exhausted"),
    Row("google", 200, google(429, "RESOURCE_EXHAUSTED", "Busy.", delay("4s"))[2], "rate_limited", 4.0),
    Row("google", 200, [google(503, "UNAVAILABLE")[2]], "overloaded"),
]
SAID_BY_A_CALLER = [
    "Your credit balance is too low to access the Anthropic API.",
    "You exceeded your current quota, please check your plan and billing details.",
    "This organization has been disabled.",
    "prompt is too long",
    "API key not valid. Please pass a valid API key.",
    LIMITS,
    DEPLETED,
    TOO_LARGE,
]


@pytest.mark.parametrize("said", SAID_BY_A_CALLER)
@pytest.mark.parametrize(
    "quoting",
    [
        "stop_sequences.0: '{}' is not allowed",
        "Invalid 'stop[0]': {}",
        "'{}' is not one of the supported stop sequences. - 'stop'",
        "Invalid schema for response_format 'answer': {}",
        "* GenerateContentRequest.generation_config.stop_sequences[0]: {}\n",
        'The model "{}" does not exist. {}',
        "messages.0.content: Input tag\n{}\nfound using 'type'",
        "`{}`",
        "[{}] is too long",
    ],
)
@pytest.mark.parametrize("build", [anthropic, google, openai])
def test_what_a_caller_can_say_never_changes_what_a_refusal_means(build: Any, quoting: str, said: str) -> None:
    message = quoting.format(said, said)
    body = build(400, INVALID, None, message) if build is openai else build(400, INVALID, message)
    provider, status, document = body
    row = Row(provider, status, document, "invalid_request")
    with pytest.raises(ProviderError) as caught:
        over(lambda _: answer(row))[row.provider].complete(request(row.provider), KEY)
    assert caught.value.code == "invalid_request"


def answer(row: Row) -> httpx2.Response:
    content = row.body if isinstance(row.body, bytes) else json.dumps(row.body).encode()
    kind = {"content-type": "text/html" if content == HTML else "application/json"}
    return httpx2.Response(row.status, headers=kind | row.headers, content=content)


@pytest.mark.parametrize("streamed", [False, True], ids=["unstreamed", "streamed"])
@pytest.mark.parametrize("row", [*ROWS, *ACCOUNTS, *ODD_BODIES], ids=str)
def test_an_upstream_fault_becomes_one_code_with_its_wait(row: Row, streamed: bool) -> None:
    adapter = over(lambda _: answer(row), FrozenClock())[row.provider]
    with pytest.raises(ProviderError) as caught:
        call(adapter, request(row.provider), streamed)
    fault = caught.value
    # With a 200, what is no event stream cannot be read as one, unless it says that it is an error.
    an_error = isinstance(row.body, list) or (isinstance(row.body, dict) and "error" in row.body)
    unreadable = streamed and row.status == 200 and not an_error
    assert (fault.code, fault.retry_after) == ("bad_response" if unreadable else row.code, row.wait)
    assert fault.upstream_status == row.status
    assert fault.retryable == (fault.code in RETRYABLE)
    if row.upstream_code is not None and not unreadable:
        assert fault.upstream_code == row.upstream_code
    assert fault.__context__ is None


def test_the_table_has_at_least_fifty_rows_and_every_provider() -> None:
    assert len(ROWS) >= 50
    assert {row.provider for row in ROWS} == {"openai", "anthropic", "google"}


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (httpx2.ConnectError("refused"), "connection_failed"),
        (httpx2.ConnectTimeout("slow"), "timeout"),
        (httpx2.ReadTimeout("slow"), "timeout"),
        (httpx2.WriteTimeout("slow"), "timeout"),
        (httpx2.PoolTimeout("busy"), "timeout"),
        (httpx2.ReadError("reset"), "connection_failed"),
        (httpx2.RemoteProtocolError("closed without an answer"), "connection_failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_a_failed_connection_says_how_it_failed(provider: ProviderName, raised: Exception, code: str) -> None:
    def fail(_: httpx2.Request) -> httpx2.Response:
        raise raised

    adapter = over(fail)[provider]
    for streamed in (False, True):
        with pytest.raises(ProviderError) as caught:
            call(adapter, request(provider), streamed)
        assert caught.value.code == code
        assert caught.value.retryable


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("rate_limit", "rate_limited"),
        ("quota_exhausted", "quota_exhausted"),
        ("unauthorized", "credentials_rejected"),
        ("forbidden", "credentials_rejected"),
        ("not_found", "model_not_found"),
        ("context_length", "context_length_exceeded"),
        ("bad_request", "invalid_request"),
        ("server_error", "upstream_error"),
        ("bad_gateway", "upstream_error"),
        ("unavailable", "overloaded"),
        ("overloaded", "overloaded"),
        ("html", "bad_response"),
        ("empty", "bad_response"),
        ("invalid_json", "bad_response"),
        ("reset", "connection_failed"),
    ],
)
def test_the_same_holds_over_a_real_connection(
    emulator: Emulator, adapters: Adapters, provider: ProviderName, fault: str, code: str
) -> None:
    emulator.fault(fault, provider=provider)
    with pytest.raises(ProviderError) as caught:
        adapters[provider].complete(request(provider), KEY)
    assert caught.value.code == code
    assert sum(emulator.counts().values()) == 1  # no SDK retries on its own
    emulator.fault(fault, provider=provider)
    with pytest.raises(ProviderError) as caught:
        adapters[provider].check(request(provider).model, KEY, 5)
    assert caught.value.code == code
    assert sum(emulator.counts().values()) == 2


def told(status: int, body: Any, _: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(status, json=body)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_no_key_gets_into_an_error(provider: ProviderName) -> None:
    message = f"Incorrect API key provided: {KEY}. Also tried ?key={KEY}, Bearer {KEY} and sk-can***b7e."
    bodies: list[Any] = [
        {"error": {"message": message, "type": KEY, "code": KEY, "status": KEY}},
        {"error": {"message": message, "type": "invalid_request_error", "status": "INVALID_ARGUMENT"}},
        {"error": message},
        {"message": message},
    ]
    for status in (400, 401, 403, 429, 500, 200):
        for body in bodies:
            adapter = over(partial(told, status, body))[provider]
            with pytest.raises(ProviderError) as caught:
                adapter.complete(request(provider), KEY)
            fault = caught.value
            shown = problem_for(fault, own_key=True)
            everything = f"{fault} {fault!r} {fault.args} {shown} {shown.detail} {shown.extra}"
            assert KEY not in everything
            assert "can***" not in everything


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text()))
def test_any_retry_after_header_is_a_wait_of_at_most_a_day_or_none(headers: dict[str, str]) -> None:
    wait = retry_after(headers, NOW)
    assert wait is None or 0 <= wait <= 86_400


@pytest.mark.parametrize(
    ("code", "own_key", "shown", "status", "wait"),
    [
        ("credentials_rejected", False, "upstream_credentials_rejected", 502, None),
        ("credentials_rejected", True, "own_key_rejected", 403, None),
        ("quota_exhausted", False, "upstream_quota_exhausted", 502, None),
        ("quota_exhausted", True, "own_key_quota_exhausted", 402, None),
        ("rate_limited", False, "upstream_rate_limited", 429, 3),
        ("rate_limited", True, "own_key_rate_limited", 429, 3),
        ("overloaded", False, "upstream_overloaded", 503, 3),
        ("upstream_error", False, "upstream_error", 502, 3),
        ("bad_response", False, "upstream_bad_response", 502, 3),
        ("connection_failed", False, "upstream_unreachable", 502, 3),
        ("stream_interrupted", False, "stream_interrupted", 502, 3),
        ("timeout", False, "upstream_timeout", 504, 3),
        ("context_length_exceeded", False, "context_length_exceeded", 400, None),
        ("request_too_large", False, "request_too_large", 400, None),
        ("request_too_large", True, "request_too_large", 400, None),
        ("content_refused", False, "content_refused", 400, None),
        ("no_answer", False, "upstream_no_answer", 502, None),
        ("invalid_request", False, "upstream_invalid_request", 400, None),
        ("model_not_found", False, "model_not_found", 404, None),
        ("unsupported", False, "unsupported", 400, None),
    ],
)
def test_the_caller_is_told_whose_fault_it_is_and_when_to_return(
    code: ProviderErrorCode, own_key: bool, shown: str, status: int, wait: int | None
) -> None:
    fault = ProviderError("openai", code, retry_after=2.1, upstream_status=418, upstream_code="teapot")
    problem = problem_for(fault, own_key)
    assert (problem.code, problem.status, problem.retry_after) == (shown, status, wait)
    assert problem.extra["upstream"] == {"provider": "openai", "status": 418, "code": "teapot"}
    assert problem.extra["retryable"] == (code in RETRYABLE)


def test_a_provider_that_names_no_wait_is_given_one_only_where_waiting_is_what_helps() -> None:
    waits = {code: problem_for(ProviderError("openai", code), False).retry_after for code in sorted(RETRYABLE)}
    assert {code for code, wait in waits.items() if wait is not None} == {"rate_limited", "overloaded"}

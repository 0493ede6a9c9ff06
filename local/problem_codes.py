"""Every code that a problem can have: its status, and what it means. The contract lists them for each route.

The raising code decides; `tests/unit/api/test_openapi.py` holds that no code of the sources is missing here, and the
integration tests that each answer's code is one that its route declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from parley.api.router import Route

CODES: dict[str, tuple[int, str]] = {
    # What was sent
    "invalid_request": (400, "A member of the body, the query or the path does not fit; `errors` names it."),
    "invalid_provider": (400, "There is no provider of this name."),
    "invalid_model": (400, "No model has this name, or it may not be named here; `models` has those that may."),
    "body_too_large": (413, "The body is too large, or what of it is neither image nor document."),
    "answer_too_large": (413, "The answer has more than 6 MB."),
    "unsupported": (400, "No provider that may be asked offers this."),
    "schema_unsupported": (400, "The JSON schema has a keyword that is not handled: `keyword`."),
    # Who asks
    "webhook_unauthorized": (401, "The event is not signed as its sender has to sign it."),
    "token_missing": (401, "Sign in: this needs a token."),
    "token_invalid": (401, "The token is not valid here."),
    "token_expired": (401, "The token has expired."),
    "user_required": (403, "This acts for one user, not for the service role."),
    "service_role_required": (403, "Only the service role may do this."),
    "organization_admin_required": (403, "Only an admin of the organization may do this."),
    "organization_required": (403, "The token names no organization."),
    "subject_deleted": (403, "This account was deleted."),
    "access_key_malformed": (401, "This is no machine key by its form."),
    "access_key_invalid": (401, "There is no such machine key."),
    "access_key_revoked": (401, "The machine key was revoked."),
    "access_key_expired": (401, "The machine key has expired."),
    "access_key_scope_missing": (403, "The machine key's scopes do not reach this far."),
    "access_key_not_accepted": (403, "No machine key is accepted here."),
    "keys_unavailable": (503, "The keys that tokens are signed with cannot be fetched right now."),
    # What it is about
    "not_found": (404, "There is no such thing, or it is somebody else's."),
    "conversation_not_found": (404, "There is no such conversation of the caller's."),
    "access_key_not_found": (404, "There is no such machine key of the caller's."),
    "access_key_limit_reached": (409, "One user has only so many machine keys."),
    "version_conflict": (409, "The conversation changed meanwhile; `version` is the current one."),
    "content_type_conflict": (409, "Content of another type has this id."),
    "interview_not_found": (404, "There is no such interview of the caller's."),
    "interview_not_in_progress": (409, "The interview has not begun, is over, or is not a typed one."),
    "call_already_made": (409, "The interview's voice call was made already."),
    "interview_not_over": (409, "The interview is not over yet."),
    "interview_not_completed": (409, "The interview was not completed, so there is no feedback to ask for."),
    "feedback_limit_reached": (409, "The interview's feedback was written anew as often as it may be."),
    "feedback_not_found": (404, "The interview has no feedback of this version."),
    "practice_attempt_not_found": (404, "There is no such practice attempt of the caller's."),
    "recording_unavailable": (409, "The interview has no recording, or none any more."),
    "voice_analytics_unavailable": (409, "There is no report of a voice call of this interview."),
    "generation_not_found": (404, "No questions of the caller's were generated under this id."),
    "sequence_conflict": (409, "The answer is not to what was asked last."),
    "submission_id_reused": (422, "This submission_id was used with another answer."),
    "user_referenced": (409, "Rows of the application's own tables refer to this user."),
    "faq_exists": (409, "There is a response for this pattern."),
    "idempotency_key_reused": (422, "This Idempotency-Key was used with another body."),
    "request_in_progress": (409, "A request with this Idempotency-Key is still being answered."),
    # Limits
    "quota_exceeded": (429, "The allowance of answers is used up."),
    "embedding_quota_exceeded": (429, "Today's allowance of tokens to embed does not hold that many."),
    "daily_limit_reached": (429, "That many rows that cost no unit are kept for one user in a day."),
    "access_key_limit_used_up": (429, "The machine key's own daily limit is used up."),
    "access_key_attempts_used_up": (429, "Too many machine keys that do not exist came from this address today."),
    # Providers and own keys
    "provider_not_allowed": (403, "The organization does not allow this provider."),
    "no_provider_available": (503, "No provider that may be used can be called."),
    "embeddings_unavailable": (503, "No provider with embeddings is configured."),
    "own_key_missing": (409, "The tier calls models with own keys, and there is none for this provider."),
    "own_key_not_found": (404, "No key is stored for this provider."),
    "own_key_replaced": (409, "The key was replaced while it was verified."),
    "own_key_unreadable": (409, "The stored key cannot be read; store it again."),
    "own_keys_unavailable": (503, "Stored keys cannot be read right now."),
    "own_key_rejected": (403, "The provider rejected the caller's own key."),
    "own_key_rate_limited": (429, "The provider limits the caller's own key."),
    "own_key_quota_exhausted": (402, "The account of the caller's own key is exhausted."),
    "model_not_found": (404, "There is no such model at the provider, or under /v1 none that may be named for this."),
    "context_length_exceeded": (400, "The prompt is too long for this model."),
    "request_too_large": (400, "The request is too large for the provider, or for a caller without a token."),
    "content_refused": (400, "The provider's safety rules refused the prompt."),
    "upstream_invalid_request": (400, "The provider does not accept this request for this model."),
    "upstream_rate_limited": (429, "The provider limits how often it may be called."),
    "upstream_quota_exhausted": (502, "The operator's account with the provider is exhausted."),
    "upstream_credentials_rejected": (502, "The provider rejected the operator's key."),
    "upstream_no_answer": (502, "The model ended without an answer to this prompt."),
    "upstream_error": (502, "The provider failed."),
    "upstream_bad_response": (502, "The provider answered with something unreadable."),
    "upstream_unreachable": (502, "The provider could not be reached."),
    "stream_interrupted": (502, "The answer broke off and is incomplete."),
    "upstream_overloaded": (503, "The provider is overloaded."),
    "upstream_timeout": (504, "The provider did not answer in time."),
    # Ourselves
    "internal_error": (500, "Something went wrong on our side."),
    "not_configured": (501, "The operator has not set this up."),
    "secrets_unavailable": (503, "The operator's secrets cannot be read right now."),
    "database_unavailable": (503, "The database is away for a moment."),
    "database_login_refused": (503, "The database does not let Parley in, until the operator sets its login right."),
    # API Gateway's own answers (template.yaml, GatewayResponses)
    "unknown_route": (403, "There is no such path and method."),
    "gateway_refused": (400, "The gateway refused the request."),
    "throttled": (429, "More requests than the gateway lets through."),
    "function_failed": (502, "The function failed."),
    "function_unreachable": (504, "The function cannot be reached."),
    "gateway_timeout": (504, "The answer took too long; it may still be made."),
}

_WITH_TOKEN = ("token_invalid", "token_expired", "access_key_malformed", "access_key_not_accepted")
_ANY_ROUTE = (
    "invalid_request", "answer_too_large", "keys_unavailable", "internal_error",
    "not_configured", "secrets_unavailable", "database_unavailable", "database_login_refused",
    "gateway_refused", "throttled", "function_failed", "function_unreachable", "gateway_timeout",
)  # fmt: skip
_WITH_ACCESS_KEY = (
    "access_key_invalid", "access_key_revoked", "access_key_expired", "access_key_scope_missing", "subject_deleted",
    "access_key_attempts_used_up",
)  # fmt: skip
_ACCESS = {
    "anyone": (),
    "user": ("token_missing", "user_required"),
    "organization_admin": ("token_missing", "user_required", "organization_admin_required"),
    "service": ("token_missing", "service_role_required"),
    "sender": (),
}


def codes_of(route: Route) -> dict[int, list[str]]:
    """By status, the codes that a route can answer with."""
    found: dict[int, list[str]] = {}
    for code in dict.fromkeys(_names(route)):
        found.setdefault(CODES[code][0], []).append(code)
    return {status: found[status] for status in sorted(found)}


def _names(route: Route) -> Iterator[str]:
    yield from _in_order(route.errors)
    yield from _ACCESS[route.access]
    if route.access != "sender":
        yield from _WITH_TOKEN[: 3 if route.scope else 4]
    if route.scope is not None:
        yield from _WITH_ACCESS_KEY
    if "{" in route.path:
        yield "not_found"
    if route.body is not None:
        yield "body_too_large"
    if route.idempotent:
        yield from ("token_missing", "idempotency_key_reused", "request_in_progress")
    yield from _ANY_ROUTE


def _in_order(codes: Iterable[str]) -> list[str]:
    order = list(CODES)
    return sorted(codes, key=order.index)

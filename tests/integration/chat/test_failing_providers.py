"""What a caller is answered when providers fail in ways that the emulator does not know, and what others feel of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from local.emulator.client import Emulator
from parley.core.provider_names import ProviderName
from testing.functions import Answer, Functions, make_token
from testing.providers import over, unstreamed

Handler = Callable[[ProviderName, httpx2.Request], httpx2.Response]
HOSTS: dict[str, ProviderName] = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "google",
}
LIMITS = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
TOO_LARGE = (
    "Request too large for gpt-6-luna in organization org-x on tokens per min (TPM): Limit 30000, Requested 31538. The"
    " input or output tokens must be reduced in order to run successfully."
)


class Providers:
    """The three providers, who answer "Hi." but for those that were given something else to say."""

    def __init__(self) -> None:
        self.asked: list[ProviderName] = []
        self.answers: dict[ProviderName, httpx2.Response] = {}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        name = HOSTS[request.url.host]
        self.asked.append(name)
        good = httpx2.Response(200, content=unstreamed(name, {}))
        return self.answers.get(name, good)

    def say(self, name: ProviderName, status: int, body: Any) -> None:
        """Answer so from now on."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[name] = httpx2.Response(status, content=content)


@pytest.fixture
def providers(functions: Functions) -> Providers:
    """In the place of the chat functions' own."""
    made = Providers()
    for name in ("chat", "generate_interview_questions"):
        functions.module(name).services.providers = over(made)
    return made


def ask(functions: Functions, message: str = "Hello", user: str = "ada", **members: Any) -> Answer:
    body = {"message": message, "cache": "off"} | members
    return functions.request("chat", "POST", "/api/chat", body, token=make_token(user))


def anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def openai(kind: str, code: str | None, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def health(database: Any) -> dict[str, Any]:
    with database.connect() as owner:
        found: dict[str, Any] = owner.execute("select app.provider_health()").fetchone()[0]
        return found


def test_a_capped_account_goes_to_the_next_provider_at_once(functions: Functions, providers: Providers) -> None:
    providers.say("anthropic", 400, anthropic("invalid_request_error", LIMITS))
    answer = ask(functions, provider="anthropic", model="claude-haiku-5-5")
    assert (answer.status, answer.json["provider"], answer.json["fallback"]) == (200, "openai", True)
    assert providers.asked == ["anthropic", "openai"]


@pytest.mark.parametrize(
    ("name", "status", "body", "shown"),
    [
        ("anthropic", 400, anthropic("invalid_request_error", LIMITS), (402, "own_key_quota_exhausted")),
        (
            "google",
            429,
            {
                "error": {
                    "code": 429,
                    "status": "RESOURCE_EXHAUSTED",
                    "message": "Your prepayment credits are depleted.",
                }
            },
            (402, "own_key_quota_exhausted"),
        ),
        (
            "anthropic",
            400,
            anthropic("invalid_request_error", "This organization has been disabled."),
            (403, "own_key_rejected"),
        ),
        (
            "openai",
            404,
            openai(
                "invalid_request_error", "model_not_found", "Your organization must be verified to use the model `o3`."
            ),
            (403, "own_key_rejected"),
        ),
        (
            "openai",
            401,
            openai("invalid_request_error", "invalid_api_key", "Incorrect key."),
            (403, "own_key_rejected"),
        ),
    ],
)
def test_an_own_key_whose_account_is_spent_or_closed_is_called_once_and_told_as_such(
    with_kms: Functions, providers: Providers, name: ProviderName, status: int, body: Any, shown: tuple[int, str]
) -> None:
    path = f"/api/settings/api-keys/{name}"
    with_kms.request("store_key", "PUT", path, {"api_key": f"sk-own-{name}-1111"}, token=make_token("ada"))
    with_kms.request("verify_key", "POST", f"{path}/verify", token=make_token("ada"))
    providers.say(name, status, body)
    answer = ask(with_kms)
    assert (answer.status, answer.json["code"]) == shown
    assert "Retry-After" not in answer.headers
    assert providers.asked == [name]
    # It is one caller's account: nobody else is diverted.
    providers.answers.clear()
    assert ask(with_kms, user="bob", provider=name).json["provider"] == name


def test_the_log_says_why_another_provider_answers(
    functions: Functions, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.fault("unauthorized", provider="openai")
    answer = ask(functions)
    assert (answer.status, answer.json["provider"], answer.json["fallback"]) == (200, "anthropic", True)
    (line,) = [record for record in caplog.records if record.message == "a provider call failed"]
    told = {name: getattr(line, name) for name in ("provider", "code", "upstream_status", "own_key")}
    assert told == {
        "provider": "openai", "code": "credentials_rejected", "upstream_status": 401, "own_key": False,
    }  # fmt: skip


def test_a_refusal_that_quotes_a_callers_billing_sentence_diverts_nobody_else(
    functions: Functions, providers: Providers
) -> None:
    said = "Your credit balance is too low to access the Anthropic API."
    providers.say("anthropic", 400, anthropic("invalid_request_error", f"stop_sequences.0: '{said}' is not allowed"))
    answer = ask(functions, provider="anthropic", stop=[said])
    assert (answer.status, answer.json["provider"]) == (200, "openai")
    providers.answers.clear()
    assert ask(functions, user="bob", provider="anthropic").json["provider"] == "anthropic"


def test_where_every_provider_refuses_the_first_ones_refusal_is_told(
    functions: Functions, providers: Providers
) -> None:
    providers.say("anthropic", 400, anthropic("invalid_request_error", "No."))
    providers.say("openai", 400, openai("invalid_request_error", "unsupported_value", "No."))
    providers.say("google", 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "No."}})
    answer = ask(functions, provider="anthropic")
    assert (answer.status, answer.json["code"]) == (400, "upstream_invalid_request")
    assert answer.json["upstream"]["provider"] == "anthropic"
    assert providers.asked == ["anthropic", "openai", "google"]


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("openai", 429, openai("tokens", "rate_limit_exceeded", TOO_LARGE)),
        ("openai", 400, openai("invalid_request_error", None, "No.")),
        ("google", 200, {"modelVersion": "m", "candidates": [{"finishReason": "LANGUAGE"}]}),
        ("google", 200, {"modelVersion": "m", "candidates": [{"finishReason": "A_NEW_ONE"}]}),
        ("google", 200, {"modelVersion": "m", "candidates": [{"content": {"role": "model"}}]}),
        ("google", 200, {"modelVersion": "m", "candidates": [{"content": {}, "finishReason": "STOP"}]}),
        ("openai", 200, {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 0}}),
        ("openai", 200, {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}),
        ("openai", 200, openai("invalid_request_error", None, "No.")),
        ("anthropic", 200, {"type": "message", "content": [], "stop_reason": "end_turn"}),
        ("anthropic", 200, anthropic("invalid_request_error", "No.")),
    ],
)
def test_what_one_callers_content_causes_is_asked_once_and_counts_against_no_provider(
    functions: Functions, providers: Providers, database: Any, name: ProviderName, status: int, body: Any
) -> None:
    providers.say(name, status, body)
    for _ in range(5):
        assert ask(functions, "Long.", provider=name).json["fallback"]
    assert providers.asked.count(name) == 5
    assert name not in health(database)
    providers.answers.clear()
    assert ask(functions, user="bob", provider=name).json["provider"] == name


def test_an_empty_answer_is_one_where_a_stop_sequence_may_have_ended_it(
    functions: Functions, providers: Providers
) -> None:
    providers.say("google", 200, {"candidates": [{"content": {}, "finishReason": "STOP"}]})
    answer = ask(functions, provider="google", stop=["Hi"])
    assert (answer.status, answer.json["message"]["content"], answer.json["provider"]) == (200, "", "google")


def test_five_refused_prompts_demote_no_provider(functions: Functions, providers: Providers, database: Any) -> None:
    providers.say("google", 200, {"promptFeedback": {"blockReason": "SAFETY"}})
    for _ in range(5):
        answer = ask(functions, "Bad.", provider="google")
        assert (answer.status, answer.json["code"]) == (400, "content_refused")
    assert health(database) == {}
    assert providers.asked == ["google"] * 5


def test_what_is_too_large_for_every_account_is_the_callers_to_shorten(
    functions: Functions, providers: Providers
) -> None:
    providers.say("openai", 429, openai("tokens", "rate_limit_exceeded", TOO_LARGE))
    providers.say("anthropic", 413, anthropic("request_too_large", "Request exceeds the maximum size"))
    too_large = "Request payload size exceeds the limit: 20971520 bytes."
    providers.say("google", 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": too_large}})
    answer = ask(functions)
    assert (answer.status, answer.json["code"]) == (400, "request_too_large")
    assert providers.asked == ["openai", "anthropic", "google"]


@pytest.mark.parametrize(
    ("name", "body", "headers"),
    [
        (
            "anthropic",
            anthropic(
                "rate_limit_error",
                "This request would exceed the rate limit for your organization (0d-1) of 20,000 input tokens per"
                " minute.",
            ),
            {},
        ),
        (
            "anthropic",
            anthropic("rate_limit_error", "Too much."),
            {"anthropic-ratelimit-input-tokens-limit": "20000", "retry-after": "2"},
        ),
        ("openai", openai("tokens", "rate_limit_exceeded", "Too much."), {"x-ratelimit-limit-tokens": "20000"}),
        (
            "google",
            {
                "error": {
                    "code": 429,
                    "status": "RESOURCE_EXHAUSTED",
                    "message": "You exceeded your current quota, please check your plan and billing details.",
                    "details": [
                        {"violations": [{"quotaId": "InputTokensPerModelPerMinute", "quotaValue": "20000"}]},
                        {"retryDelay": "1s"},
                    ],
                }
            },
            {},
        ),
    ],
)
def test_a_prompt_beyond_the_accounts_tokens_of_a_minute_is_asked_once_and_diverts_nobody(
    functions: Functions, providers: Providers, database: Any, name: ProviderName, body: Any, headers: dict[str, str]
) -> None:
    providers.answers[name] = httpx2.Response(429, headers=headers, content=json.dumps(body).encode())
    for _ in range(2):
        assert ask(functions, "word " * 20_000, provider=name).json["fallback"]
    assert providers.asked.count(name) == 2
    assert name not in health(database)
    # What would fit into a minute has to wait for the next one.
    assert ask(functions, provider=name).json["fallback"]
    assert health(database)[name]["errors"] >= 1


def impatient(functions: Functions, seconds: str) -> Functions:
    functions.environment["PARLEY_REQUEST_SECONDS"] = seconds
    return functions


def test_an_answer_that_stalls_is_504_within_the_requests_time_and_holds_nothing(
    functions: Functions, emulator: Emulator, database: Any
) -> None:
    emulator.fault("silent", provider="openai", delay=30)
    answer = ask(impatient(functions, "1.5"))
    assert (answer.status, answer.json["code"]) == (504, "upstream_timeout")
    with database.connect() as owner:
        assert owner.execute("select state, error_code from app.ai_requests").fetchone() == (
            "released",
            "upstream_timeout",
        )


def test_a_stream_that_stalls_ends_with_an_error_event_and_its_usage_in_the_ledger(
    functions: Functions, emulator: Emulator, database: Any
) -> None:
    emulator.fault("silent", provider="anthropic", delay=30)
    body = {"message": "Hello", "provider": "anthropic"}
    options: dict[str, Any] = {"token": make_token("ada")}
    answer = impatient(functions, "1.5").request("chat_stream", "POST", "/api/chat/stream", body, **options)
    assert "event: error" in answer.text
    assert '"code":"upstream_timeout"' in answer.text
    with database.connect() as owner:
        rows = owner.execute("select provider, tokens_prompt > 0 from ai_usage").fetchall()
        assert rows == [("anthropic", True)]
        assert owner.execute("select count(*) from app.ai_requests where state = 'reserved'").fetchone() == (0,)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4096}},
        {"prompt_tokens": -3900, "completion_tokens": 5},
        {"prompt_tokens": 100, "completion_tokens": None},
        {"prompt_tokens": 100},
    ],
)
def test_usage_that_cannot_be_true_is_null_and_estimated_and_the_answer_is_delivered_once(
    functions: Functions, providers: Providers, database: Any, usage: Any
) -> None:
    providers.say("openai", 200, unstreamed("openai", {"usage": usage}))
    answer = ask(functions)
    assert (answer.status, answer.json["message"]["content"], answer.json["usage"]) == (200, "Hi.", None)
    assert providers.asked == ["openai"]
    with database.connect() as owner:
        rows = owner.execute("select tokens_prompt, tokens_completion, cost, estimated from ai_usage").fetchall()
    assert rows == [(None, None, None, True)]


@pytest.mark.parametrize(
    "setting",
    [
        {"OPENAI_BASE_URL": "http://127.0.0.1\n:1/v1"},
        {"OPENAI_BASE_URL": "not a url"},
        {"OPENAI_API_KEY": "sk-one\nsk-two"},
        {"OPENAI_API_KEY": " \n"},
    ],
)
def test_a_bad_setting_of_one_provider_stops_nothing_else(
    functions: Functions, emulator: Emulator, setting: dict[str, str]
) -> None:
    functions.environment.update(setting)
    answer = ask(functions)
    assert (answer.status, answer.json["provider"]) == (200, "anthropic")
    body = {"documents": [{"content": "A fjord is an inlet."}]}
    stored = functions.request("search", "POST", "/api/documents", body, token=make_token("ada"))
    assert stored.status in (200, 201), stored.text


def test_a_key_with_a_line_feed_around_it_is_a_key(functions: Functions, emulator: Emulator) -> None:
    functions.environment["OPENAI_API_KEY"] = "sk-operator-openai\n"
    assert ask(functions).json["provider"] == "openai"


def test_an_error_body_of_an_odd_shape_is_an_error_like_any_other(functions: Functions, providers: Providers) -> None:
    providers.say("google", 503, {"error": {"code": 503, "status": "UNAVAILABLE", "message": "Busy.", "details": 5}})
    answer = ask(functions, provider="google")
    assert (answer.status, answer.json["provider"], answer.json["fallback"]) == (200, "openai", True)


def test_a_refused_prompt_that_comes_with_a_200_is_asked_of_nobody_else(
    functions: Functions, providers: Providers
) -> None:
    providers.say("openai", 200, openai("invalid_request_error", "content_policy_violation", "No."))
    answer = ask(functions)
    assert (answer.status, answer.json["code"]) == (400, "content_refused")
    assert providers.asked == ["openai"]


def test_what_a_model_does_not_take_is_told_and_told_again_in_a_replay(
    functions: Functions, providers: Providers
) -> None:
    body = {"message": "Hello", "provider": "anthropic", "temperature": 1.5, "top_p": 0.5, "cache": "off"}
    headers = {"Idempotency-Key": "once"}
    answers = [
        functions.request("chat", "POST", "/api/chat", body, token=make_token("ada"), headers=headers) for _ in range(2)
    ]
    assert [answer.json["adjusted"] for answer in answers] == [["temperature", "top_p"]] * 2
    assert answers[0].text == answers[1].text
    assert ask(functions).json["adjusted"] == []


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_stop_sequence_that_the_provider_does_not_take_ends_the_text_all_the_same(
    functions: Functions, emulator: Emulator, name: ProviderName
) -> None:
    emulator.answer("One line.\nAnother line.", match="Lines")
    answer = ask(functions, "Lines", provider=name, stop=["\n"])
    assert answer.json["message"]["content"] == "One line."
    assert (answer.json["finish_reason"], answer.json["provider"]) == ("stop", name)
    body = {"message": "Lines", "provider": name, "stop": ["\n"], "cache": "off"}
    streamed = functions.request("chat_stream", "POST", "/api/chat/stream", body, token=make_token("ada"))
    assert "line." in streamed.text
    assert "Another" not in streamed.text


def test_null_in_a_body_says_the_same_as_nothing(functions: Functions, providers: Providers) -> None:
    names = "messages conversation_id provider model system context temperature top_p max_tokens stop cache_threshold"
    nothing: dict[str, Any] = dict.fromkeys(names.split())
    assert ask(functions, **nothing).status == 200
    assert ask(functions, cache=None).status == 200
    assert ask(functions, context={"page": None}).status == 200
    unknown = ask(functions, unknown=None)
    assert (unknown.status, unknown.json["errors"][0]["field"]) == (400, "unknown")
    body = {"objective": "Find out", "number": None, "amount": 2, "name": None, "techStack": None, "language": None}
    path = "/api/generate-interview-questions"
    questions = functions.request("generate_interview_questions", "POST", path, body, token=make_token("ada"))
    assert (questions.status, len(questions.json["questions"])) == (200, 2)


def test_a_call_is_priced_by_the_model_that_answered_and_an_alias_never(
    functions: Functions, providers: Providers, database: Any
) -> None:
    usage = {"usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 500}}
    answered = ("models/gemini-3.8-flash", "Gemini-3.8-flash-001", "gemini-3.8-flash-latest", None)
    costs = []
    for number, model in enumerate(answered):
        providers.say("google", 200, unstreamed("google", usage | {"modelVersion": model}))
        answer = ask(functions, f"Hello {number}", provider="google", model="gemini-3.8-flash-latest")
        costs.append(answer.json["usage"]["cost_usd"])
    assert costs == ["0.002625000", "0.002625000", None, None]


def test_the_last_event_says_who_answered_in_place_of_whom_the_first_named(
    functions: Functions, emulator: Emulator
) -> None:
    emulator.fault("unauthorized", provider="openai", times=4)
    body = {"message": "Hello", "cache": "off"}
    streamed = functions.request("chat_stream", "POST", "/api/chat/stream", body, token=make_token("ada"))
    events = dict(part.removeprefix("event: ").split("\ndata: ") for part in streamed.text.strip().split("\n\n"))
    assert json.loads(events["start"])["provider"] == "openai"
    done = json.loads(events["done"])
    assert (done["provider"], done["model"], done["fallback"]) == ("anthropic", "claude-haiku-5-5", True)
    assert done["adjusted"] == []

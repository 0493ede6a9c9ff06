"""What callers are told when something does not fit: the field, the place, the number and the time, and what to do."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from parley.core.errors import Problem
from testing.functions import Answer, Functions, api_event, make_token

Token = Callable[..., str]
MANY_FAULTS = (
    "message: Input should be a valid string; model: String should have at least 1 character; "
    "top_p: Input should be less than or equal to 1 (2 more in `errors`)"
)
TURN = {"role": "user", "content": "What is a fjord?"}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def chat(functions: Functions, body: Any, user: str = "ada") -> Answer:
    return functions.request("chat", "POST", "/api/chat", body, token=make_token(user))


@pytest.mark.parametrize(
    ("function", "path", "body", "field", "meant"),
    [
        ("chat", "/api/chat", {"mesage": "x"}, "mesage", "message"),
        ("chat", "/api/chat", {"message": "x", "maxTokens": 9}, "maxTokens", "max_tokens"),
        ("chat", "/api/chat", {"message": "x", "Temperature": 1}, "Temperature", "temperature"),
        ("chat", "/api/chat", {"message": "x", "top-p": 1}, "top-p", "top_p"),
        ("chat", "/api/chat", {"messages": [TURN | {"contents": "x"}]}, "messages.0.contents", "content"),
        ("search", "/api/documents", {"documents": [{"content": "x", "meta": {}}]}, "documents.0.meta", "metadata"),
        ("search", "/api/search", {"query": "x", "filters": {}}, "filters", "filter"),
        (
            "account",
            "/api/interactions",
            {"interactions": [{"interaction_type": "view", "item_type": "page", "itemId": "1"}]},
            "interactions.0.itemId",
            "item_id",
        ),
    ],
)
def test_an_unknown_field_names_itself_and_the_one_that_may_be_meant(
    functions: Functions, emulator: Emulator, function: str, path: str, body: Any, field: str, meant: str
) -> None:
    answer = functions.request(function, "POST", path, body, token=make_token("ada"))
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["error"]["param"] == field
    assert answer.json["detail"] == f"{field}: there is no such field; did you mean {meant}?"
    assert answer.json["errors"][0] == {"field": field, "message": f"there is no such field; did you mean {meant}?"}
    assert emulator.requests() == []


def test_an_unknown_field_like_no_other_is_told_which_ones_there_are(functions: Functions) -> None:
    answer = functions.request("search", "POST", "/api/search", {"query": "x", "k": 5}, token=make_token("ada"))
    assert answer.json["error"]["param"] == "k"
    assert (
        answer.json["detail"]
        == "k: there is no such field, only query, types, mode, limit, threshold, filter, languages, "
        "cursor."
    )


def test_an_unknown_query_parameter_names_itself_too(functions: Functions) -> None:
    answer = functions.request("account", "GET", "/api/conversations?limits=5", token=make_token("ada"))
    assert answer.json["error"]["param"] == "limits"
    assert answer.json["detail"].endswith("did you mean limit?")
    answer = functions.request("account", "GET", "/api/usage/history?form=2026-01-01", token=make_token("ada"))
    assert answer.json["detail"] == "form: there is no such field; did you mean from?"


def test_a_name_that_is_merely_as_long_is_not_suggested(functions: Functions) -> None:
    answer = chat(functions, {"message": "x", "stream": True})
    assert answer.json["error"]["param"] == "stream"
    assert answer.json["detail"].startswith("stream: there is no such field, only message, ")


def test_a_route_without_query_parameters_says_that_it_takes_none(functions: Functions) -> None:
    answer = functions.request("account", "GET", "/api/usage?foo=5", token=make_token("ada"))
    assert (answer.status, answer.json["detail"]) == (400, "foo: there is no such field; this takes none.")


def test_a_field_name_that_may_be_anything_is_not_repeated(functions: Functions) -> None:
    answer = chat(functions, {"message": "x", "Ada Lovelace, 12 St James's Square": 1})
    assert answer.json["error"]["param"] == "(unknown)"
    assert "Lovelace" not in answer.text


@pytest.mark.parametrize(
    ("body", "param", "detail"),
    [
        ({}, None, "Send message (a text) or messages (a list of turns that ends with the user's)"),
        ({"temperature": 1}, None, "Send message (a text) or messages (a list of turns that ends with the user's)"),
        ({"message": "x", "messages": [TURN]}, None, "Send message or messages, not both"),
        ([], None, "This takes a JSON object"),
        ("5", None, "This takes a JSON object"),
        ({"message": "x", "max_tokens": 0}, "max_tokens", "max_tokens: Input should be greater than or equal to 1"),
        ({"messages": [{"role": "user"}]}, "messages.0", "messages.0: content is empty"),
        ({"messages": [{}]}, "messages.0.role", "messages.0.role: Field required"),
        (
            {"message": 1, "top_p": 9, "cache_threshold": 2, "model": "", "stop": 1},
            "message",
            MANY_FAULTS,
        ),
    ],
)
def test_a_body_that_does_not_fit_is_told_what_does(
    functions: Functions, body: Any, param: str | None, detail: str
) -> None:
    answer = chat(functions, body)
    assert (answer.status, answer.json["detail"]) == (400, f"{detail}.")
    assert answer.json["error"] == {
        "message": f"{detail}.", "type": "invalid_request_error", "param": param, "code": "invalid_request"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ('{"message": "x",}', r"The body is not JSON at line 1, column 1[67]: .+\."),
        ('{"message": "x"\n "model": "y"}', r"The body is not JSON at line 2, column 2: Expecting ',' delimiter\."),
        ("{'message': 'x'}", r"The body is not JSON at line 1, column 2: .+\."),
        ('{"message": "x', r"The body is not JSON at line 1, column 13: Unterminated string starting\."),
        ('{"message": "x"} x', r"The body is not JSON at line 1, column 18: Extra data\."),
        ("message=x", r"The body is not JSON at line 1, column 1: Expecting value\."),
        ('{"message": NaN}', r"The body is not JSON: there is no number NaN\."),
        ('{"max_tokens": ' + "9" * 5000 + "}", r"The body holds a number with too many digits\."),
        ("[" * 100_000, r"The body nests deeper than 80 levels\."),
        ("", r"The body is empty; send a JSON object\."),
        (" \n", r"The body is empty; send a JSON object\."),
    ],
)
def test_broken_json_is_told_where_it_breaks(functions: Functions, body: str, detail: str) -> None:
    answer = chat(functions, body)
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert re.fullmatch(detail, answer.json["detail"]), answer.json["detail"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'\xff{"message": "x"}', "The body is not UTF-8 at byte 0."),
        (b'{"message": "\xc3("}', "The body is not UTF-8 at byte 13."),
        (b'\xef\xbb\xbf{"message": "\xff"}', "The body is not UTF-8 at byte 13."),
        ('{"message": "x"}'.encode("utf-16"), "The body is not UTF-8 at byte 0."),
    ],
)
def test_bytes_that_are_no_utf_8_are_told_where_they_stand(functions: Functions, body: bytes, detail: str) -> None:
    event = api_event("POST", "/api/chat", None, token=make_token("ada"))
    event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    answer = functions.invoke("chat", event)
    assert (answer["statusCode"], json.loads(answer["body"])["detail"]) == (400, detail)


@pytest.mark.parametrize("model", ["gpt-9", "claude-haiku-5-5"])
def test_a_model_that_a_provider_does_not_have_is_told_alike_whoever_has_it(
    functions: Functions, emulator: Emulator, model: str
) -> None:
    answer = chat(functions, {"message": "x", "provider": "openai", "model": model})
    assert (answer.status, answer.json["code"]) == (400, "invalid_model")
    assert f'no model "{model}" at openai' in answer.json["detail"]
    assert "gpt-6-luna" in answer.json["models"]
    assert "claude-haiku-5-5" not in answer.json["models"]
    assert emulator.requests() == []


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_an_unknown_model_is_told_with_provider_and_name_and_where_the_list_is(
    functions: Functions, emulator: Emulator, provider: str
) -> None:
    not_offered = chat(functions, {"message": "x", "provider": provider, "model": "gtp-6"})
    assert (not_offered.status, not_offered.json["code"]) == (400, "invalid_model")
    assert not_offered.json["detail"] == (
        f'Without a key of your own there is no model "gtp-6" at {provider}; choose one of `models`, which GET '
        "/api/ai-providers describes."
    )
    # What is offered may be gone at the provider; so may be what an own key asks for.
    for _ in range(3):
        emulator.fault("not_found")
    gone = chat(functions, {"message": "x", "provider": provider})
    assert (gone.status, gone.json["code"]) == (404, "model_not_found")
    assert re.fullmatch(
        rf'There is no model "[\w.-]+" at {provider}; GET /api/ai-providers lists the models\.', gone.json["detail"]
    )
    assert not_offered.json["error"]["param"] == gone.json["error"]["param"] == "model"


def test_an_unknown_provider_names_its_field(functions: Functions) -> None:
    answer = chat(functions, {"message": "x", "provider": "mistral"})
    assert (answer.status, answer.json["error"]["param"]) == (400, "provider")


def test_a_used_up_allowance_is_told_with_its_numbers_and_time(functions: Functions, database: Any) -> None:
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_units = 1, daily_embedding_tokens = 20 where tier = 'free'")
        owner.execute("update app.ai_tiers set daily_units = 3, monthly_units = 1 where tier = 'premium'")
    assert chat(functions, {"message": "one"}).status == 200
    daily = chat(functions, {"message": "two"})
    assert (daily.status, daily.json["code"]) == (429, "quota_exceeded")
    assert re.fullmatch(
        rf"All 1 answers a day of the tier free are used; they start anew at {TIME}\.", daily.json["detail"]
    )
    assert (daily.json["limit"], daily.json["used"], daily.json["tier"]) == (1, 1, "free")
    assert daily.json["resets_at"] in daily.json["detail"]
    with database.connect() as owner:
        owner.execute("update public.user_ai_settings set tier = 'premium'")
    monthly = chat(functions, {"message": "three"})
    assert re.fullmatch(
        rf"All 1 answers a month of the tier premium are used; they start anew at {TIME}\.", monthly.json["detail"]
    )
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_units = 0 where tier = 'free'")
    none = chat(functions, {"message": "four"}, user="bob")
    assert none.json["detail"] == "There are no answers a day of the tier free."
    assert "Retry-After" not in none.headers


def test_a_caller_without_a_token_is_told_that_signing_in_gives_more(functions: Functions, database: Any) -> None:
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_units = 1 where tier = 'anonymous'")
    answers = [functions.request("chat", "POST", "/api/chat", {"message": text}) for text in ("one", "two")]
    assert [answer.status for answer in answers] == [200, 429]
    assert answers[1].json["detail"].endswith(". Sign in for an allowance of your own.")


def test_tokens_to_embed_that_are_used_up_are_told_with_their_numbers_and_time(
    functions: Functions, database: Any
) -> None:
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_embedding_tokens = 20 where tier = 'free'")

    def store(text: str) -> Answer:
        body = {"documents": [{"content": text}]}
        return functions.request("search", "POST", "/api/documents", body, token=make_token("ada"))

    assert store("A fjord is deep.").status == 201
    used_up = store("A fjord is a long and deep inlet of the sea, made by old ice, up north.")
    assert (used_up.status, used_up.json["code"]) == (429, "embedding_quota_exceeded")
    assert re.fullmatch(
        rf"This needs more than the \d+ that are left of 20 tokens to embed a day; they start anew at {TIME}\.",
        used_up.json["detail"],
    )
    never = store("A fjord is a long and deep inlet of the sea. " * 20)
    assert never.json["detail"] == ("This needs more than the 20 tokens to embed of a whole day; send less at a time.")


def test_a_provider_that_limits_is_told_with_the_time_to_wait(functions: Functions, emulator: Emulator) -> None:
    for provider in ("openai", "anthropic", "google"):
        emulator.fault("rate_limit", provider=provider, retry_after=60)  # longer than the request may wait
    answer = chat(functions, {"message": "x"})
    assert (answer.status, answer.json["code"]) == (429, "upstream_rate_limited")
    assert answer.json["detail"].endswith(f" Try again in {answer.headers['Retry-After']} s.")


def test_every_answer_ends_with_a_newline(functions: Functions, token: Token) -> None:
    for function, method, path, body in (
        ("chat", "POST", "/api/chat", {"message": "x"}),
        ("chat", "POST", "/api/chat", {}),
        ("account", "GET", "/api/settings", None),
        ("health", "GET", "/api/health", None),
        ("health", "GET", "/api/openapi.json", None),
        ("search", "POST", "/api/search", {"query": "x"}),
        ("account", "GET", "/api/faqs", None),
        ("account", "GET", "/api/nothing", None),
    ):
        assert functions.request(function, method, path, body, token=token("ada")).text.endswith("}\n"), path


def test_a_problem_without_a_field_names_none() -> None:
    assert Problem("internal_error", "Something went wrong.", status=500).param is None

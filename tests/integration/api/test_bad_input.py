"""What no client should send: a problem document says so, whatever it is, and nothing is spent or written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from local.emulator.client import Emulator
from testing.functions import Functions, api_event

Token = Callable[..., str]


@pytest.mark.parametrize(
    ("function", "path", "body"),
    [
        ("chat", "/api/chat", '{"message": "x", "conversation_id": "new", "context": {"total": 1e999}}'),
        ("search", "/api/documents", '{"documents": [{"content": "x", "metadata": {"a": [-1e999]}}]}'),
        (
            "account",
            "/api/interactions",
            '{"interactions": [{"interaction_type": "view", "item_type": "page", "metadata": {"a": 1e999}}]}',
        ),
    ],
)
def test_a_number_beyond_all_bounds_is_400(
    functions: Functions, token: Token, emulator: Emulator, function: str, path: str, body: str
) -> None:
    answer = functions.request(function, "POST", path, body, token=token("ada"))
    assert (answer.status, answer.json["code"]) == (400, "invalid_request"), answer.text
    assert emulator.requests() == []


@pytest.mark.parametrize("blank", ["", "   ", "\n\t\u00a0\u3000"])
def test_blank_text_is_400_and_costs_nothing(
    functions: Functions, token: Token, emulator: Emulator, database: Any, blank: str
) -> None:
    for function, path, body in (
        ("chat", "/api/chat", {"message": blank}),
        ("chat", "/api/chat", {"messages": [{"role": "user", "content": blank}]}),
        ("search", "/api/documents", {"documents": [{"content": blank}]}),
        ("search", "/api/search", {"query": blank}),
        ("search", "/api/search", {"query": blank, "mode": "keyword"}),
    ):
        answer = functions.request(function, "POST", path, body, token=token("ada"))
        assert (answer.status, answer.json["code"]) == (400, "invalid_request"), answer.text
    assert emulator.requests() == []
    with database.connect() as owner:
        assert owner.execute("select count(*) from app.ai_requests").fetchone() == (0,)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    "metadata",
    ['{"a":"\\u0000"}', '{"a":"\\ud800"}', '{"a":NaN}', '{"a":1e999}', "[" * 3000, '{"a":' * 90 + "1" + "}" * 90, "5"],
)
def test_json_in_a_query_is_checked_like_a_body(functions: Functions, token: Token, metadata: str, method: str) -> None:
    answer = functions.request("search", method, f"/api/documents?metadata={metadata}", token=token("ada"))
    assert answer.status == 400, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query",
    ["to=0001-01-01", "from=9999-12-31", "from=0001-01-01", "from=2001-01-01", "from=2026-02-30", "from=1e300",
     "from=2026-03-02&to=2026-03-01"],
)  # fmt: skip
def test_a_period_that_is_none_is_400(functions: Functions, schedules: Functions, token: Token, query: str) -> None:
    operator = token(None, role="service_role")
    answers = [
        functions.request("account", "GET", f"/api/usage/history?{query}", token=token("ada")),
        functions.request("account", "GET", f"/api/usage/providers?{query}", token=token("ada")),
        schedules.request("admin", "GET", f"/api/admin/analytics?{query}", token=operator),
    ]
    assert [answer.status for answer in answers] == [400] * 3


def test_a_body_that_is_not_the_base64_it_claims_to_be_is_400(functions: Functions, token: Token) -> None:
    for body in ("é", "a", "{}"):
        event = api_event("POST", "/api/chat", body, token=token("ada")) | {"isBase64Encoded": True}
        assert functions.invoke("chat", event)["statusCode"] == 400


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ('{"message": "a", "message": "b"}', "message"),
        ('{"message": "a", "context": {"page": "x", "page": "x"}}', "page"),
        ('{"message": "a", "context": {"Ada Lovelace": 1, "Ada Lovelace": 2}}', "(unknown)"),
    ],
)
def test_a_member_that_stands_twice_is_400_and_named_where_the_name_is_no_secret(
    functions: Functions, token: Token, emulator: Emulator, body: str, named: str
) -> None:
    answer = functions.request("chat", "POST", "/api/chat", body, token=token("ada"))
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["detail"] == f"The body names the same member twice: {named}."
    assert emulator.requests() == []


@pytest.mark.parametrize(
    "metadata", ['{"a": 1, "a": 2}', ' {"b": {"a": 1, "a": 1}}', '{"a": 1, "\\u0061": 2}', '{"b": [{"a": 1, "a": 2}]}']
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_member_that_stands_twice_in_a_filter_is_400_and_deletes_nothing(
    functions: Functions, token: Token, method: str, metadata: str
) -> None:
    for number in (1, 2):
        body = {"documents": [{"content": "Bread needs time.", "metadata": {"a": number, "b": {"a": 1}}}]}
        assert functions.request("search", "POST", "/api/documents", body, token=token("ada")).status == 201
    answer = functions.request("search", method, f"/api/documents?metadata={metadata}", token=token("ada"))
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["detail"] == "The query names the same member twice: a."
    assert len(functions.request("search", "GET", "/api/documents", token=token("ada")).json["data"]) == 2


def test_a_filter_that_stands_twice_is_400(functions: Functions, token: Token) -> None:
    event = api_event("DELETE", '/api/documents?metadata={"a":2}', token=token("ada"))
    event["multiValueQueryStringParameters"] = {"metadata": ['{"a":1}', '{"a":2}']}
    answer = functions.invoke("search", event)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("kind", ["", "application/json;charset=UTF-8", "application/x-www-form-urlencoded"])
def test_a_body_is_read_whatever_type_its_sender_named(functions: Functions, token: Token, kind: str) -> None:
    sent = {"Content-Type": kind}
    answer = functions.request("chat", "POST", "/api/chat", {"message": "x"}, token=token("ada"), headers=sent)
    assert answer.status == 200, answer.text


@pytest.mark.parametrize("name", ["%00", "\x00", "\ud800", "a'b", "a/b", "x" * 5_000, "a\nb", "é", quote("é/../x")])
def test_an_id_that_cannot_be_one_is_not_found(functions: Functions, token: Token, name: str) -> None:
    answer = functions.request("account", "GET", f"/api/conversations/{name}", token=token("ada"))
    assert answer.status in (400, 404), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_service_role_is_told_that_chat_is_for_users(
    functions: Functions, token: Token, emulator: Emulator, database: Any
) -> None:
    answer = functions.request("chat", "POST", "/api/chat", {"message": "x"}, token=token(None, role="service_role"))
    assert (answer.status, answer.json["code"]) == (403, "user_required")
    assert emulator.requests() == []

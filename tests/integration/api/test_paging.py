"""Pages of lists: nothing is lost or told twice when the list changes between two pages."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from testing.functions import Functions

Token = Callable[..., str]


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def test_a_page_goes_on_where_the_last_one_ended_although_that_row_is_gone(
    functions: Functions, token: Token, database: Any
) -> None:
    ada = token("ada")
    for number in range(3):
        body = {"message": f"Number {number}", "conversation_id": "new"}
        functions.request("chat", "POST", "/api/chat", body, token=ada)
    first = functions.request("account", "GET", "/api/conversations?limit=1", token=ada).json
    functions.request("account", "DELETE", f"/api/conversations/{first['data'][0]['id']}", token=ada)
    rest = functions.request("account", "GET", f"/api/conversations?limit=9&cursor={first['next_cursor']}", token=ada)
    assert [row["title"] for row in rest.json["data"]] == ["Number 1", "Number 0"]
    assert rest.json["next_cursor"] is None


def test_rows_of_one_moment_come_once_each(functions: Functions, token: Token) -> None:
    ada = token("ada")
    batch = [{"interaction_type": "view", "item_type": "page", "item_id": str(n)} for n in range(5)]
    functions.request("account", "POST", "/api/interactions", {"interactions": batch}, token=ada)
    seen, cursor = [], ""
    while cursor is not None:
        page = functions.request("account", "GET", f"/api/interactions?limit=2{cursor}", token=ada).json
        seen += [row["item_id"] for row in page["data"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert sorted(seen) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    "cursor",
    ["x", "é", encoded(1), encoded([]), encoded(["2026-01-01T00:00:00+00:00"]), encoded(["yesterday", "a"]),
     encoded(["2026-01-01T00:00:00", "a"]), encoded(["2026-01-01T00:00:00+00:00", "a\x00"]),
     encoded(["2026-01-01T00:00:00+00:00", 5]), encoded(["2026-01-01T00:00:00+00:00", "\ud800"])],
)  # fmt: skip
def test_a_cursor_that_no_page_gave_is_400(functions: Functions, token: Token, cursor: str) -> None:
    responses = "/api/interviews/00000000-0000-4000-8000-000000000000/responses"
    lists = [
        ("account", "/api/conversations"), ("account", "/api/interactions"), ("search", "/api/documents"),
        ("interviews", "/api/interviews"), ("interviews", responses),
    ]  # fmt: skip
    for function, path in lists:
        answer = functions.request(function, "GET", f"{path}?cursor={cursor}", token=token("ada"))
        assert (answer.status, answer.json["code"]) == (400, "invalid_request"), path


def test_a_cursor_of_another_list_is_400_where_ids_differ(functions: Functions, token: Token) -> None:
    cursor = encoded(["2026-01-01T00:00:00+00:00", "not-a-uuid"])
    assert functions.request("account", "GET", f"/api/interactions?cursor={cursor}", token=token("ada")).status == 400

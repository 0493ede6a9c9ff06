"""Content near what the caller looked at lately is recommended, and searches are reported by type."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from testing.functions import Functions, make_token

SERVICE = make_token(None, role="service_role")
# By number: the words decide how near they are.
WALKS = [
    "A steep trail around the lake in three hours.",
    "A trail around the lake in two hours, not steep.",
    "The steep trail up from the lake.",
    "Espresso tasting in the old town.",
]


def content_id(number: int) -> str:
    return str(uuid.UUID(int=number + 1))


@pytest.fixture
def content(schedules: Functions) -> None:
    items = [{"id": content_id(n), "title": f"Walk {n}", "description": text} for n, text in enumerate(WALKS)]
    assert schedules.request("admin", "PUT", "/api/content/route", {"items": items}, token=SERVICE).status == 200


def interact(functions: Functions, kind: str, *numbers: int, user: str = "ada") -> None:
    done = [{"interaction_type": kind, "item_type": "route", "item_id": content_id(number)} for number in numbers]
    functions.request("account", "POST", "/api/interactions", {"interactions": done}, token=make_token(user))


def recommended(functions: Functions, query: str = "", user: str = "ada") -> list[tuple[str, str]]:
    answer = functions.request("account", "GET", f"/api/recommendations{query}", token=make_token(user))
    assert answer.status == 200, answer.text
    return [(row["item_id"], row["reason"]) for row in answer.json["data"]]


@pytest.mark.usefixtures("content")
def test_what_is_near_the_last_views_is_recommended_without_what_was_seen(functions: Functions) -> None:
    interact(functions, "view", 0)
    interact(functions, "dismiss", 2)
    found = recommended(functions)
    assert found[:2] == [(content_id(0), "viewed_before"), (content_id(1), "similar_content")]
    assert content_id(2) not in dict(found)
    assert recommended(functions, "?item_type=route&limit=1") == [(content_id(0), "viewed_before")]
    assert recommended(functions, "?item_type=event") == []


@pytest.mark.usefixtures("content")
def test_without_views_nothing_is_similar(functions: Functions) -> None:
    interact(functions, "view", 0, user="eve")
    interact(functions, "dismiss", 1)
    assert recommended(functions) == []


@pytest.mark.usefixtures("content")
def test_searches_are_reported_by_type_with_what_was_chosen(functions: Functions, schedules: Functions) -> None:
    def search(query: str, types: list[str], user: str = "ada") -> str:
        body = {"query": query, "types": types}
        return str(functions.request("search", "POST", "/api/search", body, token=make_token(user)).json["search_id"])

    chosen = search("lake", ["route"])
    search("steep", ["route"], user="eve")
    search("lake", ["document"])
    path = f"/api/search/{chosen}/selection"
    functions.request("search", "POST", path, {"content_id": content_id(0)}, token=make_token("ada"))

    def row(kind: str, searches: int, found: int, selected: int) -> dict[str, Any]:
        share = selected / searches
        return {"type": kind, "searches": searches, "found": found, "selected": selected, "click_through": share}

    mine = functions.request("account", "GET", "/api/usage/searches", token=make_token("ada")).json["data"]
    assert mine == [row("document", 1, 0, 0), row("route", 1, 1, 1)]
    everybodys = schedules.request("admin", "GET", "/api/admin/analytics", token=SERVICE).json["searches_by_type"]
    assert everybodys == [row("document", 1, 0, 0), row("route", 2, 2, 1)]

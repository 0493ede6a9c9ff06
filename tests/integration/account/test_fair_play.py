"""Over every route: no client sets what is earned, and nobody finds who opted out of the standings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from local.checkout import FUNCTIONS
from parley.api.router import Route
from testing.databases import ScratchDatabase
from testing.functions import Functions, make_token
from tests.integration.schema.activities import completed, record

CANARY = "canary7f3a"
# What is earned, and when: words that no member of a user's request has.
EARNED = re.compile(
    r"(^|_)(xp|scores?|ranks?|streaks?|freezes?|awards?|unlocked|completed|created|started|updated|evaluated)(_|$)"
)
SET = {
    "total_xp": 1_000_000, "xp": 1_000_000, "amount": 1_000_000, "score": 100, "overall_score": 100, "rank": 1,
    "level": 99, "current_streak": 365, "freezes": 2, "status": "completed", "completed_at": "2020-01-01T00:00:00Z",
    "created_at": "2020-01-01T00:00:00Z", "local_date": "2020-01-01", "user_id": "somebody",
}  # fmt: skip
# Not a client's: signed by the vendor of voice calls, whose reports the worker reads.
VENDORS = {"voice_events"}


@pytest.fixture
def routes(functions: Functions) -> list[tuple[str, Route]]:
    """Every route that a user or nobody may call, with its function."""
    found = []
    for folder in sorted(FUNCTIONS.glob("*/app.py")):
        if folder.parent.name not in VENDORS and "api = Api(" in folder.read_text(encoding="utf-8"):
            found += [(folder.parent.name, route) for route in functions.module(folder.parent.name).api.routes]
    assert {name for name, _ in found} >= {"account", "interviews", "chat", "search"}
    return [(name, route) for name, route in found if route.access in ("anyone", "user", "organization_admin")]


def members(model: type[BaseModel] | None) -> Iterator[str]:
    """The names that a request may send, those of nested models too."""
    if model is not None:
        schema = model.model_json_schema()
        for part in (schema, *schema.get("$defs", {}).values()):
            yield from part.get("properties", {})


def test_no_member_of_a_users_request_is_what_is_earned(routes: list[tuple[str, Route]]) -> None:
    named = {
        f"{route.method} {route.path}: {name}"
        for _, route in routes
        for name in (*members(route.body), *members(route.query))
        if EARNED.search(name)
    }
    assert named == set()


def test_no_route_takes_points_scores_ranks_or_dates(
    routes: list[tuple[str, Route]], functions: Functions, database: ScratchDatabase
) -> None:
    taken = []
    for function, route in routes:
        path = re.sub(r"\{\w+\}", "00000000-0000-0000-0000-000000000001", route.path)
        if route.body is not None:
            for member, value in SET.items():
                answer = functions.request(function, route.method, path, {member: value}, token=make_token("ada"))
                if answer.status < 400:
                    taken.append(f"{route.method} {route.path}: {member}")
        answer = functions.request(function, route.method, f"{path}?total_xp=1&rank=1", token=make_token("ada"))
        # What clients add under /v1 is passed over, and said to be.
        if answer.status < 400 and answer.headers.get("X-Parley-Ignored") != "rank, total_xp":
            taken.append(f"{route.method} {route.path}?")
    assert taken == []
    with database.connect() as owner:
        earned = "select (select count(*) from app.xp_events) + (select count(*) from leaderboard)"
        assert owner.execute(earned).fetchone() == (0,)


def test_who_opted_out_is_found_by_nobody(
    routes: list[tuple[str, Route]], functions: Functions, database: ScratchDatabase, token: Callable[..., str]
) -> None:
    acme = {"organization_id": "acme", "organization_role": "admin"}
    with database.connect() as owner:
        owner.execute("insert into organization (id) values ('acme')")
        for user in ("bob", CANARY):
            owner.execute('insert into "user" (id) values (%s)', (user,))
            interview = completed(owner, user, 80, answer=f"{user} measured it.", organization_id="acme", title=user)
            record(owner, "interview", interview, user=user)
    hidden: dict[str, Any] = {"display_name": f"Name of {CANARY}", "leaderboard_opt_out": True}
    assert functions.request("account", "PATCH", "/api/profile", hidden, token=token(CANARY, **acme)).status == 200
    answered = 0
    for function, route in routes:
        if route.method != "GET":
            continue
        path = re.sub(r"\{\w+\}", str(interview), route.path)
        queries = ["", "?scope=organization", *(f"?period={period}&limit=100" for period in ("weekly", "monthly"))]
        for query in queries if route.query is not None else [""]:
            for signed in (token("bob", **acme), token("carol"), None):
                answer = functions.request(function, "GET", path + query, token=signed)
                answered += answer.status == 200
                assert CANARY not in answer.text, f"{route.path}{query}"
    assert answered > 30
    # They see themselves.
    mine = functions.request("account", "GET", "/api/leaderboard", token=token(CANARY, **acme)).json
    assert mine["me"]["is_me"]
    assert [row["display_name"] for row in mine["data"]] == [None]

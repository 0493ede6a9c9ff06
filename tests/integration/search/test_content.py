"""Content: the service role writes it, everybody signed in reads and finds it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, get_args

import pytest

from local.emulator.client import Emulator
from parley.retrieval.kinds import ContentType
from testing.functions import Answer, Functions, make_token

SERVICE = make_token(None, role="service_role")
LAKE, TOWER = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
WALK = {"title": "Round the lake", "description": "A steep trail of three hours.", "metadata": {"level": 3}}
CLIMB = {"title": "Up the tower", "description": "Three hundred steps and a view.", "metadata": {"level": 1}}


@pytest.fixture
def write(schedules: Functions) -> Callable[..., Answer]:
    def send(method: str, target: str, body: Any = None, token: str = SERVICE) -> Answer:
        return schedules.request("admin", method, f"/api/content/{target}", body, token=token)

    return send


@pytest.fixture
def read(functions: Functions) -> Callable[..., Answer]:
    def send(target: str, user: str = "ada") -> Answer:
        return functions.request("search", "GET", f"/api/content/{target}", token=make_token(user))

    return send


def find(functions: Functions, query: str, **members: Any) -> list[dict[str, Any]]:
    body = {"query": query, "types": ["route"]} | members
    answer = functions.request("search", "POST", "/api/search", body, token=make_token("ada"))
    assert answer.status == 200, answer.text
    return list(answer.json["data"])


@pytest.mark.parametrize("kind", get_args(ContentType))
def test_content_of_each_type_is_stored_read_and_deleted(
    write: Callable[..., Answer], read: Callable[..., Answer], kind: str
) -> None:
    assert write("PUT", f"{kind}/{LAKE}", WALK | {"language": "en"}).json == {"stored": 1, "embedded": 1}
    item = read(f"{kind}/{LAKE}").json
    assert {name: item[name] for name in ("id", "type", "language", *WALK)} == {
        "id": LAKE, "type": kind, "language": "en", **WALK
    }  # fmt: skip
    assert [each["id"] for each in read(kind).json["data"]] == [LAKE]
    assert write("DELETE", f"{kind}/{LAKE}").status == 204
    assert read(f"{kind}/{LAKE}").status == 404
    assert write("DELETE", f"{kind}/{LAKE}").status == 404


def test_a_batch_is_found_the_moment_it_is_stored(functions: Functions, write: Callable[..., Answer]) -> None:
    items = [{"id": LAKE, **WALK}, {"id": TOWER, **CLIMB}]
    assert write("PUT", "route", {"items": items}).json == {"stored": 2, "embedded": 2}
    for mode in ("semantic", "keyword", "hybrid"):
        hits = find(functions, "steep trail", mode=mode)
        assert (hits[0]["id"], hits[0]["type"], hits[0]["title"]) == (LAKE, "route", WALK["title"])
    assert [hit["id"] for hit in find(functions, "three", filter={"level": {"$lt": 2}})] == [TOWER]


def test_what_has_not_changed_is_not_embedded_again(
    functions: Functions, write: Callable[..., Answer], read: Callable[..., Answer], emulator: Emulator
) -> None:
    write("PUT", f"event/{LAKE}", WALK)
    assert write("PUT", f"event/{LAKE}", WALK | {"metadata": {"level": 2}}).json == {"stored": 1, "embedded": 0}
    assert read(f"event/{LAKE}").json["metadata"] == {"level": 2}
    changed = WALK | {"description": "Espresso by the water."}
    assert write("PUT", f"event/{LAKE}", changed).json == {"stored": 1, "embedded": 1}
    assert len(emulator.requests()) == 2
    assert find(functions, "steep", mode="keyword", types=["event"]) == []
    assert find(functions, "espresso", mode="keyword", types=["event"])[0]["id"] == LAKE


def test_an_id_of_another_type_is_refused_before_anything_is_embedded_or_stored(
    write: Callable[..., Answer], read: Callable[..., Answer], emulator: Emulator
) -> None:
    write("PUT", f"route/{LAKE}", WALK)
    one = write("PUT", f"event/{LAKE}", CLIMB)
    batch = write("PUT", "event", {"items": [{"id": TOWER, **CLIMB}, {"id": LAKE, **WALK}]})
    assert [(answer.status, answer.json["code"]) for answer in (one, batch)] == [(409, "content_type_conflict")] * 2
    assert len(emulator.requests()) == 1
    assert read(f"route/{LAKE}").json["title"] == WALK["title"]
    assert read(f"event/{TOWER}").status == 404


def test_content_is_found_in_other_forms_where_nobody_said_the_language(
    functions: Functions, write: Callable[..., Answer], read: Callable[..., Answer]
) -> None:
    said = {"title": "Up the tower", "description": "From the tower you can see the islands and the sea."}
    for embedded in (1, 0):
        assert write("PUT", f"route/{TOWER}", said).json == {"stored": 1, "embedded": embedded}
        assert read(f"route/{TOWER}").json["language"] == "en"
        assert [hit["id"] for hit in find(functions, "island", mode="keyword")] == [TOWER]


def test_content_is_listed_in_pages_by_what_its_metadata_contains(
    write: Callable[..., Answer], read: Callable[..., Answer]
) -> None:
    items = [{"id": str(uuid.UUID(int=number)), **CLIMB, "metadata": {"even": number % 2 == 0}} for number in range(5)]
    write("PUT", "route", {"items": items})
    first = read("route?limit=3").json
    rest = read(f"route?limit=3&cursor={first['next_cursor']}").json
    assert len({each["id"] for each in first["data"] + rest["data"]}) == 5
    assert rest["next_cursor"] is None
    assert len(read('route?metadata={"even":true}').json["data"]) == 3
    assert len(read('route?metadata={"even":{"$in":[true,false]}}').json["data"]) == 5
    assert read('route?metadata={"even":{"$or":[]}}').status == 400


def test_content_is_deleted_by_what_its_metadata_matches_or_all_of_a_type(
    write: Callable[..., Answer], read: Callable[..., Answer], functions: Functions
) -> None:
    items = [{"id": LAKE, **WALK}, {"id": TOWER, **CLIMB}]
    write("PUT", "route", {"items": items})
    write("PUT", f"event/{uuid.UUID(int=3)}", WALK)
    for query in (
        "",
        "?metadata={}",
        '?all=true&metadata={"level":1}',
        "?metadata=[]",
        '?metadata={"level":{"$or":[]}}',
    ):
        assert write("DELETE", f"route{query}").status == 400
    assert write("DELETE", 'route?metadata={"level":{"$lt":2}}').json == {"deleted": 1}
    assert [each["id"] for each in read("route").json["data"]] == [LAKE]
    assert find(functions, "tower", mode="keyword") == []
    assert write("DELETE", "route?all=true").json == {"deleted": 1}
    assert write("DELETE", "route?all=true").json == {"deleted": 0}
    assert len(read("event").json["data"]) == 1, "another type stays"
    assert write("DELETE", "table?all=true").status == 404
    assert write("DELETE", "route?all=true", token=make_token("ada")).status == 403


def test_only_the_service_role_writes(
    functions: Functions, write: Callable[..., Answer], read: Callable[..., Answer]
) -> None:
    assert write("PUT", f"route/{LAKE}", WALK, token=make_token("ada")).status == 403
    assert write("DELETE", f"route/{LAKE}", token=make_token("ada")).status == 403
    assert functions.request("search", "GET", "/api/content/route").status == 401
    # Who holds the service's token still needs the service's login.
    refused = functions.request("admin", "PUT", f"/api/content/route/{LAKE}", WALK, token=SERVICE)
    assert refused.status == 500
    assert read("route").json["data"] == []


def test_a_failed_embedding_stores_nothing(
    write: Callable[..., Answer], read: Callable[..., Answer], emulator: Emulator
) -> None:
    emulator.fault("server_error")
    assert write("PUT", f"route/{LAKE}", WALK).status == 502
    assert read("route").json["data"] == []


def test_the_ledger_has_the_cost_under_no_user(write: Callable[..., Answer], database: Any) -> None:
    write("PUT", f"route/{LAKE}", WALK)
    with database.connect() as owner:
        row = owner.execute(
            "select user_id, tier, operation_type, tokens_total > 0, cost is not null from public.ai_usage"
        ).fetchone()
    assert row == (None, "service", "embedding", True, True)


@pytest.mark.parametrize("target", ["table", f"table/{LAKE}", "route/1"])
def test_other_types_and_ids_are_unknown(
    write: Callable[..., Answer], read: Callable[..., Answer], target: str
) -> None:
    assert read(target).status == 404
    body = WALK if "/" in target else {"items": [{"id": LAKE, **WALK}]}
    assert write("PUT", target, body).status == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"items": []}, "items"),
        ({"items": [{"id": "1", **WALK}]}, "items.0.id"),
        ({"items": [{"id": LAKE, **WALK}, {"id": LAKE.upper(), **CLIMB}]}, "items"),
        ({"items": [{"id": LAKE, "title": " "}]}, "items.0.title"),
        ({"items": [{"id": LAKE, "title": "a", "language": "not a tag"}]}, "items.0.language"),
    ],
)
def test_a_batch_that_cannot_be_stored_is_refused_by_field(
    write: Callable[..., Answer], body: dict[str, Any], field: str
) -> None:
    answer = write("PUT", "route", body)
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["errors"][0]["field"] == field

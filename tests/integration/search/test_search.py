"""Documents in, found again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from testing.functions import Answer, Functions

Token = Callable[..., str]
DOCUMENTS = [
    {"content": "Refunds are paid back to the card within five days.", "metadata": {"category": "billing"}},
    {"content": "The trail to the lake is steep and takes three hours.", "metadata": {"category": "hiking"}},
    {"content": "Espresso needs nine bars of pressure and fine grounds.", "metadata": {"category": "coffee"}},
]


def find(search: Callable[..., Answer], token: str, **body: Any) -> list[dict[str, Any]]:
    answer = search("POST", "/api/search", body, token=token)
    assert answer.status == 200, answer.text
    return list(answer.json["data"])


def test_a_document_is_found_by_its_meaning(search: Callable[..., Answer], token: Token) -> None:
    stored = search("POST", "/api/documents", {"documents": DOCUMENTS}, token=token("ada"))
    assert stored.status == 201, stored.text
    hits = find(search, token("ada"), query="When are refunds paid to my card?")
    assert len(hits) == 3
    assert hits[0]["content"] == DOCUMENTS[0]["content"]
    assert hits[0]["similarity"] > hits[1]["similarity"]


@pytest.mark.parametrize("mode", ["semantic", "hybrid"])
def test_a_document_without_letters_is_found_and_disturbs_no_search(
    search: Callable[..., Answer], token: Token, mode: str
) -> None:
    search("POST", "/api/documents", {"documents": [*DOCUMENTS, {"content": "🙂"}]}, token=token("ada"))
    assert find(search, token("ada"), query="refunds", mode=mode, limit=1)[0]["content"] == DOCUMENTS[0]["content"]
    assert find(search, token("ada"), query="🙂", mode=mode, threshold=0.9)[0]["content"] == "🙂"


@pytest.mark.parametrize("mode", ["semantic", "keyword", "hybrid"])
def test_nobody_finds_another_users_documents(search: Callable[..., Answer], token: Token, mode: str) -> None:
    search("POST", "/api/documents", {"documents": DOCUMENTS}, token=token("ada"))
    assert find(search, token("ada"), query="espresso", mode=mode)
    assert find(search, token("eve"), query="espresso", mode=mode) == []


def test_filters_thresholds_and_limits_narrow_the_hits(search: Callable[..., Answer], token: Token) -> None:
    search("POST", "/api/documents", {"documents": DOCUMENTS}, token=token("ada"))
    assert len(find(search, token("ada"), query="refunds", limit=2)) == 2
    hits = find(search, token("ada"), query="refunds", filter={"category": "coffee"})
    assert [hit["metadata"]["category"] for hit in hits] == ["coffee"]
    assert find(search, token("ada"), query="refunds paid to the card", threshold=0.99) == []


def test_a_search_is_logged_and_its_selection_noted(search: Callable[..., Answer], token: Token, database: Any) -> None:
    ids = search("POST", "/api/documents", {"documents": DOCUMENTS}, token=token("ada")).json["data"]
    answer = search("POST", "/api/search", {"query": "espresso"}, token=token("ada"))
    chosen = f"/api/search/{answer.json['search_id']}/selection"
    assert search("POST", chosen, {"content_id": ids[2]["id"]}, token=token("eve")).status == 404
    assert search("POST", chosen, {"content_id": ids[2]["id"]}, token=token("ada")).status == 204
    with database.connect() as owner:
        row = owner.execute("select query, content_type, results_count, selected_content_id from ai_content_searches")
        assert row.fetchall() == [("espresso", "document", 3, ids[2]["id"])]


@pytest.mark.parametrize("mode", ["semantic", "keyword", "hybrid"])
def test_a_search_that_finds_nothing_is_logged_as_well(
    search: Callable[..., Answer], token: Token, database: Any, mode: str
) -> None:
    assert find(search, token("ada"), query="espresso", mode=mode) == []
    with database.connect() as owner:
        assert owner.execute("select query, results_count from ai_content_searches").fetchall() == [("espresso", 0)]


def test_documents_are_listed_read_and_deleted(search: Callable[..., Answer], token: Token) -> None:
    ids = [
        row["id"] for row in search("POST", "/api/documents", {"documents": DOCUMENTS}, token=token("ada")).json["data"]
    ]
    seen, cursor = [], ""
    while cursor is not None:
        page = search("GET", f"/api/documents?limit=2{cursor and '&cursor=' + cursor}", token=token("ada")).json
        seen += [row["id"] for row in page["data"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(ids)
    assert search("GET", f"/api/documents/{ids[0]}", token=token("ada")).json["content"] == DOCUMENTS[0]["content"]
    assert search("GET", f"/api/documents/{ids[0]}", token=token("eve")).status == 404
    assert search("DELETE", f"/api/documents/{ids[0]}", token=token("eve")).status == 404
    assert search("DELETE", f"/api/documents/{ids[0]}", token=token("ada")).status == 204
    by_metadata = search("DELETE", '/api/documents?metadata={"category":"hiking"}', token=token("ada"))
    assert by_metadata.json == {"deleted": 1}
    assert search("DELETE", "/api/documents", token=token("ada")).status == 400
    assert search("DELETE", "/api/documents?all=true", token=token("ada")).json == {"deleted": 1}


def test_a_repeated_idempotency_key_stores_once(
    search: Callable[..., Answer], token: Token, emulator: Emulator
) -> None:
    key = {"Idempotency-Key": "import-1"}
    first = search("POST", "/api/documents", {"documents": DOCUMENTS}, token=token("ada"), headers=key)
    again = search("POST", "/api/documents", {"documents": DOCUMENTS}, token=token("ada"), headers=key)
    assert again.json == first.json
    assert len(emulator.requests()) == 1
    other = search("POST", "/api/documents", {"documents": DOCUMENTS[:1]}, token=token("ada"), headers=key)
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")


def test_embedding_is_bounded_by_the_tiers_daily_tokens(
    search: Callable[..., Answer], token: Token, emulator: Emulator, database: Any
) -> None:
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_embedding_tokens = 40 where tier = 'free'")
    assert search("POST", "/api/search", {"query": "espresso"}, token=token("ada")).status == 200
    refused = search("POST", "/api/documents", {"documents": DOCUMENTS}, token=token("ada"))
    assert (refused.status, refused.json["code"]) == (429, "embedding_quota_exceeded")
    assert len(emulator.requests()) == 1


def test_a_failed_embedding_gives_its_tokens_back(
    search: Callable[..., Answer], token: Token, emulator: Emulator, database: Any
) -> None:
    emulator.fault("server_error")
    failed = search("POST", "/api/search", {"query": "espresso"}, token=token("ada"))
    assert failed.status == 502
    with database.connect() as owner:
        assert owner.execute("select daily_embedding_tokens from user_ai_settings").fetchone() == (0,)


def test_a_search_takes_three_round_trips_an_import_two_and_what_embeds_nothing_one(
    search: Callable[..., Answer], token: Token, functions: Functions, emulator: Emulator
) -> None:
    def trips(target: str, body: Any, **options: Any) -> int:
        database = functions.module("search").services.database
        before: int = database.round_trips
        assert search("POST", target, body, token=token("ada"), **options).status in (200, 201)
        return int(database.round_trips - before)

    both = {"query": "espresso", "types": ["document", "route"]}
    key = {"headers": {"Idempotency-Key": "one"}}
    assert trips("/api/documents", {"documents": DOCUMENTS}) == 2
    assert trips("/api/search", both) == 3
    assert trips("/api/search", both | {"mode": "keyword"}) == 1
    assert [trips("/api/search", both, **key) for _ in range(2)] == [3, 2]
    key = {"headers": {"Idempotency-Key": "two"}}
    assert [trips("/api/documents", {"documents": DOCUMENTS}, **key) for _ in range(2)] == [2, 1]


@pytest.mark.parametrize("mode", ["semantic", "keyword", "hybrid"])
def test_a_repeated_search_is_answered_as_before_and_spends_nothing(
    search: Callable[..., Answer], token: Token, emulator: Emulator, database: Any, mode: str
) -> None:
    with database.connect() as owner:
        owner.execute(
            "insert into content_items (content_type, title, description, metadata)"
            " values ('route', 'espresso bars', 'all of them', '{\"b\": 1, \"aa\": 2}')"
        )
    search("POST", "/api/documents", {"documents": DOCUMENTS}, token=token("ada"))
    emulator.reset()
    key = {"Idempotency-Key": "one"}
    body = {"query": "espresso", "types": ["document", "route"], "mode": mode}
    first = search("POST", "/api/search", body, token=token("ada"), headers=key)
    assert first.json["data"]
    search("POST", "/api/documents", {"documents": [{"content": "espresso"}]}, token=token("ada"))
    again = search("POST", "/api/search", body, token=token("ada"), headers=key)
    assert (again.status, again.text) == (200, first.text)
    other = search("POST", "/api/search", body | {"limit": 1}, token=token("ada"), headers=key)
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    assert search("POST", "/api/search", body, token=token("eve"), headers=key).text != first.text
    with database.connect() as owner:
        searches = owner.execute("select count(*) from ai_content_searches where user_id = 'ada'")
        assert searches.fetchone() == (1,)
        spent = "select count(*), sum(tokens_prompt) = max(daily_embedding_tokens) from ai_usage l"
        spent += " join user_ai_settings s using (user_id) where user_id = 'ada'"
        assert owner.execute(spent).fetchone() == (2 if mode == "keyword" else 3, True)


def test_a_deleted_document_is_in_no_remembered_answer(
    search: Callable[..., Answer], token: Token, database: Any
) -> None:
    stored = search("POST", "/api/documents", {"documents": DOCUMENTS}, token=token("ada")).json["data"]
    key = {"Idempotency-Key": "one"}
    first = search("POST", "/api/search", {"query": "espresso"}, token=token("ada"), headers=key)
    with database.connect() as owner:
        kept = owner.execute("select string_agg(answer::text, '') from app.ai_requests").fetchone()[0]
        assert not any(document["content"] in kept for document in DOCUMENTS)
    search("DELETE", f"/api/documents/{stored[2]['id']}", token=token("ada"))
    again = search("POST", "/api/search", {"query": "espresso"}, token=token("ada"), headers=key)
    left = [hit for hit in first.json["data"] if hit["id"] != stored[2]["id"]]
    assert again.json == first.json | {"data": left}
    assert len(left) == 2


def test_an_import_that_cannot_be_written_leaves_its_usage_and_may_be_tried_again(
    search: Callable[..., Answer], token: Token, database: Any, emulator: Emulator
) -> None:
    key = {"Idempotency-Key": "one"}
    with database.connect() as owner:
        owner.execute("alter table embeddings add constraint refused check (content not like 'The trail%') not valid")
        failed = search("POST", "/api/documents", {"documents": DOCUMENTS}, token=token("ada"), headers=key)
        assert failed.status == 500
        assert owner.execute("select count(*) from embeddings").fetchone() == (0,)
        assert owner.execute("select count(*) from ai_usage").fetchone() == (1,)
        owner.execute("alter table embeddings drop constraint refused")
    again = search("POST", "/api/documents", {"documents": DOCUMENTS}, token=token("ada"), headers=key)
    assert again.status == 201
    with database.connect() as owner:
        assert owner.execute("select count(*) from embeddings").fetchone() == (3,)
        assert (
            owner.execute("select sum(tokens_prompt) from ai_usage").fetchone()
            == owner.execute("select daily_embedding_tokens from user_ai_settings").fetchone()
        )


def test_searching_needs_a_user(search: Callable[..., Answer]) -> None:
    assert search("POST", "/api/search", {"query": "espresso"}).status == 401


def test_waiting_is_recommended_only_for_what_a_whole_day_could_hold(
    search: Callable[..., Answer], token: Token, database: Any
) -> None:
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_embedding_tokens = 20 where tier = 'free'")
    assert search("POST", "/api/search", {"query": "espresso" * 8}, token=token("ada")).status == 200
    later = search("POST", "/api/search", {"query": "espresso" * 8}, token=token("ada"))
    assert 0 < int(later.headers["Retry-After"]) <= 86_400
    never = search("POST", "/api/search", {"query": "espresso" * 80}, token=token("ada"))
    assert never.status == 429
    assert "Retry-After" not in never.headers


def test_a_key_is_bound_to_the_metadata_too(search: Callable[..., Answer], token: Token) -> None:
    key = {"Idempotency-Key": "import-1"}
    search("POST", "/api/documents", {"documents": DOCUMENTS[:1]}, token=token("ada"), headers=key)
    changed = [{**DOCUMENTS[0], "metadata": {"category": "legal"}}]
    other = search("POST", "/api/documents", {"documents": changed}, token=token("ada"), headers=key)
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("mode", ["semantic", "keyword"])
def test_a_deleted_subject_searches_nothing(
    search: Callable[..., Answer], token: Token, database: Any, mode: str
) -> None:
    find(search, token("ada"), query="espresso", mode=mode)
    with database.connect() as owner:
        owner.execute("select set_config('request.jwt.claims', '{\"sub\": \"ada\"}', false)")
        owner.execute("select app.delete_user('ada')")
    refused = search("POST", "/api/search", {"query": "espresso", "mode": mode}, token=token("ada"))
    assert (refused.status, refused.json["code"]) == (403, "subject_deleted")

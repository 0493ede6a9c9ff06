"""Answers stay under Lambda's 6 MB, whatever callers have stored, and what costs nothing is stored in bounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from parley.core.encoding import size_in_answer
from testing.functions import Answer, Functions, make_token

LAMBDAS_LIMIT = 6 * 1024 * 1024
# What JSON writes longer than it is: each of them at least doubles in an answer.
TEXTS = ['"' * 20_000, "\\" * 20_000, "\x01" * 20_000, "🙂" * 20_000, "語" * 20_000, "x" * 24_000, "\n\t" * 10_000]


def send(functions: Functions, function: str, method: str, path: str, body: Any = None, **options: Any) -> Answer:
    answer = functions.request(function, method, path, body, token=make_token("ada"), **options)
    proxied = json.dumps({"statusCode": answer.status, "headers": answer.headers, "body": answer.text})
    assert len(proxied) < LAMBDAS_LIMIT
    return answer


def pages(functions: Functions, function: str, path: str, **options: Any) -> Iterator[list[Any]]:
    cursor = ""
    while cursor is not None:
        answer = send(functions, function, "GET", f"{path}?limit=100{cursor and '&cursor=' + cursor}", **options)
        assert answer.status == 200, answer.text
        assert answer.json["data"]
        yield answer.json["data"]
        cursor = answer.json["next_cursor"]


@pytest.fixture
def large_documents(database: Any) -> list[str]:
    """Sixty of Ada's, all of them found by one word, with as much metadata as a body can bring."""
    statement = """
        insert into embeddings (id, user_id, content, embedding, metadata, model, created_at)
        select 'd' || n, 'ada', 'fjord ' || n || ' ' || %(text)s, app.pad_embedding(array_fill(1, array[1536])::vector),
          jsonb_build_object('note', repeat(%(text)s, 10)), 'text-embedding-3-small', now() + n * interval '1 second'
        from generate_series(%(first)s, %(first)s + 8) n
    """
    with database.connect() as owner:
        owner.execute("""insert into "user" (id) values ('ada') on conflict do nothing""")
        for number, text in enumerate(TEXTS):
            owner.execute(statement, {"text": text, "first": number * 9})
    return [f"d{number}" for number in range(9 * len(TEXTS))]


def test_a_page_of_large_documents_has_fewer_rows_and_a_cursor(
    functions: Functions, large_documents: list[str]
) -> None:
    found = list(pages(functions, "search", "/api/documents"))
    assert len(found) > 2
    assert sorted(row["id"] for page in found for row in page) == sorted(large_documents)


def test_the_hits_that_one_answer_does_not_hold_come_by_the_cursor(
    functions: Functions, emulator: Any, large_documents: list[str]
) -> None:
    body = {"query": "fjord", "mode": "keyword", "limit": 100}
    headers = {"Idempotency-Key": "one"}
    first = send(functions, "search", "POST", "/api/search", body, headers=headers)
    assert send(functions, "search", "POST", "/api/search", body, headers=headers).text == first.text
    found, answer = list(first.json["data"]), first
    while answer.json["next_cursor"] is not None:
        answer = send(functions, "search", "POST", "/api/search", body | {"cursor": answer.json["next_cursor"]})
        assert answer.status == 200, answer.text
        assert answer.json["search_id"] == first.json["search_id"]
        found += answer.json["data"]
    assert [row["score"] for row in found] == sorted((row["score"] for row in found), reverse=True)
    assert sorted(row["id"] for row in found) == sorted(large_documents)
    assert emulator.requests() == []


def test_a_search_cursor_shows_nobody_what_is_not_theirs(functions: Functions, large_documents: list[str]) -> None:
    body = {"query": "fjord", "mode": "keyword", "limit": 100}
    cursor = send(functions, "search", "POST", "/api/search", body).json["next_cursor"]
    eve = functions.request("search", "POST", "/api/search", body | {"cursor": cursor}, token=make_token("eve"))
    assert (eve.status, eve.json["data"]) == (200, [])


@pytest.mark.parametrize("cursor", ["x", "", "é", "W10=", "WyJhIiwgW11d", "W10" * 9, "bnVsbA=="])
def test_a_search_cursor_that_no_search_gave_is_400(functions: Functions, cursor: str) -> None:
    answer = send(functions, "search", "POST", "/api/search", {"query": "x", "cursor": cursor})
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")


def test_a_page_of_large_interactions_has_fewer_rows_and_a_cursor(functions: Functions, database: Any) -> None:
    with database.connect() as owner:
        owner.execute("""insert into "user" (id) values ('ada')""")
        owner.execute(
            """
            insert into user_interactions (user_id, interaction_type, item_type, item_id, metadata)
            select 'ada', 'view', 'page', n::text, jsonb_build_object('note', repeat('"', 150000))
            from generate_series(1, 60) n
            """
        )
    found = list(pages(functions, "account", "/api/interactions"))
    assert len(found) > 2
    assert sorted(int(row["item_id"]) for page in found for row in page) == list(range(1, 61))


def test_faqs_come_in_pages_in_the_order_in_which_they_match(functions: Functions, database: Any) -> None:
    with database.connect() as owner:
        owner.execute("delete from ai_precomputed_responses")
        owner.execute(
            """
            insert into ai_precomputed_responses (pattern, response, priority)
            select 'pattern ' || n, repeat('"', 20000), nullif(n % 7, 0) from generate_series(1, 160) n
            """
        )
        query = """
            select pattern from ai_precomputed_responses
            order by priority desc nulls last, length(pattern) desc, pattern
        """
        order = [row[0] for row in owner.execute(query)]
    for function, path, token in (
        ("account", "/api/faqs", None),
        ("admin", "/api/admin/faqs", make_token(None, role="service_role")),
    ):
        seen, cursor = [], ""
        while cursor is not None:
            answer = functions.request(
                function, "GET", f"{path}?limit=100{cursor and '&cursor=' + cursor}", token=token
            )
            assert answer.status == 200, answer.text
            assert size_in_answer(answer.text) < LAMBDAS_LIMIT
            seen += [row["pattern"] for row in answer.json["data"]]
            cursor = answer.json["next_cursor"]
        assert seen == order


def test_a_large_conversation_is_read_from_its_end_in_pages(functions: Functions, database: Any) -> None:
    turns = [
        {"role": ("user", "assistant")[number % 2], "content": f"{number} " + TEXTS[number % len(TEXTS)] * 3}
        for number in range(90)
    ]
    context = {"page": "🙂" * 120_000}
    with database.connect() as owner:
        owner.execute("""insert into "user" (id) values ('ada')""")
        owner.execute(
            """
            insert into ai_conversations (id, user_id, title, model, messages, context)
            values ('one', 'ada', 'Long', 'm', %s, %s)
            """,
            (json.dumps(turns), json.dumps(context)),
        )
    for form in ("json", "markdown"):
        parts: list[list[str]] = []
        cursor: str | None = ""
        while cursor is not None:
            path = f"/api/conversations/one?format={form}{cursor and '&cursor=' + cursor}"
            answer = send(functions, "account", "GET", path)
            assert answer.status == 200, answer.text
            if form == "json":
                parts.insert(0, [message["content"] for message in answer.json["messages"]])
                cursor = answer.json["next_cursor"]
            else:
                parts.insert(0, [part for part in answer.text.split("\n\n") if part[:1].isdigit()])
                cursor = answer.headers.get("X-Next-Cursor")
        assert len(parts) > 1
        if form == "json":
            assert [content for part in parts for content in part] == [turn["content"] for turn in turns]
        else:
            assert [int(part.split()[0]) for page in parts for part in page] == list(range(90))


def test_what_no_page_can_hold_is_refused_in_words(functions: Functions, database: Any) -> None:
    with database.connect() as owner:
        owner.execute("""insert into "user" (id) values ('ada')""")
        owner.execute(
            """
            insert into embeddings (id, user_id, content, embedding, model)
            values ('d', 'ada', repeat('"', 2000000), app.pad_embedding(array_fill(1, array[1536])::vector), 'm')
            """
        )
    for path in ("/api/documents", "/api/documents/d"):
        answer = send(functions, "search", "GET", path)
        assert (answer.status, answer.json["code"]) == (413, "answer_too_large")


@pytest.mark.parametrize(
    "metadata", [{"note": "x" * 4_096}, {"note": "🙂" * 1_100}, {str(n): "x" * 100 for n in range(45)}]
)
def test_an_interactions_metadata_has_four_kibibytes_and_a_searchs_filter_eight(
    functions: Functions, metadata: dict[str, str]
) -> None:
    row = {"interaction_type": "view", "item_type": "page", "metadata": metadata}
    told = send(functions, "account", "POST", "/api/interactions", {"interactions": [row]})
    twice = {"one": metadata, "two": metadata}
    found = send(functions, "search", "POST", "/api/search", {"query": "x", "mode": "keyword", "filter": twice})
    for answer, most in ((told, 4_096), (found, 8_192)):
        assert (answer.status, answer.json["code"]) == (400, "invalid_request")
        assert f"{most} bytes" in answer.text


def test_the_log_of_searches_keeps_a_querys_beginning(functions: Functions, database: Any) -> None:
    for _ in range(2):
        send(functions, "search", "POST", "/api/search", {"query": "x" * 24_000, "mode": "keyword"})
    with database.connect() as owner:
        assert owner.execute("select length(query) from ai_content_searches").fetchall() == [(1_000,), (1_000,)]


def batch(count: int) -> dict[str, Any]:
    one = {"interaction_type": "view", "item_type": "page"}
    return {"interactions": [one | {"item_id": str(number)} for number in range(count)]}


def test_a_user_records_so_many_interactions_a_day_and_the_next_day_again(functions: Functions, database: Any) -> None:
    functions.environment["PARLEY_DAILY_FREE_WRITES"] = "10"
    record: Callable[..., Answer] = lambda count, **headers: send(  # noqa: E731
        functions, "account", "POST", "/api/interactions", batch(count), headers=headers
    )
    assert record(8, **{"Idempotency-Key": "one"}).status == 201
    refused = record(3)
    assert (refused.status, refused.json["code"]) == (429, "daily_limit_reached")
    assert 0 < int(refused.headers["Retry-After"]) <= 25 * 3600
    assert record(2).status == 201
    assert record(1).status == 429
    assert record(8, **{"Idempotency-Key": "one"}).headers["Idempotency-Replayed"] == "true"
    with database.connect() as owner:
        assert owner.execute("select count(*) from user_interactions").fetchone() == (10,)
        owner.execute("update user_interactions set created_at = created_at - interval '25 hours'")
    assert record(10).status == 201


@pytest.mark.parametrize("keyed", [False, True])
def test_a_user_searches_by_words_so_often_a_day(functions: Functions, database: Any, keyed: bool) -> None:
    functions.environment["PARLEY_DAILY_FREE_WRITES"] = "3"
    statuses = []
    for number in range(5):
        headers = {"Idempotency-Key": str(number)} if keyed else None
        body = {"query": f"fjord {number}", "mode": "keyword"}
        statuses.append(send(functions, "search", "POST", "/api/search", body, headers=headers).status)
    assert statuses == [200, 200, 200, 429, 429]
    assert send(functions, "search", "POST", "/api/search", {"query": "fjord"}).status == 200
    other = functions.request(
        "search", "POST", "/api/search", {"query": "x", "mode": "keyword"}, token=make_token("bob")
    )
    assert other.status == 200
    with database.connect() as owner:
        query = "select count(*) from ai_content_searches where user_id = 'ada'"
        assert owner.execute(query).fetchone() == (4,)


def test_a_users_keys_keep_so_many_answers_without_a_model_a_day(functions: Functions, database: Any) -> None:
    functions.environment["PARLEY_DAILY_FREE_WRITES"] = "3"

    def ask(message: str, key: str | None = None) -> Answer:
        headers = {"Idempotency-Key": key} if key else None
        return send(functions, "chat", "POST", "/api/chat", {"message": message}, headers=headers)

    assert ask("A question for a model").status == 200
    answers = [ask(("What is Parley?", "A question for a model")[n % 2], f"key {n}") for n in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.json["cache"] for answer in answers[:3]] == ["faq", "exact", "faq"]
    assert answers[4].json["code"] == "daily_limit_reached"
    assert 0 < int(answers[4].headers["Retry-After"]) <= 25 * 3600
    # What was kept is still given again, what needs no row is answered, and so is what takes a unit.
    assert ask("What is Parley?", "key 0").headers["Idempotency-Replayed"] == "true"
    assert ask("What is Parley?").json["cache"] == "faq"
    assert ask("Another question for a model", "key 9").status == 200
    with database.connect() as owner:
        owner.execute("update app.ai_requests set created_at = created_at - interval '25 hours'")
    assert ask("What is Parley?", "key 10").status == 200


@pytest.mark.parametrize("keyed", [False, True])
def test_beyond_the_days_searches_by_words_nothing_is_looked_for(
    functions: Functions, database: Any, keyed: bool
) -> None:
    functions.environment["PARLEY_DAILY_FREE_WRITES"] = "0"
    with database.connect() as owner:
        owner.execute("drop function app.search")
    headers = {"Idempotency-Key": "one"} if keyed else None
    answer = send(functions, "search", "POST", "/api/search", {"query": "fjord", "mode": "keyword"}, headers=headers)
    assert (answer.status, answer.json["code"]) == (429, "daily_limit_reached")

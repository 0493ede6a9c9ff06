"""Documents under ids of their callers', cut where they are long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from testing.functions import Answer

Send = Callable[..., Answer]
Token = Callable[..., str]
PARAGRAPH = " ".join(["Rain falls on the roofs of the town."] * 30)
LONG = "\n\n".join([PARAGRAPH, PARAGRAPH, "An okapi lives in the forest. " * 40, PARAGRAPH])


def store(search: Send, token: str, *documents: dict[str, Any]) -> list[str]:
    answer = search("POST", "/api/documents", {"documents": list(documents)}, token=token)
    assert answer.status == 201, answer.text
    return [row["id"] for row in answer.json["data"]]


def test_a_document_keeps_its_callers_id_and_is_replaced_under_it(search: Send, token: Token) -> None:
    assert store(search, token("ada"), {"id": "a/1", "title": "One", "content": "first", "language": "en"}) == ["a/1"]
    store(search, token("ada"), {"id": "a/1", "title": "Two", "content": "second", "metadata": {"v": 2}})
    listed = search("GET", "/api/documents", token=token("ada")).json["data"]
    assert [(row["id"], row["title"], row["content"], row["metadata"]) for row in listed] == [
        ("a/1", "Two", "second", {"v": 2})
    ]


def test_two_owners_ids_do_not_meet(search: Send, token: Token) -> None:
    store(search, token("ada"), {"id": "notes", "content": "mine"})
    store(search, token("eve"), {"id": "notes", "content": "hers"})
    for user, content in (("ada", "mine"), ("eve", "hers")):
        assert search("GET", "/api/documents/notes", token=token(user)).json["content"] == content
    assert search("DELETE", "/api/documents/notes", token=token("eve")).status == 204
    assert search("GET", "/api/documents/notes", token=token("ada")).status == 200


def test_unchanged_text_is_not_embedded_again(search: Send, token: Token, emulator: Emulator) -> None:
    document = {"id": "notes", "title": "One", "content": "first"}
    store(search, token("ada"), document)
    emulator.reset()
    ids = store(search, token("ada"), document | {"metadata": {"seen": True}}, {"content": "new"})
    assert ids[0] == "notes"
    (request,) = emulator.requests()
    assert request["body"]["input"] == ["new"]
    assert search("GET", "/api/documents/notes", token=token("ada")).json["metadata"] == {"seen": True}
    emulator.reset()
    store(search, token("ada"), document)
    assert emulator.requests() == []


def test_a_long_document_is_many_chunks_and_one_hit_with_its_best_passage(
    search: Send, token: Token, database: Any
) -> None:
    store(search, token("ada"), {"id": "long", "content": LONG, "language": "en"}, {"id": "short", "content": "Rain."})
    with database.connect() as owner:
        (chunks,) = owner.execute("select count(*) from embeddings where document_id = 'long'").fetchone()
    assert chunks > 1
    for mode in ("keyword", "semantic", "hybrid"):
        answer = search("POST", "/api/search", {"query": "okapi in the forest", "mode": mode}, token=token("ada"))
        (hit,) = [hit for hit in answer.json["data"] if hit["id"] == "long"]
        assert "okapi" in hit["content"]
        assert LONG[hit["starts_at"] :].startswith(hit["content"])
    assert search("GET", "/api/documents/long", token=token("ada")).json["content"] == LONG
    assert {row["id"] for row in search("GET", "/api/documents", token=token("ada")).json["data"]} == {"long", "short"}


def test_a_document_that_became_shorter_leaves_no_chunk_behind(search: Send, token: Token, database: Any) -> None:
    store(search, token("ada"), {"id": "it", "content": LONG})
    store(search, token("ada"), {"id": "it", "content": "Short now."})
    assert search("GET", "/api/documents/it", token=token("ada")).json["content"] == "Short now."
    found = search("POST", "/api/search", {"query": "okapi", "mode": "keyword"}, token=token("ada")).json["data"]
    assert found == []
    with database.connect() as owner:
        assert owner.execute("select count(*) from embeddings").fetchone() == (1,)


def test_deleting_counts_documents(search: Send, token: Token) -> None:
    store(search, token("ada"), {"id": "it", "content": LONG, "metadata": {"kind": "note"}}, {"content": "Other."})
    deleted = search("DELETE", '/api/documents?metadata={"kind":"note"}', token=token("ada")).json
    assert deleted == {"deleted": 1}


def test_words_are_found_in_other_forms_where_nobody_said_the_language(search: Send, token: Token) -> None:
    said = {"content": "Refunds are paid to the card that you used."}
    store(search, token("ada"), {"id": "recognised"} | said, {"id": "unstemmed", "language": "und"} | said)

    def found(word: str) -> list[str]:
        answer = search("POST", "/api/search", {"query": word, "mode": "keyword"}, token=token("ada"))
        return [hit["id"] for hit in answer.json["data"]]

    assert found("refunding") == ["recognised"]
    assert found("refunds") == ["recognised", "unstemmed"]
    read = [search("GET", f"/api/documents/{name}", token=token("ada")).json for name in ("recognised", "unstemmed")]
    assert [document["language"] for document in read] == ["en", "und"]


def test_a_row_that_sql_wrote_is_a_document_of_one_chunk(search: Send, token: Token, database: Any) -> None:
    store(search, token("ada"), {"content": "other"})
    with database.connect() as owner:
        owner.execute("insert into embeddings (id, user_id, content) values ('by-sql', 'ada', 'an okapi')")
    (hit,) = search("POST", "/api/search", {"query": "okapi", "mode": "keyword"}, token=token("ada")).json["data"]
    assert (hit["id"], hit["content"], hit["starts_at"]) == ("by-sql", "an okapi", 0)
    assert search("GET", "/api/documents/by-sql", token=token("ada")).json["content"] == "an okapi"
    store(search, token("ada"), {"id": "by-sql", "content": "a zebra"})
    assert search("GET", "/api/documents/by-sql", token=token("ada")).json["content"] == "a zebra"


@pytest.mark.parametrize(
    ("documents", "field"),
    [
        ([{"id": "a", "content": "x"}, {"id": "a", "content": "y"}], "documents"),
        ([{"id": "", "content": "x"}], "documents.0.id"),
        ([{"id": "a\u0000b", "content": "x"}], "documents.0.id"),
        ([{"content": "a\u0000b"}], "documents.0.content"),
        ([{"title": "a\u0000b", "content": "x"}], "documents.0.title"),
        ([{"content": "x", "language": "not a tag"}], "documents.0.language"),
        ([{"content": "x", "language": "english"}], "documents.0.language"),
        ([{"content": "x" * 24_001}], "documents.0.content"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_its_field(
    search: Send, token: Token, documents: list[dict[str, Any]], field: str
) -> None:
    answer = search("POST", "/api/documents", {"documents": documents}, token=token("ada"))
    assert (answer.status, answer.json["errors"][0]["field"]) == (400, field)

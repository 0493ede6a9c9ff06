"""Filters, languages, matches, pages and edges of POST /api/search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testing.claims import set_claims, user
from testing.databases import ScratchDatabase
from testing.functions import Answer, Functions

Send = Callable[..., Answer]
Token = Callable[..., str]
CARS = [
    {"id": "saab", "content": "A red car from Trollhättan.", "language": "sv",
     "metadata": {"year": 1995, "tags": ["red", "old"], "sold": "2024-03-01", "maker": {"name": "Saab"}}},
    {"id": "volvo", "content": "A blue car from Göteborg.", "language": "sv-SE",
     "metadata": {"year": 2012, "tags": ["blue"], "sold": "2025-06-30", "maker": {"name": "Volvo"}}},
    {"id": "mini", "content": "A green car from Oxford.", "language": "en-GB",
     "metadata": {"year": 2020, "tags": ["green"], "maker": {"name": "Mini"}}},
    {"id": "none", "content": "A car without any papers."},
]  # fmt: skip

ANY_QUERY = [
    "the of and", "🙂", '"', 'an "open quote', "-", "-car", "سيارة حمراء", "'", "\\", "a" * 3_000, "a:* & !b | (c",
]  # fmt: skip


@pytest.fixture
def cars(search: Send, token: Token) -> None:
    assert search("POST", "/api/documents", {"documents": CARS}, token=token("ada")).status == 201


def find(search: Send, token: str, **body: Any) -> Any:
    answer = search("POST", "/api/search", {"query": "car"} | body, token=token)
    assert answer.status == 200, answer.text
    return answer.json


def ids(answer: Any) -> set[str]:
    return {hit["id"] for hit in answer["data"]}


@pytest.mark.parametrize("mode", ["keyword", "semantic", "hybrid"])
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"year": 1995}, {"saab"}),
        ({"tags": ["red"]}, {"saab"}),
        ({"year": {"$gte": 2012}}, {"volvo", "mini"}),
        ({"year": {"$gt": 1995, "$lt": 2020}}, {"volvo"}),
        ({"tags": {"$in": ["red", "green"]}}, {"saab", "mini"}),
        ({"sold": {"$gte": "2024-01-01", "$lt": "2025-01-01"}}, {"saab"}),
        ({"sold": {"$lt": "2024-03-01T01:00:00+02:00"}}, set()),
        ({"sold": {"$lt": "2024-02-29T23:00:00.5-02:00"}}, {"saab"}),
        ({"sold": {"$gte": "2025-06-30T00:00Z"}}, {"volvo"}),
        ({"maker": {"name": {"$in": ["Saab", "Volvo"]}}, "year": {"$lte": 2000}}, {"saab"}),
        ({"year": {"$in": ["1995"]}}, set()),
        ({"maker": {"name": {"$in": ['"] || true', "x"]}}}, set()),
        ({}, {"saab", "volvo", "mini", "none"}),
    ],
)
@pytest.mark.usefixtures("cars")
def test_filters_take_what_is_equal_any_of_and_between(
    search: Send, token: Token, mode: str, wanted: dict[str, Any], found: set[str]
) -> None:
    assert ids(find(search, token("ada"), mode=mode, filter=wanted)) == found


@pytest.mark.usefixtures("cars")
def test_languages_take_their_regions_too(search: Send, token: Token) -> None:
    assert ids(find(search, token("ada"), languages=["sv"])) == {"saab", "volvo"}
    assert ids(find(search, token("ada"), languages=["SV-se", "und"])) == {"volvo", "none"}


@pytest.mark.parametrize(
    ("languages", "found"),
    [
        (["zh-Hant"], {"zh-Hant", "zh-hant-TW"}),
        (["zh"], {"zh-Hant", "zh-hant-TW", "zh-Hans"}),
        (["sr-Latn-RS"], set()),
        (["no"], {"no", "nb-NO", "nn"}),
        (["nb"], {"nb-NO"}),
        (["z"], None),
    ],
)
def test_a_language_takes_the_tags_that_begin_so(
    search: Send, token: Token, languages: list[str], found: set[str] | None
) -> None:
    tags = ["zh-Hant", "zh-hant-TW", "zh-Hans", "zha", "sr-Latn", "no", "nb-NO", "nn"]
    documents = [{"id": tag, "content": "car", "language": tag} for tag in tags]
    assert search("POST", "/api/documents", {"documents": documents}, token=token("ada")).status == 201
    if found is None:
        assert search("POST", "/api/search", {"query": "car", "languages": languages}, token=token("ada")).status == 400
    else:
        assert ids(find(search, token("ada"), languages=languages)) == found


@pytest.mark.parametrize("mode", ["keyword", "semantic", "hybrid"])
@pytest.mark.usefixtures("cars")
def test_matches_are_offsets_into_the_passage(search: Send, token: Token, mode: str) -> None:
    answer = find(search, token("ada"), query="green cars", mode=mode)
    (hit,) = [hit for hit in answer["data"] if hit["id"] == "mini"]
    assert [hit["content"][span["start"] : span["end"]] for span in hit["matches"]] == ["green", "car"]
    assert hit["snippet"] == hit["content"]
    assert answer["took_ms"] >= 0


@pytest.mark.parametrize(
    ("content", "language", "query", "matched"),
    [
        ("Le café de Jérôme", "fr", "jerome cafe", ["café", "Jérôme"]),
        ("“Refunds” reach help@example.com and/or you…", "en", "refund help or", ["Refunds", "help"]),
        ("See https://example.com/docs/install-guide", None, "install-guide", ["install", "guide"]),
        ("メモリを増やす方法。", "ja", "方法", ["方", "法"]),
        ("Write to anna.berg@example.org", "en", "berg example", ["berg", "example"]),
        ("The figures are in report-final.pdf", "en", "report pdf", ["report", "pdf"]),
        ("See www.parley.dev/handbook.html", "en", "parley handbook", ["parley", "handbook"]),
        ("CVE-2024-3094 costs €12.50 in v3.13.0", "en", "3094 12.50 v3.13", ["3094", "12", "50", "v3", "13"]),
        ("Le cafe\u0301 sert du the\u0301 au jardin", "fr", "jardin café", ["cafe\u0301", "jardin"]),
        ("All körkortsteori i en bok", "sv", "körkort", ["körkortsteori"]),
        ("The bookkeeping of it", "en", "book", ["bookkeeping"]),
        (
            "Our oﬃce ﬁles soft\u00adware by Nguyễn",
            "en",
            "nguyen office software",
            ["oﬃce", "soft\u00adware", "Nguyễn"],
        ),
        ("Une sœur de cœur", "fr", "coeur", ["cœur"]),
        ("על תִּקּוּן עולם", "he", "תקון", ["תִּקּוּן"]),
        ("開始ﾕｰｻﾞｰ認証", "ja", "ユーザー", ["ﾕ", "ｰ", "ｻﾞ", "ｰ"]),
        ("IŞIK için IBM", "tr", "ışık ibm", ["IŞIK", "IBM"]),  # noqa: RUF001
    ],
)
def test_matches_are_those_words_that_search_by_words_found(
    search: Send, token: Token, content: str, language: str | None, query: str, matched: list[str]
) -> None:
    document = {"content": content, "language": language}
    assert search("POST", "/api/documents", {"documents": [document]}, token=token("ada")).status == 201
    (hit,) = find(search, token("ada"), query=query, mode="keyword")["data"]
    assert [hit["content"][span["start"] : span["end"]] for span in hit["matches"]] == matched


def test_the_snippet_of_a_long_passage_is_around_its_matches(search: Send, token: Token) -> None:
    content = "Nothing of the kind. " * 60 + "The okapi eats leaves. " + "Nothing of the kind. " * 20
    search("POST", "/api/documents", {"documents": [{"content": content}]}, token=token("ada"))
    (hit,) = find(search, token("ada"), query="okapi", mode="keyword")["data"]
    assert "okapi eats leaves" in hit["snippet"]
    assert len(hit["snippet"]) <= 240
    assert hit["snippet"] in content


@pytest.mark.usefixtures("cars")
def test_phrases_and_excluded_words_hold_in_hybrid_searches(search: Send, token: Token) -> None:
    assert ids(find(search, token("ada"), query='"blue car"')) == {"volvo"}
    assert ids(find(search, token("ada"), query="car -blue")) == {"saab", "mini", "none"}


def test_a_phrase_is_read_once_for_each_stemmer_and_not_for_each_chunk(
    search: Send, token: Token, database: ScratchDatabase
) -> None:
    documents = [{"content": f"A car with the number {number}.", "language": "en"} for number in range(60)]
    search("POST", "/api/documents", {"documents": documents}, token=token("ada"))
    with database.connect() as owner, owner.transaction():
        set_claims(owner, user("ada"))
        owner.execute("set local track_functions = 'all'")
        asked = "select from app.search('ada', 'keyword', '{document}', 'car', null, null, p_phrases => '{bus car}')"
        found = owner.execute(asked).fetchall()
        read = "select calls from pg_stat_xact_user_functions where funcname = 'phrase_query'"
        assert found == []
        assert owner.execute(read).fetchone() == owner.execute("select cardinality(app.stemmers())").fetchone()


@pytest.mark.parametrize("mode", ["keyword", "semantic", "hybrid"])
def test_pages_hold_every_hit_once_although_some_go_meanwhile(search: Send, token: Token, mode: str) -> None:
    documents = [{"id": f"d{number}", "content": f"car number {number}"} for number in range(25)]
    search("POST", "/api/documents", {"documents": documents}, token=token("ada"))
    seen, cursor, search_ids = [], None, set()
    while True:
        more: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
        page = find(search, token("ada"), mode=mode, limit=10, **more)
        seen += [hit["id"] for hit in page["data"]]
        search_ids.add(page["search_id"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
        if len(seen) == 10:
            gone = next(each["id"] for each in documents if each["id"] not in seen)
            search("DELETE", f"/api/documents/{gone}", token=token("ada"))
    assert len(seen) == len(set(seen)) == 24
    assert gone not in seen
    assert len(search_ids) == 1


@pytest.mark.usefixtures("cars")
def test_a_cursor_of_another_search_is_refused(search: Send, token: Token) -> None:
    cursor = find(search, token("ada"), limit=1)["next_cursor"]
    for changed in ({"query": "bus"}, {"mode": "keyword"}, {"filter": {"year": 1995}}, {"cursor": cursor[:-8]}):
        body = {"query": "car", "limit": 1, "cursor": cursor} | changed
        answer = search("POST", "/api/search", body, token=token("ada"))
        assert (answer.status, "cursor" in answer.json["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"threshold": 2}, "threshold"),
        ({"query": "a\u0000b"}, "query"),
        ({"query": "x" * 24_001}, "query"),
        ({"query": " "}, "query"),
        ({"types": []}, "types"),
        ({"types": ["car"]}, "types"),
        ({"filter": []}, "filter"),
        ({"filter": {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}}, "filter"),
        ({"filter": {"a": "x" * 8_192}}, "filter"),
        ({"filter": {"a": "x\u0000"}}, "filter"),
        ({"filter": {"a": {"$near": 1}}}, "filter"),
        ({"filter": {"a": {"$in": []}}}, "filter"),
        ({"filter": {"$gt": 1}}, "filter"),
        ({"languages": ["not a tag"]}, "languages"),
        ({"cursor": "?"}, "cursor"),
    ],
)
def test_what_cannot_be_searched_for_is_refused_by_its_field(
    search: Send, token: Token, body: dict[str, Any], field: str
) -> None:
    answer = search("POST", "/api/search", {"query": "car"} | body, token=token("ada"))
    assert answer.status == 400, answer.text
    assert field in answer.text


@pytest.mark.parametrize("mode", ["keyword", "semantic", "hybrid"])
@pytest.mark.parametrize(
    "query", ["the of and", "🙂", '"', 'an "open quote', "-", "-car", "سيارة حمراء", "'", "\\", "a" * 3_000]
)
def test_any_query_is_answered(search: Send, token: Token, mode: str, query: str) -> None:
    assert find(search, token("ada"), query=query, mode=mode)["data"] == []
    search("POST", "/api/documents", {"documents": [{"content": "x y z", "language": "en"}]}, token=token("ada"))
    assert len(find(search, token("ada"), query=query, mode=mode)["data"]) <= 1


@pytest.mark.usefixtures("cars")
def test_a_type_twice_counts_once(search: Send, token: Token) -> None:
    answer = find(search, token("ada"), types=["document", "document", "route"])
    assert len(answer["data"]) == 4


@pytest.mark.usefixtures("cars")
def test_the_answer_says_who_embedded(search: Send, token: Token) -> None:
    by = find(search, token("ada"))["embedded_by"]
    assert by == {"provider": "openai", "model": "text-embedding-3-small"}
    assert find(search, token("ada"), mode="keyword")["embedded_by"] is None


def test_where_nobody_embeds_hybrid_goes_by_words_and_semantic_not_at_all(
    environment: dict[str, str], token: Token, database: Any
) -> None:
    with database.connect() as owner:
        owner.execute("insert into embeddings (id, content) values ('public', 'a car')")
    only = Functions(
        {name: value for name, value in environment.items() if name not in ("OPENAI_API_KEY", "GEMINI_API_KEY")}
    )
    try:
        answer = only.request("search", "POST", "/api/search", {"query": "car"}, token=token("ada"))
        assert (answer.status, answer.json["degraded"], ids(answer.json)) == (200, "keyword", {"public"})
        answer = only.request("search", "POST", "/api/search", {"query": "car", "mode": "semantic"}, token=token("ada"))
        assert (answer.status, answer.json["code"]) == (503, "embeddings_unavailable")
    finally:
        only.close()

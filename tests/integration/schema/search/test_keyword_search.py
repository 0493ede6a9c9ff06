"""Search by words, alone and together with meaning."""

from __future__ import annotations

import psycopg

from tests.integration.schema.search.documents import ALICE, BOB, around, search, store, topic, vector


def test_keyword_search_finds_words_among_own_and_public_documents(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    store(owner, "own", ALICE, around(topic(9), 2, 15), content="the quick brown fox")
    store(owner, "public", None, around(topic(9), 2, 16), content="a fox and a hen")
    store(owner, "foreign", BOB, around(topic(9), 2, 17), content="fox")
    store(owner, "else", ALICE, around(topic(9), 2, 18), content="nothing of the kind")
    found = search(app, ALICE, query="fox -hen", mode="keyword")
    assert {row[0].split("-")[0] for row in found} == {"own"}
    assert {row[0].split("-")[0] for row in search(app, ALICE, query="fox", mode="keyword")} == {"own", "public"}


def test_hybrid_search_ranks_what_both_find_above_what_one_finds(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    store(owner, "both", ALICE, around(topic(10), 1, 19, 0.1), content="zebra")
    store(owner, "near", ALICE, around(topic(10), 3, 20, 0.1), content="horse")
    store(owner, "word", ALICE, around(topic(11), 3, 21, 0.1), content="zebra zebra")
    found = search(app, ALICE, embedding=vector(topic(10)), query="zebra", mode="hybrid")
    assert found[0][0] == "both-00000"
    assert len(found) == 7


def test_keyword_search_of_public_documents_uses_the_text_index(owner: psycopg.Connection) -> None:
    owner.execute(
        "insert into embeddings (content) "
        "select 'horse number ' || n from generate_series(1, 5000) n union all select 'okapi'"
    )
    owner.execute("vacuum (analyze) embeddings")
    plan = owner.execute(
        "explain select id from app.public_embeddings where tsv @@ websearch_to_tsquery('simple', 'okapi') limit 500"
    ).fetchall()
    assert any("idx_embeddings_tsv" in row[0] for row in plan)

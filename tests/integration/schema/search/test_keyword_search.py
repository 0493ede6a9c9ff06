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
    found = search(app, ALICE, query="fox", excluded=["hen"], mode="keyword")
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

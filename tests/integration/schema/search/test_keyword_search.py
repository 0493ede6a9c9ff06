"""Search by words, alone and together with meaning."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.integration.schema.search.documents import ALICE, BOB, around, search, sign_in, store, topic, vector


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


def test_what_meets_a_filter_is_found_however_many_hold_the_words(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    # More than are scored of one word.
    owner.execute(
        "insert into embeddings (id, user_id, content, metadata) select n, %s,"
        " case when n = 12499 then 'hen beside fox' else 'fox and hen' end, jsonb_build_object('n', n)"
        " from generate_series(1, 12500) n",
        (ALICE,),
    )
    owner.execute("insert into content_items (content_type, title, metadata) values ('route', 'fox', '{\"n\": 12498}')")
    words: dict[str, Any] = {"query": "fox hen", "mode": "keyword"}
    assert len(search(app, ALICE, **words)) == 10
    assert [row[0] for row in search(app, ALICE, **words, filter='{"n": 12498}')] == ["12498"]
    assert [row[0] for row in search(app, ALICE, **words, phrases=["beside fox"])] == ["12499"]
    assert len(search(app, ALICE, **words, types=["document", "route"], filter='{"n": 12498}')) == 2
    assert search(app, BOB, **words, filter='{"n": 12498}') == []
    assert search(app, ALICE, **words, filter='{"n": 12501}') == []


def test_before_the_table_is_analyzed_a_hybrid_search_reads_what_it_found_by_number(owner: psycopg.Connection) -> None:
    count = 1_500
    owner.execute("alter table embeddings set (autovacuum_enabled = off)")
    owner.execute(
        "insert into embeddings (user_id, content, embedding)"
        " select %s, 'fjord ' || n, app.pad_embedding(array[n, 1]::vector) from generate_series(1, %s) n",
        (ALICE, count),
    )
    for (statement,) in owner.execute("select statement from app.tenant_index_statements(100)").fetchall():
        owner.execute(statement)
    read = "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = 'embeddings'"

    def read_by_a_search() -> int:
        before = owner.execute(read).fetchone()
        owner.execute(
            "select id from app.search(%s, 'hybrid', '{document}', 'fjord 7', app.pad_embedding('[1,1]'),"
            " 'text-embedding-3-small', 10)",
            (ALICE,),
        )
        after = owner.execute(read).fetchone()
        assert before is not None
        assert after is not None
        return int(after[0] - before[0])

    with owner.transaction():
        sign_in(owner, ALICE)
        counts = [read_by_a_search() for _ in range(8)]  # from the sixth on, plans are for any parameter
    # All own vectors are compared once, and nothing else reads all rows.
    assert max(counts) < 1.5 * count, counts

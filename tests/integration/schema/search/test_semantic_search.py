"""Which documents are found by meaning, how many, and in which order."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql

from tests.integration.schema.search.documents import ALICE, BOB, around, exact, search, sign_in, store, topic, vector


def test_search_finds_own_and_public_documents_and_nobody_elses(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    center = topic(1)
    store(owner, "own", ALICE, around(center, 3, 1))
    store(owner, "public", None, around(center, 3, 2))
    store(owner, "foreign", BOB, around(center, 3, 3))
    found = search(app, ALICE, embedding=vector(center))
    assert {(id_.split("-")[0], is_public) for id_, _, _, is_public in found} == {("own", False), ("public", True)}
    assert len(found) == 6


def test_search_gives_the_nearest_in_order(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    center = topic(2)
    own, public = around(center, 40, 4, 1.0), around(center, 40, 5, 1.0)
    ids = store(owner, "own", ALICE, own) + store(owner, "public", None, public)
    expected = exact(dict(zip(ids, np.vstack([own, public]), strict=True)), center, 10)
    assert [row[0] for row in search(app, ALICE, embedding=vector(center))] == expected


@pytest.mark.parametrize("limit", [1, 10, 100])
def test_as_many_rows_as_asked_for_are_found_where_they_exist(
    owner: psycopg.Connection, app: psycopg.Connection, limit: int
) -> None:
    store(owner, "public", None, around(topic(3), 300, 6))
    store(owner, "foreign", BOB, around(topic(4), 300, 7))
    assert len(search(app, ALICE, embedding=vector(topic(4)), limit=limit)) == limit


def test_a_filter_that_few_public_documents_match_still_finds_all_of_them(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    store(owner, "near", None, around(topic(5), 500, 8, 0.1))
    store(owner, "far", None, around(-topic(5), 7, 9, 0.1))
    found = search(app, ALICE, embedding=vector(topic(5)), filter='{"set": "far"}')
    assert len(found) == 7
    assert all(id_.startswith("far") for id_, *_ in found)


@pytest.mark.parametrize("user", [ALICE, None])
def test_documents_of_a_rare_model_are_found_among_many_of_another(
    owner: psycopg.Connection, app: psycopg.Connection, user: str | None
) -> None:
    store(owner, "common", user, around(topic(5), 1100, 8, 0.1))
    store(owner, "rare", user, around(-topic(5), 7, 9, 0.1), model="rare")
    found = search(app, ALICE, embedding=vector(topic(5)), model="rare")
    assert len(found) == 7
    assert all(id_.startswith("rare") for id_, *_ in found)


def test_the_nearest_are_found_among_more_documents_than_are_compared_in_full(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    near, far = around(topic(22), 10, 38, 0.5), around(topic(22), 2000, 39, 2.0)
    ids = store(owner, "near", ALICE, near) + store(owner, "far", ALICE, far)
    expected = exact(dict(zip(ids, np.vstack([near, far]), strict=True)), topic(22), 10)
    assert [row[0] for row in search(app, ALICE, embedding=vector(topic(22)))] == expected
    assert len(search(app, ALICE, embedding=vector(topic(22)), limit=100)) == 100


def test_the_threshold_takes_results_away_and_replaces_none(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    store(owner, "near", ALICE, around(topic(6), 4, 10, 0.1))
    store(owner, "far", ALICE, around(topic(7), 20, 11, 0.1))
    found = search(app, ALICE, embedding=vector(topic(6)), threshold=0.9)
    assert sorted(row[0] for row in found) == [f"near-{number:05}" for number in range(4)]


@pytest.mark.parametrize("threshold", [None, 0.1, 0.9])
def test_the_chunks_of_a_long_document_take_no_others_place(
    owner: psycopg.Connection, app: psycopg.Connection, threshold: float | None
) -> None:
    store(owner, "long", ALICE, around(topic(6), 20, 40, 0.1))
    owner.execute("update embeddings set external_id = 'long', position = right(id, 5)::integer")
    store(owner, "short", ALICE, around(topic(6), 2, 41, 0.8))
    store(owner, "far", ALICE, around(-topic(6), 2, 42, 0.1))
    found = search(app, ALICE, embedding=vector(topic(6)), threshold=threshold, limit=3)
    short = [] if threshold == 0.9 else ["short-00000", "short-00001"]
    assert sorted(row[0] for row in found) == ["long", *short]


def test_only_vectors_of_the_same_model_are_compared(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    store(owner, "other", ALICE, around(topic(8), 5, 12), model="gemini-embedding-001")
    store(owner, "usual", ALICE, around(topic(8), 5, 13))
    found = search(app, ALICE, embedding=vector(topic(8)), model="gemini-embedding-001")
    assert {row[0].split("-")[0] for row in found} == {"other"}


def test_a_smaller_models_vectors_are_padded_and_keep_their_cosines(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    small = np.random.default_rng(14).standard_normal((2, 768))
    owner.execute(
        "insert into embeddings (id, user_id, content, embedding, model) "
        "values ('small', %s, 'x', app.pad_embedding(%s::vector), 'm768')",
        (ALICE, vector(small[0])),
    )
    [(_, similarity, _, _)] = search(app, ALICE, embedding=vector(small[1]), model="m768")
    cosine = small[0] @ small[1] / np.linalg.norm(small[0]) / np.linalg.norm(small[1])
    assert similarity == pytest.approx(cosine, abs=1e-6)


def test_a_vector_of_more_dimensions_is_refused(owner: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.DataException, match="expected 1536 dimensions"):
        owner.execute("select app.pad_embedding(%s::vector)", (vector(np.ones(3072)),))


@pytest.mark.parametrize(
    "arguments",
    [
        {"mode": "psychic"},
        {"mode": "semantic"},
        {"mode": "keyword"},
        {"mode": "hybrid", "query": "no vector"},
        {"mode": None},
    ],
)
def test_a_search_without_what_it_needs_is_refused(
    owner: psycopg.Connection, app: psycopg.Connection, arguments: dict[str, Any]
) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        search(app, ALICE, **arguments)


def test_match_embeddings_shows_its_index_scan_and_finds_public_and_own_documents(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    store(owner, "public", None, around(topic(14), 1000, 26))
    store(owner, "own", ALICE, around(topic(14), 1, 27, 0.01))
    store(owner, "foreign", BOB, around(topic(14), 50, 28, 0.01))
    statement = "select id from match_embeddings(%s::vector, 0.1, 5, '{}')"
    plan = owner.execute("explain " + statement, (vector(topic(14)),)).fetchall()
    assert any("Index Scan using idx_embeddings_vector" in row[0] for row in plan)
    sign_in(app, ALICE)
    found = [row[0] for row in app.execute(statement, (vector(topic(14)),)).fetchall()]
    assert found[0] == "own-00000"
    assert [id_.split("-")[0] for id_ in found[1:]] == ["public"] * 4


def test_s3s_recipe_for_another_dimension_runs(owner: psycopg.Connection) -> None:
    owner.execute("alter table embeddings add column embedding_768 vector(768)")
    owner.execute("create index idx_embeddings_vector_768 on embeddings using hnsw (embedding_768 vector_cosine_ops)")


@pytest.mark.parametrize("threshold", [None, 0.9])
def test_a_document_whose_vector_is_all_zeros_is_near_nothing(
    owner: psycopg.Connection, app: psycopg.Connection, threshold: float | None
) -> None:
    store(owner, "near", ALICE, around(topic(61), 1, 61, 0.1))
    store(owner, "zeros", ALICE, np.zeros((1, 1536)), content="pagoda")
    query = {"embedding": vector(topic(61)), "threshold": threshold}
    assert [row[0] for row in search(app, ALICE, **query)] == ["near-00000"]
    by_word = search(app, ALICE, **query, mode="hybrid", query="pagoda")
    assert {row[0]: row[1] is None for row in by_word} == {"near-00000": False, "zeros-00000": True}
    assert search(app, ALICE, embedding=vector(np.zeros(1536)), threshold=threshold) == []


def test_the_rpc_finds_no_document_whose_vector_is_all_zeros(owner: psycopg.Connection) -> None:
    store(owner, "near", None, around(topic(62), 1, 62, 0.1))
    store(owner, "zeros", None, np.zeros((1, 1536)))
    found = owner.execute("select id from match_embeddings(%s::vector, 0.5, 5)", (vector(topic(62)),)).fetchall()
    assert found == [("near-00000",)]


@pytest.mark.parametrize("filters", [("filter_metadata",), ("filter",), ("filter_metadata", "filter")])
def test_the_rpc_takes_a_filter_by_both_names_that_clients_send(
    owner: psycopg.Connection, app: psycopg.Connection, filters: tuple[str, ...]
) -> None:
    store(owner, "near", ALICE, around(topic(63), 2, 63, 0.1))
    store(owner, "far", ALICE, around(topic(63), 2, 64, 0.1))
    sign_in(app, ALICE)
    named = sql.SQL(", ").join(sql.SQL('{} => \'{{"set": "far"}}\'').format(sql.Identifier(name)) for name in filters)
    statement = sql.SQL("select id from match_embeddings(query_embedding => {}::vector, match_count => 4, {})")
    found = app.execute(statement.format(vector(topic(63)), named)).fetchall()
    assert {key for (key,) in found} == {"far-00000", "far-00001"}


def test_langchains_vector_store_writes_and_reads_as_it_does_through_postgrest(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    """What SupabaseVectorStore sends: an upsert of rows on their id, and the rpc with `filter` (PostgREST makes of both
    the statements below)."""
    sign_in(app, ALICE)
    rows = [{"id": "row", "content": "first", "embedding": vector(topic(64)), "metadata": {"source": "a"}}]
    upsert = """
        insert into embeddings (id, user_id, content, embedding, metadata)
        select r.id, 'alice', r.content, r.embedding, r.metadata
        from json_populate_recordset(null::embeddings, %s) r
        on conflict (id) do update
        set content = excluded.content, embedding = excluded.embedding, metadata = excluded.metadata
    """
    app.execute(upsert, (json.dumps(rows),))
    app.execute(upsert, (json.dumps([rows[0] | {"content": "second"}]),))
    rpc = "select * from match_embeddings(query_embedding => %s::vector, match_count => 4, filter => %s)"
    found = app.execute(rpc, (vector(topic(64)), '{"source": "a"}')).fetchall()
    assert [(row[0], row[1], row[2]) for row in found] == [("row", "second", {"source": "a"})]


def test_a_vector_of_another_length_is_refused_by_the_rpc(owner: psycopg.Connection) -> None:
    store(owner, "near", None, around(topic(65), 1, 65, 0.1))
    with pytest.raises(psycopg.errors.DataException):
        owner.execute("select * from match_embeddings('[1, 2, 3]'::vector)")

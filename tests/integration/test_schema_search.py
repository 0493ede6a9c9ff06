"""Search in the schema: whose documents are found, how many, in which order, by which index, and what is logged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.conftest import ScratchDatabase
from tests.integration.schema.support import SERVICE, set_claims
from tests.integration.schema.support import user as claims_of

DIMENSIONS = 1536
ALICE, BOB = "alice", "bob"

SEARCH = """
    select id, similarity, score, is_public
    from app.search_documents(
      %(user)s, %(embedding)s::vector, %(query)s, %(mode)s, %(limit)s, %(threshold)s, %(filter)s, %(model)s)
"""


@pytest.fixture
def owner(database: ScratchDatabase) -> Iterator[psycopg.Connection]:
    with database.connect() as connection:
        connection.execute('insert into "user" (id) values (%s), (%s)', (ALICE, BOB))
        yield connection


@pytest.fixture
def app(database: ScratchDatabase) -> Iterator[psycopg.Connection]:
    with database.connect("app", autocommit=False) as connection:
        yield connection


def vector(values: Any) -> str:
    return Vector(values).to_text()


def around(center: np.ndarray, count: int, seed: int, spread: float = 0.5) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((count, DIMENSIONS)) / np.sqrt(DIMENSIONS)
    rows = center + spread * noise
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def topic(seed: int) -> np.ndarray:
    center = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return center / np.linalg.norm(center)


def store(
    owner: psycopg.Connection,
    prefix: str,
    user: str | None,
    rows: np.ndarray,
    content: str = "text",
    model: str | None = None,
) -> list[str]:
    ids = [f"{prefix}-{number:05}" for number in range(len(rows))]
    register_vector(owner)
    with (
        owner.cursor() as cursor,
        cursor.copy(
            "copy public.embeddings (id, user_id, content, embedding, metadata, model) from stdin with (format binary)"
        ) as copy,
    ):
        copy.set_types(["text", "text", "text", "vector", "jsonb", "text"])
        for id_, row in zip(ids, rows, strict=True):
            copy.write_row((id_, user, content, Vector(row), Jsonb({"set": prefix}), model or "text-embedding-3-small"))
    owner.execute("analyze public.embeddings")
    return ids


def sign_in(connection: psycopg.Connection, user: str) -> None:
    set_claims(connection, claims_of(user))


def search(connection: psycopg.Connection, user: str, **arguments: Any) -> list[tuple[Any, ...]]:
    sign_in(connection, user)
    defaults = {
        "user": user, "embedding": None, "query": None, "mode": "semantic", "limit": 10, "threshold": None,
        "filter": "{}", "model": "text-embedding-3-small",
    }  # fmt: skip
    rows = connection.execute(SEARCH, defaults | arguments).fetchall()
    connection.rollback()
    return rows


def exact(rows: dict[str, np.ndarray], query: np.ndarray, limit: int) -> list[str]:
    return sorted(rows, key=lambda id_: (-float(rows[id_] @ query), id_))[:limit]


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


@given(seed=st.integers(0, 2**32 - 1), foreign=st.integers(1, 400))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_foreign_vectors_change_neither_count_nor_order(
    owner: psycopg.Connection, app: psycopg.Connection, seed: int, foreign: int
) -> None:
    owner.execute("truncate public.embeddings")
    center = topic(seed)
    store(owner, "own", ALICE, around(center, 30, seed, 1.0))
    store(owner, "public", None, around(center, 200, seed + 1, 1.0))
    before = search(app, ALICE, embedding=vector(center))
    store(owner, "foreign", BOB, around(center, foreign, seed + 2, 0.05))
    assert search(app, ALICE, embedding=vector(center)) == before


def test_the_threshold_takes_results_away_and_replaces_none(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    store(owner, "near", ALICE, around(topic(6), 4, 10, 0.1))
    store(owner, "far", ALICE, around(topic(7), 20, 11, 0.1))
    found = search(app, ALICE, embedding=vector(topic(6)), threshold=0.9)
    assert sorted(row[0] for row in found) == [f"near-{number:05}" for number in range(4)]


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


def test_nobody_searches_in_anothers_name(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    sign_in(app, BOB)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("select app.search_documents(%s, %s::vector)", (ALICE, vector(topic(1))))


def test_the_service_searches_for_a_user_and_sees_what_that_user_sees(
    owner: psycopg.Connection, database: ScratchDatabase
) -> None:
    store(owner, "own", ALICE, around(topic(12), 2, 22))
    store(owner, "foreign", BOB, around(topic(12), 2, 23))
    with database.connect("service", autocommit=False) as service:
        set_claims(service, SERVICE)
        found = service.execute(
            "select id from app.search_documents(%s, %s::vector)", (ALICE, vector(topic(12)))
        ).fetchall()
    assert sorted(found) == [("own-00000",), ("own-00001",)]


def plan_of_own_branch(owner: psycopg.Connection, user: str) -> str:
    """The plan of the function's own exact query, with its values folded in as plpgsql folds them."""
    rows = owner.execute(
        sql.SQL(
            "explain select e.id from public.embeddings e where e.user_id = {} and e.embedding is not null "
            "order by app.cosine_distance(e.embedding, {}::vector), e.id limit 10"
        ).format(user, vector(topic(13)))
    ).fetchall()
    return "\n".join(row[0] for row in rows)


def test_own_documents_are_never_found_through_a_vector_index(owner: psycopg.Connection) -> None:
    store(owner, "own", ALICE, around(topic(13), 300, 24))
    store(owner, "foreign", BOB, around(topic(13), 2000, 25))
    # Even a global index, as S3's recipe would make it.
    owner.execute("create index a_global_index on embeddings using hnsw (embedding vector_cosine_ops)")
    owner.execute("set enable_seqscan = off")
    owner.execute("set enable_sort = off")
    plan = plan_of_own_branch(owner, ALICE)
    assert "a_global_index" not in plan
    assert "idx_embeddings_vector" not in plan


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


def test_a_promoted_tenant_is_served_by_its_own_index_and_loses_nothing(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    rows = around(topic(15), 400, 29, 1.0)
    ids = store(owner, "own", ALICE, rows)
    before = search(app, ALICE, embedding=vector(topic(15)))
    for (statement,) in owner.execute("select statement from app.tenant_index_statements(100)").fetchall():
        owner.execute(statement)
    owner.execute("set enable_sort = off")
    plan = owner.execute(
        sql.SQL(
            "explain select id from public.embeddings where user_id = 'alice' "
            "order by app.indexed_distance(embedding, {}::vector) limit 10"
        ).format(vector(topic(15)))
    ).fetchall()
    index = owner.execute("select app.tenant_index_name('alice')").fetchone()
    assert index is not None
    assert any(index[0] in row[0] for row in plan)
    assert search(app, ALICE, embedding=vector(topic(15))) == before
    assert len(search(app, ALICE, embedding=vector(topic(15)), limit=100)) == 100
    assert set(exact(dict(zip(ids, rows, strict=True)), topic(15), 1)) == {before[0][0]}


def test_promotion_is_bounded_and_undone_when_a_tenant_shrinks(owner: psycopg.Connection) -> None:
    store(owner, "a", ALICE, around(topic(16), 120, 30))
    store(owner, "b", BOB, around(topic(16), 150, 31))
    statements = owner.execute("select user_id, statement from app.tenant_index_statements(100, 1)").fetchall()
    assert [user for user, _ in statements] == [BOB]
    owner.execute(statements[0][1])
    assert owner.execute("select count(*) from app.tenant_index_statements(100, 1)").fetchone() == (0,)
    owner.execute("delete from embeddings where user_id = %s and id > 'b-00010'", (BOB,))
    [(_, drop), (user, _)] = owner.execute(
        "select user_id, statement from app.tenant_index_statements(100, 1)"
    ).fetchall()
    assert user == ALICE
    owner.execute(drop)
    assert owner.execute("select to_regclass(app.tenant_index_name(%s))", (BOB,)).fetchone() == (None,)


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


def test_delete_by_metadata_deletes_own_documents_only_and_refuses_an_empty_filter(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    for prefix, user in (("own", ALICE), ("foreign", BOB), ("public", None)):
        store(owner, prefix, user, around(topic(18), 2, 34))
    owner.execute('update embeddings set metadata = \'{"kind": "note"}\'')
    sign_in(app, ALICE)
    assert app.execute('select delete_by_metadata(\'{"kind": "note"}\')').fetchone() == (2,)
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        app.execute("select delete_by_metadata('{}')")


def test_clear_all_embeddings_needs_a_user_and_leaves_others_alone(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    store(owner, "own", ALICE, around(topic(19), 3, 35))
    store(owner, "public", None, around(topic(19), 3, 36))
    sign_in(app, ALICE)
    assert app.execute("select clear_all_embeddings()").fetchone() == (3,)
    app.commit()
    assert owner.execute("select count(*) from embeddings").fetchone() == (3,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("select clear_all_embeddings()")


def test_s3s_recipe_for_another_dimension_runs(owner: psycopg.Connection) -> None:
    owner.execute("alter table embeddings add column embedding_768 vector(768)")
    owner.execute("create index idx_embeddings_vector_768 on embeddings using hnsw (embedding_768 vector_cosine_ops)")


@pytest.mark.parametrize("statement", [
    "insert into embeddings (id, user_id, content) values ('x', null, 'public')",
    "insert into embeddings (id, user_id, content) values ('x', 'bob', 'foreign')",
    "update embeddings set user_id = 'alice'",
    "insert into ai_content_searches (user_id, query, content_type) values ('alice', 'q', 'route')",
    "insert into content_items (content_type, title) values ('route', 't')",
])  # fmt: skip
def test_users_write_neither_public_nor_foreign_rows(
    owner: psycopg.Connection, app: psycopg.Connection, statement: str
) -> None:
    sign_in(app, ALICE)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(sql.SQL(statement))


def test_without_claims_nothing_is_visible(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    store(owner, "public", None, around(topic(20), 2, 37))
    owner.execute("insert into content_items (content_type, title) values ('route', 't')")
    assert app.execute(
        "select (select count(*) from embeddings) + (select count(*) from content_items)"
    ).fetchone() == (0,)


def test_content_is_found_by_type_meaning_and_word(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    for number, (kind, title) in enumerate(
        [("route", "Coast road"), ("route", "Hill road"), ("school", "Coast school"), ("event", "Fair")]
    ):
        owner.execute(
            "insert into content_items (content_type, title, embedding) values (%s, %s, %s::vector)",
            (kind, title, vector(around(topic(21), 1, number, 0.1 * (number + 1))[0])),
        )
    sign_in(app, ALICE)

    def titles(**arguments: Any) -> list[str]:
        values = {
            "embedding": None,
            "query": None,
            "mode": "semantic",
            "types": ["route", "school", "event"],
        } | arguments
        return [
            row[0]
            for row in app.execute(
                "select title from app.search_content('alice', %(embedding)s::vector, %(query)s, %(mode)s, %(types)s)",
                values,
            ).fetchall()
        ]

    assert titles(embedding=vector(topic(21))) == ["Coast road", "Hill road", "Coast school", "Fair"]
    assert titles(embedding=vector(topic(21)), types=["school"]) == ["Coast school"]
    assert sorted(titles(query="coast", mode="keyword")) == ["Coast road", "Coast school"]
    assert titles(embedding=vector(topic(21)), query="school", mode="hybrid")[0] == "Coast school"


def test_a_search_and_its_selection_are_logged_for_its_user_alone(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    sign_in(app, ALICE)
    logged = app.execute("select app.record_search('alice', 'a route', 'route', '{}', 3)").fetchone()
    assert logged is not None
    assert app.execute("select app.record_selection('alice', %s, 'some-id')", logged).fetchone() == (True,)
    app.commit()
    sign_in(app, BOB)
    assert app.execute("select app.record_selection('bob', %s, 'mine')", logged).fetchone() == (False,)
    assert app.execute("select count(*) from ai_content_searches").fetchone() == (0,)
    app.rollback()
    row = owner.execute(
        "select query, results_count, selected_content_id, selected_at is not null from ai_content_searches"
    )
    assert row.fetchall() == [("a route", 3, "some-id", True)]


def interact(connection: psycopg.Connection, user: str, organization: str | None, *items: tuple[str, str]) -> None:
    set_claims(connection, claims_of(user, organization))
    for kind, item in items:
        connection.execute(
            "insert into user_interactions (user_id, interaction_type, item_type, item_id) "
            "values (%s, %s, 'product', %s)",
            (user, kind, item),
        )


def recommended(connection: psycopg.Connection, user: str) -> list[tuple[str, str]]:
    return connection.execute("select item_id, reason from app.recommend_items(%s)", (user,)).fetchall()


def test_recommendations_say_why_and_leave_out_what_is_done_with(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    owner.execute("insert into \"user\" (id) values ('carol'), ('dave'); insert into organization (id) values ('acme')")
    interact(app, BOB, "acme", ("view", "shared"), ("purchase", "lamp"), ("view", "secret"))
    interact(app, "carol", "acme", ("view", "lamp"), ("view", "chair"))
    interact(app, "dave", "acme", ("view", "chair"))
    interact(
        app, ALICE, "acme", ("view", "shared"), ("dismiss", "table"), ("purchase", "bought"), ("add_to_cart", "cup")
    )
    assert recommended(app, ALICE) == [
        ("lamp", "similar_people"), ("cup", "viewed_before"), ("shared", "viewed_before"), ("chair", "popular_here"),
    ]  # fmt: skip


def test_recommendations_do_not_cross_organizations(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    owner.execute(
        "insert into \"user\" (id) values ('carol'); insert into organization (id) values ('acme'), ('other')"
    )
    interact(app, BOB, "acme", ("purchase", "lamp"))
    interact(app, "carol", "acme", ("purchase", "lamp"))
    interact(app, ALICE, "other", ("view", "cup"))
    assert recommended(app, ALICE) == [("cup", "viewed_before")]

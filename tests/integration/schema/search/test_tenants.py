"""One tenant beside others: no side channel, nothing foreign read or written, and an index of its own."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from testing.claims import SERVICE, set_claims
from testing.databases import ScratchDatabase
from tests.integration.schema.search.documents import ALICE, BOB, around, exact, search, sign_in, store, topic, vector


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


def test_nobody_searches_in_anothers_name(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    sign_in(app, BOB)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(
            "select app.search(%s, 'semantic', '{document}', null, %s::vector, null)", (ALICE, vector(topic(1)))
        )


def test_the_service_searches_for_a_user_and_sees_what_that_user_sees(
    owner: psycopg.Connection, database: ScratchDatabase
) -> None:
    store(owner, "own", ALICE, around(topic(12), 2, 22))
    store(owner, "foreign", BOB, around(topic(12), 2, 23))
    with database.connect("service", autocommit=False) as service:
        set_claims(service, SERVICE)
        found = service.execute(
            "select id from app.search(%s, 'semantic', '{document}', null, %s::vector, 'text-embedding-3-small')",
            (ALICE, vector(topic(12))),
        ).fetchall()
    assert sorted(found) == [("own-00000",), ("own-00001",)]


def plan_of_own_branch(owner: psycopg.Connection, user: str) -> str:
    """The plan of the function's own query without a filter, with its values folded in as plpgsql folds them."""
    rows = owner.execute(
        sql.SQL(
            "explain select e.chunk_number from public.embeddings e "
            "where e.user_id = {} and e.model = 'text-embedding-3-small' and e.embedding_bits is not null "
            "order by app.bit_distance(e.embedding_bits, {}::vector), e.chunk_number limit 400"
        ).format(user, vector(topic(13)))
    ).fetchall()
    return "\n".join(row[0] for row in rows)


def test_own_documents_are_never_found_through_a_vector_index(owner: psycopg.Connection) -> None:
    store(owner, "own", ALICE, around(topic(13), 300, 24))
    store(owner, "foreign", BOB, around(topic(13), 2000, 25))
    # Even a global index, as S3's recipe would make it, or one over the bits.
    owner.execute("create index a_global_index on embeddings using hnsw (embedding vector_cosine_ops)")
    owner.execute("create index another_global_index on embeddings using hnsw (embedding_bits bit_hamming_ops)")
    owner.execute("set enable_seqscan = off")
    owner.execute("set enable_sort = off")
    plan = plan_of_own_branch(owner, ALICE)
    assert "global_index" not in plan
    assert "idx_embeddings_vector" not in plan


def test_the_choice_among_own_documents_reads_no_vector(owner: psycopg.Connection) -> None:
    owner.execute("set synchronous_commit = on")  # a page is all-visible once its commits are on disk
    store(owner, "own", ALICE, around(topic(13), 600, 24))
    store(owner, "foreign", BOB, around(topic(13), 600, 25))
    owner.execute("vacuum (analyze) embeddings")
    assert "Index Only Scan using idx_embeddings_bits" in plan_of_own_branch(owner, ALICE)


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

"""Every statement of the five seeds runs here as it was written, and schema/checks holds them all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from local.checkout import CHECKOUT, SCHEMA
from testing.claims import SERVICE, set_claims, user
from testing.databases import ScratchDatabase, psql
from tests.integration.schema import seeds

SEEDS = list(seeds.NAMES)
# S2's later phase extends the application's own tables.
_APPLICATION_TABLES = ("routes", "learning_paths", "exercises", "schools", "events", "instructors")


def _add_subjects(connection: psycopg.Connection[Any]) -> None:
    connection.cursor().executemany('insert into "user" (id) values (%s)', [(name,) for name in seeds.USERS])
    connection.cursor().executemany(
        "insert into organization (id) values (%s)", [(name,) for name in seeds.ORGANIZATIONS]
    )


def _run(connection: psycopg.Connection[Any], statements: Sequence[str]) -> list[str]:
    """Run statements in order; what went wrong, in words."""
    failures = []
    for statement in statements:
        if "CREATE INDEX idx_embeddings_vector ON" in statement:
            connection.execute("drop index idx_embeddings_vector")
        flat = " ".join(statement.split())
        try:
            connection.execute(statement.encode())
        except psycopg.errors.UndefinedColumn as error:
            if flat.startswith(seeds.WRONG_IN_EVERY_POSTGRES):
                continue
            failures.append(f"{flat[:100]}: {error}")
        except psycopg.Error as error:
            failures.append(f"{flat[:100]}: {error}")
            if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                break
    return failures


@pytest.mark.parametrize("seed", SEEDS)
def test_each_runnable_statement_of_a_seed_passes_verbatim(seed: str, database: ScratchDatabase) -> None:
    blocks = seeds.runnable_blocks(seed)
    assert blocks
    failures = []
    with database.connect() as owner:
        _add_subjects(owner)
        if seeds.documents_are_here():
            for name in _APPLICATION_TABLES:
                owner.execute(sql.SQL("create table {} (id uuid primary key)").format(sql.Identifier(name)))
        for block in blocks:
            if block.destructive and seeds.documents_are_here():
                with owner.transaction(force_rollback=True):
                    found = _run(owner, block.statements)
            else:
                found = _run(owner, block.statements)
            failures += [f"{block.heading}: {failure}" for failure in found]
    assert failures == []


@seeds.needs_documents
def test_the_one_wrong_statement_is_wrong_in_every_postgres(empty_database: ScratchDatabase) -> None:
    with empty_database.connect() as owner, pytest.raises(psycopg.errors.UndefinedColumn, match="tablename"):
        owner.execute(seeds.WRONG_IN_EVERY_POSTGRES.encode())


@seeds.needs_documents
@pytest.mark.parametrize("seed", SEEDS)
def test_every_reason_to_skip_a_statement_is_needed(seed: str) -> None:
    everything = [" ".join(text.split()) for block in seeds.document_blocks(seed) for text in block.statements]
    for start in [*seeds.SKIPPED[seed], *seeds.CORRECTED[seed]]:
        assert any(statement.startswith(start) for statement in everything), start


@seeds.needs_documents
@pytest.mark.parametrize("seed", SEEDS)
def test_the_checks_hold_every_runnable_statement_of_their_seed(seed: str) -> None:
    held = {seeds.normalized(text) for text in seeds.check_statements(seeds.check_path(seed))}
    for block in seeds.runnable_blocks(seed):
        for statement in block.statements:
            flat = " ".join(statement.split())
            if flat.startswith(tuple(seeds.CORRECTED[seed])):
                assert seeds.normalized(statement) not in held, f"is not corrected: {flat}"
            else:
                assert seeds.normalized(statement) in held, f"is missing: {flat}"


@pytest.mark.parametrize("name", sorted(path.name for path in seeds.CHECKS.glob("*.sql")))
def test_each_file_of_checks_runs_with_plain_psql_and_may_be_repeated(name: str, database: ScratchDatabase) -> None:
    for _ in range(2):
        done = psql(database.owner_url, seeds.CHECKS / name)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seeds_checks_leave_the_database_as_it_was(seed: str, database: ScratchDatabase) -> None:
    with database.connect() as owner:
        before = _row_counts(owner)
        assert psql(database.owner_url, seeds.check_path(seed)).returncode == 0
        assert _row_counts(owner) == before


def _row_counts(owner: psycopg.Connection[Any]) -> dict[str, int]:
    tables = owner.execute(
        "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'app') order by 1"
    ).fetchall()
    counts = {}
    for (table,) in tables:
        row = owner.execute(f"select count(*) from {table}".encode()).fetchone()
        assert row
        counts[table] = row[0]
    return counts


def test_the_validation_queries_of_s2_return_what_they_should(database: ScratchDatabase) -> None:
    table_query, index_query, policy_query = seeds.check_statements(seeds.check_path("S2"))[5:8]
    with database.connect() as owner:
        # What the seed's own precedence would have let in.
        owner.execute("create schema other; create table other.user_ai_settings (id integer primary key)")
        tables = [name for (name,) in owner.execute(table_query.encode())]
        indexes = {(table, name) for name, table in owner.execute(index_query.encode())}
        policies = {(table, name) for table, name in owner.execute(policy_query.encode())}
    assert sorted(tables).count("user_ai_settings") == 1
    assert {"ai_conversations", "ai_usage_logs", "ai_content_searches"} <= set(tables)
    assert {
        ("user_ai_settings", "idx_user_ai_settings_user_id"),
        ("user_ai_settings", "idx_user_ai_settings_tier"),
        ("user_ai_settings", "idx_user_ai_settings_last_reset"),
        ("ai_conversations", "idx_ai_conversations_user_id"),
        ("ai_conversations", "idx_ai_conversations_created_at"),
        ("ai_usage_logs", "idx_ai_usage_logs_user_id_created_at"),
        ("ai_usage_logs", "idx_ai_usage_logs_tier"),
        ("ai_usage_logs", "idx_ai_usage_logs_provider"),
        ("ai_usage_logs", "idx_ai_usage_logs_created_at"),
        ("ai_content_searches", "idx_ai_searches_user_id"),
        ("ai_content_searches", "idx_ai_searches_content_type"),
        ("ai_content_searches", "idx_ai_searches_created_at"),
    } <= indexes
    assert {
        ("user_ai_settings", "Users can view their own AI settings"),
        ("user_ai_settings", "Users can update their own AI settings"),
        ("user_ai_settings", "Users can insert their own AI settings"),
        ("ai_conversations", "Users can view their own conversations"),
        ("ai_conversations", "Users can insert their own conversations"),
        ("ai_conversations", "Users can update their own conversations"),
        ("ai_usage_logs", "Service role can insert usage logs"),
        ("ai_content_searches", "Users can view their own searches"),
        ("ai_content_searches", "Service role can insert searches"),
    } <= policies


def test_the_demo_data_of_s2_is_a_user_of_each_tier(database: ScratchDatabase) -> None:
    assert psql(database.owner_url, seeds.CHECKS / "demo_data.sql").returncode == 0
    with database.connect() as owner:
        rows = owner.execute(
            "select tier, daily_usage, monthly_usage from user_ai_settings order by user_id"
        ).fetchall()
    assert rows == [("free", 5, 120), ("byok", 50, 1200), ("premium", 30, 850)]


def test_the_plan_of_s3_names_the_vector_index_on_twelve_thousand_rows(database: ScratchDatabase) -> None:
    with database.connect() as owner:
        # Built after the rows, which is several times quicker; with its own definition.
        row = owner.execute("select pg_get_indexdef('idx_embeddings_vector'::regclass)").fetchone()
        assert row
        owner.execute("drop index idx_embeddings_vector")
        owner.execute(
            """
            insert into embeddings (id, content, embedding)
            select 'doc-' || n, 'document ' || n,
              format('{%s:1,%s:1}/1536', 1 + n * 31 % 768, 769 + n * 17 % 767)::sparsevec::vector
            from generate_series(1, 12000) as n
            """
        )
        owner.execute(row[0].encode())
        owner.execute("vacuum analyze embeddings")
        statement = next(
            text for text in seeds.check_statements(seeds.check_path("S3")) if text.startswith("explain analyze")
        )
        plan = "\n".join(line for (line,) in owner.execute(statement.encode()))
    assert "Index Scan using idx_embeddings_vector" in plan


@pytest.mark.parametrize("runs", [1, 3])
def test_there_are_exactly_five_precomputed_responses_after_any_number_of_runs(
    runs: int, database: ScratchDatabase
) -> None:
    for _ in range(runs - 1):
        done = psql(database.owner_url, *sorted(seeds.CHECKS.parent.glob("*.sql")))
        assert done.returncode == 0, done.stderr
    with database.connect() as owner:
        assert len(owner.execute("select * from ai_precomputed_responses").fetchall()) == 5


def test_without_the_optional_embedding_column_cache_cleanup_and_chat_still_work(database: ScratchDatabase) -> None:
    request = {
        "request_id": "first", "operation": "chat", "body_hash": "b", "default_provider": "openai",
        "default_models": {"openai": "gpt"}, "message": "a question that no pattern knows", "prompt_hash": "h",
        "cache_scope": "user", "lease_seconds": 60,
    }  # fmt: skip
    claims = Jsonb(user("user_1"))
    with database.connect() as owner:
        owner.execute("alter table ai_response_cache drop column if exists embedding")
    with database.connect("app") as app:
        (begun,) = app.execute("select app.begin_request(%s, %s)", (claims, Jsonb(request))).fetchone() or (None,)
        assert begun["outcome"] == "admitted"
        answer = {
            "prompt_hash": "h", "provider": "openai", "model": "gpt", "scope": "user", "ttl_seconds": 60,
            "text": "the answer", "tokens": 3, "embedding": [0.1] * 1536,
        }  # fmt: skip
        outcome = {"request_id": "first", "fence": begun["fence"], "state": "settled", "calls": [], "cache": answer}
        app.execute("select app.finish_request(%s, %s)", (claims, Jsonb(outcome)))
        again = Jsonb(request | {"request_id": "second"})
        (hit,) = app.execute("select app.begin_request(%s, %s)", (claims, again)).fetchone() or (None,)
        assert (hit["outcome"], hit["answer"]["text"]) == ("cache_hit", "the answer")
    with database.connect() as owner:
        owner.execute("update ai_response_cache set expires_at = now() - interval '1 minute'")
    with database.connect("service") as service, service.transaction():
        set_claims(service, SERVICE)
        assert service.execute("select clean_expired_ai_cache()").fetchone() == (1,)
    assert psql(database.owner_url, SCHEMA / "45_cache.sql").returncode == 0
    with database.connect() as owner:
        columns = owner.execute("select * from ai_response_cache").description or []
    assert "embedding" not in {column.name for column in columns}, "migrating again must not bring it back"


@seeds.needs_documents
@pytest.mark.parametrize("seed", SEEDS)
def test_the_map_of_the_seeds_knows_every_file_table_and_function(seed: str) -> None:
    map_of_seeds = (CHECKOUT / "docs/seeds.md").read_text(encoding="utf-8")
    document = seeds.document_path(seed).read_text(encoding="utf-8")
    named = re.findall(
        r"([\w/]+\.sql)\b|\b(\w+)\(\)`|\*\*`?([a-z_]{5,})`?(?:\(\))?\*\*|#{3,4} (?:\w+: )?`(\w+)", document
    )
    names = {name for found in named for name in found if name}
    assert names
    assert sorted(name for name in names if name not in map_of_seeds) == []

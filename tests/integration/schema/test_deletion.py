"""A deleted user leaves nothing personal behind, wherever the catalog has room for it, whatever goes on meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg import sql

from local.checkout import SCHEMA
from local.postgres.server import Server
from parley.migrations.runner import up
from testing.claims import SERVICE, set_claims, user
from testing.databases import ScratchDatabase, new_database, psql
from tests.integration.schema import seeds
from tests.integration.schema.calls import Caller, cache_entry
from tests.integration.schema.expectations import ROWS
from tests.integration.schema.matrix import Table, insert

CANARY = "canary_7f3a"
# Columns that say whose a row is in other words.
_SPELT: Mapping[str, str] = {"caller_key": f"user:{CANARY}", "tenant": f"user:{CANARY}"}
# Tables whose rows are nobody's in particular.
NOBODYS: Mapping[str, str] = {
    "public.organization": "an organization",
    "public.content_items": "the operator's",
    "public.ai_precomputed_responses": "the operator's",
    "app.achievement_catalogue": "the schema's",
    "app.ai_tiers": "the operator's",
    "app.settings": "the operator's",
    "app.organization_policies": "an organization's",
    "app.anonymous_usage": "of callers without a name, gone after a day",
    "app.deleted_subjects": "hashes",
    "app.leaderboard_histogram": "counts",
    "app.call_deletions": "ids of calls that are to be deleted at their vendor",
    "app.rolled_up_days": "dates",
    "app.usage_by_day": "sums of everybody's",
    "app.adopted_tables": "the migrations'",
    "app.schema_migrations": "the migrations'",
}
# What a table's rows are called in an export.
EXPORTED: Mapping[str, str] = {
    "public.user": "user",
    "public.profiles": "profile",
    "public.user_ai_settings": "settings",
    "public.ai_provider_preferences": "provider_preferences",
    "app.provider_keys": "provider_keys",
    "app.access_keys": "access_keys",
    "app.access_key_usage": "access_key_usage",
    "public.ai_conversations": "conversations",
    "public.embeddings": "documents",
    "public.ai_content_searches": "searches",
    "public.user_interactions": "interactions",
    "app.question_generations": "question_generations",
    "public.interview_sessions": "interviews",
    "public.interview_responses": "interview_responses",
    "public.interview_feedback": "interview_feedback",
    "public.voice_analytics": "voice_analytics",
    "public.practice_attempts": "practice_attempts",
    "public.user_progress": "progress",
    "app.xp_events": "xp_events",
    "public.achievements": "achievements",
    "public.streaks": "streaks",
    "public.leaderboard": "leaderboard",
    "app.leaderboard_scores": "leaderboard_scores",
    "public.ai_usage": "usage",
    "app.usage_archive": "archived_usage",
    "public.user_ai_usage": "usage_by_month",
    "app.ai_requests": "requests",
    "public.ai_response_cache": "stored_answers",
}
# Personal, and no part of an export.
NOT_EXPORTED: Mapping[str, str] = {
    "app.word_segments": "numbers of the documents in an index of their words",
    "app.word_postings": "the words of the documents, which are exported",
    "app.cache_fills": "a lease of some minutes on an answer that is being made",
    "app.webhook_events": "a call's report on its way into the transcript, which is exported",
    "public.ai_usage_logs": "an adopted application's own log; the ledger is exported",
}
SECRETS = {"ciphertext", "key_hash", "encrypted_api_keys", "embedding", "body_hash"}
# Columns that the schema's functions write, from nothing that is personal, and that may outlive the user.
IMPERSONAL: Mapping[str, set[str]] = {
    # About the call; the request's number is the gateway's.
    "public.ai_usage": {"organization_id", "request_id", "tier", "provider", "model", "operation_type"},
    # A request of the user's own, which a shared answer is waited for by.
    "app.cache_fills": {"request_id"},
    # An organization, and a week or a month, which the histogram counts by.
    "app.leaderboard_scores": {"organization_id", "period_key"},
}


def _tables(owner: psycopg.Connection[Any], *, partitions: bool) -> list[str]:
    rows = owner.execute(
        """
        select n.nspname || '.' || c.relname from pg_class as c inner join pg_namespace as n on n.oid = c.relnamespace
        where n.nspname in ('public', 'app') and c.relkind in ('r', 'p') and (%s or not c.relispartition) order by 1
        """,
        (partitions,),
    ).fetchall()
    return [name for (name,) in rows]


def _identifier(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split(".", 1))


def _plant(owner: psycopg.Connection[Any], table: str) -> None:
    """Give the table a row of the user's, with the canary in each column that takes it."""
    if table == "app.usage_archive":
        return  # by archiving
    if table.startswith("app.adopted_"):
        owner.execute(sql.SQL("update {} set user_id = {}").format(_identifier(table), CANARY))
        return
    rows = ROWS[table]
    row = {
        column: str(value).replace("alice", CANARY) if value in ("alice", "user:alice") else value
        for column, value in (rows.get("alice") or next(iter(rows.values()))).items()
    }
    owner.execute("set session_replication_role = replica")
    insert(owner, Table(table, (), rows), row, row)
    owner.execute("set session_replication_role = origin")
    columns = owner.execute(
        """
        select attname, atttypid::regtype::text from pg_attribute
        where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = ''
          and atttypid::regtype::text in ('text', 'jsonb', 'json', 'text[]', 'character varying')
        """,
        ('{}."{}"'.format(*table.split(".", 1)),),
    ).fetchall()
    mine = sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(row[column]))
        for column in row
        if column in ("id", "user_id", "interview_id", "caller_key", "tenant", "event_key")
    )
    for column, kind in columns:
        if row.get(column) == CANARY or column in IMPERSONAL.get(table, ()):
            continue
        value = _SPELT.get(column, CANARY)
        written = {"jsonb": json.dumps([value]), "json": json.dumps([value]), "text[]": f"{{{value}}}"}.get(kind, value)
        try:
            with owner.transaction():
                owner.execute(
                    sql.SQL("update {} set {} = {} where {}").format(
                        _identifier(table), sql.Identifier(column), sql.Literal(written), mine
                    )
                )
        except psycopg.Error:
            continue  # a word of a list, or a key: no room for anything personal
        if column in ("id", "event_key"):
            mine = sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(value))


def _traces(owner: psycopg.Connection[Any]) -> set[str]:
    """Where the canary is: tables, partitions, and definitions of indexes."""
    found = set()
    for table in _tables(owner, partitions=True):
        query = sql.SQL("select exists (select from {} as t where t::text like {})")
        if owner.execute(query.format(_identifier(table), sql.Literal(f"%{CANARY}%"))).fetchone() == (True,):
            found.add(table)
    indexes = owner.execute("select indexname from pg_indexes where indexdef like %s", (f"%{CANARY}%",)).fetchall()
    return found | {f"index {name}" for (name,) in indexes}


def _by_the_service(owner: psycopg.Connection[Any]) -> None:
    with owner.transaction():
        set_claims(owner, SERVICE)
        assert owner.execute("select app.delete_user(%s)", (CANARY,)).fetchone() == (True,)


def _by_hand(owner: psycopg.Connection[Any]) -> None:
    owner.execute('delete from "user" where id = %s', (CANARY,))


@pytest.fixture(scope="module")
def templates(postgres: Server, migrated_template: str) -> Iterator[dict[str | None, str]]:
    """A new database and each seed's after its adoption: the name of each, to be cloned."""
    with ExitStack() as stack:
        names: dict[str | None, str] = {None: migrated_template}
        for seed in seeds.NAMES:
            database = stack.enter_context(new_database(postgres, "template1"))
            assert psql(database.owner_url, seeds.ORIGINALS / f"{seed.lower()}.sql").returncode == 0
            up(database.owner_url, SCHEMA)
            names[seed] = database.name
        yield names


@pytest.mark.parametrize("adopted", [None, *seeds.NAMES])
@pytest.mark.parametrize("delete", [_by_the_service, _by_hand])
def test_no_table_and_no_index_keeps_a_trace_of_a_deleted_user(
    adopted: str | None, delete: Callable[[psycopg.Connection[Any]], None], postgres: Server,
    templates: dict[str | None, str],
) -> None:  # fmt: skip
    with new_database(postgres, templates[adopted]) as database, database.connect() as owner:
        tables = [table for table in _tables(owner, partitions=False) if table not in NOBODYS]
        # The user comes first: the others refer to it.
        for table in sorted(tables, key=lambda name: name != "public.user"):
            _plant(owner, table)
        owner.execute("select app.ensure_usage_partitions(now() - interval '200 days')")
        owner.execute(
            "insert into ai_usage (user_id, tier, provider, created_at) values (%s, 'free', 'openai', %s)",
            (CANARY, "1970-01-01"),
        )
        owner.execute(
            "insert into ai_usage (user_id, tier, provider, created_at) "
            "values (%s, 'free', 'openai', now() - interval '190 days')",
            (CANARY,),
        )
        owner.execute("select app.archive_usage()")
        for (statement,) in owner.execute("select statement from app.tenant_index_statements(1)").fetchall():
            owner.execute(statement)
        before = _traces(owner)
        assert {name for name in before if name in tables} == set(tables), "a table has no row of the user's: see ROWS"
        assert {name for name in before if name.startswith("index ")}
        assert_all_is_exported(owner, {table for table in tables if not table.startswith("app.adopted_")})
        ledger = "select (select count(*) from ai_usage) + (select count(*) from app.usage_archive)"
        calls = owner.execute(ledger).fetchone()
        delete(owner)
        assert _traces(owner) == {"app.call_deletions"}
        outbox = "select call_id, interview_id, deleted_at from app.call_deletions"
        assert owner.execute(outbox).fetchall() == [(CANARY, None, None)], "the id of the interview's call"
        assert owner.execute(ledger).fetchone() == calls


@pytest.mark.parametrize("by_hand", [False, True])
def test_the_words_of_documents_that_were_deleted_at_the_same_time_go_with_their_user(
    by_hand: bool, database: ScratchDatabase
) -> None:
    words = "select (select count(*) from app.word_segments), (select count(*) from app.word_postings)"
    with database.connect() as owner, database.connect(autocommit=False) as first, database.connect() as second:
        owner.execute("insert into \"user\" (id) values ('ada')")
        owner.execute(
            "insert into embeddings (id, user_id, content, model) values ('a', 'ada', 'fjord', 'm'), "
            "('b', 'ada', 'glacier', 'm')"
        )
        first.execute("delete from embeddings where id = 'a'")
        second.execute("delete from embeddings where id = 'b'")
        first.commit()
        assert owner.execute("select count(*) from embeddings").fetchone() == (0,)
        assert owner.execute(words).fetchone() != (0, 0)
        if by_hand:
            owner.execute("delete from \"user\" where id = 'ada'")
        else:
            _delete(owner, "ada")
        assert owner.execute(words).fetchone() == (0, 0)


def assert_all_is_exported(owner: psycopg.Connection[Any], tables: set[str]) -> None:
    """What is planted in these tables is in its user's export, record by record, and in nobody else's."""
    found: dict[str, dict[str, Any]] = {}
    kind = key = None
    while True:
        with owner.transaction():
            set_claims(owner, user(CANARY))
            rows = owner.execute("select * from app.export_user(%s, %s, %s, 7)", (CANARY, kind, key)).fetchall()
        for of_kind, _, record in rows:
            assert SECRETS.isdisjoint(record)
            if CANARY in json.dumps(record):
                found[of_kind] = record
        if len(rows) < 7:
            break
        kind, key, _ = rows[-1]
    known = tables - NOT_EXPORTED.keys()
    assert known - EXPORTED.keys() == set(), "a table with something personal is not exported: see schema/97"
    assert {EXPORTED[table] for table in known} - found.keys() == set(), "an export has nothing of a table"
    with owner.transaction():
        set_claims(owner, user("somebody_else"))
        other = owner.execute("select * from app.export_user('somebody_else', null, null, 1000)").fetchall()
    assert CANARY not in str(other)


def test_every_table_is_somebodys_or_nobodys(database: ScratchDatabase) -> None:
    with database.connect() as owner:
        assert set(NOBODYS) <= set(_tables(owner, partitions=False))


def _claims(subject: str) -> dict[str, Any]:
    return dict(user(subject))


def _delete(service: psycopg.Connection[Any], subject: str) -> None:
    with service.transaction():
        set_claims(service, SERVICE)
        service.execute("select app.delete_user(%s)", (subject,))


def test_a_request_that_begins_while_its_user_is_deleted_leaves_nothing(database: ScratchDatabase) -> None:
    with (
        database.connect() as owner,
        database.connect("app", autocommit=False) as app,
        database.connect("service") as service,
    ):
        owner.execute("insert into \"user\" (id) values ('ada')")
        assert Caller(app).begin(_claims("ada"), takes_unit=False)["outcome"] == "admitted"
        deletion = threading.Thread(target=_delete, args=(service, "ada"))
        deletion.start()
        waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        while owner.execute(waits).fetchone() != (1,) and deletion.is_alive():
            pass
        app.commit()
        deletion.join()
        assert owner.execute("select count(*) from app.ai_requests").fetchone() == (0,)
        assert Caller(app).begin(_claims("ada"), takes_unit=False) == {"outcome": "subject_deleted"}


def test_nobody_waits_for_an_answer_that_a_deleted_user_was_to_fill(database: ScratchDatabase) -> None:
    shared = {"prompt_hash": "hash", "cache_scope": "tenant"}
    with database.connect("app") as connection, database.connect("service") as service:
        app = Caller(connection)
        assert app.begin(dict(user("ada", "acme")), **shared)["outcome"] == "admitted"
        assert app.begin(dict(user("bob", "acme")), **shared)["outcome"] == "filling"
        _delete(service, "ada")
        assert app.begin(dict(user("bob", "acme")), **shared)["outcome"] == "admitted"


def test_deleting_a_user_beside_its_requests_never_deadlocks(database: ScratchDatabase) -> None:
    rounds, requests = 40, 3
    failures: list[BaseException] = []
    with database.connect() as owner:
        owner.execute(sql.SQL("alter database {} set deadlock_timeout = '20ms'").format(sql.Identifier(database.name)))

    def working(barrier: threading.Barrier, number: int) -> None:
        """Settle one request a round, by turns giving its unit back."""
        with database.connect("app") as connection:
            app = Caller(connection)
            for turn in range(rounds):
                claims = _claims(f"user-{turn}")
                begun = app.begin(claims, idempotency_key=f"{number}", prompt_hash=f"{number}", cache_scope="user")
                barrier.wait()
                try:
                    app.finish(
                        claims, begun, state=("settled", "released")[(turn + number) % 2],
                        cache=cache_entry(scope="user"), conversation={"id": f"c-{turn}", "messages": []},
                    )  # fmt: skip
                except psycopg.Error as error:
                    failures.append(error)
                barrier.wait()

    def deleting(barrier: threading.Barrier) -> None:
        with database.connect("service") as service:
            for turn in range(rounds):
                barrier.wait()
                try:
                    _delete(service, f"user-{turn}")
                except psycopg.Error as error:
                    failures.append(error)
                barrier.wait()

    barrier = threading.Barrier(requests + 1, timeout=60)
    threads = [threading.Thread(target=working, args=(barrier, number)) for number in range(requests)]
    threads.append(threading.Thread(target=deleting, args=(barrier,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.connect() as owner:
        left = owner.execute(
            """
            select (select count(*) from app.ai_requests), (select count(*) from app.cache_fills),
              (select count(*) from "user"), (select count(*) from ai_response_cache)
            """
        ).fetchone()
    assert left == (0, 0, 0, 0)


def test_deleting_a_user_beside_the_end_of_its_interviews_never_deadlocks(database: ScratchDatabase) -> None:
    rounds = 30
    failures: list[BaseException] = []
    with database.connect() as owner:
        owner.execute(sql.SQL("alter database {} set deadlock_timeout = '20ms'").format(sql.Identifier(database.name)))
        owner.execute("insert into \"user\" (id) select 'user-' || n from generate_series(0, %s) n", (rounds - 1,))
        owner.execute(
            """
            with made as (
              insert into interview_sessions (user_id, status, started_at, last_activity_at)
              select u.id, 'in_progress', now() - interval '2 days', now() - interval '25 hours'
              from "user" u, generate_series(1, 2) returning id
            )
            insert into interview_responses (interview_id, role, stage, content, sequence_number)
            select id, 'user', 'answer', 'We measured it.', 2 from made
            """
        )
        interviews: dict[str, str] = dict(
            owner.execute("select user_id, min(id::text) from interview_sessions group by 1").fetchall()
        )

    def acting(role: str, claims: Callable[[str], Mapping[str, str]], statement: str) -> None:
        """Run a statement once a round, at the same time as the others; what is deleted already is no failure."""
        with database.connect(role) as connection:
            for turn in range(rounds):
                who = f"user-{turn}"
                barrier.wait()
                try:
                    with connection.transaction():
                        set_claims(connection, claims(who))
                        connection.execute(statement.encode(), {"user": who, "interview": interviews[who]})
                except psycopg.errors.NoDataFound:
                    pass
                except psycopg.Error as error:
                    failures.append(error)

    barrier = threading.Barrier(3, timeout=60)
    work: list[tuple[str, Callable[[str], Mapping[str, str]], str]] = [
        ("app", user, "select app.move_interview(%(user)s, %(interview)s, 'complete')"),
        ("service", lambda _: SERVICE, "select app.close_silent_interview()"),
        ("service", lambda _: SERVICE, "select app.delete_user(%(user)s)"),
    ]
    threads = [threading.Thread(target=acting, args=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.connect() as owner:
        left = 'select (select count(*) from "user"), (select count(*) from app.xp_events)'
        assert owner.execute(left).fetchone() == (0, 0)


def test_a_user_whose_account_stays_elsewhere_is_not_brought_back_by_applying_the_schema_again(
    empty_database: ScratchDatabase,
) -> None:
    account = "00000000-0000-0000-0000-000000000001"
    with empty_database.connect() as owner:
        owner.execute("create schema auth; create table auth.users (id uuid primary key)")
        owner.execute("insert into auth.users (id) values (%s)", (account,))
        up(empty_database.owner_url, SCHEMA)
        _delete(owner, account)
        assert psql(empty_database.owner_url, SCHEMA / "98_deletion.sql").returncode == 0
        assert owner.execute('select count(*) from "user"').fetchone() == (0,)

"""The hot path as the server's own log shows it: what poolers and proxies can share a connection for."""

from __future__ import annotations

import pytest

from parley.database.connection import Database
from parley.database.values import Vector
from testing.claims import user
from testing.databases import ScratchDatabase
from testing.statement_log import watch_statements

REQUEST = {
    "request_id": "request-1",
    "operation": "chat",
    "idempotency_key": "key-1",
    "body_hash": "b" * 64,
    "default_provider": "openai",
    "default_models": {"openai": "gpt"},
    "message": "a question that no pattern knows",
    "prompt_hash": "a" * 64,
    "cache_scope": "tenant",
    "lease_seconds": 60,
}


def test_a_request_leaves_no_session_state_and_names_no_statement(database: ScratchDatabase) -> None:
    claims = user("user_1", "org_1")
    embedding = [0.1] * 1536
    with watch_statements(database) as log:
        connection = Database(database.app_url)
        begun = connection.call("select app.begin_request(%s, %s)", (claims, REQUEST))
        outcome = {
            "request_id": begun["request_id"],
            "fence": begun["fence"],
            "state": "settled",
            "calls": [
                {"provider": "openai", "model": "gpt", "operation": "chat", "input_tokens": 1, "output_tokens": 1}
            ],
            "answer": {"text": "x" * (32 * 1024)},
        }
        finished = connection.call("select app.finish_request(%s, %s)", (claims, outcome), idempotent=True)
        # Often enough that a driver left to itself would prepare it under a name.
        for _ in range(8):
            connection.query(claims, "select count(*) from public.ai_conversations")
        connection.query(
            claims,
            "select * from app.search(%s, 'semantic', '{document}', null, %s::extensions.vector, null)",
            ("user_1", Vector(embedding)),
        )
        connection.batch(claims, [("select count(*) from public.ai_usage", ())])
        connection.close()
    assert begun["outcome"] == "admitted"
    assert finished["state"] == "settled"
    assert sum("begin_request" in statement.text for statement in log.statements) == 1
    assert sum("app.search(" in statement.text for statement in log.statements) == 1
    assert log.complaints() == []


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("set search_path = public", "session state"),
        ("set local role authenticated", "session state"),
        ("reset all", "session state"),
        ("prepare plan as select 1", "session state"),
        ("select pg_try_advisory_lock(1)", "a session's lock"),
        ("select '" + "x" * 16384 + "'", "bytes"),
    ],
)
def test_the_watch_notices_what_must_not_be_sent(statement: str, complaint: str, database: ScratchDatabase) -> None:
    with watch_statements(database) as log, database.connect("app") as connection:
        connection.execute("select 1")
        connection.execute("begin")
        connection.execute(statement.encode())
        connection.execute("rollback")
    assert [complaint in found for found in log.complaints()] == [True]


def test_the_watch_notices_a_named_prepared_statement(database: ScratchDatabase) -> None:
    with watch_statements(database) as log, database.connect("app", prepare_threshold=0) as connection:
        connection.execute("select %s::int", (1,))
    assert [complaint for complaint in log.complaints() if "named prepared statement" in complaint]

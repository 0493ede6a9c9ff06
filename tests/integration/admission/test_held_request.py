"""How a held request ends, whatever goes wrong: nothing that was used is lost, no unit is lost or taken twice.

The same for a model call, a search and an import.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from parley.core.provider_names import PROVIDERS
from parley.database.errors import DatabaseError
from testing.aws import CREDENTIALS
from testing.databases import ScratchDatabase
from testing.functions import Answer, Functions, make_token

Send = Callable[..., Answer]

CHAT = ("chat", "/api/chat", {"message": "What is a fjord?"})
SEARCH = ("search", "/api/search", {"query": "a fjord"})
IMPORT = ("search", "/api/documents", {"documents": [{"content": "a fjord"}]})


@pytest.fixture
def send(functions: Functions) -> Send:
    """Send one of the requests above as Ada, under the key `one`."""

    def request(function: str, path: str, body: dict[str, Any], **more: Any) -> Answer:
        headers = {"Idempotency-Key": "one"}
        return functions.request(function, "POST", path, body | more, token=make_token("ada"), headers=headers)

    return request


def ended(database: ScratchDatabase) -> tuple[Any, ...]:
    """State, error code, units taken, tokens to embed taken, and rows of the ledger."""
    with database.connect() as owner:
        row = owner.execute(
            "select state, error_code, daily_usage, daily_embedding_tokens, (select count(*)::integer from ai_usage)"
            " from app.ai_requests, user_ai_settings"
        ).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("request_", [CHAT, SEARCH, IMPORT], ids=["chat", "search", "import"])
def test_an_unforeseen_error_is_an_internal_error_and_gives_back_what_was_held(
    send: Send, functions: Functions, database: ScratchDatabase, monkeypatch: pytest.MonkeyPatch, request_: Any
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("ours")

    for name in PROVIDERS:
        for method in ("complete", "embed"):
            monkeypatch.setattr(functions.module(request_[0]).services.providers[name], method, broken)
    assert send(*request_).json["code"] == "internal_error"
    assert ended(database) == ("released", "internal_error", 0, 0, 0)


@pytest.mark.parametrize("request_", [CHAT, SEARCH, IMPORT], ids=["chat", "search", "import"])
def test_a_problem_is_the_code_that_the_caller_was_told(
    send: Send, functions: Functions, database: ScratchDatabase, emulator: Any, request_: Any
) -> None:
    emulator.fault("bad_request", provider="*", times=10)
    code = send(*request_).json["code"]
    assert code == "upstream_invalid_request"
    assert ended(database) == ("released", code, 0, 0, 0)


@pytest.mark.parametrize(
    ("request_", "table", "operation"),
    [
        ((*CHAT[:2], CHAT[2] | {"conversation_id": "new"}), "ai_conversations", "chat"),
        (SEARCH, "ai_content_searches", "search"),
        (IMPORT, "embeddings", "documents"),
    ],
    ids=["chat", "search", "import"],
)
def test_an_answer_that_the_database_refuses_to_keep_takes_no_unit_and_its_usage_is_in_the_ledger(
    send: Send, database: ScratchDatabase, request_: Any, table: str, operation: str
) -> None:
    with database.connect() as owner:
        owner.execute(f"alter table {table} add constraint refused check (false) not valid")
    assert send(*request_).json["code"] == "internal_error"
    state, code, units, tokens, entries = ended(database)
    assert (state, code, units, entries) == ("released", "internal_error", 0, 1)
    assert (tokens > 0) == (operation != "chat")
    with database.connect() as owner:
        owner.execute(f"alter table {table} drop constraint refused")
    assert send(*request_).status in (200, 201)
    assert ended(database) == ("settled", None, int(operation == "chat"), 2 * tokens, 2)


def test_a_stream_that_was_delivered_and_could_not_be_kept_gives_its_unit_back_and_may_be_tried_again(
    send: Send, database: ScratchDatabase
) -> None:
    stream = ("chat_stream", "/api/chat/stream", {"message": "What is a fjord?", "conversation_id": "new"})
    with database.connect() as owner:
        owner.execute("alter table ai_conversations add constraint refused check (false) not valid")
    answer = send(*stream).text
    assert "event: delta" in answer
    assert "event: error" in answer
    assert ended(database) == ("released", "internal_error", 0, 0, 1)
    with database.connect() as owner:
        owner.execute("alter table ai_conversations drop constraint refused")
    assert "event: done" in send(*stream).text
    assert ended(database) == ("settled", None, 1, 0, 2)


def test_what_cannot_even_be_released_waits_in_the_queue_and_the_caller_is_told_the_first_error(
    send: Send,
    functions: Functions,
    schedules: Functions,
    aws: str,
    database: ScratchDatabase,
    emulator: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": aws}).items():
        monkeypatch.setenv(name, value)
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="released")["QueueUrl"]
    functions.environment["PARLEY_USAGE_QUEUE_URL"] = queue
    connection = functions.module("search").services.database
    call = connection.call

    def refuses_to_finish(statement: str, *arguments: Any, **options: Any) -> Any:
        if "finish_request" in statement:
            raise DatabaseError("XX000", "InternalError")
        return call(statement, *arguments, **options)

    monkeypatch.setattr(connection, "call", refuses_to_finish)
    with database.connect() as owner:
        owner.execute("alter table embeddings add constraint refused check (false) not valid")
    assert send(*IMPORT).json["code"] == "internal_error"
    received = sqs.receive_message(QueueUrl=queue)["Messages"]
    sqs.close()
    (message,) = received
    assert json.loads(message["Body"])["outcome"]["error_code"] == "internal_error"
    records = [{"messageId": message["MessageId"], "body": message["Body"]}]
    for _ in range(2):
        assert schedules.invoke("usage_replay", {"Records": records}) == {"batchItemFailures": []}
    state, code, units, tokens, entries = ended(database)
    assert (state, code, units, entries) == ("released", "internal_error", 0, 1)
    assert tokens > 0

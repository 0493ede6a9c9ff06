"""Without the database: what goes on, what is told to wait, and a small sample of benchmarks/outage.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from benchmarks.outage import prove
from local.emulator.client import Emulator
from local.postgres.database import as_login
from local.postgres.server import Server
from testing.aws import CREDENTIALS
from testing.databases import migrated, set_clock
from testing.figures import Verdict
from testing.functions import Answer, Functions, make_token

Token = Callable[..., str]


@pytest.fixture
def without_database(environment: dict[str, str]) -> Iterator[Functions]:
    """Containers that were started while the database was away."""
    made = Functions(environment | {"DATABASE_URL": "postgresql://parley_app:none@127.0.0.1:1/postgres"})
    yield made
    made.close()


def ask(functions: Functions, user: str | None = "ada", headers: dict[str, str] | None = None, **body: Any) -> Answer:
    token = make_token(user) if user else None
    return functions.request("chat", "POST", "/api/chat", {"message": "hello"} | body, token=token, headers=headers)


def assert_told_to_wait(answer: Answer) -> None:
    assert (answer.status, answer.json["code"]) == (503, "database_unavailable"), answer.text
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_caller_gets_five_answers_an_hour_and_they_say_so(without_database: Functions) -> None:
    for number in range(5):
        answer = ask(without_database, message=f"question {number}")
        assert (answer.status, answer.headers["X-Parley-Degraded"]) == (200, "database"), answer.text
        assert answer.json["provider_source"] == "environment"
    assert_told_to_wait(ask(without_database))
    assert ask(without_database, user="bob").status == 200
    assert ask(without_database, user=None).status == 200


def test_a_refused_login_is_told_as_what_it_is(functions: Functions, environment: dict[str, str]) -> None:
    environment["DATABASE_URL"] = as_login(environment["DATABASE_URL"], "parley_app", "of another stack")
    for function, path in (("account", "/api/conversations"), ("account", "/api/usage")):
        answer = functions.request(function, "GET", path, token=make_token("ada"))
        assert (answer.status, answer.json["code"]) == (503, "database_login_refused")
        assert "Retry-After" not in answer.headers
    ready = functions.request("health", "GET", "/api/health?ready=true")
    assert (ready.status, ready.json["code"]) == (503, "database_login_refused")
    kept = ask(functions, conversation_id="new")
    assert kept.status == 503
    assert "away" not in kept.json["detail"]


@pytest.mark.parametrize("members", [{"conversation_id": "new"}, {"conversation_id": "one"}])
def test_what_needs_the_database_is_told_to_wait(
    without_database: Functions, emulator: Emulator, members: dict[str, Any]
) -> None:
    assert_told_to_wait(ask(without_database, **members))
    assert_told_to_wait(ask(without_database, headers={"Idempotency-Key": "one"}))
    token = make_token("ada")
    body = {"provider": "google"}
    assert_told_to_wait(without_database.request("set_provider", "POST", "/api/ai-provider", body, token=token))
    assert_told_to_wait(without_database.request("account", "GET", "/api/conversations", token=token))
    assert emulator.requests() == []


def test_a_preference_is_read_from_memory_for_its_own_caller_only(
    functions: Functions, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"provider": "gemini"}
    assert functions.request("set_provider", "POST", "/api/ai-provider", body, token=token("ada")).status in (200, 201)
    for _ in range(2):
        mine = functions.request("get_provider", "GET", "/api/ai-provider", token=token("ada"))
        assert mine.json["provider"] == "gemini"
        lose_database(functions, "get_provider", monkeypatch)
    assert (mine.json["provider_source"], mine.headers["X-Parley-Degraded"]) == ("memory", "database")
    other = functions.request("get_provider", "GET", "/api/ai-provider", token=token("bob"))
    assert (other.json["provider"], other.json["provider_source"]) == ("openai", "environment")


def test_a_byok_caller_is_served_with_the_own_key_in_memory_and_never_with_an_operators(
    with_kms: Functions, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/api/settings/api-keys/anthropic"
    for user in ("ada", "bob"):
        with_kms.request("store_key", "PUT", path, {"api_key": "sk-own-key-1111"}, token=make_token(user))
        assert with_kms.request("verify_key", "POST", f"{path}/verify", token=make_token(user)).status == 200
        assert ask(with_kms, user=user, provider="anthropic").status == 200
    key_cipher = with_kms.module("chat").services.key_cipher
    del key_cipher._plaintext["user:bob".removeprefix("user:"), "anthropic"]
    lose_database(with_kms, "chat", monkeypatch)
    emulator.reset()
    answer = ask(with_kms, user="ada")
    assert (answer.status, answer.json["provider"], answer.json["provider_source"]) == (200, "anthropic", "own_key")
    assert_told_to_wait(ask(with_kms, user="ada", provider="openai"))
    assert_told_to_wait(ask(with_kms, user="bob"))
    assert "sk-operator" not in json.dumps(emulator.requests())


def test_a_deleted_own_key_serves_no_outage_where_that_was_seen_and_none_for_over_a_minute_elsewhere(
    with_kms: Functions, environment: dict[str, str], emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Functions(with_kms.environment)
    path = "/api/settings/api-keys/{}"
    for name in ("openai", "anthropic"):
        with_kms.request("store_key", "PUT", path.format(name), {"api_key": "sk-own-key-1111"}, token=make_token())
        with_kms.request("verify_key", "POST", path.format(name) + "/verify", token=make_token())
    containers = (with_kms, elsewhere)
    for container in containers:
        assert ask(container, provider="openai", cache="off").status == 200
        assert ask(container, provider="anthropic", cache="off").status == 200
    with_kms.request("store_key", "DELETE", path.format("anthropic"), token=make_token())
    assert ask(with_kms, provider="openai", cache="off").status == 200
    for container in containers:
        lose_database(container, "chat", monkeypatch)
    assert_told_to_wait(ask(with_kms, provider="anthropic"))
    assert ask(with_kms, provider="openai").status == 200
    assert ask(elsewhere, provider="anthropic").status == 200
    clock = elsewhere.module("chat").services.clock
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(seconds=61))
    assert_told_to_wait(ask(elsewhere, provider="anthropic"))
    elsewhere.close()


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_with_a_key_that_could_not_be_kept_is_not_given_and_never_differs_from_the_retrys(
    functions: Functions,
    schedules: Functions,
    aws: str,
    emulator: Emulator,
    database: Any,
    monkeypatch: pytest.MonkeyPatch,
    stream: bool,
) -> None:
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": aws}).items():
        monkeypatch.setenv(name, value)
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName=f"keyed-{stream}")["QueueUrl"]
    functions.environment["PARLEY_USAGE_QUEUE_URL"] = queue
    name, path = ("chat_stream", "/api/chat/stream") if stream else ("chat", "/api/chat")
    room = functions.module(name).services.database
    call = room.call

    def lost(statement: str, *arguments: Any, **options: Any) -> Any:
        from parley.database.errors import DatabaseUnavailable

        if "finish_request" in statement:
            raise DatabaseUnavailable("away")
        return call(statement, *arguments, **options)

    def send() -> Answer:
        headers = {"Idempotency-Key": "one"}
        return functions.request(name, "POST", path, {"message": "hi"}, token=make_token(), headers=headers)

    emulator.answer("The first answer.")
    with monkeypatch.context() as away:
        away.setattr(room, "call", lost)
        first = send()
    assert "database_unavailable" in first.text
    assert "event: done" not in first.text
    emulator.reset()
    emulator.answer("The second answer.")
    with database.connect() as owner:
        set_clock(owner, "pg_catalog.now() + interval '10 minutes'")
    second = send()
    said = "".join(re.findall(r'"text":"([^"]*)"', second.text)) if stream else second.json["message"]["content"]
    assert said == "The second answer."
    received = sqs.receive_message(QueueUrl=queue)["Messages"]
    sqs.close()
    records = [{"messageId": message["MessageId"], "body": message["Body"]} for message in received]
    assert schedules.invoke("usage_replay", {"Records": records}) == {"batchItemFailures": []}
    again = send()
    assert again.text == second.text if not stream else "The second answer." in again.text
    with database.connect() as owner:
        assert owner.execute("select daily_usage from user_ai_settings").fetchone() == (1,)


def test_what_an_organization_forbids_stays_forbidden(
    functions: Functions, emulator: Emulator, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = make_token("ada", organization_id="acme")
    admin = {"sub": "ada", "role": "authenticated", "organization_id": "acme", "organization_role": "admin"}
    with database.connect("app") as connection:
        connection.execute(
            "select app.save_organization_policy(%s::jsonb, '{google}'::text[], '{}')", (json.dumps(admin),)
        )
    warm = functions.request("chat", "POST", "/api/chat", {"message": "hello"}, token=token)
    assert warm.json["provider"] == "google"
    lose_database(functions, "chat", monkeypatch)
    answer = functions.request("chat", "POST", "/api/chat", {"message": "hello again"}, token=token)
    assert (answer.status, answer.json["provider"]) == (200, "google")
    assert {record["provider"] for record in emulator.requests()} == {"google"}
    other = {"message": "hello", "provider": "openai"}
    assert_told_to_wait(functions.request("chat", "POST", "/api/chat", other, token=token))


def test_a_hold_whose_answer_was_lost_is_what_the_offline_call_used(
    functions: Functions, schedules: Functions, aws: str, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": aws}).items():
        monkeypatch.setenv(name, value)
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="usage")["QueueUrl"]
    functions.environment["PARLEY_USAGE_QUEUE_URL"] = queue
    part = functions.module("chat").services
    call = part.database.call

    def lost(statement: str, *arguments: Any, **options: Any) -> Any:
        from parley.database.errors import DatabaseUnavailable

        call(statement, *arguments, **options)
        raise DatabaseUnavailable("the answer was lost")

    monkeypatch.setattr(part.database, "call", lost)
    assert ask(functions).headers["X-Parley-Degraded"] == "database"
    received = sqs.receive_message(QueueUrl=queue)["Messages"]
    sqs.close()
    records = [{"messageId": message["MessageId"], "body": message["Body"]} for message in received]
    for _ in range(2):
        assert schedules.invoke("usage_replay", {"Records": records}) == {"batchItemFailures": []}
    with database.connect() as owner:
        assert owner.execute("select count(*) from ai_usage").fetchone() == (1,)
        assert owner.execute("select daily_usage from user_ai_settings").fetchone() == (1,)
        assert owner.execute("select state from app.ai_requests").fetchall() == [("settled",)]


@pytest.mark.parametrize("key", [None, "one"])
def test_what_was_embedded_when_the_database_went_away_reaches_the_ledger_once(
    functions: Functions,
    schedules: Functions,
    aws: str,
    emulator: Emulator,
    database: Any,
    monkeypatch: pytest.MonkeyPatch,
    key: str | None,
) -> None:
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": aws}).items():
        monkeypatch.setenv(name, value)
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName=f"usage-of-{key}")["QueueUrl"]
    functions.environment["PARLEY_USAGE_QUEUE_URL"] = queue
    provider = functions.module("search").services.providers["openai"]
    embed = provider.embed

    def and_then_it_is_away(*arguments: Any) -> Any:
        found = embed(*arguments)
        lose_database(functions, "search", monkeypatch)
        return found

    monkeypatch.setattr(provider, "embed", and_then_it_is_away)
    body = {"documents": [{"content": "a text of some length"}]}
    headers = {"Idempotency-Key": key} if key else None
    send = ("search", "POST", "/api/documents", body)
    assert_told_to_wait(functions.request(*send, token=make_token("ada"), headers=headers))
    received = sqs.receive_message(QueueUrl=queue)["Messages"]
    sqs.close()
    records = [{"messageId": message["MessageId"], "body": message["Body"]} for message in received]
    for _ in range(2):
        assert schedules.invoke("usage_replay", {"Records": records}) == {"batchItemFailures": []}
    with database.connect() as owner:
        row = owner.execute(
            "select count(*), sum(tokens_prompt), max(daily_embedding_tokens) from ai_usage, user_ai_settings"
        )
        (calls, counted, taken) = row.fetchone()
        assert (calls, counted) == (1, taken)
        assert owner.execute("select state, error_code from app.ai_requests").fetchall() == [
            ("released", "database_unavailable")
        ]


def test_outages_under_load_lose_nothing_and_answer_what_they_can(data_dir: Path, emulator: Emulator) -> None:
    verdict = Verdict()
    with Server(data_dir) as server:
        prove(migrated(server), emulator, verdict, cycles=2, containers=2)
    assert verdict.missed == []


def lose_database(functions: Functions, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the database away from a container that has seen it."""
    database = functions.module(name).services.database
    database.close()
    monkeypatch.setattr(database, "_conninfo", "postgresql://parley_app:none@127.0.0.1:1/postgres")
    monkeypatch.setattr(database, "_renewed", None)

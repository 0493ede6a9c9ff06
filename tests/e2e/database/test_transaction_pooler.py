"""Parley behind PgBouncer in transaction mode: the whole contract over HTTP, and 200 clients on 20 connections."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from local.checkout import SCHEMA
from local.deployment.api import Answer, Api
from local.postgres.database import Logins
from local.postgres.server import Server
from local.run.platform import Platform, running
from parley.database.connection import Database
from parley.migrations.logins import create_logins
from parley.migrations.runner import up
from testing.claims import user
from testing.contract import contract
from testing.databases import ScratchDatabase
from testing.pooler import SERVER_CONNECTIONS, Pooler, pooled, program
from testing.statement_log import watch_statements
from tests.integration.api.test_contract import REDIRECTIONS, every_operation

pytestmark = pytest.mark.skipif(program() is None, reason="needs pgbouncer, Debian's package (.ci/run installs it)")

CLIENTS = 200


@dataclass(frozen=True)
class Pooled:
    """A Parley whose functions reach their database through a pooler."""

    api: Api
    pooler: Pooler
    database: ScratchDatabase


@pytest.fixture(scope="module")
def behind(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooled]:
    """All processes of `make run`, with a database of its own behind PgBouncer; `migrate` connects past it."""
    database = ScratchDatabase(postgres, "pooled")
    with psycopg.connect(postgres.url(), autocommit=True) as owner:
        owner.execute("create database pooled")
    up(database.owner_url, SCHEMA)
    with database.connect() as owner:
        create_logins(owner, postgres.password("parley_app"), postgres.password("parley_service"))
    with ExitStack() as stack:
        pooler = stack.enter_context(pooled(postgres))
        logins = Logins(database.owner_url, pooler.url(database.app_url), pooler.url(database.service_url))
        platform = stack.enter_context(running(Platform(tmp_path_factory.mktemp("pooled"), quiet=True), logins))
        yield Pooled(Api(platform.url, platform.token, platform.keys.webhook_secret), pooler, database)


@contextmanager
def nothing_stays(behind: Pooled, *users: str) -> Iterator[None]:
    """Whatever happens in the block, these logins leave nothing of it in a session."""
    behind.pooler.ask(b"reconnect")  # a session that is there already is not logged
    with watch_statements(behind.database, users) as log:
        yield
    assert {statement.user for statement in log.statements} == set(users)
    assert log.complaints() == []
    with behind.database.connect() as owner:
        # No log shows what functions of the schema do inside.
        locks = owner.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchone()
        tables = owner.execute("select count(*) from pg_class where relpersistence = 't'").fetchone()
    assert (locks, tables) == ((0,), (0,))
    url = behind.pooler.url(behind.database.app_url)
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as stranger:
        found = stranger.execute("select coalesce(current_setting('request.jwt.claims', true), '')").fetchone()
    assert found == ("",)


def test_every_operation_of_the_contract_answers_through_it(behind: Pooled) -> None:
    answered = set()

    def ask(token: str, _function: str, method: str, path: str, body: Any = None) -> Answer:
        operation = contract().operation(method, urlsplit(path).path)
        assert operation is not None
        answer = behind.api.request(method, path, body, token)
        assert contract().faults(method, urlsplit(path).path, answer.status, answer.headers, answer.text) == []
        assert answer.status < 300, f"{method} {path}: {answer.text}"
        answered.add(operation["operationId"])
        return answer

    token = behind.api.token
    ada = token("ada", "acme", "admin")

    def webhook(event: Any) -> Answer:
        answer = behind.api.webhook(event)
        assert contract().faults("POST", "/api/webhooks/vapi", answer.status, answer.headers, answer.text) == []
        assert answer.status == 200, answer.text
        answered.add("receive_voice_event")
        interview = event["message"]["call"]["id"].removeprefix("call-")
        while behind.api.request("GET", f"/api/interviews/{interview}", None, ada).json["status"] == "in_progress":
            time.sleep(0.2)
        return answer

    with nothing_stays(behind, "parley_app", "parley_service"):
        every_operation(
            partial(ask, ada), partial(ask, token("op", role="service_role")), partial(ask, token("leaver")), webhook
        )
    assert answered == contract().operations.keys() - REDIRECTIONS


def held_request(client: Database, number: int, turn: int) -> tuple[str, str, str]:
    """What a model call asks of the database; who the database took its client for, and how it ended."""
    claims = user(f"client-{number}", None)
    request = {
        "request_id": f"pooled-{number}-{turn}",
        "operation": "chat",
        "default_provider": "openai",
        "default_models": {"openai": "gpt"},
        "message": f"question {turn} of client {number}",
        "lease_seconds": 60,
    }
    begun = client.call("select app.begin_request(%s, %s)", (claims, request))
    seen = client.query(claims, "select app.user_id() as me")[0]["me"]
    outcome = {"request_id": begun["request_id"], "fence": begun["fence"], "state": "settled", "calls": []}
    finished = client.call("select app.finish_request(%s, %s)", (claims, outcome), idempotent=True)
    return seen, begun["outcome"], finished["state"]


def test_two_hundred_clients_share_twenty_connections_and_nobody_is_taken_for_another(behind: Pooled) -> None:
    url = behind.pooler.url(behind.database.app_url)
    clients = [Database(url, patience=60) for _ in range(CLIENTS)]
    turns = [(number, turn) for turn in range(2) for number in range(CLIENTS)]
    try:
        with nothing_stays(behind, "parley_app"), ThreadPoolExecutor(50) as threads:
            answers = list(threads.map(lambda one: held_request(clients[one[0]], *one), turns))
        connected = [one for one in behind.pooler.ask(b"show clients") if one["database"] == "pooled"]
        servers = [one for one in behind.pooler.ask(b"show servers") if one["database"] == "pooled"]
        assert len(connected) >= CLIENTS
        assert 0 < len(servers) <= SERVER_CONNECTIONS
    finally:
        for client in clients:
            client.close()
    assert answers == [(f"client-{number}", "admitted", "settled") for number, _ in turns]

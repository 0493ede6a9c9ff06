"""The one room where secrets become plain text, over Secrets Manager's own protocol."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from parley.core import secrets
from parley.core.config import ConfigurationError, Settings
from testing.functions import Functions

Store = Callable[[Any], str]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Stores a secret and returns its ARN."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "eu-north-1",
        "AWS_ENDPOINT_URL": address,
    }.items():
        monkeypatch.setenv(name, value)
    opened = boto3.client
    clients = []

    def client(*words: Any, **options: Any) -> Any:
        clients.append(opened(*words, **options))
        return clients[-1]

    monkeypatch.setattr(boto3, "client", client)

    def put(value: Any) -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        made = client("secretsmanager").create_secret(Name=str(uuid.uuid4()), SecretString=text)
        return str(made["ARN"])

    with contextlib.ExitStack() as stack:
        yield put
        for one in clients:
            stack.callback(one.close)


def settings(**environment: str) -> Settings:
    return Settings.from_environment(environment)


def test_a_database_url_is_taken_as_it_is_or_made_of_what_rds_writes(store: Store) -> None:
    assert secrets.database_url(settings(DATABASE_URL="postgresql://here")) == "postgresql://here"
    whole = store("postgresql://user:secret@host/db")
    assert secrets.database_url(settings(PARLEY_DATABASE_SECRET_ARN=whole)) == "postgresql://user:secret@host/db"
    rds = store(
        {"username": "parley_app", "password": "p@ss/word", "host": "db.internal", "port": 6432, "dbname": "parley"}
    )
    assert secrets.database_url(settings(PARLEY_DATABASE_SECRET_ARN=rds)) == (
        "postgresql://parley_app:p%40ss%2Fword@db.internal:6432/parley?sslmode=require"
    )
    odd = store({"username": "o", "password": "p", "host": "2001:db8::1", "port": None, "dbname": "my db"})
    assert secrets.database_url(settings(PARLEY_DATABASE_SECRET_ARN=odd)) == (
        "postgresql://o:p@[2001:db8::1]:5432/my%20db?sslmode=require"
    )


def test_the_logins_passwords_are_read_from_either_form(store: Store) -> None:
    found = settings(
        PARLEY_APP_SECRET_ARN=store({"username": "parley_app", "password": "one"}),
        PARLEY_SERVICE_SECRET_ARN=store("postgresql://parley_service:tw%2Fo@host/db"),
    )
    assert secrets.login_passwords(found) == ("one", "tw/o")
    assert secrets.login_passwords(settings()) == (None, None)


def test_a_logins_password_is_read_as_the_login_reads_it(store: Store) -> None:
    special = settings(PARLEY_APP_SECRET_ARN=store("postgresql://parley_app:p#w?r:d@host/db"))
    assert secrets.login_passwords(special) == ("p#w?r:d", None)
    named = settings(PARLEY_APP_SECRET_ARN=store("postgresql://host/db?user=parley_app&password=tw%2Fo"))
    assert secrets.login_passwords(named) == ("tw/o", None)
    # No URL is no login without a password, which a role of IAM is.
    for unusable in ("a password alone", "host=h password=secret extra"):
        with pytest.raises(ConfigurationError, match="does not hold"):
            secrets.login_passwords(settings(PARLEY_APP_SECRET_ARN=store(unusable)))


def test_the_operators_keys_come_from_the_secret_and_the_environment_wins(store: Store) -> None:
    arn = store({"openai": "sk-one", "gemini": "g-two", "anthropic": "", "clippy": "x"})
    found = settings(PARLEY_PROVIDER_KEYS_SECRET_ARN=arn, OPENAI_API_KEY="sk-local")
    assert secrets.provider_keys(found) == {"openai": "sk-local", "google": "g-two"}


def test_a_secret_is_fetched_once_per_container(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = store("a shared secret of enough bytes for HS256")
    assert secrets.jwt_secret(settings(PARLEY_JWT_SECRET_ARN=arn)) == "a shared secret of enough bytes for HS256"
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert secrets.jwt_secret(settings(PARLEY_JWT_SECRET_ARN=arn)) == "a shared secret of enough bytes for HS256"


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        secrets.database_url(settings())
    with pytest.raises(ConfigurationError, match="PARLEY_JWT_SECRET"):
        secrets.jwt_secret(settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARLEY_JWT_ALGORITHM", "none"),
        ("AI_PROVIDER", "llama"),
        ("DATABASE_URL", "host=127.0.0.1 dbname=parley"),
        ("DATABASE_URL", "mysql://root@127.0.0.1/parley"),
        ("PARLEY_DEGRADED_ALLOWANCE", "many"),
        ("PARLEY_DEGRADED_ALLOWANCE", "-1"),
        ("PARLEY_REQUEST_SECONDS", "nan"),
        ("PARLEY_JWT_SECRET", "x"),
        ("PARLEY_JWT_SECRET", "x" * 31),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        settings(**{name: value})


def test_a_key_of_hs256_has_at_least_32_bytes_wherever_it_comes_from(store: Store) -> None:
    assert secrets.jwt_secret(settings(PARLEY_JWT_SECRET="ü" * 16)) == "ü" * 16
    assert settings(PARLEY_JWT_SECRET="x", PARLEY_JWT_ALGORITHM="RS256").jwt_algorithm == "RS256"
    assert secrets.jwt_secret(settings(PARLEY_JWT_SECRET_ARN=store("x" * 32))) == "x" * 32
    for short in ("", "x", "s" * 31):
        with pytest.raises(ConfigurationError, match=r"PARLEY_JWT_SECRET_ARN.* at least 32") as refused:
            secrets.jwt_secret(settings(PARLEY_JWT_SECRET_ARN=store(short or " ")))
        assert "sss" not in str(refused.value)


def test_a_function_with_a_guessable_key_does_not_start(functions: Functions, environment: dict[str, str]) -> None:
    environment["PARLEY_JWT_SECRET"] = "secret"
    with pytest.raises(ConfigurationError, match="PARLEY_JWT_SECRET has 6 bytes"):
        functions.module("account")

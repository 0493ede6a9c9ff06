"""Handlers called as Lambda calls them, over a database and an emulator of the test's own; AWS beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from local.emulator.client import Emulator
from testing.aws import CREDENTIALS
from testing.contract import contract
from testing.functions import Functions, function_environment, make_token


@pytest.fixture
def environment(database: Any, emulator: Emulator) -> dict[str, str]:
    """A function's environment: this test's database, and the emulator in the providers' place."""
    return function_environment(database.app_url, emulator.url)


@pytest.fixture
def functions(environment: dict[str, str]) -> Iterator[Functions]:
    """The functions over this test's database, as the HTTP login; each answer has to be what the contract says."""
    made = Functions(environment, contract().faults)
    yield made
    made.close()


@pytest.fixture
def schedules(environment: dict[str, str], database: Any) -> Iterator[Functions]:
    """The same as the service login."""
    made = Functions(environment | {"DATABASE_URL": database.service_url}, contract().faults)
    yield made
    made.close()


@pytest.fixture
def token() -> Callable[..., str]:
    """Makes tokens; see `make_token`."""
    return make_token


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """AWS's address."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def with_kms(functions: Functions, aws: str, monkeypatch: pytest.MonkeyPatch) -> Functions:
    """The functions with a KMS key."""
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": aws}).items():
        monkeypatch.setenv(name, value)
    kms = boto3.client("kms")
    functions.environment["PARLEY_KMS_KEY_ID"] = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.close()
    return functions

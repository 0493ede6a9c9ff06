"""AWS beside the functions: KMS and SQS by moto, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.integration.conftest import Functions

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "eu-north-1"}


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """AWS's address."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def with_vault(functions: Functions, aws: str, monkeypatch: pytest.MonkeyPatch) -> Functions:
    """The functions with a KMS key."""
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": aws}).items():
        monkeypatch.setenv(name, value)
    kms = boto3.client("kms")
    functions.environment["PARLEY_KMS_KEY_ID"] = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.close()
    return functions

"""The worker's queue, for interviews by voice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from testing.aws import CREDENTIALS
from testing.functions import Functions
from tests.integration.interviews.voice_cases import Queue


@pytest.fixture
def queue(
    functions: Functions, schedules: Functions, database: Any, aws: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Queue]:
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": aws}).items():
        monkeypatch.setenv(name, value)
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=database.name)["QueueUrl"]
    for made in (functions, schedules):
        made.environment["PARLEY_WORK_QUEUE_URL"] = url
    yield Queue(sqs, url, schedules)
    sqs.close()

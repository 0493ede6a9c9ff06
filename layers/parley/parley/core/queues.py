"""SQS: messages from one function to another that must not be lost, and whose effect no caller waits for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass
class Queue:
    """One queue. Sending gives up after a few seconds, because a caller waits for the function that sends."""

    url: str

    def send(self, body: str) -> None:
        """Send one message of up to 256 KiB. Raises what boto3 raises."""
        self._client.send_message(QueueUrl=self.url, MessageBody=body)

    @cached_property
    def _client(self) -> SQSClient:
        import boto3  # 250 ms of CPU: only when there is something to send
        from botocore.config import Config

        return boto3.client("sqs", config=Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2}))

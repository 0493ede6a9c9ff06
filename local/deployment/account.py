"""The AWS account that is deployed to: the shell's, or an emulated one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config


@dataclass(frozen=True)
class Account:
    """Attributes:
    region: where everything is made.
    variables: what the AWS tools need beside the shell's own: nothing for an account, endpoint and credentials for
        an emulated one.
    """

    region: str
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a tool that calls AWS."""
        return {**os.environ, "AWS_DEFAULT_REGION": self.region, "SAM_CLI_TELEMETRY": "0", **self.variables}

    @property
    def emulated(self) -> bool:
        """Whether it is AWS emulated on this machine."""
        return "AWS_ENDPOINT_URL" in self.variables

    def client(self, service: str, config: Config | None = None) -> Any:
        """A boto3 client, which reads the shell's credentials unless the account is emulated."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            config=config,
            region_name=self.region,
            endpoint_url=self.variables.get("AWS_ENDPOINT_URL"),
            aws_access_key_id=self.variables.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=self.variables.get("AWS_SECRET_ACCESS_KEY"),
        )

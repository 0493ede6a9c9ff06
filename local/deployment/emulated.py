"""Parley deployed on this machine: MiniStack, an embedded Postgres and the providers' emulator around one stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from local.deployment import environments
from local.deployment.account import Account
from local.deployment.api import Api
from local.deployment.ministack import MiniStack
from local.deployment.secrets import Secrets
from local.deployment.stack import BUILD, Stack
from local.emulator.client import Emulator
from local.postgres.server import Server
from local.run import tokens

NAME = "local"


@dataclass(frozen=True)
class Deployed:
    """A stack in MiniStack; everything of it is gone afterwards.

    Attributes:
        postgres: its database's server, whose data is new.
        emulator: what answers in the providers' place.
    """

    aws: MiniStack
    stack: Stack
    secrets: Secrets
    postgres: Server
    emulator: Emulator

    @property
    def api(self) -> Api:
        """The deployed API. Raises ClientError where there is no stack."""
        webhook_secret = json.loads(self.secrets.value("voice"))["webhook"][0]["secret"]
        url = self.aws.api_url(self.stack.resource("Api"))
        return Api(url, partial(tokens.make, self.secrets.value("jwt")), webhook_secret)

    def deploy(self, build: Path = BUILD, **parameters: str) -> None:
        """Create or update the stack from a build, with further parameters of the template. Raises DeploymentFailed."""
        self.stack.deploy({**self.secrets.parameters(), **self._providers(), **parameters}, build)

    def _providers(self) -> dict[str, str]:
        url = self.emulator.url
        return {
            "OpenaiBaseUrl": f"{url}/openai/v1",
            "AnthropicBaseUrl": f"{url}/anthropic",
            "GeminiBaseUrl": f"{url}/google",
        }


@contextmanager
def emulated(log: Path, *, port: int = 0, quiet: bool = False) -> Iterator[Deployed]:
    """An emulated account with the secrets of the environment `local`, and no stack yet.

    Args:
        log: the file that MiniStack and the functions write to.
        port: MiniStack's, 0 for a free one.
        quiet: tell what SAM said only where it failed.

    Raises PostgresError, MiniStackError.
    """
    environment = environments.read(NAME)
    with Server.throwaway() as postgres, Emulator() as emulator, MiniStack(log, port) as aws:
        account = Account(environment.region, aws.environment)
        secrets = Secrets(account, NAME)
        secrets.make(postgres.url(), dict.fromkeys(("openai", "anthropic", "google"), "emulated"))
        yield Deployed(aws, Stack(environment, account, quiet=quiet), secrets, postgres, emulator)

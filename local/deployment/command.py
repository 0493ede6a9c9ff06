"""`make deploy`, `make secrets` and `make deploy-local`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError

from local.deployment import environments
from local.deployment.account import Account
from local.deployment.check import check as run_check
from local.deployment.emulated import Deployed, emulated
from local.deployment.environments import UnknownEnvironment
from local.deployment.ministack import MiniStackError
from local.deployment.secrets import Secrets, provider_keys
from local.deployment.stack import DeploymentFailed, Stack
from local.postgres.home import PostgresError, default_data_dir

_PORT = 4566


def main(command: str, name: str, check: bool) -> int:
    """Run one command for an environment; returns the exit status."""
    try:
        if command == "deploy-local":
            return _deploy_local(check)
        environment = environments.read(name)
        account = _account(environment)
        if command == "secrets":
            return _secrets(account, name)
        return _deploy(environment, account)
    except (BotoCoreError, ClientError, DeploymentFailed, MiniStackError, PostgresError, UnknownEnvironment) as error:
        print(f"parley: {error}", file=sys.stderr)
        return 1


def _account(environment: environments.Environment) -> Account:
    return Account(environment.region)


def _secrets(account: Account, name: str) -> int:
    made = Secrets(account, name).make(os.environ.get("DATABASE_URL", "").strip(), provider_keys())
    for secret in made:
        print(f"made {secret}")
    return 0


def _deploy(environment: environments.Environment, account: Account) -> int:
    stack = Stack(environment, account)
    stack.deploy(Secrets(account, environment.name).parameters())
    for name, value in stack.outputs().items():
        print(f"{name}: {value}")
    return 0


def _deploy_local(check: bool) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    began = time.monotonic()
    log = default_data_dir() / "logs" / "ministack.log"
    port = 0 if check else int(os.environ.get("PORT") or _PORT)
    with emulated(log, port=port, quiet=check) as deployed:
        deployed.deploy()
        if check:
            return run_check(deployed)
        print(_banner(deployed, time.monotonic() - began), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        print("\nstopping", flush=True)
    return 0


def _banner(deployed: Deployed, seconds: float) -> str:
    api = deployed.api
    return f"""
Parley is deployed at {api.url} ({seconds:.0f} s)

export API={api.url}
export TOKEN={api.token("user_1")}
export AWS_ENDPOINT_URL={deployed.aws.url}

curl -s $API/api/chat -H "Authorization: Bearer $TOKEN" -d '{{"message": "Why is the sky blue?"}}'

Logs: {default_data_dir() / "logs" / "ministack.log"}    Stop: Ctrl-C
"""

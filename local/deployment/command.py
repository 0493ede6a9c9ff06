"""`make deploy`, `make deploy-local`, and what an operator does with a stack: `python -m local deployment COMMAND`."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from local.deployment import environments, operations
from local.deployment.account import Account
from local.deployment.check import check as run_check
from local.deployment.emulated import NAME, Deployed, emulated
from local.deployment.ministack import CREDENTIALS, MiniStackError, api_url
from local.deployment.secrets import PARAMETERS, Secrets, provider_keys
from local.deployment.stack import DeploymentFailed, Stack
from local.postgres.database import named_database
from local.postgres.home import PostgresError, default_data_dir

_PORT = 4566  # where `make deploy ENV=local` expects what `make deploy-local` started


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local deployment")
    commands = parser.add_subparsers(dest="command", required=True)
    emulating = commands.add_parser("local", help="deploy to an AWS emulated on this machine, until Ctrl-C")
    emulating.add_argument("--check", action="store_true", help="check what was deployed and end")
    for name, does in (
        ("architecture", "print what to build for"),
        ("deploy", "create or update the stack from what was built"),
        ("secrets", "make the secrets that are missing"),
        ("migrate", "apply schema/ by hand"),
        ("rotate", "give a secret another value"),
        ("redrive", "put what a queue gave up back into it"),
        ("undeploy", "delete the stack, but for what it keeps"),
    ):
        command = commands.add_parser(name, help=does)
        command.add_argument("environment", help="of samconfig.toml")
        if name in ("rotate", "redrive", "undeploy"):
            command.add_argument("what", help="a secret, a queue, or the stack's name")
    options = parser.parse_args(arguments)
    try:
        if options.command == "local":
            return _deploy_local(options.check)
        _run(options)
    except (BotoCoreError, ClientError, DeploymentFailed, MiniStackError, PostgresError, ValueError) as error:
        print(f"parley: {error}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    environment = environments.read(options.environment)
    if options.command == "architecture":
        print(environment.architecture)
        return
    account = _account(environment)
    stack, secrets = Stack(environment, account), Secrets(account, environment.name)
    match options.command:
        case "deploy":
            _deploy(stack, secrets)
        case "secrets":
            made = secrets.make(named_database() or "", provider_keys())
            print("\n".join(f"made {name}" for name in made) or "made nothing: what could be made is there")
        case "migrate":
            print("\n".join(operations.migrate(stack) or ["the schema is up to date"]))
        case "rotate":
            operations.rotate(stack, secrets, options.what, provider_keys())
            print("changed; running containers follow within a minute")
        case "redrive":
            print(f"{operations.redrive(stack, options.what)} messages are tried again")
        case "undeploy":
            if options.what != environment.stack:
                raise ValueError(f"say which: make undeploy ENV={environment.name} STACK={environment.stack}")
            key = stack.outputs().get("UserKeysKeyArn", "none")  # a stack that never came up has none
            stack.delete()
            print(f"deleted; the users' key ({key}), a managed database and the account's log role stay")


def _account(environment: environments.Environment) -> Account:
    """The shell's account, or for `local` the one that `make deploy-local` has started.

    Raises ValueError where the shell names the latter for another environment.
    """
    url = os.environ.get("AWS_ENDPOINT_URL", "")
    if environment.name == NAME:
        return Account(environment.region, {"AWS_ENDPOINT_URL": url or f"http://127.0.0.1:{_PORT}", **CREDENTIALS})
    if urlsplit(url).hostname in ("127.0.0.1", "localhost"):
        raise ValueError(f"AWS_ENDPOINT_URL is {url}, an emulated account: unset it for ENV={environment.name}")
    return Account(environment.region)


def _deploy(stack: Stack, secrets: Secrets) -> None:
    found, given = secrets.parameters(), stack.environment.parameters
    needed = [] if given.get("JwksUrl") else ["jwt"]
    needed += [] if given.get("ManagedDatabase") == "true" else ["database-app", "database-service", "database-owner"]
    missing = [secrets.full_name(name) for name in needed if PARAMETERS[name] not in {*found, *given}]
    if missing:
        raise ValueError(f"there is no secret {', '.join(missing)}: make secrets ENV={stack.environment.name}")
    emulated = stack.account.emulated
    if emulated and not stack.status():
        # Its providers are those of the run that made it; a new one would call the real ones.
        raise ValueError("there is no stack to update: `make deploy-local` makes it")
    stack.deploy(found)
    url = stack.outputs()["ApiUrl"]
    if emulated:
        url = api_url(stack.account.variables["AWS_ENDPOINT_URL"], stack.resource("Api"))
    print(f"Parley is deployed at {url}")


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

After a change: make deploy ENV={NAME}
Logs: {default_data_dir() / "logs" / "ministack.log"}    Stop: Ctrl-C
"""

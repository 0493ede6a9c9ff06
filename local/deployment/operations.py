"""What an operator does with a stack that runs: apply the schema by hand, rotate secrets, take up what was given up."""

from __future__ import annotations

import json
import secrets as random
from collections.abc import Mapping
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.deployment.secrets import LOGINS, PROVIDER_VARIABLES, Secrets
from local.deployment.stack import DeploymentFailed, Stack
from local.postgres.database import as_login

QUEUES = {"usage": ("UsageDeadLetters", "UsageQueue"), "work": ("WorkDeadLetters", "WorkQueue")}
_MIGRATE_SECONDS = 900
_LOOK_SECONDS = 2  # without waiting, SQS looks at some of its servers only, and may find nothing


def migrate(stack: Stack) -> list[str]:
    """Run the migrate function: pending files, and the passwords of both logins; returns what was applied.

    Raises DeploymentFailed with the function's reason.
    """
    patient = Config(read_timeout=_MIGRATE_SECONDS, retries={"total_max_attempts": 1})
    answer = stack.account.client("lambda", patient).invoke(
        FunctionName=stack.resource("MigrateFunction"), Payload=json.dumps({"command": "up"})
    )
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise DeploymentFailed(f"migrate failed: {told.get('errorMessage')}")
    return list(told["applied"])


def rotate(stack: Stack, secrets: Secrets, name: str, provider_keys: Mapping[str, str]) -> None:
    """Give a secret another value: `jwt`, `logins` (both, and the database is told) or `provider-keys`.

    Raises ValueError for another name and without a key to give, DeploymentFailed where the database was not told.
    """
    match name:
        case "jwt":
            secrets.put("jwt", random.token_hex(32))
        case "logins":
            for secret, login in LOGINS.items():
                secrets.put(secret, _with_password(secrets.value(secret), login, random.token_hex(24)))
            try:
                migrate(stack)
            except (BotoCoreError, ClientError, DeploymentFailed) as error:
                again = f"make migrate ENV={stack.environment.name}"
                raise DeploymentFailed(f"the database does not know the new passwords yet: {again}\n{error}") from error
        case "provider-keys":
            if not provider_keys:
                raise ValueError(f"the new keys are expected in {', '.join(PROVIDER_VARIABLES.values())}")
            secrets.put("provider-keys", json.dumps(json.loads(secrets.value("provider-keys")) | dict(provider_keys)))
        case _:
            raise ValueError(f"SECRET is jwt, logins or provider-keys, not {name!r}")


def redrive(stack: Stack, queue: str) -> int:
    """Put the messages that a queue gave up back into it; returns how many.

    A message that is sent back and not yet deleted when this ends is there twice: what handles it may see it twice.

    Raises ValueError for a queue that there is not.
    """
    if queue not in QUEUES:
        raise ValueError(f"QUEUE is {' or '.join(QUEUES)}, not {queue!r}")
    dead, alive = (stack.resource(name) for name in QUEUES[queue])
    sqs, moved = stack.account.client("sqs"), 0
    look = {"MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"], "WaitTimeSeconds": _LOOK_SECONDS}
    while messages := sqs.receive_message(QueueUrl=dead, **look).get("Messages"):
        for message in messages:
            attributes = message.get("MessageAttributes", {})
            sqs.send_message(QueueUrl=alive, MessageBody=message["Body"], MessageAttributes=attributes)
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved


def _with_password(value: str, login: str, password: str) -> str:
    """A login's secret, URL or the JSON that RDS writes, with another password."""
    if value.startswith("{"):
        return json.dumps(json.loads(value) | {"password": password})
    return as_login(value, login, password)

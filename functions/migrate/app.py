"""Run by CloudFormation in each deployment, or by hand: applies schema/, makes both logins, says what it did."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from parley.container import Container
from parley.core import secrets
from parley.core.observability import logger

# What needs Postgres' driver is loaded where it is used: one that was built for another processor does not load, and
# CloudFormation has to be told of that too.
services = Container.from_environment()
SCHEMA = Path(__file__).with_name("schema")

_CONNECT_SECONDS = 60.0  # well below the function's timeout of 15 minutes
_RESERVE_SECONDS = 30.0  # of that timeout, for saying that time is up


@logger.inject_lambda_context
def lambda_handler(event: Any, context: Any) -> dict[str, Any]:
    """`{"command": "up"}`, `{"command": "status"}`, or the event of a custom resource. Raises ValueError for anything
    else, which changes nothing.
    """
    if isinstance(event, dict) and "RequestType" in event:
        from parley.migrations.custom_resource import answer_cloudformation  # a run by hand needs no HTTP client

        return answer_cloudformation(event, SCHEMA, lambda: _up(context, accept_newer=True)["applied"])
    if event == {"command": "up"}:
        return _up(context)
    if event == {"command": "status"}:
        from parley.migrations.runner import status

        return {"migrations": [{"label": row.label, "state": row.state} for row in status(_url(context), SCHEMA)]}
    raise ValueError('migrate takes {"command": "up"} or {"command": "status"}')


def _up(context: Any, *, accept_newer: bool = False) -> dict[str, Any]:
    from parley.migrations.deployment import deploy

    url, settings = _url(context), services.settings
    passwords = secrets.login_passwords(settings)

    def seconds_left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000 - _RESERVE_SECONDS

    applied = deploy(url, SCHEMA, *passwords, settings.timezone, accept_newer=accept_newer, seconds_left=seconds_left)
    return {
        "applied": [step.label for step in applied],
        "said": [notice for step in applied for notice in step.notices],
    }


def _url(context: Any) -> str:
    """The owner's URL, once the database answers to it. Raises MigrationError where it does not."""
    from parley.database.errors import DatabaseUnavailable, LoginRefused
    from parley.migrations.files import MigrationError

    until = time.monotonic() + _CONNECT_SECONDS
    left = context.get_remaining_time_in_millis
    try:
        with services.database.patient(lambda: min(left() / 1000, until - time.monotonic())):
            services.database.check()
    except LoginRefused:
        raise MigrationError(
            "the database does not let the owner in: see user, password and dbname in its secret"
        ) from None
    except DatabaseUnavailable:
        raise MigrationError(
            "the database does not answer: see host and port in its secret, and the functions' network"
        ) from None
    services.database.close()
    return secrets.database_url(services.settings)

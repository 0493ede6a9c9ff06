"""Run by CloudFormation in each deployment, or by hand: applies schema/, makes both logins, says what it did."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

from parley.container import Container
from parley.core import secrets
from parley.core.observability import log_fault, logger
from parley.migrations.deployment import deploy
from parley.migrations.files import MigrationError, digest
from parley.migrations.runner import status

services = Container.from_environment()
SCHEMA = Path(__file__).with_name("schema")

_CONNECT_SECONDS = 60.0  # well below the function's timeout of 15 minutes
_ANSWER_TRIES, _ANSWER_PAUSE_SECONDS = 4, 2.0


@logger.inject_lambda_context
def lambda_handler(event: Any, context: Any) -> dict[str, Any]:
    """`{"command": "up"}`, `{"command": "status"}`, or the event of a custom resource. Raises ValueError for anything
    else, which changes nothing.
    """
    if isinstance(event, dict) and "RequestType" in event:
        return _answer_cloudformation(event, context)
    if event == {"command": "up"}:
        return _up(context)
    if event == {"command": "status"}:
        return {"migrations": [{"label": row.label, "state": row.state} for row in status(_url(context), SCHEMA)]}
    raise ValueError('migrate takes {"command": "up"} or {"command": "status"}')


def _up(context: Any, *, accept_newer: bool = False) -> dict[str, Any]:
    url, settings = _url(context), services.settings
    passwords = secrets.login_passwords(settings)
    applied = deploy(url, SCHEMA, *passwords, settings.timezone, accept_newer=accept_newer)
    return {
        "applied": [step.label for step in applied],
        "said": [notice for step in applied for notice in step.notices],
    }


def _url(context: Any) -> str:
    """The owner's URL, once the database answers to it."""
    until = time.monotonic() + _CONNECT_SECONDS
    left = context.get_remaining_time_in_millis
    with services.database.patient(lambda: min(left() / 1000, until - time.monotonic())):
        services.database.check()
    services.database.close()
    return secrets.database_url(services.settings)


def _answer_cloudformation(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do what CloudFormation asks for and tell its ResponseURL, which it waits for as long as the template says.

    An update that is rolled back ends with an Update of the older release: its files are all in the database, which is
    done then. Deleting the resource keeps the data. `Apply` is the template's parameter Migrate. Source: "Custom
    resource response objects" in AWS's CloudFormation guide.
    """
    kind, data, reason = event["RequestType"], {}, ""
    try:
        if kind in ("Create", "Update"):
            applies = event["ResourceProperties"]["Apply"] == "true"
            applied = _up(context, accept_newer=True)["applied"] if applies else []
            data = {"Digest": digest(SCHEMA), "Applied": ", ".join(applied)[:1000]}
        elif kind != "Delete":
            reason = "there is no such RequestType"
    except Exception as error:
        log_fault("migrating for CloudFormation failed", error)
        reason = str(error) if isinstance(error, MigrationError) else "see the function's log"
    answer = {
        "Status": "FAILED" if reason else "SUCCESS",
        "Reason": reason[:500],  # an answer of more than 4096 bytes is refused
        "PhysicalResourceId": event.get("PhysicalResourceId") or "parley-schema",
        "Data": data,
    } | {name: event.get(name) for name in ("StackId", "RequestId", "LogicalResourceId")}
    if url := event.get("ResponseURL"):
        _put(url, json.dumps(answer).encode())
    return answer


def _put(url: str, body: bytes) -> None:
    """Raises OSError where the answer cannot be brought."""
    # CloudFormation presigned the URL without a content type: sending one breaks the signature.
    request = urllib.request.Request(url, body, {"Content-Type": ""}, method="PUT")  # noqa: S310
    for left in reversed(range(_ANSWER_TRIES)):
        try:
            urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
            return
        except OSError:
            if not left:
                raise
            time.sleep(_ANSWER_PAUSE_SECONDS)

"""The schema as a resource of CloudFormation: what a deployment asks of it, and the answer it waits for."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parley.core.config import ConfigurationError
from parley.core.errors import Problem
from parley.core.observability import log_fault
from parley.migrations.files import MigrationError, digest

_TRIES, _PAUSE_SECONDS = 4, 2.0


def answer_cloudformation(event: dict[str, Any], folder: Path, apply: Callable[[], list[str]]) -> dict[str, Any]:
    """Do what CloudFormation asks for and tell its ResponseURL, which it waits for as long as the template says.

    An update that is rolled back ends with an Update of the older release: its files are all in the database, which is
    done then. Deleting the resource keeps the data. `Apply` is the template's parameter Migrate. Source: "Custom
    resource response objects" in AWS's CloudFormation guide.

    Args:
        event: a custom resource's request.
        folder: the schema folder.
        apply: brings the database up to the folder, or leaves a newer one; gives the labels of what was applied.

    Returns:
        The answer that was told: Status, Reason, PhysicalResourceId, Data and the request's own identifiers.

    Raises:
        OSError: the answer could not be brought.
    """
    kind, data, reason = event["RequestType"], {}, ""
    try:
        if kind in ("Create", "Update"):
            applied = apply() if event["ResourceProperties"]["Apply"] == "true" else []
            data = {"Digest": digest(folder), "Applied": ", ".join(applied)[:1000]}
        elif kind != "Delete":
            reason = "there is no such RequestType"
    except Exception as error:
        log_fault("migrating for CloudFormation failed", error)
        # What others say may hold a secret. A stack whose creation is rolled back takes the log with it.
        ours = isinstance(error, (MigrationError, ConfigurationError, Problem))
        reason = str(error) if ours else f"{type(error).__name__}: see the function's log"
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
    # CloudFormation presigned the URL without a content type: sending one breaks the signature.
    request = urllib.request.Request(url, body, {"Content-Type": ""}, method="PUT")  # noqa: S310
    for left in reversed(range(_TRIES)):
        try:
            urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
            return
        except OSError:
            if not left:
                raise
            time.sleep(_PAUSE_SECONDS)

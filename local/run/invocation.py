"""`make invoke`: one function of a running `make run`, with an event of `events/`."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.checkout import EVENTS


class NotInvoked(Exception):
    """The function did not run; the message is the one line that says why."""


def invoke(address: str, name: str, path: Path, variables: Mapping[str, str]) -> tuple[str, bool]:
    """Run a function once, after what the event's `needs` names. Raises NotInvoked.

    Args:
        address: of the running stack.
        path: the file with the event.
        variables: what stands in the event as `${NAME}`.

    Returns:
        What the function answered, and whether it did not fail.
    """
    event = _event(path, variables)
    if isinstance(event, dict) and "needs" in event:
        needed = event.pop("needs")
        invoke(address, needed, EVENTS / f"{needed}.json", variables)
    return _post(address, name, json.dumps(event).encode())


def _event(path: Path, variables: Mapping[str, str]) -> Any:
    """The event as a new one: API Gateway gives no two requests the same id."""
    try:
        raw = path.read_text()
        for name, value in variables.items():
            raw = raw.replace(f"${{{name}}}", value)
        event = json.loads(raw)
    except OSError as error:
        raise NotInvoked(
            f"cannot read the event {path} ({error.strerror}); every function has one in events/: "
            "make invoke NAME=usage_reset EVENT=events/usage_reset.json"
        ) from error
    except ValueError as error:
        raise NotInvoked(f"the event {path} is not JSON: {error}") from error
    context = event.get("requestContext") if isinstance(event, dict) else None
    if isinstance(context, dict):
        now = time.time()
        context["requestId"] = str(uuid.uuid4())
        context["requestTime"] = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now))
        context["requestTimeEpoch"] = int(now * 1000)
    return event


def _post(address: str, name: str, event: bytes) -> tuple[str, bool]:
    request = urllib.request.Request(
        f"{address}/2015-03-31/functions/{urllib.parse.quote(name, safe='')}/invocations",
        data=event,
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.read().decode(), not response.headers.get("X-Amz-Function-Error")
    except urllib.error.HTTPError as error:
        with error:
            answer = error.read().decode()
        with contextlib.suppress(ValueError, TypeError, KeyError):
            answer = json.loads(answer)["message"]
        raise NotInvoked(answer) from error
    except urllib.error.URLError as error:
        raise NotInvoked(f"nothing answers at {address} ({error.reason}); is `make run` running?") from error

"""`make deploy-local CHECK=1`: whether the deployed API answers, stays up through an update, and goes as it should."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from local.deployment.emulated import Deployed


class CheckFailed(RuntimeError):
    """Something did not hold; the message says what."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


def call(url: str, method: str, path: str, body: Any = None, token: str = "", **headers: str) -> Answer:
    """Ask an API. Raises OSError where nobody answers."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        sent["Content-Type"] = "application/json"
    if token:
        sent["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return Answer(response.status, dict(response.headers), response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read().decode())


def check(deployed: Deployed) -> int:
    """Check a stack that was just created, update and delete it; the exit status says whether all of it held."""
    checked = []

    def hold(what: str, fact: object, told: object = "") -> None:
        if not fact:
            raise CheckFailed(f"{what}: {told}")
        checked.append(what)

    try:
        status = deployed.stack.status()
        hold("created", status == "CREATE_COMPLETE", status)
        ready = call(deployed.url, "GET", "/api/health?ready=true")
        hold("health", ready.status == 200, ready)
        chat = call(deployed.url, "POST", "/api/chat", {"message": "Why is the sky blue?"}, deployed.token("user_1"))
        hold("chat", chat.status == 200, chat)
        deployed.stack.delete()
        hold("deleted", not deployed.stack.status())
    except (CheckFailed, OSError) as error:
        print(f"parley: not as it should be: {error}")
        return 1
    print(f"checked: {', '.join(checked)}")
    return 0

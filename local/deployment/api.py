"""A client of a running Parley, whether `make run` serves it or a stack does."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Api:
    """Attributes:
    url: where it is.
    token: makes a token of a user, an organization and a role in it.
    webhook_secret: what the voice vendor sends as `X-Vapi-Secret`.
    """

    url: str
    token: Callable[..., str]
    webhook_secret: str

    def webhook(self, event: Any) -> Answer:
        """Send an event of a voice call, as its vendor does. Raises OSError where nobody answers."""
        return self._send("POST", "/api/webhooks/vapi", event, {"X-Vapi-Secret": self.webhook_secret})

    def request(self, method: str, path: str, body: Any = None, token: str = "", key: str = "") -> Answer:
        """Send a request, with an Idempotency-Key where one is given. Raises OSError where nobody answers."""
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        if key:
            sent["Idempotency-Key"] = key
        return self._send(method, path, body, sent)

    def _send(self, method: str, path: str, body: Any, sent: dict[str, str]) -> Answer:
        if body is not None:
            sent["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as response:
                return Answer(response.status, dict(response.headers), response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read().decode())

"""The voice vendor's API: a call as it knows it, where its recording can be heard, and its deletion.

https://docs.vapi.ai/api-reference/calls/get and calls/delete; recordings by call id since 2026-07-15, when public links
to them ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from parley.core.config import ConfigurationError
from parley.core.errors import Problem
from parley.core.observability import log_fault, logger
from parley.providers.transport import SharedClient

_SECONDS = 20.0


class VoiceVendor:
    """Asks Vapi.

    Args:
        base_url: None where what is configured is none.
        secret: gives the deployment's voice secret, whose `api_key` is the private key.
    """

    def __init__(self, base_url: str | None, secret: Callable[[], Mapping[str, Any]], client: SharedClient) -> None:
        self._base_url = base_url
        self._secret = secret
        self._client = client

    def call(self, call_id: str) -> Any:
        """The call's JSON; None where there is no such call any more.

        Raises Problem (502) where it cannot be had now, ConfigurationError without a key.
        """
        status, _, body = self._ask("GET", _path(call_id))
        return None if status == HTTPStatus.NOT_FOUND else body()

    def recording_url(self, call_id: str) -> str | None:
        """Where the call's recording can be heard for a while; None without one. Raises as `call` does."""
        status, headers, _ = self._ask("GET", f"{_path(call_id)}/mono-recording")
        location = headers.get("location", "")
        if status == HTTPStatus.NOT_FOUND:
            return None
        if not location.startswith(("https://", "http://")):
            raise _failed()
        return location

    def delete(self, call_id: str) -> None:
        """Delete the call with recording, transcript and logs; no error where there is no such call any more.

        Raises Problem (502) where it is still there: the vendor erases the recordings before it answers, and answers
        503 where it could not. Raises ConfigurationError without a key.
        """
        # An object without `ids`: those would be deleted some hours later, in the place of this one.
        status, _, _ = self._ask("DELETE", _path(call_id), {})
        if status not in (200, 404):
            raise _failed()

    def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, Mapping[str, str], Callable[[], Any]]:
        """Status, headers, and what reads the body. Raises Problem, ConfigurationError."""
        key = self._secret().get("api_key")
        if not isinstance(key, str) or not key or self._base_url is None:
            raise ConfigurationError("api_key of the voice secret and VAPI_BASE_URL have to be set")
        moment = self._client.deadline.set(_SECONDS)
        try:
            response = self._client().request(
                method, self._base_url + path, headers={"Authorization": f"Bearer {key}"}, json=body, timeout=_SECONDS
            )
            if response.status_code not in (200, 301, 302, 303, 307, 308, 404):
                logger.warning("the voice vendor refused", method=method, status=response.status_code)
                raise _failed()
            return response.status_code, response.headers, response.json
        except Problem:
            raise
        except Exception as error:
            log_fault("the voice vendor could not be asked", error)
            raise _failed() from None
        finally:
            self._client.deadline.take_back(moment)


def _path(call_id: str) -> str:
    return f"/call/{quote(call_id, safe='')}"


def _failed() -> Problem:
    return Problem("upstream_error", "The voice vendor cannot be asked right now; try again later.", status=502)

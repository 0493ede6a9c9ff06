"""Call tokens: what shows that a voice call is an interview's. A call's metadata passes the candidate's browser."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from parley.core.config import ConfigurationError

_SHORTEST_KEY = 32


class CallTokens:
    """Signs and verifies call tokens.

    Args:
        secret: gives the deployment's voice secret, whose `call_token_key` is the key of both.
    """

    def __init__(self, secret: Callable[[], Mapping[str, Any]]) -> None:
        self._secret = secret

    def make(self, interview_id: str) -> str:
        """The token of an interview: HMAC-SHA-256 in base64url, 43 characters. Raises ConfigurationError, Problem."""
        key = self._secret().get("call_token_key")
        if not isinstance(key, str) or len(key) < _SHORTEST_KEY:
            raise ConfigurationError(
                f"call_token_key of the voice secret has to have at least {_SHORTEST_KEY} characters"
            )
        digest = hmac.new(key.encode(), f"voice call\n{interview_id}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def fits(self, interview_id: str, token: str) -> bool:
        """Whether it is the interview's token. Raises as `make` does."""
        return hmac.compare_digest(self.make(interview_id).encode(), token.encode("utf-8", "replace"))

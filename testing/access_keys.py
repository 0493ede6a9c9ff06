"""Machine keys, made as users make them."""

from __future__ import annotations

from typing import Any, get_args

from parley.core.caller import AccessKeyScope
from testing.functions import Functions, make_token

PATH = "/api/settings/access-keys"
ALL_SCOPES: list[str] = [*get_args(AccessKeyScope)]


def make_access_key(
    functions: Functions, user: str = "ada", *, claims: dict[str, Any] | None = None, **body: Any
) -> Any:
    """What the API answers of a new key: the key itself is its `key`."""
    body = {"name": "a program", "scopes": ALL_SCOPES} | body
    answer = functions.request("account", "POST", PATH, body, token=make_token(user, **claims or {}))
    if answer.status != 201:
        raise RuntimeError(answer.text)
    return answer.json

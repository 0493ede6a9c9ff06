"""How the tests of the schema's core call it: the two logins' functions, and a clock."""

from __future__ import annotations

import itertools
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

ADA = {"sub": "ada", "role": "authenticated"}
ADMIN = {"sub": "root", "role": "authenticated", "organization_id": "org_1", "organization_role": "admin"}
MEMBER = {"sub": "mia", "role": "authenticated", "organization_id": "org_1"}
VISITOR = {"role": "anon", "caller_key": "c0ffee"}
MODELS = {"openai": "gpt", "anthropic": "claude", "google": "gemini-flash"}

_ids = (f"request-{number}" for number in itertools.count(1))


class Caller:
    """Calls the schema's functions over one connection, as one of the two logins."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def call(self, function: str, *arguments: Any) -> Any:
        """The single value that app.<function> returns; dicts go in as jsonb."""
        values = [Jsonb(value) if isinstance(value, dict) else value for value in arguments]
        places = ", ".join(["%s"] * len(values))
        row = self.connection.execute(f"select app.{function}({places})", values).fetchone()
        assert row is not None
        return row[0]

    def begin(self, claims: dict[str, Any], **members: Any) -> dict[str, Any]:
        """begin_request with what most calls need."""
        request = {
            "request_id": next(_ids),
            "operation": "chat",
            "default_provider": "openai",
            "default_models": MODELS,
            "lease_seconds": 60,
        }
        answer: dict[str, Any] = self.call("begin_request", claims, request | members)
        return answer

    def retrieve(self, claims: dict[str, Any], tokens: int, **members: Any) -> dict[str, Any]:
        """begin_request for a search that embeds so many tokens."""
        request = {"request_id": next(_ids), "operation": "search", "embedding_tokens": tokens, "lease_seconds": 60}
        answer: dict[str, Any] = self.call("begin_request", claims, request | members)
        return answer

    def finish(self, claims: dict[str, Any], begun: dict[str, Any], **members: Any) -> dict[str, Any]:
        """finish_request for what begin returned; settled, with one paid call, unless told otherwise."""
        outcome = {
            "request_id": begun["request_id"],
            "fence": begun["fence"],
            "state": "settled",
            "calls": [call_of()],
            "attempts": [{"provider": "openai", "model": "gpt", "ok": True, "latency_ms": 90}],
        }
        answer: dict[str, Any] = self.call("finish_request", claims, outcome | members)
        return answer


def call_of(cost: str | None = "0.000000123", provider: str = "openai") -> dict[str, Any]:
    """One upstream call as finish_request records it."""
    return {"provider": provider, "model": "gpt", "input_tokens": 7, "output_tokens": 3, "cost": cost, "latency_ms": 90}


def embedding_of(tokens: int | None) -> dict[str, Any]:
    """One embedding call of which the provider counted so many tokens."""
    return {
        "provider": "openai",
        "model": "small",
        "operation": "embedding",
        "input_tokens": tokens,
        "cost": "0.1",
        "own_key": False,
    }


def embedded(answer: dict[str, Any]) -> int:
    """Tokens embedded today."""
    used: int = answer["quota"]["embedding_tokens"]["used"]
    return used


def set_clock(owner: psycopg.Connection[Any], moment: str) -> None:
    """Replace the schema's clock, which only its owner can; everybody's from here on."""
    # A timestamp literal of the test's own, and no parameter is possible in a function's body.
    owner.execute(
        f"create or replace function app.now() returns timestamptz language sql stable parallel safe "
        f"return '{moment}'::timestamptz"
    )


def used(answer: dict[str, Any]) -> tuple[int, int]:
    """Daily and monthly units used."""
    return answer["quota"]["daily"]["used"], answer["quota"]["monthly"]["used"]


def one(connection: psycopg.Connection[Any], query: str) -> Any:
    """The one value of a query."""
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def cache_entry(**members: Any) -> dict[str, Any]:
    """What finish_request stores in the cache under the prompt hash `hash`."""
    stored = {"prompt_hash": "hash", "provider": "openai", "model": "gpt", "scope": "tenant", "ttl_seconds": 60}
    return stored | {"text": "cached", "tokens": 10} | members

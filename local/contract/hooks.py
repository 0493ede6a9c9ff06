"""What an OpenAPI document cannot say of a valid request: the list, with a reason each. Run by schemathesis.

Only requests that are meant to be valid are changed; those that are meant to be refused go as they are.
"""

from __future__ import annotations

import uuid
from typing import Any

import schemathesis

_QUESTION = "What is a fjord?"


@schemathesis.hook  # type: ignore[untyped-decorator]
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, Any]) -> None:
    """Make a request valid where its schema cannot say how."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    headers, query, body = case.headers or {}, case.query or {}, case.body
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = str(uuid.uuid4())  # one that was used with another body is 422
    if "cursor" in query:
        del query["cursor"]  # only what a page before gave is one
    if "from" in query or "to" in query:
        query.pop("from", None)  # not after `to`, and at most 366 days before it
        query["to"] = "2026-01-31"
    query.pop("period_key", None)  # one that fits the period
    if case.operation.label == "DELETE /api/documents":
        case.query = {"all": "true"}  # either a filter or everything
    if isinstance(body, dict):
        if body.get("timezone"):
            body["timezone"] = "Europe/Stockholm"  # the zones that there are
        if isinstance(body.get("scopes"), list) and "chat" not in body["scopes"]:
            body.pop("daily_limit", None)  # it counts units, which only chat takes
        if body.get("expires_at"):
            body["expires_at"] = None  # later than now
        # A schema of handled keywords, tools of different names, one of them chosen: the chat tests ask that.
        for member in ("tools", "tool_choice", "response_format"):
            body.pop(member, None)
        body.pop("cursor", None)  # only what the hits before gave is one
        if isinstance(body.get("messages"), list):
            # Which of a turn's members go together: data or a URL, a result after its call. The chat tests ask that.
            body["messages"] = [
                {
                    "role": turn["role"] if turn["role"] == "assistant" else "user",
                    "content": turn["content"]
                    if str(turn.get("content") or "").strip() and isinstance(turn["content"], str)
                    else _QUESTION,
                }
                for turn in body["messages"]
            ]
            body["messages"][-1]["role"] = "user"  # the last one asks
        if body.get("model"):
            # Which ones there are is the deployment's choice; OpenAI's clients have to name one.
            body["model"] = "auto" if case.operation.path.startswith("/v1/") else None
        if isinstance(body.get("input"), list) and len(body["input"]) > 100:
            body["dimensions"] = 8  # as many vectors of any length are more than an answer may have
        elif isinstance(body.get("dimensions"), int):
            body["dimensions"] = min(body["dimensions"], 1_536)  # as many as the model of `auto` makes
        if "stream" in body:
            body["stream"] = False  # there are no words for a stream's events; the chat tests ask for one
        if body.get("forbidden_providers"):
            body["allowed_providers"] = None  # together they may leave no provider
            body["forbidden_providers"] = body["forbidden_providers"][:1]

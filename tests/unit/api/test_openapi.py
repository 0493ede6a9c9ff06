"""The contract says what the handlers do, because it is read from them."""

from __future__ import annotations

from typing import Any

import pytest

from local.openapi import document

CONTRACT = document()


def operation(method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = CONTRACT["paths"][path][method]
    return found


def test_the_posts_that_create_or_spend_take_an_idempotency_key() -> None:
    takers = {
        path
        for path, methods in CONTRACT["paths"].items()
        for one in methods.values()
        if any(parameter["name"] == "Idempotency-Key" for parameter in one.get("parameters", []))
    }
    assert takers == {
        "/api/chat",
        "/api/chat/stream",
        "/api/documents",
        "/api/generate-interview-questions",
        "/api/interactions",
        "/api/search",
    }


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("post", "/api/chat", {"200", "413"}),
        ("post", "/api/documents", {"201", "413"}),
        ("delete", "/api/documents/{document_id}", {"204"}),
        ("get", "/api/health", {"200", "503"}),
    ],
)
def test_an_operation_names_the_statuses_it_answers_with(method: str, path: str, statuses: set[str]) -> None:
    assert operation(method, path)["responses"].keys() == statuses | {"default"}


def test_an_answer_has_its_media_type_and_where_there_is_one_its_model() -> None:
    chat = operation("post", "/api/chat")["responses"]["200"]["content"]
    stream = operation("post", "/api/chat/stream")["responses"]["200"]
    conversation = operation("get", "/api/conversations/{conversation_id}")["responses"]["200"]["content"]
    assert chat == {"application/json": {"schema": {"$ref": "#/components/schemas/ChatAnswer"}}}
    assert stream["content"].keys() == {"text/event-stream"}
    assert "start, delta, usage, error, done" in stream["description"]
    assert conversation.keys() == {"application/json", "text/markdown"}


@pytest.mark.parametrize(
    "code", ["token_missing", "quota_exceeded", "cache_filling", "token_expired", "upstream_timeout", "unknown_route"]
)
def test_the_codes_of_the_functions_the_vendors_and_the_gateway_are_listed(code: str) -> None:
    assert code in CONTRACT["components"]["schemas"]["Problem"]["properties"]["code"]["examples"]

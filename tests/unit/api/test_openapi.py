"""The contract says what the routes declare, and leaves nothing out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest

from local.checkout import CHECKOUT
from local.openapi import document, routes
from local.problem_codes import CODES, codes_of
from parley.api.router import Api
from parley.core.config import Settings
from testing.contract import Contract

CONTRACT = document()
OPERATIONS = Contract(CONTRACT).operations


def successes() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every answer with a 2xx or 3xx status: operation, status, response."""
    for name, operation in OPERATIONS.items():
        for status, response in operation["responses"].items():
            if status < "4":
                yield name, status, response


def test_every_operation_succeeds_in_one_way() -> None:
    assert sorted(name for name, _, _ in successes()) == sorted(OPERATIONS)


@pytest.mark.parametrize(("name", "status", "response"), list(successes()), ids=lambda value: str(value)[:40])
def test_no_answer_with_content_is_without_a_schema(name: str, status: str, response: dict[str, Any]) -> None:
    if status in ("204", "302"):
        assert "content" not in response
        return
    for media_type, content in response["content"].items():
        schema = content["schema"]
        assert schema.keys() & {"$ref", "anyOf", "oneOf", "type"}, media_type
        if media_type == "application/json":
            assert not set(schema) - {"$ref", "anyOf"}, "a JSON answer has a name"


def test_no_schema_is_open_ended_but_where_callers_keep_what_they_like_and_take_along_what_is_kept() -> None:
    free = {
        f"{name}.{member}"
        for name, schema in CONTRACT["components"]["schemas"].items()
        for member, one in schema.get("properties", {}).items()
        if one.get("additionalProperties") is True
        or not one.keys() & {"type", "$ref", "anyOf", "oneOf", "const", "enum"}
    }
    # `assistant` is the voice vendor's own object.
    kept = {"metadata", "filter", "context", "schema", "parameters", "preferences", "assistant"}
    assert {name for name in free if name.rpartition(".")[2] not in kept} == {
        "Contract.info", "Contract.paths", "Contract.components", "PersonalRecord.record"
    }  # fmt: skip


def test_the_posts_that_create_or_spend_take_an_idempotency_key_and_say_when_they_replay() -> None:
    takers = {
        name
        for name, operation in OPERATIONS.items()
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", []))
    }
    assert takers == {
        "create_chat_completion", "stream_chat_completion", "store_documents", "generate_interview_questions",
        "record_interactions", "search", "create_interview", "retry_interview", "create_openai_chat_completion",
        "create_practice_attempt", "request_interview_feedback",
    }  # fmt: skip
    assert takers == {name for name, _, response in successes() if "Idempotency-Replayed" in response["headers"]}


def test_each_event_of_a_stream_has_a_schema() -> None:
    content = OPERATIONS["stream_chat_completion"]["responses"]["200"]["content"]
    events = content["text/event-stream"]["x-events"]
    assert {name: schema["$ref"].rpartition("/")[2] for name, schema in events.items()} == {
        "start": "ChatStart",
        "delta": "ChatDelta",
        "tool_call": "ChatToolCall",
        "usage": "ChatUsage",
        "done": "ChatDone",
        "error": "ProblemDocument",
    }


def test_openais_stream_has_events_without_a_name_but_for_errors() -> None:
    content = OPERATIONS["create_openai_chat_completion"]["responses"]["200"]["content"]
    assert {name: one["$ref"].rpartition("/")[2] for name, one in content["text/event-stream"]["x-events"].items()} == {
        "message": "ChatCompletionChunk",
        "error": "ProblemDocument",
    }
    assert content["application/json"]["schema"]["$ref"].endswith("/ChatCompletion")


def test_a_conversation_comes_as_json_or_as_a_document() -> None:
    assert OPERATIONS["get_conversation"]["responses"]["200"]["content"].keys() == {"application/json", "text/markdown"}


def test_an_operation_is_named_by_what_it_does_and_filed_under_a_tag() -> None:
    tags = {tag["name"] for tag in CONTRACT["tags"]}
    for name, operation in OPERATIONS.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
        assert set(operation["tags"]) < tags
        assert operation["summary"]
        assert "\n" not in operation["summary"]


def test_every_problem_has_a_status_its_codes_and_an_example_of_each() -> None:
    for name, operation in OPERATIONS.items():
        for status, response in operation["responses"].items():
            if status < "4":
                continue
            found = Contract(CONTRACT).resolved(response)["content"]["application/problem+json"]
            assert found["examples"], name
            for code in found["examples"]:
                assert CONTRACT["components"]["examples"][code]["value"]["status"] == int(status)


def test_no_code_that_the_sources_spell_is_missing() -> None:
    spelled = set(re.findall(r'"code":"(\w+)"', (CHECKOUT / "template.yaml").read_text()))
    for folder in ("functions", "layers/parley/parley"):
        for path in (CHECKOUT / folder).rglob("*.py"):
            spelled |= {code for node in ast.walk(ast.parse(path.read_text())) if (code := _code(node))}
    assert spelled == set(CODES)


def test_every_code_of_a_function_is_some_routes() -> None:
    declared = {code for route in routes() for codes in codes_of(route).values() for code in codes}
    assert set(CODES) - declared == {"unknown_route"}  # the gateway's, where there is no route


def test_nothing_internal_is_told() -> None:
    text = str(CONTRACT)
    assert re.findall(r"\bS[1-5]\b|FoloUp|schema/\d|docs/", text) == []


def test_a_route_that_does_not_say_who_may_call_it_is_none() -> None:
    api = Api(Settings.from_environment({"PARLEY_JWT_SECRET": "x" * 32}))

    def handler(_request: Any) -> None:
        """Answer."""

    with pytest.raises(TypeError, match="access"):
        api.get("/api/open", answer=None)(handler)  # type: ignore[call-arg]


def _code(node: ast.AST) -> str | None:
    """The code that `Problem("code", ...)`, or a function that makes one of it, is given; or a table's (code, status,
    detail).
    """
    match node:
        case ast.Call(func=ast.Name(id="Problem" | "_unauthorized"), args=[ast.Constant(value=str(code)), *_]):
            return code
        case ast.Tuple(elts=[ast.Constant(value=str(code)), ast.Constant(value=int()), ast.Constant(value=str())]):
            return code
    return None

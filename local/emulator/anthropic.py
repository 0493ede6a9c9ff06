"""Anthropic's wire format: messages and models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from local.emulator.call import (
    SLOT,
    Answer,
    Call,
    CallError,
    Json,
    Problem,
    Twist,
    Usage,
    count_tokens,
    deltas,
    dump,
    foreign,
    repeated,
    text_of,
    texts_of,
)
from local.emulator.http import Reply, Request
from local.emulator.media import DOCUMENTS, IMAGES, in_url, inline, shown
from local.emulator.schema import excess, refused, refused_arguments
from local.emulator.tools import Tool, ToolCalling

_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_MEMBER: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
MODELS: Final = ("claude-haiku-5-5", "claude-sonnet-5", "claude-opus-5")
_WORDS_PER_DELTA: Final = 3
_FINISH: Final = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "refusal": "refusal",
    "unknown": "provider_specific",
}
# kind: status, type, message
_PROBLEMS: Final[dict[str, tuple[int, str, str]]] = {
    "missing_key": (401, "authentication_error", "x-api-key header is required"),
    "unauthorized": (401, "authentication_error", "invalid x-api-key"),
    "forbidden": (403, "permission_error", "Your API key does not have permission to use the specified resource."),
    "not_found": (404, "not_found_error", "model: {model}"),
    "unknown_path": (404, "not_found_error", "Not found"),
    "bad_request": (400, "invalid_request_error", "messages: at least one message is required"),
    "context_length": (400, "invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum"),
    "rate_limit": (
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 50 requests per minute.",
    ),
    "quota_exhausted": (
        400,
        "invalid_request_error",
        (
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
            "purchase credits."
        ),
    ),
    "server_error": (500, "api_error", "Internal server error"),
    "unavailable": (503, "api_error", "Service unavailable"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
}


class Anthropic:
    """Requests below `/v1` with a key in `x-api-key` or as a bearer token (what the SDK sends)."""

    def key(self, request: Request) -> str:
        """The API key."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer").strip()
        return request.headers.get("x-api-key") or bearer

    def understand(self, path: str, request: Request, body: Json) -> Call:
        """Read a request to one of Anthropic's paths; raises CallError."""
        match path.strip("/").split("/"), request.method:
            case ["v1", "models"], "GET":
                return Call("models")
            case ["v1", "models", model], "GET":
                return _known(Call("model", model=model))
            case ["v1", "messages"], "POST":
                if "anthropic-version" not in request.headers:
                    raise CallError("bad_request", "anthropic-version: header is required")
                return _known(_message(body))
        raise CallError("unknown_path")

    def reply(self, call: Call, answer: Answer, twist: Twist, number: int) -> Reply:
        """A message, or the named events that build it."""
        message: Json = {
            "id": f"msg_{number:024x}",
            "type": "message",
            "role": "assistant",
            "model": call.model,
            "content": _blocks(call, answer, number),
            "stop_reason": "tool_use" if answer.calls and answer.finish == "stop" else _FINISH[answer.finish],
            "stop_sequence": answer.stop_sequence,
        }
        if answer.finish == "refusal":
            message["stop_details"] = {"type": "refusal", "category": None, "explanation": None}
        if not call.streamed:
            if not twist.without_usage:
                message["usage"] = _usage(answer.usage)
            return Reply(200, (dump(message),), headers=_headers(number))
        events = list(_events(answer, twist, message))
        return Reply(200, events, "text/event-stream; charset=utf-8", _headers(number), streamed=True)

    def data(self, call: Call, number: int) -> Reply:
        """The list of models, or one model."""
        body = _model(call.model)
        if call.operation == "models":
            data = [_model(name) for name in MODELS]
            body = {"data": data, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
        return Reply(200, (dump(body),), headers=_headers(number))

    def problem(self, problem: Problem, number: int) -> Reply:
        """`{"type": "error", "error": {...}, "request_id": ...}` with Anthropic's status."""
        status, kind, message = _PROBLEMS[problem.kind]
        if problem.kind == "quota_exhausted" and problem.status not in (None, 400):
            # Accounts billed through a contract are told so by another type and status.
            status, kind = problem.status or status, "billing_error"
        message = problem.message or message.format(model=problem.model)
        body = {
            "type": "error",
            "error": {"type": kind, "message": message},
            "request_id": f"req_{number:024x}",
        }
        headers = _headers(number)
        if problem.retry_after is not None:
            headers += (("retry-after", problem.retry_after),)
        return Reply(status, (dump(body),), headers=headers)


def _known(call: Call) -> Call:
    if foreign(call.model, "gpt", "gemini", "text-embedding"):
        raise CallError("not_found", model=call.model)
    return call


def _message(body: Json) -> Call:
    for name in ("model", "max_tokens", "messages"):
        if body.get(name) is None:
            raise CallError("bad_request", f"{name}: Field required")
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        raise CallError("bad_request")
    if any(message.get("role") not in ("user", "assistant") for message in messages):
        raise CallError("bad_request", 'messages: Unexpected role. The Messages API accepts "user" and "assistant".')
    if messages[0]["role"] != "user":
        raise CallError("bad_request", 'messages: first message must use the "user" role')
    contents = [body.get("system"), *(message.get("content") for message in messages)]
    results = [part.get("content") for message in messages for part in _parts(message, "tool_result")]
    if any(text.isspace() for content in [*contents, *results] for text in texts_of(content)):
        raise CallError("bad_request", "messages: text content blocks must contain non-whitespace text")
    schema = ((body.get("output_config") or {}).get("format") or {}).get("schema")
    if schema is not None and (fault := refused(schema, "anthropic")):
        raise CallError("bad_request", f"output_config.format.schema: {fault}")
    _check_calls(body)
    for content in [*contents, *results]:
        _media(content)
    return Call(
        "complete",
        model=body["model"],
        streamed=bool(body.get("stream")),
        texts=tuple(text for content in contents for text in texts_of(content)),
        question=next((text_of(m.get("content")) for m in reversed(messages) if _speaks(m)), ""),
        max_tokens=body["max_tokens"],
        stop=tuple(body.get("stop_sequences") or ()),
        schema=schema,
        calling=_calling(body),
        reasoning=(body.get("thinking") or {}).get("type", "disabled") != "disabled",
        body=body,
        search_results=tuple(
            part
            for content in contents
            if isinstance(content, list)
            for part in content
            if part.get("type") == "search_result" and (part.get("citations") or {}).get("enabled")
        ),
        **_cache(body, contents, any(message["role"] == "assistant" for message in messages)),
    )


def _cache(body: Json, contents: list[Any], later_turn: bool) -> dict[str, int]:
    """What the request's cache marks do: the prefix up to the last mark is written by a conversation's first turn and
    read by all later ones. Each stretch lives as long as the mark that ends it says.
    """
    marked = {"5m": 0, "1h": 0}
    stretch = 0
    for content in contents:
        blocks: list[Json] = content if isinstance(content, list) else [{"text": content}]
        for block in blocks:
            stretch += count_tokens(str(block.get("text") or ""))
            if mark := block.get("cache_control"):
                marked[mark.get("ttl", "5m")] += stretch
                stretch = 0
    if mark := body.get("cache_control"):
        marked[mark.get("ttl", "5m")] += stretch
    if later_turn:
        return {"cached": sum(marked.values())}
    return {"cache_write_5m": marked["5m"], "cache_write_1h": marked["1h"]}


def _speaks(message: Json) -> bool:
    """Whether the user says something in a message, instead of only giving the results of tools."""
    content = message.get("content")
    return message["role"] == "user" and (
        not isinstance(content, list) or any(part.get("type") != "tool_result" for part in content)
    )


def _parts(message: Json, kind: str) -> list[Json]:
    content = message.get("content")
    return [part for part in content if part.get("type") == kind] if isinstance(content, list) else []


def _check_result(result: Json) -> None:
    """Raises CallError for what a tool's result cannot hold: an error has text, and nothing else."""
    content = result.get("content")
    kinds = {part.get("type") for part in content} if isinstance(content, list) else set()
    if not kinds <= {"text", "image", "document", "search_result"}:
        raise CallError("bad_request", "messages.content.tool_result.content: Input tag is none of the expected tags.")
    if result.get("is_error") and not content:
        raise CallError("bad_request", "messages.content.tool_result: content cannot be empty if `is_error` is true")
    if result.get("is_error") and kinds - {"text"}:
        raise CallError(
            "bad_request", "messages.content.tool_result: all content must be type `text` if `is_error` is true"
        )


def _media(content: Any) -> list[str]:
    """What is told of images and documents. Raises CallError."""
    told: list[str] = []
    for block in content if isinstance(content, list) else ():
        if block.get("type") in ("image", "document"):
            source, allowed = block["source"], IMAGES if block["type"] == "image" else DOCUMENTS
            if source["type"] == "url":
                told.append(in_url(source.get("url"), ()))
            else:
                told.append(inline(source.get("media_type"), source.get("data"), allowed))
    return told


def _check_calls(body: Json) -> None:
    """Raises CallError unless each call has its result in the next message, before anything else there."""
    waiting: set[str] = set()
    seen: list[str] = []
    for number, message in enumerate(body["messages"]):
        results = [part["tool_use_id"] for part in _parts(message, "tool_result")]
        for part in _parts(message, "tool_result"):
            _check_result(part)
        if unknown := [one for one in results if one not in waiting]:
            raise CallError(
                "bad_request",
                f"messages.{number}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {unknown[0]}.",
            )
        content = message.get("content")
        if waiting.difference(results) or (
            results and any(part["type"] != "tool_result" for part in content[: len(results)])
        ):
            raise CallError(
                "bad_request",
                f"messages.{number - 1}: `tool_use` ids were found without `tool_result` blocks immediately after.",
            )
        waiting = {part["id"] for part in _parts(message, "tool_use")}
        if any(not _ID.fullmatch(one) for one in waiting):
            raise CallError("bad_request", "messages.content.tool_use.id: String should match '^[a-zA-Z0-9_-]+$'")
        seen += [part["id"] for part in _parts(message, "tool_use")]
        if len(set(seen)) < len(seen):
            raise CallError("bad_request", f"messages.{number}: `tool_use` ids must be unique")
        if (waiting or results) and not body.get("tools"):
            raise CallError("bad_request", "Requests which include `tool_use` blocks must define tools.")
    if waiting:
        raise CallError("bad_request", "`tool_use` ids were found without `tool_result` blocks immediately after.")


def _calling(body: Json) -> ToolCalling:
    choice = body.get("tool_choice") or {"type": "auto"}
    messages = body["messages"]
    spoken = max((n for n, message in enumerate(messages) if _speaks(message)), default=-1)
    since = messages[spoken + 1 :]
    named = {"auto": "auto", "any": "required", "none": "none"}.get(choice["type"])
    for number, tool in enumerate(body.get("tools") or ()):
        if not _TOOL_NAME.fullmatch(tool["name"]):
            raise CallError("bad_request", f"tools.{number}.custom.name: String should match '^{_TOOL_NAME.pattern}$'")
        if fault := refused_arguments(tool["input_schema"], "anthropic", strict=bool(tool.get("strict"))):
            raise CallError("bad_request", f"tools.{number}.custom.input_schema: {fault}")
        if not all(_MEMBER.fullmatch(name) for name in tool["input_schema"].get("properties", ())):
            fault = "Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'"
            raise CallError("bad_request", f"tools.{number}.custom.input_schema.properties: {fault}")
    strict = [tool["input_schema"] for tool in body.get("tools") or () if tool.get("strict")]
    if len(strict) > 20:
        raise CallError("bad_request", f"Too many strict tools ({len(strict)}). The maximum number is 20.")
    form = ((body.get("output_config") or {}).get("format") or {}).get("schema")
    if fault := excess([*strict, *([form] if form else ())], "anthropic"):
        raise CallError("bad_request", fault)
    return ToolCalling(
        tools=tuple(Tool(tool["name"], tool["input_schema"]) for tool in body.get("tools") or ()),
        choice=named or choice["name"],
        parallel=not choice.get("disable_parallel_tool_use"),
        called=tuple(part["name"] for message in since for part in _parts(message, "tool_use")),
        results=tuple(
            shown(text_of(part.get("content")), _media(part.get("content")))
            for message in since
            for part in _parts(message, "tool_result")
        ),
    )


def _blocks(call: Call, answer: Answer, number: int) -> list[Json]:
    """The content: after the thinking, if there was any, the text or the calls of tools."""
    blocks: list[Json] = []
    if call.reasoning:
        blocks.append({"type": "thinking", "thinking": "", "signature": "ZW11bGF0ZWQ="})
    for index, one in enumerate(answer.calls):
        try:
            given = json.loads(one.arguments)
        except ValueError:
            given = {}  # cut short: the provider sends the arguments it could complete
        blocks.append({"type": "tool_use", "id": f"toolu_{number:016x}{index:04x}", "name": one.name, "input": given})
    if call.search_results and answer.cited is not None:
        blocks += [{"type": "text", "text": answer.text.removesuffix(answer.quote)}, _cited(call, answer)]
    elif answer.text:
        blocks.append({"type": "text", "text": answer.text})
    return blocks


def _cited(call: Call, answer: Answer) -> Json:
    """A block of text with its citation: where it stands among the request's search results."""
    index = (answer.cited or 1) - 1
    result = call.search_results[index]
    citation = {
        "type": "search_result_location",
        "source": result["source"],
        "title": result["title"],
        "cited_text": answer.quote,
        "search_result_index": index,
        "start_block_index": 0,
        "end_block_index": 1,
    }
    return {"type": "text", "text": answer.quote, "citations": [citation]}


def _event(kind: str, **data: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), dump({"type": kind} | data))


def _events(answer: Answer, twist: Twist, message: Json) -> Iterator[bytes]:
    usage = {} if twist.without_usage else {"usage": _usage(answer.usage)}
    begun = {"usage": usage["usage"] | {"output_tokens": 1}} if usage else {}
    start: Json = {"content": [], "stop_reason": None, "stop_sequence": None}
    yield _event("message_start", message=message | start | begun)
    arguments = iter(one.arguments for one in answer.calls)
    for index, block in enumerate(message["content"]):
        if block["type"] == "thinking":
            opened, delta = block | {"signature": ""}, {"type": "signature_delta", "signature": SLOT}
            pieces = [block["signature"]]
        elif block["type"] == "tool_use":
            opened, delta = block | {"input": {}}, {"type": "input_json_delta", "partial_json": SLOT}
            # Without arguments nothing comes.
            text = next(arguments)
            pieces = [] if text == "{}" else ["", *deltas(text, 1)]
        else:
            opened, delta = block | {"text": ""}, {"type": "text_delta", "text": SLOT}
            pieces = list(deltas(block["text"], _WORDS_PER_DELTA))
            if "citations" in block:
                opened["citations"] = []
        yield _event("content_block_start", index=index, content_block=opened)
        if index == 0:
            yield _event("ping")
        failing = twist.error_after_half and index == len(message["content"]) - 1
        if failing:
            pieces = pieces[: len(pieces) // 2]
        yield from repeated(_event("content_block_delta", index=index, delta=delta), pieces)
        for citation in block.get("citations", ()):
            cited = {"type": "citations_delta", "citation": citation}
            yield _event("content_block_delta", index=index, delta=cited)
        if failing:
            yield _event("error", error={"type": "overloaded_error", "message": "Overloaded"})
            return
        yield _event("content_block_stop", index=index)
    delta = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details") if name in message}
    # The totals of the last event have no split of cache writes by lifetime: only the first event tells it.
    totals = {"usage": {k: v for k, v in usage["usage"].items() if k != "cache_creation"}} if usage else {}
    yield _event("message_delta", delta=delta, **totals)
    yield _event("message_stop")


def _usage(usage: Usage) -> dict[str, Any]:
    written = usage.cache_write_5m + usage.cache_write_1h
    counts: dict[str, Any] = {
        "input_tokens": usage.prompt - usage.cached - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.completion,
    }
    if usage.reasoning:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return counts


def _model(name: str) -> Json:
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": "2026-06-01T00:00:00Z",
        "lifecycle": "active",
    }


def _headers(number: int) -> tuple[tuple[str, str], ...]:
    return (
        ("request-id", f"req_{number:024x}"),
        ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000"),
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "49"),
        ("anthropic-ratelimit-requests-reset", "2026-12-31T23:59:59Z"),
        ("anthropic-ratelimit-tokens-limit", "100000"),
        ("anthropic-ratelimit-tokens-remaining", "99000"),
        ("anthropic-ratelimit-tokens-reset", "2026-12-31T23:59:59Z"),
    )

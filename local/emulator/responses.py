"""OpenAI's responses API, which has its own items, usage and events."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from local.emulator.call import Answer, Call, CallError, Json, Twist, Usage, deltas, dump, text_of, texts_of
from local.emulator.http import Reply
from local.emulator.schema import free_form


def understand(body: Json, automatic_cache: Callable[[tuple[str, ...]], int]) -> Call:
    """Read a request to /v1/responses; raises CallError."""
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(items, list) or not items or not body.get("model"):
        raise CallError("bad_request", "Missing required parameter: 'input'.")
    contents = [body.get("instructions"), *(item.get("content") for item in items)]
    texts = tuple(text for content in contents for text in texts_of(content))
    wanted = (body.get("text") or {}).get("format") or {}
    return Call(
        "complete",
        model=body["model"],
        streamed=bool(body.get("stream")),
        texts=texts,
        question=next((text_of(i.get("content")) for i in reversed(items) if i.get("role") == "user"), ""),
        max_tokens=body.get("max_output_tokens"),
        schema=free_form(texts) if wanted.get("type") == "json_object" else wanted.get("schema"),
        reasoning=(body.get("reasoning") or {}).get("effort") not in (None, "none"),
        cached=automatic_cache(texts),
        body=body,
    )


def reply(call: Call, answer: Answer, twist: Twist, number: int) -> Reply:
    """A response object, or the events that build it."""
    response = _response(call, answer, twist, number)
    if not call.streamed:
        return Reply(200, (dump(response),))
    return Reply(200, _events(answer, twist, response), "text/event-stream; charset=utf-8", streamed=True)


def _response(call: Call, answer: Answer, twist: Twist, number: int) -> Json:
    cut = answer.finish == "length"
    part: Json = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
    if answer.finish == "refusal":
        part = {"type": "refusal", "refusal": answer.text}
    message = {
        "id": f"msg_{number:032x}",
        "type": "message",
        "role": "assistant",
        "status": "incomplete" if cut else "completed",
        "content": [part],
    }
    return {
        "id": f"resp_{number:032x}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "incomplete" if cut else "provider_specific" if answer.finish == "unknown" else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": call.body.get("instructions"),
        "max_output_tokens": call.max_tokens,
        "model": call.model,
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None if twist.without_usage else _usage(answer.usage),
    }


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.completion,
    }


def _events(answer: Answer, twist: Twist, response: Json) -> list[bytes]:
    events: list[bytes] = []

    def event(kind: str, **more: Any) -> None:
        data = {"type": kind, "sequence_number": len(events)} | more
        events.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), dump(data)))

    message = response["output"][0]
    part = message["content"][0]
    name = "refusal" if part["type"] == "refusal" else "output_text"
    text_field = "refusal" if name == "refusal" else "text"
    logprobs: Json = {} if name == "refusal" else {"logprobs": []}
    place = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    begun = response | {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    event("response.created", response=begun)
    event("response.in_progress", response=begun)
    empty = message | {"status": "in_progress", "content": []}
    event("response.output_item.added", output_index=0, item=empty)
    event("response.content_part.added", **place, part=part | {text_field: ""})
    pieces = list(deltas(answer.text, words=1))
    for piece in pieces[: len(pieces) // 2] if twist.error_after_half else pieces:
        event(f"response.{name}.delta", **place, delta=piece, **logprobs)
    if twist.error_after_half:
        event("error", code="server_error", message="The server had an error processing your request.", param=None)
        return events
    event(f"response.{name}.done", **place, **{text_field: answer.text}, **logprobs)
    event("response.content_part.done", **place, part=part)
    event("response.output_item.done", output_index=0, item=message)
    event("response.incomplete" if response["status"] == "incomplete" else "response.completed", response=response)
    return events

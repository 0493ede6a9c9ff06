"""OpenAI's wire format: chat completions, responses, embeddings and models."""

from __future__ import annotations

import base64
import re
import time
from typing import Any, Final

from local.emulator import responses
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
from local.emulator.embeddings import embed
from local.emulator.http import Reply, Request
from local.emulator.media import DOCUMENTS, IMAGES, in_url, shown
from local.emulator.schema import free_form, refused, refused_arguments
from local.emulator.tools import Tool, ToolCalling

MODELS: Final = ("gpt-6-luna", "gpt-6", "gpt-4o-mini", "text-embedding-3-small", "text-embedding-3-large")
FINISH: Final = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "refusal": "stop",
    "unknown": "provider_specific",
}
_LARGEST_BATCH: Final = 2048
# Prompts from this length on are cached by themselves, in blocks; here always as if the prefix had been seen before.
_CACHED_FROM: Final = 1024
_CACHED_BLOCK: Final = 128
_LONGEST_ID: Final = 40
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_EFFORTS: Final = ("none", "low", "medium", "high", "xhigh")
_INVALID: Final = "invalid_request_error"
# The parts that a message of each role may have.
_PARTS: Final = {"user": ("text", "image_url", "file"), "assistant": ("text", "refusal")}
# kind: status, type, code, message
_PROBLEMS: Final[dict[str, tuple[int, str, str | None, str]]] = {
    "missing_key": (
        401,
        _INVALID,
        None,
        (
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY)."
        ),
    ),
    "unauthorized": (
        401,
        _INVALID,
        "invalid_api_key",
        "Incorrect API key provided: {key}. You can find your API key at https://platform.openai.com/account/api-keys.",
    ),
    "forbidden": (
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    "not_found": (
        404,
        _INVALID,
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    "unknown_path": (404, _INVALID, None, "Invalid URL"),
    "bad_request": (400, _INVALID, "invalid_value", "Invalid value for 'messages'."),
    "context_length": (
        400,
        _INVALID,
        "context_length_exceeded",
        (
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130001 tokens. "
            "Please reduce the length of the messages."
        ),
    ),
    "rate_limit": (
        429,
        "requests",
        "rate_limit_exceeded",
        (
            "Rate limit reached for {model} in organization org-emulator on requests per min (RPM): Limit 500, "
            "Used 500, Requested 1. Please try again later."
        ),
    ),
    "quota_exhausted": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "server_error": (
        500,
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
    ),
    "unavailable": (503, "server_error", None, "The engine is currently overloaded, please try again later"),
    "overloaded": (503, "service_unavailable_error", "server_is_overloaded", "Our servers are currently overloaded."),
}
_PARAMS: Final = {"context_length": "messages", "bad_request": "messages", "not_found": "model"}


class OpenAI:
    """Requests below `/v1` with a bearer key."""

    def key(self, request: Request) -> str:
        """The bearer token."""
        return request.headers.get("authorization", "").removeprefix("Bearer").strip()

    def understand(self, path: str, request: Request, body: Json) -> Call:
        """Read a request to one of OpenAI's paths; raises CallError."""
        match path.strip("/").split("/"), request.method:
            case ["v1", "models"], "GET":
                return Call("models")
            case ["v1", "models", model], "GET":
                return _known(Call("model", model=model))
            case ["v1", "chat", "completions"], "POST":
                return _known(_chat(body))
            case ["v1", "responses"], "POST":
                return _known(responses.understand(body, automatic_cache))
            case ["v1", "embeddings"], "POST":
                return _known(_embedding(body))
        raise CallError("unknown_path", f"Invalid URL ({request.method} {path})")

    def reply(self, call: Call, answer: Answer, twist: Twist, number: int) -> Reply:
        """A chat completion, a stream of its chunks, or a response."""
        if "messages" not in call.body:
            return responses.reply(call, answer, twist, number).with_headers(*_headers(number))
        if call.streamed:
            chunks = _chunks(call, answer, twist, number)
            return Reply(200, chunks, "text/event-stream; charset=utf-8", _headers(number), streamed=True)
        refused = answer.finish == "refusal"
        message: Json = {
            "role": "assistant",
            "content": None if refused else answer.text,
            "refusal": answer.text if refused else None,
            "annotations": [],
        }
        if answer.calls:
            message |= {"content": None, "tool_calls": _tool_calls(answer, number)}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(call, answer)}
        completion = _envelope(call, number, "chat.completion") | {"choices": [choice]}
        if not twist.without_usage:
            completion["usage"] = _usage(answer.usage)
        return Reply(200, (dump(completion),), headers=_headers(number))

    def data(self, call: Call, number: int) -> Reply:
        """Embeddings, the list of models, or one model."""
        body: Json
        if call.operation == "models":
            body = {"object": "list", "data": [_model(name) for name in MODELS]}
        elif call.operation == "model":
            body = _model(call.model)
        else:
            tokens = sum(map(count_tokens, call.texts))
            body = {
                "object": "list",
                "data": [_vector(call, index, text) for index, text in enumerate(call.texts)],
                "model": call.model,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
        return Reply(200, (dump(body),), headers=_headers(number))

    def problem(self, problem: Problem, number: int) -> Reply:
        """`{"error": {...}}` with OpenAI's status."""
        status, type_, code, message = _PROBLEMS[problem.kind]
        if problem.message is None:
            # The key comes back as OpenAI shows it: its beginning and its last four characters.
            message = message.format(model=problem.model, key=f"{problem.key[:8]}****{problem.key[-4:]}")
        else:
            message = problem.message
        error = {"message": message, "type": type_, "param": _PARAMS.get(problem.kind), "code": code}
        headers = _headers(number)
        if problem.retry_after is not None:
            headers += (("retry-after", problem.retry_after),)
        return Reply(status, (dump({"error": error}),), headers=headers)


def automatic_cache(texts: tuple[str, ...]) -> int:
    """How many tokens of a prompt count as read from the cache."""
    tokens = sum(map(count_tokens, texts))
    return tokens // _CACHED_BLOCK * _CACHED_BLOCK if tokens >= _CACHED_FROM else 0


def _known(call: Call) -> Call:
    if foreign(call.model, "claude", "gemini"):
        raise CallError("not_found", model=call.model)
    return call


def _chat(body: Json) -> Call:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise CallError("bad_request", "Invalid 'messages': array too short. Expected an array with minimum length 1.")
    if not body.get("model"):
        raise CallError("bad_request", "you must provide a model parameter")
    _check_calls(messages)
    _media(messages)
    if str(body["model"]).startswith("gpt-6"):
        _check_reasoning(body)
    texts = tuple(text for message in messages for text in texts_of(message.get("content")))
    wanted = body.get("response_format") or {}
    schema = wanted.get("json_schema", {}).get("schema")
    if wanted.get("type") == "json_object" and not any("json" in text.lower() for text in texts):
        raise CallError(
            "bad_request",
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        )
    if schema is not None and wanted["json_schema"].get("strict") and (fault := refused(schema, "openai")):
        raise CallError("bad_request", f"Invalid schema for response_format '{wanted['json_schema']['name']}': {fault}")
    stop = body.get("stop") or ()
    if not isinstance(stop, str) and len(stop) > 4:
        raise CallError("bad_request", "Invalid 'stop': array too long. Expected an array with maximum length 4.")
    spoken = _spoken(messages)
    return Call(
        "complete",
        model=body["model"],
        streamed=bool(body.get("stream")),
        texts=texts,
        question=text_of(messages[spoken].get("content")) if spoken >= 0 else "",
        calling=_calling(body, messages[spoken + 1 :]),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        schema=free_form(texts) if wanted.get("type") == "json_object" else schema,
        reasoning=body.get("reasoning_effort") not in (None, "none"),
        cached=automatic_cache(texts),
        body=body,
    )


def _check_reasoning(body: Json) -> None:
    """Raises CallError for what reasoning models do not take in chat completions."""
    for name in ("frequency_penalty", "presence_penalty"):
        if body.get(name) is not None:
            raise CallError("bad_request", f"Unsupported parameter: '{name}' is not supported with this model.")
    effort = body.get("reasoning_effort")
    if effort not in (None, *_EFFORTS):
        raise CallError(
            "bad_request", f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model."
        )
    # Also where none is sent: the model's own one is not `none`.
    if body.get("tools") and effort != "none":
        raise CallError(
            "bad_request",
            f"Function tools with reasoning_effort are not supported for {body['model']} in /v1/chat/completions. To "
            "use function tools, use /v1/responses or set reasoning_effort to 'none'.",
        )


def _check_calls(messages: list[Json]) -> None:
    """Raises CallError unless each call has its result right after it."""
    waiting: set[str] = set()
    for message in messages:
        if message.get("role") == "tool":
            if message.get("tool_call_id") not in waiting:
                raise CallError(
                    "bad_request",
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                )
            waiting.discard(message["tool_call_id"])
        elif waiting:
            break
        for one in message.get("tool_calls") or ():
            if len(one["id"]) > _LONGEST_ID:
                raise CallError("bad_request", "Invalid 'messages.tool_calls.id': string too long.")
            if not isinstance(one["function"]["arguments"], str):
                raise CallError("bad_request", "Invalid type for 'messages.tool_calls.function.arguments'.")
            waiting.add(one["id"])
    if waiting:
        raise CallError(
            "bad_request",
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            "'tool_call_id'.",
        )


def _media(messages: list[Json]) -> list[str]:
    """What is told of the messages' images and files, which are the user's alone. Raises CallError."""
    told: list[str] = []
    for number, message in enumerate(messages):
        content, role = message.get("content"), str(message.get("role"))
        for part in content if isinstance(content, list) else ():
            if part.get("type") not in _PARTS.get(role, ("text",)):
                raise CallError(
                    "bad_request",
                    f"Invalid 'messages[{number}]'. Image URLs are only allowed for messages with role 'user', but "
                    f"this message with role '{role}' contains an image URL."
                    if part.get("type") == "image_url"
                    else f"Invalid value: '{part.get('type')}' in a message with role '{role}'.",
                )
            if part["type"] == "image_url":
                told.append(in_url(part["image_url"].get("url"), IMAGES))
            elif part["type"] == "file":
                if not part["file"].get("filename"):
                    raise CallError("bad_request", "Missing required parameter: 'file.filename'.")
                told.append(in_url(part["file"].get("file_data"), DOCUMENTS))
    return told


def _spoken(messages: list[Json]) -> int:
    """Where the user last said something; -1 where nowhere. Media right after results are what the tools gave."""
    return max(
        (
            number
            for number, message in enumerate(messages)
            if message.get("role") == "user"
            and not (number and messages[number - 1].get("role") == "tool" and _media([message]))
        ),
        default=-1,
    )


def _calling(body: Json, since: list[Json]) -> ToolCalling:
    """What a request says of tools; `since` are the messages after what the user last said."""
    if not body.get("tools") and body.get("tool_choice"):
        raise CallError("bad_request", "Invalid value for 'tool_choice': 'tool_choice' is only allowed with 'tools'.")
    choice = body.get("tool_choice") or "auto"
    for number, one in enumerate(body.get("tools") or ()):
        function = one["function"]
        if not _TOOL_NAME.fullmatch(function["name"]):
            raise CallError(
                "bad_request",
                f"Invalid 'tools[{number}].function.name': string does not match pattern. Expected a string that "
                f"matches the pattern '^{_TOOL_NAME.pattern}$'.",
            )
        schema = function.get("parameters") or {"type": "object", "properties": {}, "additionalProperties": False}
        if fault := refused_arguments(schema, "openai", strict=bool(function.get("strict"))):
            raise CallError("bad_request", f"Invalid schema for function '{function['name']}': {fault}")
    return ToolCalling(
        tools=tuple(
            Tool(one["function"]["name"], one["function"].get("parameters") or {}) for one in body.get("tools") or ()
        ),
        choice=choice if isinstance(choice, str) else choice["function"]["name"],
        parallel=body.get("parallel_tool_calls", True),
        called=tuple(one["function"]["name"] for message in since for one in message.get("tool_calls") or ()),
        results=tuple(
            shown(text_of(message.get("content")), _media([message]))
            for message in since
            if message.get("role") in ("tool", "user")
        ),
    )


def _embedding(body: Json) -> Call:
    given = body.get("input")
    texts = (given,) if isinstance(given, str) else tuple(given or ())
    if not texts or not all(isinstance(text, str) and text for text in texts) or len(texts) > _LARGEST_BATCH:
        raise CallError("bad_request", "'$.input' is invalid. Please check the API reference.")
    model = str(body.get("model") or "")
    dimensions = int(body.get("dimensions") or (3072 if "large" in model else 1536))
    return Call("embed", model=model, texts=texts, dimensions=dimensions, body=body)


def _envelope(call: Call, number: int, kind: str) -> Json:
    return {
        "id": f"chatcmpl-{number:024x}",
        "object": kind,
        "created": int(time.time()),
        "model": call.model,
        "service_tier": "default",
        "system_fingerprint": "fp_emulator",
    }


def _chunks(call: Call, answer: Answer, twist: Twist, number: int) -> list[bytes]:
    """The events of a streamed completion."""
    asked = bool((call.body.get("stream_options") or {}).get("include_usage")) and not twist.without_usage
    envelope = _envelope(call, number, "chat.completion.chunk") | ({"usage": None} if asked else {})

    def chunk(delta: Json, finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return b"data: %b\n\n" % dump(envelope | {"choices": [choice]} | more)

    field = "refusal" if answer.finish == "refusal" else "content"
    start = {"role": "assistant", "content": "", "refusal": None} if field == "content" else {"role": "assistant"}
    pieces = repeated(chunk({field: SLOT}), deltas(answer.text, words=1))
    for index, one in enumerate(_tool_calls(answer, number)):
        begun = one | {"index": index, "function": {"name": one["function"]["name"], "arguments": ""}}
        more = {"tool_calls": [{"index": index, "function": {"arguments": SLOT}}]}
        pieces += [chunk({"tool_calls": [begun]}), *repeated(chunk(more), deltas(one["function"]["arguments"], 1))]
    if twist.error_after_half:
        error = {"message": _PROBLEMS["server_error"][3], "type": "server_error", "param": None, "code": None}
        return [chunk(start), *pieces[: len(pieces) // 2], b"data: %b\n\n" % dump({"error": error})]
    usage = {"usage": _usage(answer.usage)}
    in_choice = usage if twist.usage_in_choice_chunk else {}
    events = [chunk(start), *pieces, chunk({}, _finish(call, answer), **in_choice)]
    if asked and not in_choice:
        events.append(b"data: %b\n\n" % dump(envelope | {"choices": []} | usage))
    return [*events, b"data: [DONE]\n\n"]


def _tool_calls(answer: Answer, number: int) -> list[Json]:
    return [
        {
            "id": f"call_{number:016x}{index:04x}",
            "type": "function",
            "function": {"name": one.name, "arguments": one.arguments},
        }
        for index, one in enumerate(answer.calls)
    ]


def _finish(call: Call, answer: Answer) -> str:
    """Why it ended: after a call that had to be made, with the word for any end."""
    forced = call.calling.choice not in ("auto", "required")
    return "tool_calls" if answer.calls and answer.finish == "stop" and not forced else FINISH[answer.finish]


def _usage(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _vector(call: Call, index: int, text: str) -> Json:
    values = embed(text, call.dimensions)
    encoded = call.body.get("encoding_format") == "base64"
    vector = base64.b64encode(values.tobytes()).decode() if encoded else [round(value, 8) for value in values]
    return {"object": "embedding", "index": index, "embedding": vector}


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": 1780000000, "owned_by": "openai"}


def _headers(number: int) -> tuple[tuple[str, str], ...]:
    return (
        ("x-request-id", f"req_{number:032x}"),
        ("openai-version", "2020-10-01"),
        ("openai-organization", "org-emulator"),
        ("openai-processing-ms", "1"),
        ("x-ratelimit-limit-requests", "500"),
        ("x-ratelimit-remaining-requests", "499"),
        ("x-ratelimit-reset-requests", "120ms"),
        ("x-ratelimit-limit-tokens", "200000"),
        ("x-ratelimit-remaining-tokens", "199000"),
        ("x-ratelimit-reset-tokens", "300ms"),
    )

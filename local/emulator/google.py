"""Google's wire format: the Gemini API, in versions v1 (the SDK's default) and v1beta."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from local.emulator.call import (
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
    text_of,
    texts_of,
)
from local.emulator.embeddings import embed
from local.emulator.http import Reply, Request
from local.emulator.media import DOCUMENTS, IMAGES, inline, shown
from local.emulator.schema import dangling, free_form
from local.emulator.tools import Tool, ToolCalling

MODELS: Final = ("gemini-3.8-flash", "gemini-3.8-pro", "gemini-embedding-001", "gemini-embedding-2")
_WORDS_PER_DELTA: Final = 8
_LARGEST_BATCH: Final = 100
_CACHED_FROM: Final = 1024
_MEDIA: Final = (*(one for one in IMAGES if one != "image/gif"), *DOCUMENTS)
# Models that take text alone from a function.
_TOOL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_TEXT_RESULTS: Final = re.compile(r"gemini-[12]\b")
_FINISH: Final = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "length": "MAX_TOKENS",
    "refusal": "SAFETY",
    "unknown": "PROVIDER_SPECIFIC",
}
_TYPES: Final = "type.googleapis.com/google.rpc."
# kind: status, name of the status, message
_PROBLEMS: Final[dict[str, tuple[int, str, str]]] = {
    "missing_key": (
        403,
        "PERMISSION_DENIED",
        (
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
            "other form of API consumer identity to call this API."
        ),
    ),
    "unauthorized": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "forbidden": (403, "PERMISSION_DENIED", "Your project has been denied access. Please contact support."),
    "not_found": (
        404,
        "NOT_FOUND",
        (
            "models/{model} is not found for API version v1, or is not supported for generateContent. Call "
            "ListModels to see the list of available models and their supported methods."
        ),
    ),
    "unknown_path": (404, "NOT_FOUND", "Requested entity was not found."),
    "bad_request": (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    "context_length": (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
    ),
    "rate_limit": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "quota_exhausted": (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "server_error": (500, "INTERNAL", "An internal error has occurred. Please retry."),
    "unavailable": (503, "UNAVAILABLE", "The service is currently unavailable."),
    "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
}


class Google:
    """Requests below `/v1` or `/v1beta` with a key in `x-goog-api-key` or in the query."""

    def key(self, request: Request) -> str:
        """The API key."""
        return request.headers.get("x-goog-api-key") or request.query.get("key", "")

    def understand(self, path: str, request: Request, body: Json) -> Call:
        """Read a request to one of the Gemini API's paths; raises CallError."""
        version, _, rest = path.strip("/").partition("/")
        model, _, action = rest.removeprefix("models/").partition(":")
        if version in ("v1", "v1beta") and rest.startswith("models"):
            match request.method, action:
                case "GET", "" if rest == "models":
                    return Call("models")
                case "GET", "":
                    return _known(Call("model", model=model))
                case "POST", "generateContent":
                    return _known(_generation(model, body, streamed=False))
                case "POST", "streamGenerateContent":
                    if request.query.get("alt") != "sse":
                        raise CallError("bad_request", "Only alt=sse is emulated for streamGenerateContent.")
                    return _known(_generation(model, body, streamed=True))
                case "POST", "embedContent" | "batchEmbedContents":
                    return _known(_embedding(model, body))
        raise CallError("unknown_path")

    def reply(self, call: Call, answer: Answer, twist: Twist, number: int) -> Reply:
        """A response with one candidate, or a stream of them."""
        envelope = {"modelVersion": call.model, "responseId": f"{number:022x}"}
        usage = {} if twist.without_usage else {"usageMetadata": _usage(answer.usage)}
        if answer.finish == "refusal":
            blocked = envelope | usage | {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
            safety = envelope | usage | {"candidates": [{"index": 0, "finishReason": "SAFETY"}]}
            # A stream is stopped by the answer's own filter, an unstreamed call by that of the prompt.
            chunks = [_event(safety)] if call.streamed else [dump(blocked)]
        elif call.streamed:
            chunks = _stream(call, answer, twist, envelope, number)
        else:
            parts = [*_parts(call, answer.text), *_function_calls(answer, number)]
            candidate = _candidate(parts, _FINISH[answer.finish])
            chunks = [dump({"candidates": [candidate]} | usage | envelope)]
        kind = "text/event-stream" if call.streamed else "application/json; charset=UTF-8"
        return Reply(200, chunks, kind, _headers(), streamed=call.streamed)

    def data(self, call: Call, number: int) -> Reply:
        """Embeddings, the list of models, or one model."""
        body: Json = _model(call.model)
        if call.operation == "models":
            body = {"models": [_model(name) for name in MODELS]}
        elif call.operation == "embed":
            vectors = [{"values": [round(v, 8) for v in embed(text, call.dimensions)]} for text in call.texts]
            tokens = sum(map(count_tokens, call.texts))
            body = {"embeddings": vectors} if "requests" in call.body else {"embedding": vectors[0]}
            body["usageMetadata"] = {"promptTokenCount": tokens, "totalTokenCount": tokens}
        return Reply(200, (dump(body),), "application/json; charset=UTF-8", _headers())

    def problem(self, problem: Problem, number: int) -> Reply:
        """`{"error": {code, message, status, details}}` with Google's status."""
        status, name, message = _PROBLEMS[problem.kind]
        message = problem.message or message.format(model=problem.model)
        error: Json = {"code": status, "message": message, "status": name}
        if details := _details(problem):
            error["details"] = details
        headers = _headers()
        if problem.retry_after is not None:
            headers += (("retry-after", problem.retry_after),)
        return Reply(status, (dump({"error": error}),), "application/json; charset=UTF-8", headers)


def _known(call: Call) -> Call:
    if foreign(call.model, "gpt", "claude", "text-embedding-3"):
        raise CallError("not_found", model=call.model)
    return call


def _generation(model: str, body: Json, streamed: bool) -> Call:
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise CallError("bad_request", "* GenerateContentRequest.contents: contents is not specified")
    if any(content.get("role") not in (None, "user", "model") for content in contents):
        raise CallError("bad_request", "Please use a valid role: user, model.")
    if any((one.get("role") == "model") != bool(number % 2) for number, one in enumerate(contents)):
        raise CallError("bad_request", "Please ensure that multiturn requests alternate between user and model.")
    _check_declarations(body)
    for content in contents:
        _media(content.get("parts"))
        for response in _given(content, "functionResponse"):
            _check_parts(model, response)
    everything = [body.get("systemInstruction") or {}, *contents]
    texts = tuple(text for content in everything for text in texts_of(content.get("parts")))
    config = body.get("generationConfig") or {}
    if config.get("frequencyPenalty") or config.get("presencePenalty"):
        raise CallError("bad_request", "Penalty is not enabled for this model")
    if len(config.get("stopSequences") or ()) > 5:
        raise CallError("bad_request", "The number of stop_sequences must not exceed 5.")
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    if fault := dangling(schema or {}):
        raise CallError("bad_request", f"* GenerateContentRequest.generation_config.response_json_schema: {fault}")
    if schema is None and config.get("responseMimeType") == "application/json":
        schema = free_form(texts)
    thinking = config.get("thinkingConfig") or {}
    tokens = sum(map(count_tokens, texts))
    return Call(
        "complete",
        model=model,
        streamed=streamed,
        texts=texts,
        question=next((text_of(one.get("parts")) for one in reversed(contents) if _speaks(one)), ""),
        calling=_calling(body, contents),
        max_tokens=config.get("maxOutputTokens"),
        stop=tuple(config.get("stopSequences") or ()),
        schema=schema,
        reasoning=bool(thinking) and thinking.get("thinkingBudget") != 0,
        # Long prompts are cached by themselves; here always as if half of the prompt had been seen before.
        cached=tokens // 2 if tokens >= _CACHED_FROM else 0,
        body=body,
    )


def _speaks(content: Json) -> bool:
    """Whether the user says something, instead of only giving the results of functions."""
    return content.get("role") != "model" and any("functionResponse" not in part for part in content["parts"])


def _check_declarations(body: Json) -> None:
    """Raises CallError for a function whose arguments are an object without members, or refer to nothing."""
    declared = [one for tool in body.get("tools") or () for one in tool.get("functionDeclarations") or ()]
    for number, one in enumerate(declared):
        schema = one.get("parametersJsonSchema")
        if schema is not None and not (schema.get("properties") or schema.get("additionalProperties")):
            raise CallError(
                "bad_request",
                f"* GenerateContentRequest.tools[0].function_declarations[{number}].parameters.properties: should be "
                "non-empty for OBJECT type",
            )
        if fault := dangling(schema or {}):
            raise CallError(
                "bad_request", f"* GenerateContentRequest.tools[0].function_declarations[{number}]: {fault}"
            )


def _media(parts: list[Json] | None) -> list[str]:
    """What is told of inline data. Raises CallError."""
    blobs = [part["inlineData"] for part in parts or () if "inlineData" in part]
    return [inline(blob.get("mimeType"), blob.get("data"), _MEDIA) for blob in blobs]


def _check_parts(model: str, response: Json) -> None:
    """Raises CallError for what a function's response cannot hold beside its object: all but inline data."""
    parts = response.get("parts") or []
    if parts and _TEXT_RESULTS.match(model):
        raise CallError("bad_request", "Multimodal function responses are not supported for this model.")
    for part in parts:
        if "fileData" in part:  # only files that were uploaded, of which there are none here
            raise CallError("bad_request", f"Unsupported file uri: {part['fileData'].get('fileUri')}")
        if "inlineData" not in part:
            raise CallError("bad_request", "Unable to submit request: a function response part has no inlineData.")
    _media(parts)


def _given(content: Json, kind: str) -> list[Json]:
    return [part[kind] for part in content.get("parts") or () if kind in part]


def _calling(body: Json, contents: list[Json]) -> ToolCalling:
    spoken = max((n for n, content in enumerate(contents) if _speaks(content)), default=-1)
    since = contents[spoken + 1 :]
    waiting: list[str] = []
    for content in contents:
        answered = [one["name"] for one in _given(content, "functionResponse")]
        if answered != waiting:
            raise CallError(
                "bad_request",
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn.",
            )
        waiting = [one["name"] for one in _given(content, "functionCall")]
        first = next((part for part in content.get("parts") or () if "functionCall" in part), None)
        if first is not None and not first.get("thoughtSignature"):
            raise CallError("bad_request", "Function call is missing a thought_signature in functionCall parts.")
    declared = [one for tool in body.get("tools") or () for one in tool.get("functionDeclarations") or ()]
    for number, one in enumerate(declared):
        if not _TOOL_NAME.fullmatch(one["name"]):
            where = f"GenerateContentRequest.tools[0].function_declarations[{number}].name"
            raise CallError(
                "bad_request",
                f"* {where}: Invalid function name. Must start with a letter or an underscore. Must be alphanumeric "
                "(a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64.",
            )
    config = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    mode = {"AUTO": "auto", "ANY": "required", "NONE": "none"}[config.get("mode", "AUTO")]
    allowed: list[str] = config.get("allowedFunctionNames") or []
    return ToolCalling(
        tools=tuple(
            Tool(one["name"], one.get("parametersJsonSchema") or one.get("parameters") or {}) for one in declared
        ),
        choice=allowed[0] if mode == "required" and len(allowed) == 1 else mode,
        called=tuple(one["name"] for content in since for one in _given(content, "functionCall")),
        results=tuple(_result(one) for content in since for one in _given(content, "functionResponse")),
    )


def _result(response: Json) -> str:
    """A function's result as it was told: some text, an error, or an object."""
    given, media = response["response"], _media(response.get("parts"))
    for name in ("output", "error"):
        if list(given) == [name] and isinstance(given[name], str):
            return shown(str(given[name]), media)
    return shown(dump(given).decode(), media)


def _embedding(model: str, body: Json) -> Call:
    requests = body.get("requests", [body])
    if not requests or len(requests) > _LARGEST_BATCH:
        raise CallError("bad_request", f"* BatchEmbedContentsRequest.requests: at most {_LARGEST_BATCH} requests")
    texts = tuple(text_of((one.get("content") or {}).get("parts")) for one in requests)
    usual = 768 if model.startswith("text-embedding") else 3072
    dimensions = int(requests[0].get("outputDimensionality") or usual)
    return Call("embed", model=model, texts=texts, dimensions=dimensions, body=body)


def _parts(call: Call, text: str) -> list[Json]:
    thoughts = (call.body.get("generationConfig") or {}).get("thinkingConfig", {}).get("includeThoughts")
    thought = [{"text": "Considering what was asked.", "thought": True}] if thoughts else []
    return [*thought, {"text": text}] if text else thought


def _candidate(parts: list[Json], finish: str | None = None) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    return candidate | ({"finishReason": finish} if finish else {})


def _event(data: Json) -> bytes:
    return b"data: %b\r\n\r\n" % dump(data)


def _function_calls(answer: Answer, number: int) -> list[Json]:
    """Each call whole; of those of one answer the first is signed. One that was cut short is left out."""
    parts: list[Json] = []
    for index, one in enumerate(answer.calls):
        try:
            given = json.loads(one.arguments)
        except ValueError:
            continue
        parts.append({"functionCall": {"id": f"fc-{number:x}-{index}", "name": one.name, "args": given}})
    if parts:
        parts[0]["thoughtSignature"] = "ZW11bGF0ZWQ="
    return parts


def _stream(call: Call, answer: Answer, twist: Twist, envelope: Json, number: int) -> list[bytes]:
    """The events of a streamed answer; every one carries the usage so far, the last one the final usage."""
    pieces: list[str | Json] = [*deltas(answer.text, _WORDS_PER_DELTA), *_function_calls(answer, number)]
    pieces = pieces or [""]
    if answer.calls:
        pieces.append("")
    events: list[bytes] = []
    for position, piece in enumerate(pieces):
        last = position == len(pieces) - 1
        if twist.error_after_half and position >= len(pieces) // 2:
            status, name, message = _PROBLEMS["unavailable"]
            return [*events, _event({"error": {"code": status, "message": message, "status": name}})]
        usage = _usage(answer.usage)
        if not last:
            for count in ("candidatesTokenCount", "thoughtsTokenCount"):
                usage.pop(count, None)
            usage["totalTokenCount"] = usage["promptTokenCount"]
        told = [piece] if isinstance(piece, dict) else [{"text": piece}]
        parts = _parts(call, piece) if position == 0 and isinstance(piece, str) else told
        chunk = {"candidates": [_candidate(parts, _FINISH[answer.finish] if last else None)]}
        events.append(_event(chunk | ({} if twist.without_usage else {"usageMetadata": usage}) | envelope))
    return events


def _usage(usage: Usage) -> Json:
    counts: Json = {
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": usage.completion - usage.reasoning,
        "totalTokenCount": usage.prompt + usage.completion,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.prompt}],
    }
    if usage.cached:
        counts["cachedContentTokenCount"] = usage.cached
    if usage.reasoning:
        counts["thoughtsTokenCount"] = usage.reasoning
    return counts


def _details(problem: Problem) -> list[Json]:
    """What Google adds to an error in typed messages."""
    details: list[Json] = []
    if problem.kind == "unauthorized":
        info = {"reason": "API_KEY_INVALID", "domain": "googleapis.com"}
        metadata = {"metadata": {"service": "generativelanguage.googleapis.com"}}
        details.append({"@type": _TYPES + "ErrorInfo"} | info | metadata)
    if problem.kind == "quota_exhausted":
        violation: dict[str, Any] = {
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
            "quotaDimensions": {"location": "global", "model": problem.model},
            "quotaValue": "250",
        }
        details.append({"@type": _TYPES + "QuotaFailure", "violations": [violation]})
    if problem.retry_after is not None and problem.retry_after.replace(".", "", 1).isdigit():
        details.append({"@type": _TYPES + "RetryInfo", "retryDelay": f"{problem.retry_after}s"})
    return details


def _model(name: str) -> Json:
    actions = ["embedContent"] if "embedding" in name else ["generateContent", "countTokens"]
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name,
        "inputTokenLimit": 1048576,
        "outputTokenLimit": 65536,
        "supportedGenerationMethods": actions,
    }


def _headers() -> tuple[tuple[str, str], ...]:
    return (("server", "scaffolding on HTTPServer2"), ("server-timing", "gfet4t7; dur=1"))

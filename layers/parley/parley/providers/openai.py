"""OpenAI: chat completions and embeddings through the `openai` SDK."""

from __future__ import annotations

import base64
import json
import sys
from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from parley.core.provider_names import ProviderName
from parley.providers import errors
from parley.providers.adapter import Adapter, StreamReader, checked_usage, finish_reason
from parley.providers.deferred import defer
from parley.providers.errors import ProviderError, ProviderErrorCode
from parley.providers.fitting import is_text
from parley.providers.protocol import (
    Completion,
    CompletionRequest,
    Embeddings,
    FinishReason,
    Media,
    Message,
    NamedTool,
    ToolUse,
    Usage,
)
from parley.providers.tool_calls import ToolCalls, id_for_provider
from parley.providers.transport import read_json, timeouts

if TYPE_CHECKING:
    import httpx2
    from openai import OpenAI

_FINISH: dict[str, FinishReason | ProviderErrorCode] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "refusal",
    "tool_calls": "tool_calls",
    # Of an interface that is not used.
    "function_call": "no_answer",
}


class OpenAIAdapter(Adapter):
    """See `Provider`."""

    name: ProviderName = "openai"

    @cached_property
    def _sdk(self) -> OpenAI:
        # Of the 670 modules that the SDK is made of, 370 are types in these two: a quarter of a container's first chat.
        defer("openai.types", "openai.types.responses")
        from openai import OpenAI

        # Without a base URL the SDK would read one from the environment.
        return OpenAI(
            api_key="given-per-call",
            base_url=self._base_url or "https://api.openai.com/v1",
            http_client=self._http(),
            max_retries=0,
        )

    def _post(self, path: str, body: dict[str, Any], api_key: str, timeout: float) -> httpx2.Response:
        import httpx2

        sdk = self._sdk
        from openai import Stream

        response: Any = sdk.post(
            path,
            cast_to=httpx2.Response,
            content=json.dumps(body).encode(),
            options={"headers": {"Authorization": f"Bearer {api_key}"}, "timeout": timeouts(timeout)},
            stream=True,
            stream_cls=Stream[Any],
        )
        opened: httpx2.Response = response  # what cast_to says; the SDK's overloads know only typed streams
        return opened

    def _open(self, request: CompletionRequest, api_key: str, stream: bool) -> httpx2.Response:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": _messages(request.messages),
            "max_completion_tokens": request.max_output_tokens,
        }
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.top_p is not None:
            body["top_p"] = request.top_p
        if request.stop:
            body["stop"] = list(request.stop)
        if request.schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": request.schema_name, "schema": request.schema, "strict": True},
            }
        elif request.json_object:
            body["response_format"] = {"type": "json_object"}
        for name, value in (
            ("reasoning_effort", request.reasoning_effort),
            ("seed", request.seed),
            ("frequency_penalty", request.frequency_penalty),
            ("presence_penalty", request.presence_penalty),
            ("prompt_cache_key", request.cache_key),
        ):
            if value is not None:
                body[name] = value
        if request.tools is not None:
            body |= _tools(request.tools)
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return self._post("/chat/completions", body, api_key, request.timeout)

    def _look_up(self, model: str, api_key: str, timeout: float) -> httpx2.Response:
        import httpx2

        sdk = self._sdk
        from openai import Stream

        response: Any = sdk.get(
            f"/models/{quote(model, safe='')}",
            cast_to=httpx2.Response,
            options={"headers": {"Authorization": f"Bearer {api_key}"}, "timeout": timeouts(timeout)},
            stream=True,
            stream_cls=Stream[Any],
        )
        opened: httpx2.Response = response
        return opened

    def _completion(self, payload: dict[str, Any]) -> Completion:
        usage = checked_usage(usage_of, payload)
        if not payload["choices"] and usage is not None:
            raise ProviderError("openai", "no_answer", upstream_status=200, usage=usage)
        choice = payload["choices"][0]
        message = choice["message"]
        refusal = message.get("refusal")
        return Completion(
            text=refusal or message.get("content") or "",
            finish_reason="refusal" if refusal else finish_reason("openai", _FINISH, choice["finish_reason"], usage),
            model=payload.get("model") or "",
            usage=usage,
        )

    def _tool_calls(self, payload: dict[str, Any], request: CompletionRequest) -> ToolCalls | None:
        return _calls(None, payload["choices"][0]["message"].get("tool_calls") or ())

    def _reader(self, request: CompletionRequest, api_key: str) -> StreamReader:
        return _Reader(api_key)

    def embed(self, texts: Sequence[str], model: str, dimensions: int, api_key: str, timeout: float) -> Embeddings:
        """See `Provider.embed`."""
        body = {"model": model, "input": list(texts), "dimensions": dimensions, "encoding_format": "base64"}

        def read(payload: dict[str, Any]) -> Embeddings:
            rows = sorted(payload["data"], key=lambda row: row["index"])
            vectors = [_vector(row["embedding"]) for row in rows]
            if len(vectors) != len(texts) or any(len(vector) != dimensions for vector in vectors):
                raise ValueError("not one vector of the asked length for each text")
            usage = checked_usage(_embedding_usage, payload)
            return Embeddings(vectors, payload.get("model") or model, dimensions, usage.input_tokens if usage else None)

        return self._call(lambda: self._post("/embeddings", body, api_key, timeout), read, model, api_key, timeout)


def usage_of(payload: dict[str, Any]) -> Usage | None:
    """OpenAI's `usage`: prompt_tokens includes what was read from and written to the cache.

    May raise for a report that contradicts itself or lacks a count.
    """
    reported = payload.get("usage")
    if not reported:
        return None
    prompt, completion = reported["prompt_tokens"], reported["completion_tokens"]
    if reported.get("total_tokens") not in (None, prompt + completion):
        raise ValueError("the total is not the sum")
    details = reported.get("prompt_tokens_details") or {}
    cached, written = details.get("cached_tokens") or 0, details.get("cache_write_tokens") or 0
    tier = payload.get("service_tier")
    return Usage(
        input_tokens=prompt - cached - written,
        output_tokens=completion,
        cached_input_tokens=cached,
        cache_write_5m_tokens=written,
        reasoning_tokens=(reported.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0,
        service_tier=None if tier in ("default", "auto") else tier,
    )


def _embedding_usage(payload: dict[str, Any]) -> Usage:
    return Usage(payload["usage"]["prompt_tokens"], 0)


def _messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages. A tool's result is text alone here: the media of a turn's results come in one user's message after
    all of them, because nothing may stand between two results.
    """
    told: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "tool":
            told.append(_result(message, shown))
            continue
        if shown:
            told.append({"role": "user", "content": shown})
            shown = []
        if is_text(message) and message.cache is None:
            told.append({"role": message.role, "content": message.content})
        else:
            told.append(_message(message))
    return [*told, {"role": "user", "content": shown}] if shown else told


def _result(message: Message, shown: list[dict[str, Any]]) -> dict[str, Any]:
    """A tool's result. Its media are added to `shown`, each after a text that says which one it is."""
    said: list[str] = []
    for part in message.parts or (message.content,):
        if isinstance(part, str):
            said.append(part)
        else:
            label = f"{part.kind} {len(shown) // 2 + 1}"
            said.append(f"[{label} follows the results]")
            shown += [_part(f"[{label}, from a tool]"), _part(part)]
    text = "\n\n".join(said)
    return {
        "role": "tool",
        "tool_call_id": id_for_provider(message.tool_call_id or ""),
        "content": f"Error: {text}" if message.failed else text,
    }


def _message(message: Message) -> dict[str, Any]:
    """A message that is more than text, or that ends what is to be kept in the prompt cache."""
    told: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.parts or (message.cache is not None and message.content):
        told["content"] = [_part(part) for part in message.parts or (message.content,)]
        if message.cache is not None:
            told["content"][-1]["prompt_cache_breakpoint"] = {"mode": "explicit"}
    if message.tool_calls:
        told["content"] = told["content"] or None
        told["tool_calls"] = [
            {
                "id": id_for_provider(call.id),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or "{}"},
            }
            for call in message.tool_calls
        ]
    return told


def _part(part: str | Media) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = f"data:{part.media_type};base64,{part.data}"
    if part.kind == "document":
        return {"type": "file", "file": {"filename": part.name or "document.pdf", "file_data": data}}
    image = {"url": part.url or data}
    if part.detail is not None:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}


def _tools(tools: ToolUse) -> dict[str, Any]:
    definitions = []
    for tool in tools.definitions:
        function: dict[str, Any] = {"name": tool.name}
        if tool.description is not None:
            function["description"] = tool.description
        if tool.parameters is not None:
            function["parameters"] = tool.parameters
        if tool.strict:
            function["strict"] = True
        definitions.append({"type": "function", "function": function})
    told: dict[str, Any] = {"tools": definitions, "tool_choice": tools.choice}
    if isinstance(tools.choice, NamedTool):
        told["tool_choice"] = {"type": "function", "function": {"name": tools.choice.name}}
    if tools.parallel is not None:
        told["parallel_tool_calls"] = tools.parallel
    return told


def _calls(calls: ToolCalls | None, given: Sequence[dict[str, Any]]) -> ToolCalls | None:
    """The calls with those of a message, or with the pieces of a chunk."""
    for number, piece in enumerate(given):
        calls = calls or ToolCalls()
        function = piece.get("function") or {}
        key = piece.get("index", number)
        if not calls.has(key):
            calls.begin(key, piece.get("id"), function.get("name"))
        calls.add(key, function.get("arguments") or "")
    return calls


class _Reader(StreamReader):
    """Ends with a finish_reason, then `[DONE]`; usage comes in a chunk of its own or in any other."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        self._finish: str | None = None
        self._reported: dict[str, Any] = {}

    @property
    def usage(self) -> Usage | None:
        return checked_usage(usage_of, self._reported)

    def feed(self, data: bytes) -> str:
        if data == b"[DONE]":
            self.ended = self._finish is not None
            return ""
        chunk = read_json(data)
        if "error" in chunk and (error := errors.error_object(chunk)):
            raise errors.from_error_object("openai", 200, error, self._api_key)
        self.model = chunk.get("model") or self.model
        if chunk.get("service_tier"):
            self._reported["service_tier"] = chunk["service_tier"]
        if chunk.get("usage"):
            self._reported["usage"] = chunk["usage"]
        text = ""
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            text = delta.get("content") or ""
            if delta.get("tool_calls"):
                self.calls = _calls(self.calls, delta["tool_calls"])
            if delta.get("refusal"):
                self.refused, text = True, delta["refusal"]
            self._finish = choice.get("finish_reason") or self._finish
        return text

    def completion(self, text: str) -> Completion:
        usage = self.usage
        finish = finish_reason("openai", _FINISH, self._finish, usage)
        return Completion(text, "refusal" if self.refused else finish, self.model, usage)


def _vector(embedding: str | list[float]) -> list[float]:
    if not isinstance(embedding, str):
        return embedding
    floats = array("f", base64.b64decode(embedding))
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tolist()

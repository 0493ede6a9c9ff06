"""Anthropic: messages through the `anthropic` SDK. Anthropic has no embeddings.

Passages go as `search_result` blocks, whose citations come beside the text:
https://docs.claude.com/en/docs/build-with-claude/search-results
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from parley.core.provider_names import ProviderName
from parley.providers import errors
from parley.providers.adapter import Adapter, StreamReader, checked_usage, finish_reason
from parley.providers.errors import ProviderError, ProviderErrorCode
from parley.providers.fitting import dialogue, is_text
from parley.providers.protocol import (
    Completion,
    CompletionRequest,
    FinishReason,
    Media,
    Message,
    Passage,
    Usage,
)
from parley.providers.tool_calls import ToolCalls, arguments_text, arguments_told, id_for_provider, tools_of
from parley.providers.transport import read_json, timeouts

if TYPE_CHECKING:
    import httpx2
    from anthropic import Anthropic

_FINISH: dict[str, FinishReason | ProviderErrorCode] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
    "tool_use": "tool_calls",
    # Of the server's own tools, which are not offered.
    "pause_turn": "no_answer",
}
_CHOICES = {"auto": "auto", "required": "any", "none": "none"}
_NO_ARGUMENTS = {"type": "object", "properties": {}}


class AnthropicAdapter(Adapter):
    """See `Provider`."""

    name: ProviderName = "anthropic"

    @cached_property
    def _sdk(self) -> Anthropic:
        from anthropic import Anthropic

        # Without these the SDK would read credentials, a base URL and tracing from the environment.
        return Anthropic(
            api_key="given-per-call",
            base_url=self._base_url or "https://api.anthropic.com",
            http_client=self._http(),
            max_retries=0,
            open_telemetry=False,
        )

    def _open(self, request: CompletionRequest, api_key: str, stream: bool) -> httpx2.Response:
        import httpx2
        from anthropic import Stream

        system, turns = dialogue(request.messages)
        body: dict[str, Any] = {
            "model": request.model,
            "max_tokens": request.max_output_tokens,
            "messages": _messages(turns),
        }
        if request.passages:
            last = body["messages"][-1]
            blocks = _as_blocks(last["content"])
            results = [block for block in blocks if block["type"] == "tool_result"]
            said = [block for block in blocks if block["type"] != "tool_result"]
            last["content"] = [*results, *map(_search_result, request.passages), *said]
        if any(message.cache for message in system):
            body["system"] = [block for message in system for block in _blocks(message)]
        elif system:
            body["system"] = "\n\n".join(message.content for message in system)
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.top_p is not None:
            body["top_p"] = request.top_p
        if request.stop:
            body["stop_sequences"] = list(request.stop)
        if request.schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": request.schema}}
        if request.reasoning_effort is not None:
            body.setdefault("output_config", {})["effort"] = request.reasoning_effort
        if request.tools is not None or any(turn.tool_calls for turn in turns):
            body |= _tools(request)
        if stream:
            body["stream"] = True
        response: Any = self._sdk.post(
            "/v1/messages",
            cast_to=httpx2.Response,
            content=json.dumps(body).encode(),
            options={"headers": {"Authorization": f"Bearer {api_key}"}, "timeout": timeouts(request.timeout)},
            stream=True,
            stream_cls=Stream[Any],
        )
        opened: httpx2.Response = response  # what cast_to says; the SDK's overloads know only typed streams
        return opened

    def _look_up(self, model: str, api_key: str, timeout: float) -> httpx2.Response:
        import httpx2
        from anthropic import Stream

        response: Any = self._sdk.get(
            f"/v1/models/{quote(model, safe='')}",
            cast_to=httpx2.Response,
            options={"headers": {"Authorization": f"Bearer {api_key}"}, "timeout": timeouts(timeout)},
            stream=True,
            stream_cls=Stream[Any],
        )
        opened: httpx2.Response = response
        return opened

    def _completion(self, payload: dict[str, Any]) -> Completion:
        usage = checked_usage(usage_of, payload.get("usage") or {})
        return Completion(
            text="".join(
                (block["text"] or "") + _markers(block.get("citations") or ())
                for block in payload["content"] or ()
                if block["type"] == "text"
            ),
            finish_reason=finish_reason("anthropic", _FINISH, payload["stop_reason"], usage),
            model=payload.get("model") or "",
            usage=usage,
        )

    def _tool_calls(self, payload: dict[str, Any], request: CompletionRequest) -> ToolCalls | None:
        calls: ToolCalls | None = None
        for block in payload["content"] or ():
            if block["type"] == "tool_use":
                calls = calls or ToolCalls()
                calls.begin(block["id"], block["id"], block["name"])
                if block.get("input"):
                    calls.add(block["id"], arguments_text(block["input"]))
        return calls

    def _reader(self, request: CompletionRequest, api_key: str) -> StreamReader:
        return _Reader(api_key)

    def embed(self, texts: Sequence[str], model: str, dimensions: int, api_key: str, timeout: float) -> NoReturn:
        """Raises ProviderError("unsupported")."""
        raise ProviderError("anthropic", "unsupported")


def _messages(turns: Sequence[Message]) -> list[dict[str, Any]]:
    """The turns with the results of tools as the user's, before what the user says: Claude takes them in this order."""
    told: list[dict[str, Any]] = []
    for turn in turns:
        role = "user" if turn.role == "tool" else turn.role
        content = turn.content if is_text(turn) and turn.cache is None else _blocks(turn)
        if told and told[-1]["role"] == role:
            told[-1]["content"] = [*_as_blocks(told[-1]["content"]), *_as_blocks(content)]
        else:
            told.append({"role": role, "content": content})
    return told


def _as_blocks(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _blocks(message: Message) -> list[dict[str, Any]]:
    """The blocks of a message; the last one carries the mark for the prompt cache."""
    parts = message.parts or (message.content,)
    blocks = [_block(part) for part in parts if not isinstance(part, str) or part.strip()]
    if message.role == "tool":
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": id_for_provider(message.tool_call_id or "")}
        if message.failed and (message.parts or not blocks):
            # Beside `is_error` Claude takes text alone, and wants some.
            blocks.insert(0, _block("Error:"))
        elif message.failed:
            result["is_error"] = True
        if blocks:
            result["content"] = blocks
        blocks = [result]
    else:
        blocks += [
            {
                "type": "tool_use",
                "id": id_for_provider(call.id),
                "name": call.name,
                "input": arguments_told(call.arguments),
            }
            for call in message.tool_calls
        ]
    if message.cache is not None and blocks:
        ttl = {} if message.cache == "5m" else {"ttl": message.cache}
        blocks[-1]["cache_control"] = {"type": "ephemeral"} | ttl
    return blocks


def _block(part: str | Media) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    source = {"type": "base64", "media_type": part.media_type, "data": part.data}
    if part.url is not None:
        source = {"type": "url", "url": part.url}
    block: dict[str, Any] = {"type": part.kind, "source": source}
    if part.kind == "document" and part.name:
        block["title"] = part.name
    return block


def _tools(request: CompletionRequest) -> dict[str, Any]:
    """Tools and choice. Claude wants every tool that the history calls to be defined, also where none may be called."""
    definitions: list[dict[str, Any]] = []
    for tool in request.tools.definitions if request.tools is not None else ():
        definition: dict[str, Any] = {"name": tool.name, "input_schema": tool.parameters or _NO_ARGUMENTS}
        if tool.description:
            definition["description"] = tool.description
        if tool.strict:
            definition["strict"] = True
        definitions.append(definition)
    if request.tools is None:
        called = tools_of(request.messages, None)
        return {
            "tools": [{"name": name, "input_schema": {"type": "object"}} for name in called],
            "tool_choice": {"type": "none"},
        }
    wanted = request.tools.choice
    choice: dict[str, Any] = (
        {"type": _CHOICES[wanted]} if isinstance(wanted, str) else {"type": "tool", "name": wanted.name}
    )
    if request.tools.parallel is not None and wanted != "none":
        choice["disable_parallel_tool_use"] = not request.tools.parallel
    return {"tools": definitions, "tool_choice": choice}


def _search_result(passage: Passage) -> dict[str, Any]:
    return {
        "type": "search_result",
        "source": passage.source,
        "title": passage.title or passage.source,
        "content": [{"type": "text", "text": passage.text}],
        "citations": {"enabled": True},
    }


def _markers(citations: Iterable[dict[str, Any]]) -> str:
    """The numbers of the passages that a block of text cites, each once: ` [1][3]`."""
    numbers = sorted({cited["search_result_index"] + 1 for cited in citations if "search_result_index" in cited})
    return " " + "".join(f"[{number}]" for number in numbers) if numbers else ""


def usage_of(reported: dict[str, Any]) -> Usage | None:
    """Anthropic's `usage`: input_tokens is what was neither read from nor written to the cache.

    May raise for a report that contradicts itself.
    """
    if reported.get("input_tokens") is None or reported.get("output_tokens") is None:
        return None
    by_lifetime = reported.get("cache_creation") or {}
    five_minutes = by_lifetime.get("ephemeral_5m_input_tokens") or 0
    one_hour = by_lifetime.get("ephemeral_1h_input_tokens") or 0
    written = reported.get("cache_creation_input_tokens")
    if written is None:
        written = five_minutes + one_hour
    if five_minutes + one_hour > written:
        raise ValueError("more cache writes by lifetime than in all")
    tier = reported.get("service_tier")
    return Usage(
        input_tokens=reported["input_tokens"],
        output_tokens=reported["output_tokens"],
        cached_input_tokens=reported.get("cache_read_input_tokens") or 0,
        # Writes of no stated lifetime have the default one of five minutes.
        cache_write_5m_tokens=written - one_hour,
        cache_write_1h_tokens=one_hour,
        reasoning_tokens=(reported.get("output_tokens_details") or {}).get("thinking_tokens") or 0,
        service_tier=None if tier == "standard" else tier,
    )


class _Reader(StreamReader):
    """message_start brings the prompt's usage, message_delta the totals and the stop reason, message_stop the end."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        self._reported: dict[str, Any] = {}
        self._citations: list[dict[str, Any]] = []
        self._stop_reason: str | None = None

    @property
    def usage(self) -> Usage | None:
        return checked_usage(usage_of, self._reported)

    def feed(self, data: bytes) -> str:
        event = read_json(data)
        if "error" in event and (error := errors.error_object(event)):
            raise errors.from_error_object("anthropic", 200, error, self._api_key)
        kind = event.get("type")
        if kind == "content_block_delta":
            delta = event["delta"]
            if citation := delta.get("citation"):
                self._citations.append(citation)
            if "partial_json" in delta and self.calls is not None:
                self.calls.add(event["index"], delta["partial_json"])
            text: str = delta.get("text") or ""
            return text
        if kind == "content_block_start":
            block = event["content_block"]
            if block.get("type") == "tool_use":
                self.calls = self.calls or ToolCalls()
                self.calls.begin(event["index"], block.get("id"), block.get("name"))
                if block.get("input"):
                    self.calls.add(event["index"], arguments_text(block["input"]))
        if kind == "content_block_stop":
            markers, self._citations = _markers(self._citations), []
            return markers
        if kind == "message_start":
            message = event.get("message") or {}
            self.model = message.get("model") or ""
            self._report(message.get("usage"))
        elif kind == "message_delta":
            self._stop_reason = (event.get("delta") or {}).get("stop_reason") or self._stop_reason
            self._report(event.get("usage"))
        elif kind == "message_stop":
            self.ended = self._stop_reason is not None
        elif kind == "error":
            raise errors.from_error_object("anthropic", 200, {}, self._api_key)
        return ""

    def _report(self, usage: Any) -> None:
        """Totals replace what was said before; what a later report leaves out or has as null stays."""
        if isinstance(usage, dict):
            self._reported |= {name: value for name, value in usage.items() if value is not None}

    def completion(self, text: str) -> Completion:
        usage = self.usage
        finish = finish_reason("anthropic", _FINISH, self._stop_reason, usage)
        return Completion(text, finish, self.model, usage)

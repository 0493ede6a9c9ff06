"""Google: Gemini content and embeddings through the `google-genai` SDK, against the Gemini API (not Vertex AI)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from parley.core.provider_names import ProviderName
from parley.providers import errors
from parley.providers.adapter import Adapter, StreamReader, checked_usage, finish_reason
from parley.providers.errors import ProviderError, ProviderErrorCode
from parley.providers.fitting import dialogue
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
from parley.providers.tool_calls import ToolCalls, arguments_text, arguments_told, names_by_id
from parley.providers.transport import HEADERS, HeldBack, read_json

if TYPE_CHECKING:
    import httpx2
    from google.genai import Client
    from google.genai.types import HttpOptions

# Every member of the SDK's FinishReason.
_FINISH: dict[str, FinishReason | ProviderErrorCode] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    # A filter held the answer back.
    "SAFETY": "refusal",
    "RECITATION": "refusal",
    "BLOCKLIST": "refusal",
    "PROHIBITED_CONTENT": "refusal",
    "SPII": "refusal",
    "MODEL_ARMOR": "refusal",
    "ESCALATION": "refusal",
    "IMAGE_SAFETY": "refusal",
    "IMAGE_PROHIBITED_CONTENT": "refusal",
    "IMAGE_RECITATION": "refusal",
    # The model could not answer this prompt; another may.
    "LANGUAGE": "no_answer",
    "OTHER": "no_answer",
    "FINISH_REASON_UNSPECIFIED": "no_answer",
    "MALFORMED_FUNCTION_CALL": "no_answer",
    "MALFORMED_RESPONSE": "no_answer",
    "MISSING_THOUGHT_SIGNATURE": "no_answer",
    "UNEXPECTED_TOOL_CALL": "no_answer",
    "TOO_MANY_TOOL_CALLS": "no_answer",
    "IMAGE_OTHER": "no_answer",
    "NO_IMAGE": "no_answer",
    # The account is limited or disabled.
    "PUP_LIMITED_DISABLED": "credentials_rejected",
}
_ROLES = {"user": "user", "tool": "user", "assistant": "model"}
_MODES = {"auto": "AUTO", "required": "ANY", "none": "NONE"}
# What Gemini takes in place of its signature, for calls that another provider's model made.
# https://ai.google.dev/gemini-api/docs/thought-signatures
_UNSIGNED = "skip_thought_signature_validator"


class GoogleAdapter(Adapter):
    """See `Provider`."""

    name: ProviderName = "google"

    @cached_property
    def _held_back(self) -> HeldBack:
        return HeldBack(self._http)

    @cached_property
    def _sdk(self) -> Client:
        import httpx2
        from google.genai import Client
        from google.genai.types import HttpOptions

        # The base URL and `vertexai` would otherwise come from the environment.
        return Client(
            vertexai=False,
            api_key="given-per-call",
            http_options=HttpOptions(
                base_url=self._base_url or "https://generativelanguage.googleapis.com",
                httpx_client=httpx2.Client(transport=self._held_back, headers=HEADERS, trust_env=False),
            ),
        )

    def _options(self, api_key: str, timeout: float, body: dict[str, Any] | None = None) -> HttpOptions:
        from google.genai.types import HttpOptions

        headers = {"x-goog-api-key": api_key}
        return HttpOptions(headers=headers, timeout=max(1, int(timeout * 1000)), extra_body=body)

    def _open(self, request: CompletionRequest, api_key: str, stream: bool) -> httpx2.Response:
        from google.genai.types import GenerateContentConfig

        generation: dict[str, Any] = {"maxOutputTokens": request.max_output_tokens}
        if request.temperature is not None:
            generation["temperature"] = request.temperature
        if request.top_p is not None:
            generation["topP"] = request.top_p
        if request.stop:
            generation["stopSequences"] = list(request.stop)
        if request.schema is not None:
            generation |= {"responseMimeType": "application/json", "responseJsonSchema": request.schema}
        elif request.json_object:
            generation["responseMimeType"] = "application/json"
        for name, value in (
            ("seed", request.seed),
            ("frequencyPenalty", request.frequency_penalty),
            ("presencePenalty", request.presence_penalty),
        ):
            if value is not None:
                generation[name] = value
        if request.reasoning_effort is not None:
            generation["thinkingConfig"] = {"thinkingLevel": request.reasoning_effort.upper()}
        system, turns = dialogue(request.messages)
        body: dict[str, Any] = {"contents": _contents(turns), "generationConfig": generation}
        if system:
            body["systemInstruction"] = {"parts": [{"text": message.content} for message in system]}
        if request.tools is not None:
            body |= _tools(request.tools)
        # As `extra_body`, which replaces what the SDK would build from its own types at 0.4 ms of CPU a message.
        config = GenerateContentConfig(http_options=self._options(api_key, request.timeout, body))
        if stream:
            for _ in self._sdk.models.generate_content_stream(
                model=_in_path(request.model), contents="-", config=config
            ):
                pass
        else:
            self._sdk.models.generate_content(model=_in_path(request.model), contents="-", config=config)
        return self._held_back.take()

    def _look_up(self, model: str, api_key: str, timeout: float) -> httpx2.Response:
        from google.genai.types import GetModelConfig

        self._sdk.models.get(model=model, config=GetModelConfig(http_options=self._options(api_key, timeout)))
        return self._held_back.take()

    def _completion(self, payload: dict[str, Any]) -> Completion:
        usage = checked_usage(usage_of, payload)
        _raise_if_blocked(payload, usage)
        if not payload.get("candidates") and usage is not None:
            raise ProviderError("google", "no_answer", upstream_status=200, usage=usage)
        candidate = payload["candidates"][0]
        return Completion(
            text=_text(candidate),
            # JSON leaves out an enumeration's first member.
            finish_reason=finish_reason(
                "google", _FINISH, candidate.get("finishReason") or "FINISH_REASON_UNSPECIFIED", usage
            ),
            model=payload.get("modelVersion") or "",
            usage=usage,
        )

    def _tool_calls(self, payload: dict[str, Any], request: CompletionRequest) -> ToolCalls | None:
        return _calls(None, payload["candidates"][0], request)

    def _reader(self, request: CompletionRequest, api_key: str) -> StreamReader:
        return _Reader(request, api_key)

    def embed(self, texts: Sequence[str], model: str, dimensions: int, api_key: str, timeout: float) -> Embeddings:
        """See `Provider.embed`. Google bills embeddings but reports no tokens."""

        def open_response() -> httpx2.Response:
            from google.genai.types import EmbedContentConfig

            contents: list[Any] = list(texts)
            config = EmbedContentConfig(http_options=self._options(api_key, timeout), output_dimensionality=dimensions)
            self._sdk.models.embed_content(model=model, contents=contents, config=config)
            return self._held_back.take()

        def read(payload: dict[str, Any]) -> Embeddings:
            vectors = [_unit(row["values"]) for row in payload["embeddings"]]
            if len(vectors) != len(texts) or any(len(vector) != dimensions for vector in vectors):
                raise ValueError("not one vector of the asked length for each text")
            return Embeddings(vectors, model, dimensions)

        return self._call(open_response, read, model, api_key, timeout)


def usage_of(payload: dict[str, Any]) -> Usage | None:
    """Gemini's `usageMetadata`.

    promptTokenCount includes cachedContentTokenCount; candidatesTokenCount leaves out thoughtsTokenCount, which is
    billed as output; toolUsePromptTokenCount is billed as input and part of neither. May raise for a report that
    contradicts itself.
    """
    reported = payload.get("usageMetadata") or {}
    if reported.get("promptTokenCount") is None:
        return None
    prompt, cached = reported["promptTokenCount"], reported.get("cachedContentTokenCount") or 0
    thoughts, tools = reported.get("thoughtsTokenCount") or 0, reported.get("toolUsePromptTokenCount") or 0
    total = reported.get("totalTokenCount")
    if "candidatesTokenCount" not in reported and payload.get("candidates") and total != prompt + tools + thoughts:
        return None  # a count of zero is left out, but so may another one be
    output = reported.get("candidatesTokenCount", 0) + thoughts
    if cached > prompt:
        raise ValueError("more cached than prompt")
    if total not in (None, prompt + tools + output):
        raise ValueError("the total is not the sum")
    tier = str(reported.get("serviceTier") or "standard").lower()
    return Usage(
        input_tokens=prompt - cached + tools,
        output_tokens=output,
        cached_input_tokens=cached,
        reasoning_tokens=thoughts,
        service_tier=None if tier in ("standard", "unspecified") else tier,
    )


def _in_path(model: str) -> str:
    """A model as the SDK puts it into the path; of the name nothing has a meaning there."""
    collection, _, name = model.partition("/")
    if name and collection in ("models", "tunedModels"):
        return f"{collection}/{quote(name, safe='')}"
    return quote(model, safe="")


def _contents(turns: Sequence[Message]) -> list[dict[str, Any]]:
    """The turns, user and model by turns; results of tools are the user's."""
    names = names_by_id(turns)
    told: list[dict[str, Any]] = []
    for turn in turns:
        role, parts = _ROLES[turn.role], _parts(turn, names)
        if told and told[-1]["role"] == role:
            told[-1]["parts"] += parts
        else:
            told.append({"role": role, "parts": parts})
    return told


def _parts(turn: Message, names: Mapping[str, str]) -> list[dict[str, Any]]:
    if turn.role == "tool":
        given = turn.tool_call_id or ""
        result = {"error": turn.content} if turn.failed else _result(turn.content)
        answer: dict[str, Any] = {"id": given, "name": names.get(given, ""), "response": result}
        if turn.parts:
            answer["parts"] = [_part(part) for part in turn.parts if not isinstance(part, str)]
        return [{"functionResponse": answer}]
    parts = [_part(part) for part in turn.parts or (turn.content,) if not isinstance(part, str) or part.strip()]
    for call in turn.tool_calls:
        called = {"id": call.id, "name": call.name, "args": arguments_told(call.arguments)}
        parts.append({"functionCall": called})
        if call.signature is not None:
            parts[-1]["thoughtSignature"] = call.signature
    if turn.tool_calls and not any(call.signature for call in turn.tool_calls):
        # Of the calls of one answer Gemini signs the first.
        parts[-len(turn.tool_calls)]["thoughtSignature"] = _UNSIGNED
    return parts


def _result(content: str) -> dict[str, Any]:
    """A tool's result as the object that Gemini takes."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"output": content}


def _part(part: str | Media) -> dict[str, Any]:
    if isinstance(part, str):
        return {"text": part}
    if part.url is not None:
        return {"fileData": {"mimeType": part.media_type, "fileUri": part.url}}
    return {"inlineData": {"mimeType": part.media_type, "data": part.data}}


def _tools(tools: ToolUse) -> dict[str, Any]:
    declarations = []
    for tool in tools.definitions:
        declaration: dict[str, Any] = {"name": tool.name, "description": tool.description or tool.name}
        # Gemini takes no object of which no member is named.
        parameters = tool.parameters or {}
        if parameters.get("properties") or isinstance(parameters.get("additionalProperties"), dict):
            declaration["parametersJsonSchema"] = parameters
        declarations.append(declaration)
    if isinstance(tools.choice, NamedTool):
        calling: dict[str, Any] = {"mode": "ANY", "allowedFunctionNames": [tools.choice.name]}
    else:
        calling = {"mode": _MODES[tools.choice]}
    return {
        "tools": [{"functionDeclarations": declarations}],
        "toolConfig": {"functionCallingConfig": calling},
    }


def _calls(calls: ToolCalls | None, candidate: dict[str, Any], request: CompletionRequest) -> ToolCalls | None:
    """The calls with those of a candidate, each of which comes whole."""
    one_at_a_time = request.tools is not None and request.tools.parallel is False
    for part in (candidate.get("content") or {}).get("parts") or ():
        if called := part.get("functionCall"):
            calls = calls or ToolCalls(1 if one_at_a_time else None)
            key = object()
            calls.begin(key, called.get("id"), called.get("name"), part.get("thoughtSignature"))
            calls.add(key, arguments_text(called.get("args")))
    return calls


def _text(candidate: dict[str, Any]) -> str:
    parts = (candidate.get("content") or {}).get("parts") or ()
    return "".join(part.get("text") or "" for part in parts if not part.get("thought"))


def _raise_if_blocked(payload: dict[str, Any], usage: Usage | None) -> None:
    reason = (payload.get("promptFeedback") or {}).get("blockReason")
    if reason and not payload.get("candidates"):
        raise ProviderError("google", "content_refused", upstream_status=200, upstream_code=str(reason), usage=usage)


def _unit(values: list[float]) -> list[float]:
    """Only Gemini's full-length embeddings come normalised."""
    length = math.hypot(*values)
    return [value / length for value in values] if length else values


class _Reader(StreamReader):
    """Ends with the chunk that has a finishReason; every chunk reports usage, cumulatively."""

    def __init__(self, request: CompletionRequest, api_key: str) -> None:
        self._request = request
        self._api_key = api_key
        self._finish: str | None = None
        self._reported: dict[str, Any] = {}

    @property
    def usage(self) -> Usage | None:
        return checked_usage(usage_of, self._reported)

    def feed(self, data: bytes) -> str:
        chunk = read_json(data)
        if error := errors.error_object(chunk):
            raise errors.from_error_object("google", 200, error, self._api_key)
        self.model = chunk.get("modelVersion") or self.model
        reported = chunk.get("usageMetadata")
        if isinstance(reported, dict) and "promptTokenCount" in reported:
            self._reported = chunk
        if "promptFeedback" in chunk:
            _raise_if_blocked(chunk, self.usage)
        text = ""
        for candidate in chunk.get("candidates") or ():
            text = _text(candidate)
            if self._request.tools is not None:
                self.calls = _calls(self.calls, candidate, self._request)
            self._finish = candidate.get("finishReason") or self._finish
        self.ended = self._finish is not None
        return text

    def completion(self, text: str) -> Completion:
        usage = self.usage
        finish = finish_reason("google", _FINISH, self._finish, usage)
        return Completion(text, finish, self.model, usage)

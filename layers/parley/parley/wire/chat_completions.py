"""POST /v1/chat/completions: OpenAI's format over the completion room, whole or as chunks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, cast

from parley.completion.asked import checked_schema, checked_tools
from parley.completion.call import ModelAnswer, ModelCall
from parley.completion.completions import Completions
from parley.completion.prompt import Prompt
from parley.core.caller import RequestContext
from parley.core.errors import Problem
from parley.core.fields import CallUsage
from parley.providers.protocol import (
    CacheLifetime,
    Completion,
    FinishReason,
    Media,
    Message,
    RefusalDelta,
    ToolCall,
    ToolCallDelta,
    ToolDefinition,
    ToolUse,
)
from parley.wire.models import as_openai_tells, model_not_found, named
from parley.wire.schemas import (
    MOST_TOKENS,
    AssistantTurn,
    ChatCompletion,
    ChatCompletionRequest,
    ChunkDelta,
    CompletedMessage,
    CompletionUsage,
    ExtraAnswered,
    FileContent,
    FinishedBecause,
    ImageContent,
    JsonSchemaFormat,
    Provenance,
    RefusalContent,
    SystemMessage,
    TextContent,
    ThinkingContent,
    ToolCallAnswered,
    ToolMessage,
    UserMessage,
    is_auto,
)

# What the user says after an answer that nobody has answered.
_GO_ON = "Go on."
_DONE = b"data: [DONE]\n\n"
_FINISHED: dict[FinishReason, FinishedBecause] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "refusal": "content_filter",
}

# What some readers of events take for the end of a line, although only CR and LF are.
_SEPARATOR = re.compile("[\x85\u2028\u2029]")

# json.dumps would make an encoder for every chunk.
_encode = json.JSONEncoder(separators=(",", ":")).encode


class ChatCompletions:
    """Answers OpenAI's clients."""

    def __init__(self, completions: Completions) -> None:
        self._completions = completions

    def answer(self, context: RequestContext, request: ChatCompletionRequest) -> ModelAnswer:
        """Answer whole. Raises Problem."""
        with as_openai_tells(), self._admit(context, request) as call:
            body = _body_without_model(call)
            if body is None:
                body = _settle(call, request, call.complete())
            return call.answered(body)

    def stream(self, context: RequestContext, request: ChatCompletionRequest) -> ChatCompletionStream:
        """Admit, and answer piece by piece. Raises Problem where the request is refused, and where no model begins to
        answer: OpenAI's clients look at the status to know what to do about it.
        """
        with as_openai_tells():
            return ChatCompletionStream(self._admit(context, request), request)

    def _admit(self, context: RequestContext, request: ChatCompletionRequest) -> ModelCall:
        for name in (request.model, *(request.models or ())):
            known = None if is_auto(name) else self._completions.catalogue.find(named(name).model)
            if known is not None and "chat" not in known.capabilities:
                raise model_not_found(f"{known.id} embeds texts, at POST /v1/embeddings, and answers none.")
        # A key that was used with the same body at /api/chat belongs to an answer of another shape.
        body_hash = hashlib.sha256(f"/v1/chat/completions\n{context.body_hash}".encode()).hexdigest()
        return self._completions.admit(context._replace(body_hash=body_hash), _prompt(request))


class ChatCompletionStream:
    """An admitted request whose answer arrives as `events`; it holds its unit until it is closed.

    Attributes:
        events: server-sent events, each as the bytes of one chunk. Raises Problem.
    """

    def __init__(self, call: ModelCall, request: ChatCompletionRequest) -> None:
        self._call = call
        self._request = request
        self.quota = call.quota
        self.degraded = call.degraded
        self.replayed = call.replayed
        self._answering = self._answer()
        self._first = next(self._answering)
        self.events = self._events()

    def cancel(self) -> None:
        """End a wait for the model; may be called from another thread."""
        self._call.cancel()

    def close(self) -> None:
        """Close the upstream connection and settle what was delivered; a stream that never began releases its unit."""
        self.events.close()
        self._answering.close()
        self._call.release()

    def _events(self) -> Generator[bytes, None, None]:
        yield self._first
        yield from self._answering

    def _answer(self) -> Generator[bytes, None, None]:
        """The chunks; the first one comes with the first piece of the answer."""
        with self._call as call:
            body = _body_without_model(call)
            asked = _head(call) if body is None else body
            options = self._request.stream_options
            chunks = _Chunks(asked, with_usage=options is not None and options.include_usage)
            begin = chunks.delta({"role": "assistant", "content": "", "refusal": None})
            if body is not None:
                yield begin
                yield from _pieces_of(body, chunks)
            else:
                body = _settle(call, self._request, (yield from _pieces(call, chunks, begin)))
            yield from chunks.end(body)


class _Chunks:
    """Writes the chunks of one answer."""

    def __init__(self, asked: Mapping[str, Any], *, with_usage: bool) -> None:
        self._members = {"id": asked["id"], "object": "chat.completion.chunk", "created": asked["created"]}
        self._usage = {"usage": None} if with_usage else {}
        self._model = asked["model"]
        # What stands around a piece of text, which is most of what there is to write.
        before, after = self._chunk({"content": "\0"}).split(_encode("\0"))
        self._before, self._after = f"data: {before}", f"{after}\n\n"

    def text(self, text: str) -> bytes:
        """A piece of the text."""
        encode = encode_basestring_ascii if _SEPARATOR.search(text) else encode_basestring
        return f"{self._before}{encode(text)}{self._after}".encode()

    def delta(self, delta: ChunkDelta) -> bytes:
        """Any other piece."""
        return f"data: {self._chunk(delta)}\n\n".encode()

    def end(self, body: ChatCompletion) -> Generator[bytes, None, None]:
        """Why it ended and, where that was asked for, what was used."""
        self._model = body["model"]
        last = {"parley": body["parley"]}
        yield f"data: {self._chunk({}, body['choices'][0]['finish_reason'], **last)}\n\n".encode()
        if self._usage:
            usage = {**self._members, "model": self._model, "choices": [], "usage": body["usage"]}
            yield f"data: {_encode(usage)}\n\n".encode()
        yield _DONE

    def _chunk(self, delta: Mapping[str, Any], finish: FinishedBecause | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _encode({**self._members, "model": self._model, "choices": [choice], **self._usage, **more})


def _pieces(call: ModelCall, chunks: _Chunks, begin: bytes) -> Generator[bytes, None, Completion]:
    """A model's answer as it arrives, after `begin`."""
    with closing(call.stream()) as stream:
        while True:
            try:
                delta = next(stream)
            except StopIteration as end:
                if begin:
                    yield begin
                return cast("Completion", end.value)
            if begin:
                yield begin
                begin = b""
            if isinstance(delta, ToolCallDelta):
                yield chunks.delta({"tool_calls": [_piece(delta)]})
            elif isinstance(delta, RefusalDelta):
                yield chunks.delta({"refusal": delta})
            else:
                yield chunks.text(delta)


def _pieces_of(body: ChatCompletion, chunks: _Chunks) -> Generator[bytes, None, None]:
    """An answer that was there already."""
    message = body["choices"][0]["message"]
    if message["content"]:
        yield chunks.text(message["content"])
    if message["refusal"]:
        yield chunks.delta({"refusal": message["refusal"]})
    for index, call in enumerate(message.get("tool_calls", ())):
        yield chunks.delta({"tool_calls": [{"index": index, **call}]})


def _piece(delta: ToolCallDelta) -> Any:
    piece: dict[str, Any] = {"index": delta.index, "function": {"arguments": delta.arguments}}
    if delta.id is not None:
        piece |= {"id": delta.id, "type": "function"}
        piece["function"]["name"] = delta.name
    if delta.signature is not None:
        piece["extra_content"] = _extra_content(delta.signature)
    return piece


def _extra_content(signature: str) -> ExtraAnswered:
    """Where Google's own OpenAI-compatible API puts it. https://ai.google.dev/gemini-api/docs/thought-signatures"""
    return {"google": {"thought_signature": signature}}


def _prompt(request: ChatCompletionRequest) -> Prompt:
    names = [name for name in (request.model, *(request.models or ())) if not is_auto(name)]
    listed = [named(name) for name in dict.fromkeys(names)]
    messages = _messages(request)
    tools = _tools(request)
    answer_format = request.response_format
    schema = answer_format.json_schema if isinstance(answer_format, JsonSchemaFormat) else None
    alone = len(messages) == 1 and not (messages[0].parts or tools or answer_format)
    return Prompt(
        operation="chat",
        messages=messages,
        max_output_tokens=min(request.max_completion_tokens or request.max_tokens or MOST_TOKENS, MOST_TOKENS),
        provider=listed[0].provider if listed else "auto",
        model=listed[0].model if listed else None,
        # A list is asked and nobody else, however short it is.
        fallbacks=listed[1:] or (listed if request.models else []),
        cheapest=not listed,
        temperature=request.temperature,
        top_p=request.top_p,
        stop=request.stop_sequences,
        schema=None if schema is None else checked_schema(schema.json_schema, "response_format.json_schema.schema"),
        schema_name="answer" if schema is None else schema.name,
        json_object=answer_format is not None and answer_format.type == "json_object",
        must_fit=answer_format is not None and answer_format.type != "text",
        tools=tools,
        reasoning_effort=request.effort,
        # OpenAI takes 64 bits, Gemini 32.
        seed=None if request.seed is None else request.seed % 2**31,
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
        cache_key=request.prompt_cache_key or _group(request.user),
        faq_text=messages[0].content if alone else None,
        cache_mode=request.cache,
        least_similarity=request.cache_threshold,
    )


def _group(user: str | None) -> str | None:
    """What groups a user's prompts, without the user's name in it."""
    return hashlib.sha256(user.encode()).hexdigest() if user else None


def _tools(request: ChatCompletionRequest) -> ToolUse | None:
    """The tools that may be called. Raises Problem (400) for functions as they were before there were tools: a model
    would not be told of them.
    """
    other = request.model_extra or {}
    if other.get("functions") and other.get("function_call") != "none":
        raise Problem(
            "invalid_request",
            "functions: functions are tools here; send `tools` and `tool_choice`.",
            status=400,
            param="functions",
        )
    if not request.tools:
        return None
    # Not every provider can be told that of the tools only some may be called.
    definitions = [
        ToolDefinition(one.function.name, one.function.description, one.function.parameters, one.function.strict)
        for one in request.tools
        if request.allowed is None or one.function.name in request.allowed
    ]
    tools = ToolUse(definitions, request.chosen_tool, request.parallel_tool_calls)
    return checked_tools(tools, "tools.{}.function.parameters")


def _messages(request: ChatCompletionRequest) -> list[Message]:
    """The turns, with what says nothing left out, ended by the user or by a tool's result: newer models of Anthropic's
    go on with no answer that was begun. Instructions after the last turn go before the first one; where they follow an
    answer, or are all there is, the last of them is what is asked. Raises Problem (400) where nothing is said at all.
    """
    found = [_message(sent) for sent in request.messages]
    said = [one for one in found if one.content.strip() or one.parts or one.tool_calls or one.role == "tool"]
    if not said:
        raise Problem("invalid_request", "messages: all of them are empty.", status=400, param="messages")
    last = max((number for number, one in enumerate(said) if one.role != "system"), default=-1)
    turns, instructions = said[: last + 1], said[last + 1 :]
    if not turns or turns[-1].role == "assistant":
        asked = instructions.pop().content if instructions else _GO_ON
        turns.append(Message("user", asked))
    return [*instructions, *turns]


def _message(sent: SystemMessage | UserMessage | AssistantTurn | ToolMessage) -> Message:
    content = sent.content
    # Claude takes no empty text beside an image.
    parts = [] if isinstance(content, str) else [part for part in map(_part, content) if part]
    text = content if isinstance(content, str) else "\n\n".join(part for part in parts if isinstance(part, str))
    shown = parts if any(isinstance(part, Media) for part in parts) else ()
    cache = _cache(() if isinstance(content, str) else content)
    if isinstance(sent, SystemMessage):
        return Message("system", text, cache=cache)
    if isinstance(sent, ToolMessage):
        return Message("tool", text, parts=shown, tool_call_id=sent.tool_call_id, cache=cache)
    if isinstance(sent, UserMessage):
        return Message("user", text, parts=shown, cache=cache)
    calls = [
        ToolCall(call.id, call.function.name, call.function.arguments, call.signature) for call in sent.tool_calls or ()
    ]
    return Message("assistant", text or sent.refusal or "", tool_calls=calls, cache=cache)


_Content = TextContent | RefusalContent | ThinkingContent | ImageContent | FileContent


def _part(part: _Content) -> str | Media:
    """What a part says or shows; empty where that is nothing."""
    if isinstance(part, TextContent):
        return part.text
    if isinstance(part, ThinkingContent):
        return ""
    if isinstance(part, RefusalContent):
        return part.refusal
    return part.image_url.media() if isinstance(part, ImageContent) else part.file.media()


def _cache(parts: Iterable[_Content]) -> CacheLifetime | None:
    """How long the last part that asks for it wants the prompt up to there kept."""
    hints = [None if isinstance(part, RefusalContent | ThinkingContent) else part.cache_control for part in parts]
    return next((hint.ttl for hint in reversed(hints) if hint is not None), None)


def _head(call: ModelCall) -> dict[str, Any]:
    return {"id": f"chatcmpl-{call.request_id}", "created": int(call.now.timestamp()), "model": call.model}


def _body_without_model(call: ModelCall) -> ChatCompletion | None:
    """The body where no model is needed: a replay as it was, an FAQ or a cached answer."""
    if call.replay is not None:
        return cast("ChatCompletion", call.replay)
    answer = call.stored_answer
    if answer is None:
        return None
    origin = Provenance(provider=answer.provider, fallback=False, adjusted=[], cache=answer.source)
    message = CompletedMessage(role="assistant", content=answer.text, refusal=None)
    return _body(call, answer.model or call.model or answer.source, message, "stop", _usage(None, called=False), origin)


def _settle(call: ModelCall, request: ChatCompletionRequest, completion: Completion) -> ChatCompletion:
    refused = completion.finish_reason == "refusal"
    message = CompletedMessage(
        role="assistant",
        content=None if refused or not completion.text else completion.text,
        refusal=completion.text if refused else None,
    )
    if completion.tool_calls:
        message["tool_calls"] = [_called(one) for one in completion.tool_calls]
    origin = Provenance(
        provider=call.answered_by.provider if call.answered_by else None,
        fallback=call.fell_back,
        adjusted=_adjusted(call, request),
        cache="none",
    )
    body = _body(call, completion.model, message, completion.finish_reason, _usage(call.usage), origin)
    call.settle(body, cache=call.cacheable(completion))
    return body


def _adjusted(call: ModelCall, request: ChatCompletionRequest) -> list[Any]:
    """What of the request the model did not take as it was, and what was too much for any."""
    asked = request.max_completion_tokens or request.max_tokens
    found = [member for member in call.adjusted if member != "max_tokens" or asked is not None]
    return list(dict.fromkeys([*found, *(["max_tokens"] if asked is not None and asked > MOST_TOKENS else [])]))


def _body(
    call: ModelCall,
    model: str,
    message: CompletedMessage,
    finish: FinishReason,
    usage: CompletionUsage | None,
    origin: Provenance,
) -> ChatCompletion:
    return ChatCompletion(
        id=f"chatcmpl-{call.request_id}",
        object="chat.completion",
        created=int(call.now.timestamp()),
        model=model,
        choices=[{"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISHED[finish]}],
        usage=usage,
        parley=origin,
    )


def _called(call: ToolCall) -> ToolCallAnswered:
    called: ToolCallAnswered = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.signature is not None:
        called["extra_content"] = _extra_content(call.signature)
    return called


def _usage(used: CallUsage | None, *, called: bool = True) -> CompletionUsage | None:
    """OpenAI's counts; None where a call was made and its provider told none."""
    if used is None and called:
        return None
    prompt, completion, cached, reasoning = (
        (0, 0, 0, 0)
        if used is None
        else (used["input_tokens"], used["output_tokens"], used["cached_input_tokens"], used["reasoning_tokens"])
    )
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }

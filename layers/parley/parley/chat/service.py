"""Chat: one answer, whole or streamed, alone or as a turn of a conversation."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import TypedDict

from parley.admission.records import NewTurns, Turn
from parley.chat.conversation_schemas import Citation
from parley.chat.schemas import (
    AssistantMessage,
    ChatAnswer,
    ChatDone,
    ChatMessage,
    ChatRequest,
    ChatSearch,
    ChatStart,
    ChatToolCall,
    ChatUsage,
    DocumentPart,
    ImagePart,
    SchemaFormat,
    SearchState,
    TextPart,
)
from parley.completion.asked import checked_schema, checked_tools, image_type_of
from parley.completion.call import ModelAnswer, ModelCall
from parley.completion.completions import Completions
from parley.completion.history import kept_turns
from parley.completion.prompt import Prompt
from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem
from parley.core.fields import LONGEST_TEXT
from parley.core.provider_names import requested_provider
from parley.providers.protocol import (
    Completion,
    Delta,
    Media,
    Message,
    ToolCall,
    ToolCallDelta,
    ToolDefinition,
    ToolUse,
)

if TYPE_CHECKING:
    from parley.chat.grounding import Grounding, Grounds

_NEW_CONVERSATION = "new"
_LONGEST_TITLE = 80


class Chat:
    """The chat service."""

    def __init__(self, completions: Completions, grounding: Callable[[], Grounding]) -> None:
        self._completions = completions
        self._grounding = grounding

    def answer(self, context: RequestContext, request: ChatRequest) -> ModelAnswer:
        """Answer whole. Raises Problem."""
        with self._admit(context, request) as call:
            grounds = _ground(self._grounding, call, request)
            body = _body_without_model(call, grounds)
            if body is None:
                completion = call.complete()
                if grounds is not None:
                    from parley.chat.grounding import cited_completion

                    completion = cited_completion(completion, call.passages_told)
                body = _settle(call, request, completion, grounds)
            return call.answered(body)

    def stream(self, context: RequestContext, request: ChatRequest) -> ChatStream:
        """Admit, and answer piece by piece. Raises Problem where the request is refused."""
        call = self._admit(context, request)
        ground = partial(_ground, self._grounding, call, request)
        if call.is_at_limit:
            # A refusal comes before the stream begins.
            grounds = ground()
            return ChatStream(call, request, lambda: grounds)
        return ChatStream(call, request, ground)

    def _admit(self, context: RequestContext, request: ChatRequest) -> ModelCall:
        if request.search is not None:
            # The answer says what stands in the documents.
            context = context._replace(caller=context.caller.reaching("search"))
        return self._completions.admit(context, _prompt(context.caller, request))


class ChatStream:
    """An admitted request whose answer arrives as `events`; it holds its unit until it is closed.

    Attributes:
        events: the answer's text in pieces, and (event, data) around it: start, ..., usage, done. Raises Problem.
    """

    def __init__(self, call: ModelCall, request: ChatRequest, ground: Callable[[], Grounds | None]) -> None:
        self._call = call
        self._ground = ground
        self._request = request
        self.quota = call.quota
        self.degraded = call.degraded
        self.replayed = call.replayed
        self.events = self._answer()

    def cancel(self) -> None:
        """End a wait for the model; may be called from another thread."""
        self._call.cancel()

    def close(self) -> None:
        """Close the upstream connection and settle what was delivered; a stream that never began releases its unit."""
        self.events.close()
        self._call.release()

    def _answer(self) -> Generator[str | tuple[str, Mapping[str, Any]], None, None]:
        with self._call as call:
            grounds = self._ground()
            body = _body_without_model(call, grounds)
            yield "start", _start(call, body)
            if body is not None:
                if body["message"]["content"]:
                    yield body["message"]["content"]
                for index, asked in enumerate(body["message"].get("tool_calls", ())):
                    yield "tool_call", {"index": index, **asked}
            else:
                stream = call.stream()
                if grounds is not None:
                    from parley.chat.grounding import cited

                    stream = cited(stream, lambda: call.passages_told)
                # Without tools all pieces are text.
                text = cast("Generator[str, None, Completion]", stream)
                completion = yield from text if self._request.tools is None else _events(stream)
                body = _settle(call, self._request, completion, grounds)
            yield "usage", ChatUsage(usage=body["usage"])
            done = ChatDone(
                finish_reason=body["finish_reason"],
                provider=body["provider"],
                fallback=body["fallback"],
                adjusted=body["adjusted"],
                model=body["model"],
                conversation_id=body["conversation_id"],
                turns_left_out=body["turns_left_out"],
                search=body["search"],
                search_id=body["search_id"],
                citations=body["citations"],
            )
            yield "done", done


def _events(
    stream: Generator[Delta, None, Completion],
) -> Generator[str | tuple[str, Mapping[str, Any]], None, Completion]:
    """A stream with the pieces of tool calls as events."""
    with closing(stream):
        while True:
            try:
                delta = next(stream)
            except StopIteration as end:
                return cast("Completion", end.value)
            yield delta if isinstance(delta, str) else ("tool_call", _piece(delta))


def _piece(delta: ToolCallDelta) -> ChatToolCall:
    return {
        "index": delta.index,
        "id": delta.id,
        "name": delta.name,
        "arguments": delta.arguments,
        "signature": delta.signature,
    }


def _prompt(caller: Caller, request: ChatRequest) -> Prompt:
    if request.conversation_id is not None and not caller.is_user:
        raise Problem("token_missing", "Sign in to keep a conversation.", status=401)
    if request.search is not None and not caller.is_user:
        raise Problem("token_missing", "Sign in to have your documents searched.", status=401)
    provider = requested_provider(request.provider)
    turns = [_message(turn) for turn in request.messages or ()]
    if request.message is not None:
        turns.append(Message("user", request.message))
    if not caller.is_user and any(turn.parts for turn in turns):
        raise Problem("token_missing", "Sign in to send images and documents.", status=401)
    system = [Message("system", request.system)] if request.system else []
    alone = len(turns) == 1 and not (system or request.context or request.search or request.conversation_id)
    plain = not (turns[-1].parts or request.tools or request.response_format)
    existing = request.conversation_id if request.conversation_id != _NEW_CONVERSATION else None
    answer_format = request.response_format
    return Prompt(
        operation="chat",
        messages=[*system, *turns],
        max_output_tokens=request.max_tokens,
        context=request.context,
        provider=provider,
        model=request.model,
        temperature=request.temperature,
        top_p=request.top_p,
        stop=request.stop,
        schema=checked_schema(answer_format.json_schema, "response_format.schema")
        if isinstance(answer_format, SchemaFormat)
        else None,
        schema_name=answer_format.name if isinstance(answer_format, SchemaFormat) else "answer",
        json_object=answer_format is not None and answer_format.type == "json_object",
        must_fit=answer_format is not None and answer_format.type != "text",
        tools=_tools(request) if request.tools is not None else None,
        reasoning_effort=request.reasoning_effort,
        seed=request.seed,
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
        cache_key=request.prompt_cache_key,
        faq_text=turns[-1].content if alone and plain else None,
        cache_mode=request.cache,
        least_similarity=request.cache_threshold,
        conversation_id=existing,
        keeps_turns=request.conversation_id is not None,
        grounding=None
        if request.search is None
        else request.search.model_dump() | {"query": _searched_for(request, request.search)},
    )


def _message(turn: ChatMessage) -> Message:
    """A turn as a caller sent it, for the completion room."""
    if isinstance(turn.content, str) and turn.tool_calls is None and turn.tool_call_id is None:
        return Message(turn.role, turn.content, cache=turn.cache)
    parts = [_part(part) for part in turn.content] if not isinstance(turn.content, str) else []
    text = turn.content if isinstance(turn.content, str) else "\n\n".join(p for p in parts if isinstance(p, str))
    return Message(
        turn.role,
        text,
        parts=parts if any(isinstance(part, Media) for part in parts) else (),
        tool_calls=[ToolCall(c.id, c.name, c.arguments, c.signature) for c in turn.tool_calls or ()],
        tool_call_id=turn.tool_call_id,
        failed=turn.failed,
        cache=turn.cache,
    )


def _part(part: TextPart | ImagePart | DocumentPart) -> str | Media:
    if isinstance(part, TextPart):
        return part.text
    if isinstance(part, ImagePart):
        media_type = part.media_type or (image_type_of(part.url) if part.url else None)
        return Media("image", media_type, part.data, part.url, detail=part.detail)
    return Media("document", part.media_type, part.data, part.url, part.name)


def _tools(request: ChatRequest) -> ToolUse:
    definitions = [
        ToolDefinition(tool.name, tool.description, tool.parameters, tool.strict) for tool in request.tools or ()
    ]
    tools = ToolUse(definitions, request.chosen_tool, request.parallel_tool_calls)
    return checked_tools(tools, "tools.{}.parameters")


def _ground(grounding: Callable[[], Grounding], call: ModelCall, request: ChatRequest) -> Grounds | None:
    """What the answer is to rest on, where that was asked for and the answer is not there already."""
    if request.search is None or call.replay is not None:
        return None
    grounds = grounding().ground(call, call.caller, _searched_for(request, request.search), request.search)
    call.refuse_unanswered()
    return grounds


def _searched_for(request: ChatRequest, search: ChatSearch) -> str:
    return (search.query or _question(request))[:LONGEST_TEXT]


def _question(request: ChatRequest) -> str:
    """What the user said last."""
    if request.message is not None:
        return request.message
    said = (_message(turn).content for turn in reversed(request.messages or ()) if turn.role == "user")
    return next(said, "")


def _body_without_model(call: ModelCall, grounds: Grounds | None) -> ChatAnswer | None:
    """The body where no model is needed: a replay as it was, an FAQ or a cached answer. One that rests on what was
    found holds its request still: that is settled here, without the unit.
    """
    if call.replay is not None:
        return cast("ChatAnswer", call.replay)
    answer = call.stored_answer
    if answer is None:
        return None
    body = ChatAnswer(
        id=call.request_id,
        message=AssistantMessage(role="assistant", content=answer.text),
        finish_reason="stop",
        provider=answer.provider,
        provider_source=call.provider_source,
        fallback=False,
        adjusted=[],
        model=answer.model,
        cache=answer.source,
        conversation_id=None,
        turns_left_out=0,
        **_search(grounds, answer.text),
        usage=None,
    )
    if grounds is not None:
        call.settle(body, takes_unit=False)
    return body


class _Search(TypedDict):
    search: SearchState | None
    search_id: str | None
    citations: list[Citation]


def _search(grounds: Grounds | None, text: str) -> _Search:
    if grounds is None:
        return {"search": None, "search_id": None, "citations": []}
    return {"search": grounds.state, "search_id": grounds.search_id, "citations": grounds.citations(text)}


def _start(call: ModelCall, body: ChatAnswer | None) -> ChatStart:
    return {
        "id": call.request_id,
        "provider": body["provider"] if body else call.provider,
        "model": body["model"] if body else call.model,
        "provider_source": body["provider_source"] if body else call.provider_source,
        "cache": body["cache"] if body else "none",
    }


def _settle(call: ModelCall, request: ChatRequest, completion: Completion, grounds: Grounds | None) -> ChatAnswer:
    found = _search(grounds, completion.text)
    conversation = _new_turns(call, request, completion, found["citations"])
    body = ChatAnswer(
        id=call.request_id,
        message=_assistant(completion),
        finish_reason=completion.finish_reason,
        provider=call.answered_by.provider if call.answered_by else None,
        provider_source=call.provider_source,
        fallback=call.fell_back,
        adjusted=call.adjusted,
        model=completion.model,
        cache="none",
        conversation_id=conversation.conversation_id if conversation else None,
        turns_left_out=call.turns_left_out,
        **found,
        usage=call.usage,
    )
    call.settle(body, cache=call.cacheable(completion), conversation=conversation)
    return body


def _assistant(completion: Completion) -> AssistantMessage:
    message = AssistantMessage(role="assistant", content=completion.text)
    if completion.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "name": call.name, "arguments": call.arguments, "signature": call.signature}
            for call in completion.tool_calls
        ]
    return message


def _new_turns(
    call: ModelCall, request: ChatRequest, completion: Completion, citations: Sequence[Citation]
) -> NewTurns | None:
    """The turns to append: what is new, and the answer. A new conversation is named after its first message."""
    if request.conversation_id is None:
        return None
    message, existing = _question(request), call.conversation
    asked = (
        [Turn("user", message)] if request.message is not None else kept_turns(map(_message, request.messages or ()))
    )
    (answer,) = kept_turns([Message("assistant", completion.text, tool_calls=completion.tool_calls)])
    if citations:
        answer = answer._replace(more={**answer.more, "citations": citations})
    return NewTurns(
        conversation_id=existing.id if existing else str(uuid.uuid4()),
        turns=[*asked, answer],
        at=call.now,
        existed=existing is not None,
        title=None if existing else _title(message),
        context=request.context,
    )


def _title(message: str) -> str:
    title = " ".join(message.split())
    return title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 1] + "…"

"""Chat: one answer, whole or streamed, alone or as a turn of a conversation."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Mapping
from typing import Any, cast

from parley.admission.records import NewTurns, Turn
from parley.chat.schemas import AssistantMessage, ChatAnswer, ChatDone, ChatRequest, ChatStart, ChatUsage
from parley.completion.call import ModelAnswer, ModelCall
from parley.completion.completions import Completions
from parley.completion.prompt import Prompt
from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem
from parley.core.provider_names import requested_provider
from parley.providers.protocol import Completion, Message

_NEW_CONVERSATION = "new"
_LONGEST_TITLE = 80


class Chat:
    """The chat service."""

    def __init__(self, completions: Completions) -> None:
        self._completions = completions

    def answer(self, context: RequestContext, request: ChatRequest) -> ModelAnswer:
        """Answer whole. Raises Problem."""
        with self._completions.admit(context, _prompt(context.caller, request)) as call:
            body = _body_without_model(call)
            if body is None:
                body = _settle(call, request, call.complete())
            return call.answered(body)

    def stream(self, context: RequestContext, request: ChatRequest) -> ChatStream:
        """Admit, and answer piece by piece. Raises Problem where the request is refused."""
        return ChatStream(self._completions.admit(context, _prompt(context.caller, request)), request)


class ChatStream:
    """An admitted request whose answer arrives as `events`; it holds its unit until it is closed.

    Attributes:
        events: the answer's text in pieces, and (event, data) around it: start, ..., usage, done. Raises Problem.
    """

    def __init__(self, call: ModelCall, request: ChatRequest) -> None:
        self._call = call
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
            body = _body_without_model(call)
            yield "start", _start(call, body)
            if body is not None:
                yield body["message"]["content"]
            else:
                body = _settle(call, self._request, (yield from call.stream()))
            yield "usage", ChatUsage(usage=body["usage"])
            done = ChatDone(
                finish_reason=body["finish_reason"],
                provider=body["provider"],
                fallback=body["fallback"],
                adjusted=body["adjusted"],
                model=body["model"],
                conversation_id=body["conversation_id"],
                turns_left_out=body["turns_left_out"],
            )
            yield "done", done


def _prompt(caller: Caller, request: ChatRequest) -> Prompt:
    if request.conversation_id is not None and caller.user_id is None:
        raise Problem("token_missing", "Sign in to keep a conversation.", status=401)
    provider = requested_provider(request.provider)
    turns = [Message(turn.role, turn.content) for turn in request.messages or ()]
    if request.message is not None:
        turns.append(Message("user", request.message))
    system = [Message("system", request.system)] if request.system else []
    alone = len(turns) == 1 and not system and not request.context and request.conversation_id is None
    existing = request.conversation_id if request.conversation_id != _NEW_CONVERSATION else None
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
        faq_text=turns[-1].content if alone else None,
        cache_mode=request.cache,
        least_similarity=request.cache_threshold,
        conversation_id=existing,
        keeps_turns=request.conversation_id is not None,
    )


def _body_without_model(call: ModelCall) -> ChatAnswer | None:
    """The body where no model is needed: a replay as it was, an FAQ or a cached answer."""
    if call.replay is not None:
        return cast("ChatAnswer", call.replay)
    answer = call.stored_answer
    if answer is None:
        return None
    return ChatAnswer(
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
        usage=None,
    )


def _start(call: ModelCall, body: ChatAnswer | None) -> ChatStart:
    return {
        "id": call.request_id,
        "provider": body["provider"] if body else call.provider,
        "model": body["model"] if body else call.model,
        "provider_source": body["provider_source"] if body else call.provider_source,
        "cache": body["cache"] if body else "none",
    }


def _settle(call: ModelCall, request: ChatRequest, completion: Completion) -> ChatAnswer:
    conversation = _new_turns(call, request, completion)
    body = ChatAnswer(
        id=call.request_id,
        message=AssistantMessage(role="assistant", content=completion.text),
        finish_reason=completion.finish_reason,
        provider=call.answered_by.provider if call.answered_by else None,
        provider_source=call.provider_source,
        fallback=call.fell_back,
        adjusted=call.adjusted,
        model=completion.model,
        cache="none",
        conversation_id=conversation.conversation_id if conversation else None,
        turns_left_out=call.turns_left_out,
        usage=call.usage,
    )
    call.settle(body, cache=call.cacheable(completion), conversation=conversation)
    return body


def _new_turns(call: ModelCall, request: ChatRequest, completion: Completion) -> NewTurns | None:
    """The two turns to append; a new conversation is named after its first message."""
    if request.conversation_id is None:
        return None
    message, existing = request.message or "", call.conversation
    return NewTurns(
        conversation_id=existing.id if existing else str(uuid.uuid4()),
        turns=[Turn("user", message), Turn("assistant", completion.text)],
        at=call.now,
        existed=existing is not None,
        title=None if existing else _title(message),
        context=request.context,
    )


def _title(message: str) -> str:
    title = " ".join(message.split())
    return title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 1] + "…"

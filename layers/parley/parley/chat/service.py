"""Chat: one answer, whole or streamed, alone or as a turn of a conversation."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from datetime import datetime
from typing import Any, Literal

from parley.admission.quota import Quota
from parley.chat.schemas import ChatAnswer, ChatMessage, ChatRequest
from parley.completion.completions import Completions, ModelCall, requested_provider
from parley.completion.prompt import CacheMode, Prompt, situation
from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem
from parley.providers.protocol import Completion, Message

_NEW_CONVERSATION = "new"
_LONGEST_TITLE = 80


class Chat:
    """The chat service."""

    def __init__(self, completions: Completions) -> None:
        self._completions = completions

    def answer(self, context: RequestContext, request: ChatRequest) -> tuple[dict[str, Any], Quota, bool]:
        """Answer whole. Returns the body, the caller's quota, and whether the database was away. Raises Problem."""
        with self._completions.admit(context, _prompt(context.caller, request)) as call:
            body = _stored(call)
            if body is None:
                body = _settle(call, request, call.complete())
            return body, call.quota, call.offline

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
        self.degraded = call.offline
        self.events = self._answer()

    def cancel(self) -> None:
        """End a wait for the model; may be called from another thread."""
        self._call.cancel()

    def close(self) -> None:
        """Close the upstream connection and settle what was delivered; of a stream nobody began, give the unit back."""
        self.events.close()
        self._call.release(None)

    def _answer(self) -> Generator[str | tuple[str, dict[str, Any]], None, None]:
        with self._call as call:
            body = _stored(call)
            yield "start", _start(call, body)
            if body is not None:
                yield body["message"]["content"]
            else:
                body = _settle(call, self._request, (yield from call.stream()))
            yield "usage", {"usage": body["usage"]}
            yield "done", {name: body[name] for name in ("finish_reason", "provider", "model", "conversation_id")}


def _prompt(caller: Caller, request: ChatRequest) -> Prompt:
    if request.conversation_id is not None and caller.user_id is None:
        raise Problem("token_missing", "Sign in to keep a conversation.", status=401)
    provider = requested_provider(request.provider)
    turns = [Message(turn.role, turn.content) for turn in request.messages or ()]
    if request.message is not None:
        turns.append(Message("user", request.message))
    system = []
    if request.system:
        system.append(Message("system", request.system))
    if request.context:
        system.append(situation(request.context))
    alone = len(turns) == 1 and not system and request.conversation_id is None
    existing = request.conversation_id if request.conversation_id != _NEW_CONVERSATION else None
    return Prompt(
        operation="chat",
        messages=[*system, *turns],
        max_output_tokens=request.max_tokens,
        provider=provider,
        model=request.model,
        temperature=request.temperature,
        top_p=request.top_p,
        stop=request.stop,
        faq_text=turns[-1].content if alone else None,
        cache_mode=_cache_mode(request, turns),
        similarity=request.cache_threshold,
        personal=request.context is not None,
        conversation_id=existing,
        keeps_turns=request.conversation_id is not None,
    )


def _cache_mode(request: ChatRequest, turns: list[Message]) -> CacheMode:
    """A conversation is never cached; a like question is looked for only where the question stands alone."""
    if request.conversation_id is not None:
        return "off"
    if request.cache == "semantic" and (len(turns) > 1 or request.context is not None):
        return "exact"
    return request.cache


def _stored(call: ModelCall) -> dict[str, Any] | None:
    """The body where no model is needed: a replay as it was, an FAQ or a cached answer."""
    admitted = call.admitted
    if admitted.outcome == "replay":
        return admitted.answer
    answer = admitted.answer or call.similar_answer
    if answer is None:
        return None
    kinds: dict[str, Literal["faq", "exact", "semantic"]] = {"faq": "faq", "cache_hit": "exact"}
    return ChatAnswer(
        id=admitted.request_id,
        message=ChatMessage.model_construct(role="assistant", content=answer["text"]),
        finish_reason="stop",
        provider=answer.get("provider"),
        provider_source=admitted.provider_source,
        model=answer.get("model"),
        cache=kinds.get(admitted.outcome, "semantic"),
        conversation_id=None,
        usage=None,
    ).model_dump()


def _start(call: ModelCall, body: dict[str, Any] | None) -> dict[str, Any]:
    admitted = call.admitted
    return {
        "id": admitted.request_id,
        "provider": body["provider"] if body else admitted.provider,
        "model": body["model"] if body else admitted.model,
        "provider_source": admitted.provider_source,
        "cache": body["cache"] if body else "none",
    }


def _settle(call: ModelCall, request: ChatRequest, completion: Completion) -> dict[str, Any]:
    conversation = _turn(call, request, completion)
    made = call.calls[-1]
    body = ChatAnswer(
        id=call.admitted.request_id,
        message=ChatMessage.model_construct(role="assistant", content=completion.text),
        finish_reason=completion.finish_reason,
        provider=made["provider"],
        provider_source=call.admitted.provider_source,
        fallback=call.fell_back,
        model=completion.model,
        cache="none",
        conversation_id=conversation["id"] if conversation else None,
        usage=call.usage,
    ).model_dump()
    finished = completion.finish_reason == "stop"
    call.settle(body, cacheable_text=completion.text if finished else None, conversation=conversation)
    return body


def _turn(call: ModelCall, request: ChatRequest, completion: Completion) -> dict[str, Any] | None:
    """The two messages to append; a new conversation is named after its first message."""
    if request.conversation_id is None:
        return None
    now: datetime = call.room.clock.now()
    message = request.message or ""
    turn: dict[str, Any] = {
        "id": (call.admitted.conversation or {}).get("id") or str(uuid.uuid4()),
        "messages": [
            {"role": "user", "content": message, "timestamp": now.isoformat()},
            {"role": "assistant", "content": completion.text, "timestamp": now.isoformat()},
        ],
        "context": request.context,
        "existed": call.admitted.conversation is not None,
    }
    if call.admitted.conversation is None:
        title = " ".join(message.split())
        turn["title"] = title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 1] + "…"
    return turn

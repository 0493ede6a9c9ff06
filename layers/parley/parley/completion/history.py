"""What a model is told of a conversation's earlier turns: the newest ones, within a budget of tokens.

Tokens are counted without a tokenizer: how many a text has at most.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from parley.admission.records import Turn
from parley.providers.protocol import Media, Message, ToolCall, ToolUse

# What words are made of; in these a token spans several characters.
_OF_WORDS = b"abcdefghijklmnopqrstuvwxyz "
CHARACTERS_PER_TOKEN = 3

CUT_MARK = "\n[... the middle of this message was left out ...]\n"
# What a turn costs beside its text: the provider marks where it begins, ends, and whose it is.
TOKENS_PER_TURN = 5
# More than providers count for an image, and for a page of a PDF.
_IMAGE_TOKENS = 3_000
_PAGE_TOKENS = 3_000
# A turn is not cut for less than this share of the budget: what was left of it would say little.
_LEAST_SHARE = 4


def most_tokens(text: str) -> int:
    """An upper bound of the tokens that a provider's tokenizer makes of `text`.

    The tokenizers work on UTF-8 bytes, so a text never has more tokens than bytes: a Chinese character counts as three,
    an emoji as four for each of its code points. Only lowercase ASCII letters and spaces count as a third, which
    is more than written languages need (tests/unit/completion/test_tokens.py has what was measured). Letters that spell
    nothing are the exception: random ones take up to half a token each.
    """
    encoded = text.encode(errors="replace")
    singles = len(encoded.translate(None, _OF_WORDS))
    return singles + -(-(len(encoded) - singles) // CHARACTERS_PER_TOKEN)


# The mark's own.
_MARK_TOKENS = most_tokens(CUT_MARK)


def fit(turns: Sequence[Turn], budget: int) -> list[Turn]:
    """The newest turns, oldest first, that together have at most `budget` tokens.

    A turn that is too long for what is left loses its middle. An answer leaves up to half of what is left to the turn
    before it, so that the question is there too. The first turn is the user's, as providers want it.
    """
    kept: list[Turn] = []
    left = budget
    for position in range(len(turns) - 1, -1, -1):
        turn = turns[position]
        room = left - TOKENS_PER_TURN
        if turn.role == "assistant" and position:
            room -= min(_cost(turns[position - 1]), left // 2)
        if most_tokens(turn.content) + _more_tokens(turn) > room:
            if room - _more_tokens(turn) <= _MARK_TOKENS or (kept and left < budget // _LEAST_SHARE):
                break
            if not turn.content:
                break
            turn = turn._replace(content=cut(turn.content, room - _more_tokens(turn)))
        left -= _cost(turn)
        kept.insert(0, turn)
    while kept and kept[0].role != "user":
        kept.pop(0)
    return kept


def cut(text: str, tokens: int) -> str:
    """`text` without its middle, with a mark in its place, at most so many tokens long (no fewer than the mark's)."""
    half = max(0, tokens - _MARK_TOKENS - 1) // 2
    return _start(text, half) + CUT_MARK + _start(text[::-1], half)[::-1]


def _start(text: str, tokens: int) -> str:
    """The longest start of `text` with at most so many tokens."""
    shortest, longest = 0, min(len(text), tokens * CHARACTERS_PER_TOKEN)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if most_tokens(text[:middle]) <= tokens:
            shortest = middle
        else:
            longest = middle - 1
    return text[:shortest]


def _cost(turn: Turn) -> int:
    return most_tokens(turn.content) + _more_tokens(turn) + TOKENS_PER_TURN


def _more_tokens(turn: Turn) -> int:
    return most_tokens(json.dumps(turn.more, ensure_ascii=False)) if turn.more else 0


def message_tokens(message: Message) -> int:
    """An upper bound of what a message takes of a model's context; of media, which no bound is known of, much."""
    tokens = most_tokens(message.content) + TOKENS_PER_TURN
    for call in message.tool_calls:
        tokens += most_tokens(call.name) + most_tokens(call.arguments) + TOKENS_PER_TURN
    for part in message.parts:
        if not isinstance(part, str):
            tokens += _IMAGE_TOKENS if part.kind == "image" else max(_PAGE_TOKENS, len(part.data or "") // 16)
    return tokens


def tools_tokens(tools: ToolUse | None) -> int:
    """An upper bound of what the definitions of tools take of a model's context."""
    if tools is None:
        return 0
    shown = [[tool.name, tool.description, tool.parameters] for tool in tools.definitions]
    return most_tokens(json.dumps(shown, ensure_ascii=False))


def kept_turns(messages: Iterable[Message]) -> list[Turn]:
    """Messages as a conversation keeps them: of media their hash and size, never their bytes."""
    return [Turn(message.role, message.content, _more(message)) for message in messages if message.role != "system"]


def _more(message: Message) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if message.tool_calls:
        more["tool_calls"] = [
            {"id": call.id, "name": call.name, "arguments": call.arguments, "signature": call.signature}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        more["tool_call_id"] = message.tool_call_id
    if message.failed:
        more["failed"] = True
    if media := [part for part in message.parts if not isinstance(part, str)]:
        more["media"] = [_described(part) for part in media]
    return more


def _described(media: Media) -> dict[str, Any]:
    content = None if media.data is None else base64.b64decode(media.data)
    return {
        "type": media.kind,
        "media_type": media.media_type,
        "sha256": None if content is None else hashlib.sha256(content).hexdigest(),
        "size": None if content is None else len(content),
        "url": media.url,
        "name": media.name,
    }


def told(turns: Sequence[Turn], answered: Collection[str] = ()) -> list[Message]:
    """Kept turns as a model is told them. Calls and results come in pairs, as providers want them: a result without its
    call is left out, and so are the calls of an answer that have not all their results. Of media a model learns that
    they were there: they are not kept.

    Args:
        answered: the calls whose results follow these turns.
    """
    messages = [_told(turn) for turn in turns]
    paired: list[Message] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        end = at + 1
        while end < len(messages) and messages[end].role == "tool":
            end += 1
        results = messages[at + 1 : end]
        given = {result.tool_call_id for result in results} | (set(answered) if end == len(messages) else set())
        called = {call.id for call in message.tool_calls}
        whole = called <= given
        if not whole:
            message = replace(message, tool_calls=())
        if message.role != "tool" and (message.content or message.tool_calls):
            paired.append(message)
        if whole:
            paired += [result for result in results if result.tool_call_id in called]
        at = end
    return paired


def _told(turn: Turn) -> Message:
    """One turn; an application may have left anything beside its text."""
    more = turn.more
    if not more:
        return Message(turn.role, turn.content)
    try:
        calls = [
            ToolCall(call["id"], call["name"], call["arguments"], call.get("signature"))
            for call in more.get("tool_calls", ())
            if isinstance(call["arguments"], str)
        ]
        seen = [f"[{one['type']} that is no longer shown]" for one in more.get("media", ())]
    except (TypeError, LookupError, ValueError, AttributeError):
        return Message(turn.role, turn.content)
    return Message(
        turn.role,
        "\n\n".join(filter(None, [*seen, turn.content])),
        tool_calls=calls,
        tool_call_id=more.get("tool_call_id"),
        failed=more.get("failed") is True,
    )

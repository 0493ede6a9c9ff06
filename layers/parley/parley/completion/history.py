"""What a model is told of a conversation's earlier turns: the newest ones, within a budget of tokens.

Tokens are counted without a tokenizer: how many a text has at most.
"""

from __future__ import annotations

from collections.abc import Sequence

from parley.admission.records import Turn

# What words are made of; in these a token spans several characters.
_OF_WORDS = b"abcdefghijklmnopqrstuvwxyz "
CHARACTERS_PER_TOKEN = 3

CUT_MARK = "\n[... the middle of this message was left out ...]\n"
# What a turn costs beside its text: the provider marks where it begins, ends, and whose it is.
TOKENS_PER_TURN = 5
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
        if most_tokens(turn.content) > room:
            if room <= _MARK_TOKENS or (kept and left < budget // _LEAST_SHARE):
                break
            turn = Turn(turn.role, cut(turn.content, room))
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
    return most_tokens(turn.content) + TOKENS_PER_TURN

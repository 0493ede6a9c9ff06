"""How many tokens a text has at most, without a tokenizer."""

from __future__ import annotations

# What words are made of; in these a token spans several characters.
_OF_WORDS = b"abcdefghijklmnopqrstuvwxyz "
CHARACTERS_PER_TOKEN = 3


def most_tokens(text: str) -> int:
    """An upper bound of the tokens that a provider's tokenizer makes of `text`.

    The tokenizers work on UTF-8 bytes, so a text never has more tokens than bytes: a Chinese character counts as three,
    an emoji as four for each of its code points. Only lowercase ASCII letters and spaces count as a third, which
    is more than written languages need (tests/unit/providers/test_tokens.py has what was measured). Letters that spell
    nothing are the exception: random ones take up to half a token each.
    """
    encoded = text.encode(errors="replace")
    singles = len(encoded.translate(None, _OF_WORDS))
    return singles + -(-(len(encoded) - singles) // CHARACTERS_PER_TOKEN)

"""The words of a text, in any script: what answers, quotes, questions and pace are counted and compared by."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

# Scripts that are written without spaces between words.
_UNSPACED = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
    "]"
)
# What stands for an apostrophe within a word; the last two are Hebrew, as in an abbreviation.
APOSTROPHES: Final = frozenset("'\u2019\u02bc\uff07\u05f3\u05f4")
_ANY_APOSTROPHE = re.compile(f"[{''.join(sorted(APOSTROPHES))}]")
# Each character as its kind: a letter or digit, one of an unspaced script, a mark on the one before it, something
# invisible, an apostrophe, a sign that ends a name such as C++, anything else.
_LETTER, _UNSPACED_LETTER, _MARK, _INVISIBLE, _APOSTROPHE, _SIGN, _OTHER = "aumi's "
_WORD = re.compile("a[ami]*(?:'[mi]*a[ami]*)*s*|u[umi]*")


def words_of(text: str) -> list[str]:
    """The words, as they are written. Of a script without spaces, what stands together is one item.

    Marks and apostrophes within a word go on with it: a script whose vowels are marks has no more words than others.
    """
    return [text[found.start() : found.end()] for found in _WORD.finditer(_kinds(text))]


def words_in(text: str) -> int:
    """How many words a text has; of a script without spaces, two characters count as a word."""
    return sum(-(-found[0].count(_UNSPACED_LETTER) // 2) or 1 for found in _WORD.finditer(_kinds(text)))


def with_plain_apostrophes(text: str) -> str:
    """The text with one apostrophe for all of them, so that words with them can be compared."""
    return _ANY_APOSTROPHE.sub("'", text)


def is_unspaced(character: str) -> bool:
    """Whether a character belongs to a script that has no spaces between words."""
    return _UNSPACED.match(character) is not None


def is_mark(character: str) -> bool:
    """Whether a character is one with the character before it, such as an accent or an Indian vowel."""
    return unicodedata.category(character).startswith("M")


def _kinds(text: str) -> str:
    return "".join(map(_kind, text))


@lru_cache(4_096)
def _kind(character: str) -> str:
    if character in APOSTROPHES:
        return _APOSTROPHE
    category = unicodedata.category(character)
    if category[0] == "M":
        return _MARK
    if category == "Cf":
        return _INVISIBLE
    if category[0] in "LN":
        return _UNSPACED_LETTER if is_unspaced(character) else _LETTER
    return _SIGN if character in "+#\uff0b\uff03" else _OTHER

"""Questions as text: how they are written, how long they may be, and when two ask the same."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from parley.interviews.record import is_unspaced

MOST_WORDS = 30
_MOST_CHARACTERS = 300  # not every language puts spaces between words
_SAME_QUESTION = 0.8  # token Jaccard from which two questions count as one


def cleaned(question: str, *, voice_friendly: bool = False) -> str:
    """A question on one line; without markup where it is read aloud."""
    text = " ".join(unicodedata.normalize("NFC", question).split())
    if voice_friendly:
        text = " ".join(re.sub(r"[*_`#]", "", text).replace("/", " or ").split())
    return text


def too_long(question: str) -> bool:
    """Whether nobody should be asked that much at once."""
    return len(question.split()) > MOST_WORDS or len(question) > _MOST_CHARACTERS


def words(text: str) -> frozenset[str]:
    """What two questions are compared by: words, or neighbouring characters in a script without spaces between them."""
    return frozenset(
        part
        for word in re.findall(r"\w+", text.casefold())
        for part in (map("".join, pairwise(word)) if len(word) > 1 and any(map(is_unspaced, word)) else [word])
    )


def alike(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether two questions, by their `words`, ask the same."""
    return bool(a | b) and len(a & b) / len(a | b) >= _SAME_QUESTION

"""Questions as text: how they are written, how long they may be, and when two ask the same."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from parley.interviews.words import is_unspaced, with_plain_apostrophes, words_of

MOST_WORDS = 30
_MOST_CHARACTERS = 300  # not every language puts spaces between words
_SAME_QUESTION = 0.8  # token Jaccard from which two questions count as one
# In the languages that questions are asked in most; what is left out counts as a word like others.
_NEGATION = re.compile(
    "no|not|never|without|cannot|.+n't"  # English, and Spanish and Italian "no"
    "|nicht|kein.*|nie|niemals|ohne"  # German
    "|inte|ej|aldrig|utan|ingen|inga|inget"  # Swedish
    "|pas|jamais|sans"  # French
    "|nunca|jam\u00e1s|sin|n\u00e3o|sem|non|mai|senza"  # Spanish, Portuguese, Italian
    "|niet|geen|nooit|zonder|ikke|aldri|uten|uden"  # Dutch, Norwegian, Danish
    "|\u043d\u0435|\u0431\u0435\u0437|\u043d\u0438\u043a\u043e\u0433\u0434\u0430"  # Russian
    "|\u0928\u0939\u0940\u0902|\u092c\u093f\u0928\u093e"  # Hindi
    "|\u0644\u0627|\u0644\u0645|\u0628\u062f\u0648\u0646"  # Arabic
    "|.*[\u4e0d\u6ca1\u6c92].*|\u306a\u3044|\u305b\u3093"  # Chinese, Japanese
)
# How models number and mark the items of a list: "1.", "Q2:", "**Question 3:**", "-". A year or a version is none.
_QUESTION = (
    "q|question|frage|fr\u00e5ga|pregunta|pergunta|domanda|vraag|sp\u00f8rgsm\u00e5l|sp\u00f8rsm\u00e5l"
    "|\u0432\u043e\u043f\u0440\u043e\u0441"  # Russian
    "|\u0938\u0935\u093e\u0932|\u092a\u094d\u0930\u0936\u094d\u0928"  # Hindi
    "|\u0633\u0624\u0627\u0644|\u0627\u0644\u0633\u0624\u0627\u0644"  # Arabic
    "|\u95ee\u9898|\u554f\u984c|\u8cea\u554f|\uc9c8\ubb38"  # Chinese, Japanese, Korean
)
_NUMBER = (
    r"\(?\d{1,2}(?:[.)](?=[*_\s])|[\u3001\uff0e\uff09])"
    rf"|(?:{_QUESTION})\s?\d{{1,2}}(?:\s?[.):\u2013\u2014-](?=[*_\s])|\uff1a)"
)
_LIST_MARK = re.compile(rf"[-*\u2022\u2013]\s+|[*_#\s]*(?:{_NUMBER})[*_\s]*", re.IGNORECASE)


def cleaned(question: str, *, voice_friendly: bool = False) -> str:
    """A question on one line, without its place in a list; without markup where it is read aloud."""
    text = " ".join(unicodedata.normalize("NFC", question).split())
    mark = _LIST_MARK.match(text)
    if mark:
        text = text[mark.end() :]
        text = text.replace("**", "") if text.count("**") % 2 else text
    if voice_friendly:
        # "C#" is a name.
        text = " ".join(re.sub(r"[*_`]|(?<!\w)#+", "", text).replace("/", " or ").split())
    return text


def too_long(question: str) -> bool:
    """Whether nobody should be asked that much at once."""
    return len(question.split()) > MOST_WORDS or len(question) > _MOST_CHARACTERS


def parts(text: str) -> list[str]:
    """What questions are compared by, in order: words, or neighbouring characters in a script without spaces. What is
    invisible, such as a soft hyphen, makes no other word.
    """
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return [
        part
        for word in words_of(with_plain_apostrophes(unicodedata.normalize("NFKC", visible).casefold()))
        for part in (map("".join, pairwise(word)) if len(word) > 1 and is_unspaced(word[0]) else [word])
    ]


def words(text: str) -> frozenset[str]:
    """The `parts` of a question, to compare it with others."""
    return frozenset(parts(text))


def alike(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether two questions, by their `words`, ask the same. One with a negation and one without do not."""
    if not a | b or len(a & b) / len(a | b) < _SAME_QUESTION:
        return False
    return _negates(a) == _negates(b)


def has_negation(text: str) -> bool:
    """Whether a text has a negation, in one of the languages that questions are asked in most."""
    return _negates(words(text))


def _negates(wording: frozenset[str]) -> bool:
    return any(map(_NEGATION.fullmatch, wording))

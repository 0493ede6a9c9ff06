"""Where words of a query stand in a passage, and the part of it to show."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

# What stands around a match in a marked text: characters for private use, which a text has only by accident.
START, END = "\ue000", "\ue001"
_MARKED = re.compile(f"{START}([^{END}]*){END}")
_LONGEST = 240  # characters
# What `app.parted` leaves out.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0600-\u0605\u0610-\u061a\u061c\u0640\u064b-\u0652\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u070f\u180b-\u180f\u200c-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f"
    "\ufeff\U000e0000-\U000e01ef]"
)


class Match(NamedTuple):
    """A part of a text, in characters."""

    start: int
    end: int


def matches_of(marked: str | None, content: str) -> list[Match]:
    """Where the marks were, in the content itself; none where the marked text is another one beside its marks. Its
    characters are told apart by `app.parted`, which writes each letter in one way and leaves some out.
    """
    if marked is None:
        return []
    length = len(_MARKED.sub(r"\1", marked))
    places = range(len(content) + 1) if content.isascii() else _places(content)
    if len(places) != length + 1:
        return []
    return [
        Match(places[found.start() - 2 * before], places[found.end() - 2 * (before + 1)])
        for before, found in enumerate(_MARKED.finditer(marked))
    ]


def _places(content: str) -> Sequence[int]:
    """Where each character of the text as `app.parted` has it begins in the text itself, and where that ends."""
    content = content.translate({ord(each): " " for each in set(content) if _is_sign(each)})
    if unicodedata.is_normalized("NFKC", content) and not _UNSEEN.search(content):
        return range(len(content) + 1)
    places: list[int] = []
    begins, composed = 0, ""
    for at, character in enumerate(content):
        longer = _UNSEEN.sub("", unicodedata.normalize("NFKC", composed + character))
        if composed and len(longer) > len(composed) and not unicodedata.combining(character):
            places += [begins] * len(composed)
            begins, composed = at, _UNSEEN.sub("", unicodedata.normalize("NFKC", character))
        else:
            composed = longer
    return [*places, *[begins] * len(composed), len(content)]


def _is_sign(character: str) -> bool:
    """Whether it separates words, and is a space there."""
    if character.isascii() or unicodedata.category(character)[0] not in "PSZC" or _UNSEEN.match(character):
        return False
    return character in "™℠№₨" or not any(map(str.isalnum, unicodedata.normalize("NFKC", character)))


def snippet_of(content: str, matches: Sequence[Match]) -> str:
    """The part of a text with the most matches, which are in order, at most 240 characters of it, from one space to
    another.
    """
    if len(content) <= _LONGEST:
        return content
    # From a little before a match, the one that has the most others behind it.
    ends = [match.end for match in matches]
    most = max(
        range(len(matches)),
        key=lambda at: bisect_right(ends, matches[at].start + _LONGEST // 4 * 3) - at,
        default=None,
    )
    begins = 0 if most is None else matches[most].start
    begins = max(0, min(begins - _LONGEST // 4, len(content) - _LONGEST))
    if begins and (space := content.find(" ", begins, begins + _LONGEST // 4)) >= 0:
        begins = space + 1
    part = content[begins : begins + _LONGEST]
    if begins + _LONGEST < len(content):
        part = part.rpartition(" ")[0] or part
    return part.strip()

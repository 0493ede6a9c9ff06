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


class Match(NamedTuple):
    """A part of a text, in characters."""

    start: int
    end: int


def matches_of(marked: str | None, content: str) -> list[Match]:
    """Where the marks were, in the content itself; none where the marked text is another one beside its marks. Its
    letters may be others: those of accented ones without their accents, and composed where the content's are not.
    """
    if marked is None:
        return []
    length = len(_MARKED.sub(r"\1", marked))
    places = range(length + 1) if length == len(content) else _places(content)
    if len(places) != length + 1:
        return []
    return [
        Match(places[found.start() - 2 * before], places[found.end() - 2 * (before + 1)])
        for before, found in enumerate(_MARKED.finditer(marked))
    ]


def _places(content: str) -> list[int]:
    """Where each character of the composed text (NFC) begins in the text itself, and where that ends."""
    places: list[int] = []
    begins, composed = 0, ""
    for at, character in enumerate(content):
        longer = unicodedata.normalize("NFC", composed + character)
        if composed and len(longer) > len(composed) and not unicodedata.combining(character):
            places += [begins] * len(composed)
            begins, composed = at, unicodedata.normalize("NFC", character)
        else:
            composed = longer
    return [*places, *[begins] * len(composed), len(content)]


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

"""Whether the candidate really said what a model quotes.

Models paraphrase. A quote counts where it stands word for word in one of the candidate's own turns, apart from white
space, quotation marks, dashes and case; an ellipsis may stand for what was left out. What is shown is the transcript's
text.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from parley.interviews.record import is_unspaced, words_in
from parley.interviews.session_records import Turn

# How many pieces an ellipsis may leave of a quote: out of enough pieces, anything can be put together.
_MOST_PIECES = 3
# White space is looked for after a bracket only: a pattern that may begin with it takes cubic time on a blank quote.
_ELLIPSIS = re.compile(r"(?:[\[(]\s*)?(?:\u2026|\.{3,})(?:\s*[\])])?")
_QUOTATION_MARKS = frozenset(
    "\"'`\u00b4\u00ab\u00bb\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2032\u2033\u2039\u203a"
    "\u300c\u300d\u300e\u300f\uff02\uff07"
)
_MARK = "'"
# Models set other dashes than people type.
_DASHES = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212")
# What a text says that somebody said, in the marks of several languages; an apostrophe within a word is none.
_PAIRS = ('""', "\u201c\u201d", "\u201e\u201c", "\u201e\u201d", "\u00ab\u00bb", "\u300c\u300d", "\u300e\u300f")
_QUOTATION = re.compile(
    "|".join([*(f"{pair[0]}([^{pair[1]}]+){pair[1]}" for pair in _PAIRS), "(?<!\\w)['\u2018](.+?)['\u2019](?!\\w)"]),
    re.DOTALL,
)
_SHORTEST_QUOTATION = 3  # words; fewer are a name or a term
# A quote is a part of a sentence, and a model that ends it with a stop changes no word.
_AT_THE_ENDS = f"{_MARK} .,;:\u3001\u3002\uff0c"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A quote that was found.

    Attributes:
        sequence_number: of the candidate's turn.
        start, end: where it stands in the turn's text, in characters.
        quote: the turn's own words; " … " stands where some were left out.
    """

    sequence_number: int
    start: int
    end: int
    quote: str

    @property
    def words_in_a_row(self) -> int:
        """How many words stand beside each other in it: the most of any piece."""
        return max(words_in(piece) for piece in self.quote.split("\u2026"))


class OwnWords:
    """What was said, to look quotes up in.

    Args:
        turns: the candidate's for evidence.
    """

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = [_Text(turn) for turn in turns]

    def find(self, quote: str, sequence_number: int | None = None) -> Evidence | None:
        """Where the candidate said it; None where it was not said.

        Args:
            sequence_number: the turn that is looked at first.
        """
        pieces = [piece for part in _ELLIPSIS.split(quote) if _has_words(piece := _bare(part))]
        whole = _bare(quote)
        if not pieces:
            return None
        for text in sorted(self._turns, key=lambda text: text.turn.sequence_number != sequence_number):
            found = text.find([whole]) or (text.find(pieces) if len(pieces) <= _MOST_PIECES else None)
            if found is not None:
                return found
        return None

    def without_invented(self, text: str) -> str:
        """The text without quotation marks around what none of the turns has: there it is no quote any more."""

        def checked(found: re.Match[str]) -> str:
            inside = next(group for group in found.groups() if group)
            return inside if words_in(inside) >= _SHORTEST_QUOTATION and self.find(inside) is None else found[0]

        before = ""
        while text != before:  # one may stand in another
            before, text = text, _QUOTATION.sub(checked, text)
        return text


class _Text:
    """A turn's text, normalised, with the place in the original that each character comes from."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        characters: list[str] = []
        self._origin: list[tuple[int, int]] = []
        for start, end, character in _normalised(turn.content):
            characters.append(character)
            self._origin.append((start, end))
        self._characters = "".join(characters)
        # Where a word may begin. Of a text that is one word, all other places need no look.
        self._begins = [
            at
            for at, character in enumerate(characters)
            if at == 0 or not (_joins(characters[at - 1]) and _joins(character))
        ]

    def find(self, pieces: Sequence[str]) -> Evidence | None:
        """The pieces, in their order."""
        spans: list[tuple[int, int]] = []
        at = 0
        for piece in pieces:
            start = self._find(piece, at)
            if start is None:
                return None
            at = start + len(piece)
            spans.append((self._origin[start][0], self._origin[at - 1][1]))
        quote = " \u2026 ".join(self.turn.content[start:end] for start, end in spans)
        return Evidence(self.turn.sequence_number, spans[0][0], spans[-1][1], quote)

    def _find(self, piece: str, at: int) -> int | None:
        """Where whole words read so: "no" does not stand in "know"."""
        text = self._characters
        start = text.find(piece, at)
        while start >= 0:
            end = start + len(piece)
            begins = self._begins[bisect_left(self._begins, start)] if start <= self._begins[-1] else len(text)
            if begins == start and (end == len(text) or not (_joins(text[end]) and _joins(piece[-1]))):
                return start
            start = text.find(piece, max(begins, start + 1))
        return None


def _bare(text: str) -> str:
    """The text, normalised, without what may stand around a quote."""
    return "".join(character for _, _, character in _normalised(text)).strip(_AT_THE_ENDS)


def _normalised(text: str) -> Iterator[tuple[int, int, str]]:
    """Each normalised character with start and end of the characters that it comes from; no white space at the ends."""
    waiting: tuple[int, int] | None = None
    begun = False
    for start, end in _clusters(text):
        cluster = text[start:end]
        if cluster.isspace():
            waiting = (start, end) if waiting is None else (waiting[0], end)
            continue
        if all(unicodedata.category(character) == "Cf" for character in cluster):
            continue  # invisible: a soft hyphen, a mark of direction
        if cluster in _QUOTATION_MARKS and not (_joins(text[start - 1 : start]) and _joins(text[end : end + 1])):
            continue  # models leave out what stands around a word, such as backticks; "don't" keeps its own
        if waiting is not None and begun:
            yield *waiting, " "
        waiting, begun = None, True
        if cluster in _QUOTATION_MARKS:
            yield start, end, _MARK
        elif cluster in _DASHES:
            yield start, end, "-"
        else:
            for part in unicodedata.normalize("NFD", cluster.casefold()):
                yield start, end, part


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each character with the accents on it: only together do they have one order."""
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or not unicodedata.combining(text[at]):
            yield start, at
            start = at


@lru_cache(1_024)
def _joins(character: str) -> bool:
    """Whether a character goes on a word that its neighbour belongs to; none does not."""
    if not character:
        return False
    return (character.isalnum() and not is_unspaced(character)) or unicodedata.category(character).startswith("M")


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)

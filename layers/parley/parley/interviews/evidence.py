"""Whether the candidate really said what a model quotes.

Models paraphrase. A quote counts where it stands word for word in one of the candidate's own turns, apart from how it
is typed: white space, quotation marks, emphasis, dashes, ellipses, case, width, and marks at its ends. An ellipsis may
also stand for what was left out, unless that is a negation. What is shown is the transcript's text.
"""

from __future__ import annotations

import json
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from parley.interviews.session_records import Turn
from parley.interviews.wording import has_negation
from parley.interviews.words import APOSTROPHES, is_mark, is_unspaced, words_in

# How many pieces an ellipsis may leave of a quote: out of enough pieces, anything can be put together.
_MOST_PIECES = 3
# Dots may stand apart, as American style has it, in brackets, or between the strokes of Scandinavia; other scripts have
# dots of their own. White space is looked for after a bracket only: a pattern that may begin with it takes cubic time
# on a blank quote.
_DOT = r"[.\u00b7\u3002\u30fb\uff0e]"
_ELLIPSIS = re.compile(
    rf"(?:[\[(/<]\s*)?(?:[\u2025\u2026\u22ef]+|{_DOT}(?:[ \u00a0\u202f]?{_DOT}){{2,}})(?:\s*[\])/>])?"
)
_DOTS = "..."
_END_OF_SENTENCE = re.compile(r"[!?\n\u0964\u061f\u06d4\u3002\uff01\uff1f]|\.(?:\s|$)")
# Markdown's other way to quote: lines that begin with a sign.
_BLOCK = re.compile(r"(?:^[ \t]*>.*\n?)+", re.MULTILINE)
_SIGN_OF_BLOCK = re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)
# Editors put what they change into brackets, mostly a letter's case. Models escape JSON's characters twice.
_BRACKET = re.compile(r"[\[\]]")
_ESCAPED = re.compile(r'\\(?:["\\/nrt]|u[0-9A-Fa-f]{4})')
# Marks for what somebody said, in two families, so that an apostrophe closes no speech. Which of them open and which
# close differs from language to language: English and German agree about none of them.
_DOUBLE_MARKS = frozenset(
    '"\u00ab\u00bb\u05f4\u201c\u201d\u201e\u201f\u2033\u2036\u275d\u275e\u2e42'
    "\u300e\u300f\u301d\u301e\u301f\ufe43\ufe44\uff02"
)
_SINGLE_MARKS = APOSTROPHES - _DOUBLE_MARKS | frozenset(
    "`\u00b4\u2018\u201a\u201b\u2032\u2035\u2039\u203a\u275b\u275c\u300c\u300d\ufe41\ufe42\uff62\uff63"
)
_ALWAYS_OPEN = frozenset("\u201a\u201e\u2e42\u300c\u300e\u301d\ufe41\ufe43\uff62")
_ALWAYS_CLOSE = frozenset("\u300d\u300f\u301e\u301f\ufe42\ufe44\uff63")
_QUOTATION_MARKS = _SINGLE_MARKS | _DOUBLE_MARKS
# Two single ones are a double one, as TeX has it.
_A_MARK = re.compile(f"``|\u00b4\u00b4|''|\u2018\u2018|\u2019\u2019|[{''.join(sorted(_QUOTATION_MARKS))}]")
# Languages that use no apostrophes join words to a closing mark; in Hebrew a mark within a word is an abbreviation.
_HANGUL, _HEBREW = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"), re.compile("[\u0590-\u05ff]")
_APOSTROPHE = "'"
_EMPHASIS = re.compile(r"[*_]+")
_SHORTEST_QUOTATION = 3  # words; fewer are a name or a term
_DEEPEST_QUOTATION = 4  # quotations in each other; a model that nests more of them makes its reader slow
# A quote is a part of a sentence, and a model that ends it with a stop changes no word. These signs are words.
_WORDS_OF_PUNCTUATION = frozenset("#%&@/\\\u2030\u066a")
_ONE_SPELLING = str.maketrans(
    {
        # Turkish letters whose case others cannot tell.
        "\u0130": "i",
        "\u0131": "i",
        # Letters of Persian and Urdu as Arabic keyboards have them, and what only stretches a word.
        "\u0643": "\u06a9",
        "\u0649": "\u06cc",
        "\u064a": "\u06cc",
        "\u0640": "",
        # Signs that keyboards lack, and models set.
        "\u00d7": "x",
        "\u2044": "/",
        "\u2190": "<-",
        "\u2192": "->",
        "\u21d2": "=>",
        "\u2260": "!=",
        "\u2264": "<=",
        "\u2265": ">=",
        "\u22ef": "...",
    }
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A quote that was found.

    Attributes:
        sequence_number: of the candidate's turn.
        start, end: where it stands in the turn's text, in characters.
        quote: the turn's own words; " \u2026 " stands where some were left out.
        words_in_a_row: how many words stand beside each other in it: the most of any piece.
        is_restored: whether it has words that the model had left out, so that no negation is.
    """

    sequence_number: int
    start: int
    end: int
    quote: str
    words_in_a_row: int
    is_restored: bool = field(default=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """An `EvidenceQuote`, as feedback is kept and told."""
        return {
            "sequence_number": self.sequence_number,
            "start": self.start,
            "end": self.end,
            "quote": self.quote,
        }


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
        texts = sorted(self._turns, key=lambda text: text.turn.sequence_number != sequence_number)
        for reading in dict.fromkeys([quote, _ESCAPED.sub(_unescaped, quote), _BRACKET.sub("", quote)]):
            pieces = [piece for part in _ELLIPSIS.split(reading) if _has_words(piece := _bare(part))]
            if not pieces:
                return None
            whole = _bare(reading)
            for text in texts:
                found = text.find([whole]) or text.find(pieces)
                if found is not None:
                    return found
        return None

    def without_invented(self, text: str) -> str:
        """The text without quotation marks around what none of the turns has, or has with a negation that is left out:
        there it is no quote any more. So are lines that Markdown quotes.
        """
        text = _BLOCK.sub(self._without_signs, text)
        dropped: list[tuple[int, int]] = []
        for opening, closing in _quotations(text):
            inside = text[opening[1] : closing[0]]
            if self._is_invented(inside):
                dropped += (opening, closing)
        for start, end in sorted(dropped, reverse=True):
            text = text[:start] + text[end:]
        return text

    def _is_invented(self, quote: str) -> bool:
        if words_in(quote) < _SHORTEST_QUOTATION:
            return False
        found = self.find(quote)
        return found is None or found.is_restored

    def _without_signs(self, block: re.Match[str]) -> str:
        inside = _SIGN_OF_BLOCK.sub("", block[0])
        return inside if self._is_invented(inside) else block[0]


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
        self._begins = [at for at in range(len(characters)) if at == 0 or not _together(*characters[at - 1 : at + 1])]

    def find(self, pieces: Sequence[str]) -> Evidence | None:
        """The pieces, in their order: left out is something twice at most; other ellipses are the turn's."""
        spans: list[tuple[int, int]] = []
        at = 0
        for number, piece in enumerate(pieces):
            if spans and self._goes_on(piece, at):
                at += len(_DOTS) + len(piece)
                spans[-1] = (spans[-1][0], at)
                continue
            # Where the turn has the ellipsis too, that is the place.
            both = _DOTS.join(pieces[number : number + 2])
            start = self._find(both, at)
            start = self._find(piece, at) if start is None else start
            if start is None or len(spans) == _MOST_PIECES:
                return None
            at = start + len(piece)
            spans.append((start, at))
        content = self.turn.content
        places = [(self._origin[start][0], self._origin[end - 1][1]) for start, end in spans]
        shown = places[:1]
        for place in places[1:]:
            if _negates(content[shown[-1][1] : place[0]]):
                shown[-1] = (shown[-1][0], place[1])
            else:
                shown.append(place)
        return Evidence(
            self.turn.sequence_number,
            places[0][0],
            places[-1][1],
            " \u2026 ".join(content[start:end] for start, end in shown),
            max(words_in(content[start:end]) for start, end in places),
            is_restored=len(shown) < len(places),
        )

    def _goes_on(self, piece: str, at: int) -> bool:
        """Whether an ellipsis and the piece stand at this place."""
        return self._characters.startswith(_DOTS + piece, at) and self._ends(at + len(_DOTS) + len(piece))

    def _find(self, piece: str, at: int) -> int | None:
        """Where whole words read so: "no" does not stand in "know"."""
        text = self._characters
        start = text.find(piece, at)
        while start >= 0:
            begins = self._begins[bisect_left(self._begins, start)] if start <= self._begins[-1] else len(text)
            if begins == start and self._ends(start + len(piece)):
                return start
            start = text.find(piece, max(begins, start + 1))
        return None

    def _ends(self, at: int) -> bool:
        """Whether a word ends before this place. "Can" does not end in "can't"; in "d'une", "une" begins."""
        if self._characters[at : at + 1] == _APOSTROPHE:
            return False
        return at == len(self._characters) or not _together(*self._characters[at - 1 : at + 1])


def _quotations(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where something stands in quotation marks: start and end of the opening mark and of the closing one.

    A mark may open where no word ends before it, and close where no word begins after it; so an apostrophe does neither
    or has nothing to close. One closes the nearest open one of its family. What is left over closes any, and at last
    the text's end does.
    """
    pairs: list[tuple[tuple[int, int], tuple[int, int]]] = []
    opened: list[tuple[int, int]] = []
    unopened: list[tuple[int, int]] = []
    for found in _A_MARK.finditer(text):
        mark, place = found[0], found.span()
        before, after = text[max(0, place[0] - 1) : place[0]], text[place[1] : place[1] + 1]
        family = _is_double(mark)
        may_open, may_close = not _joins(before), not _joins(after)
        if not may_open and not may_close:  # within a word
            may_open = may_close = not _HEBREW.match(after) and (family or _HANGUL.match(after) is not None)
        may_open, may_close = may_open and mark not in _ALWAYS_CLOSE, may_close and mark not in _ALWAYS_OPEN
        partner = next((one for one in reversed(opened) if _is_double(text[slice(*one)]) == family), None)
        if may_close and partner is not None:
            del opened[opened.index(partner) :]
            pairs.append((partner, place))
        elif may_open:
            opened = [*opened[1 - _DEEPEST_QUOTATION :], place]
        elif may_close:
            unopened.append(place)
    for closing in unopened:
        partner = next((one for one in reversed(opened) if one < closing), None)
        if partner is not None:
            opened.remove(partner)
            pairs.append((partner, closing))
    return pairs + [(one, (len(text), len(text))) for one in opened if _is_double(text[slice(*one)])]


def _is_double(mark: str) -> bool:
    return len(mark) > 1 or mark in _DOUBLE_MARKS


def _bare(text: str) -> str:
    """The text, normalised, without what may stand around a quote."""
    characters = [character for _, _, character in _normalised(text)]
    start, end = 0, len(characters)
    while start < end and _stands_around(characters[start]):
        start += 1
    while start < end and _stands_around(characters[end - 1]):
        end -= 1
    return "".join(characters[start:end])


def _negates(left_out: str) -> bool:
    """Whether what stood between two pieces has a negation, in the sentence of either of them."""
    sentences = _END_OF_SENTENCE.split(left_out)
    return has_negation(sentences[0]) or has_negation(sentences[-1])


def _unescaped(found: re.Match[str]) -> str:
    return str(json.loads(f'"{found[0]}"'))


def _stands_around(character: str) -> bool:
    return character == " " or (_is_punctuation(character) and character not in _WORDS_OF_PUNCTUATION)


def _normalised(text: str) -> Iterator[tuple[int, int, str]]:
    """Each normalised character with start and end of the characters that it comes from.

    No white space stands at the ends and none beside punctuation, dashes and scripts that have no spaces: people type
    one there or do not. Of dashes in a row one counts, of dots three.
    """
    waiting: tuple[int, int] | None = None
    before = ""  # the last three characters
    emphasis = _emphasis(text)
    for start, end in _clusters(text):
        cluster = text[start:end]
        if start in emphasis:
            continue
        if cluster.isspace():
            waiting = (start, end) if waiting is None else (waiting[0], end)
            continue
        if all(map(_is_invisible, cluster)):
            continue
        if cluster in _QUOTATION_MARKS:
            if not (_joins(text[start - 1 : start]) and _joins(text[end : end + 1])):
                continue  # models leave out what stands around a word, such as backticks; "don't" keeps its own
            folded = '"' if cluster in _DOUBLE_MARKS else _APOSTROPHE
        else:
            folded = _folded(cluster)
        for part in folded:
            if waiting is not None and before and not (_needs_no_space(before[-1]) or _needs_no_space(part)):
                yield *waiting, " "
                before += " "
            waiting = None
            if before[-1:] == part == "-" or (part == "." and before[-3:] == _DOTS):
                continue
            before = before[-2:] + part
            yield start, end, part


def _emphasis(text: str) -> frozenset[int]:
    """Where Markdown's marks stand at a word's edge, as in **led**: not in snake_case, and not alone."""
    marks: set[int] = set()
    for found in _EMPHASIS.finditer(text):
        start, end = found.span()
        before, after = text[max(0, start - 1) : start], text[end : end + 1]
        if not (_joins(before) and _joins(after)) and (before + after).strip():
            marks.update(range(start, end))
    return frozenset(marks)


@lru_cache(1_024)
def _folded(cluster: str) -> str:
    """A character, with what stands on it, as it is compared: one width, one case, one order of its marks."""
    one_case = unicodedata.normalize("NFKC", cluster).translate(_ONE_SPELLING).casefold()
    parts = unicodedata.normalize("NFKD", one_case).replace("i\u0307", "i")
    return "".join("-" if _is_dash(part) else str(unicodedata.decimal(part, part)) for part in parts)


def _is_dash(character: str) -> bool:
    """Models set other dashes than people type."""
    return character == "\u2212" or unicodedata.category(character) == "Pd"


@lru_cache(1_024)
def _is_invisible(character: str) -> bool:
    """A soft hyphen, a mark of direction, or which picture a sign is shown by."""
    return (
        unicodedata.category(character) == "Cf"
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0100" <= character <= "\U000e01ef"
    )


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character).startswith("P")


@lru_cache(1_024)
def _needs_no_space(character: str) -> bool:
    return _is_punctuation(character) or is_unspaced(character)


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
    return (character.isalnum() and not is_unspaced(character)) or is_mark(character)


def _together(before: str, after: str) -> bool:
    """Whether no word ends between two characters."""
    if is_mark(after) and (before.isalnum() or is_mark(before)):
        return True
    return _joins(before) and _joins(after)


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)

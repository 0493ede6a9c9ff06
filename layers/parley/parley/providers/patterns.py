"""Whether a text has a match of a caller's pattern, in a time that has a bound.

`re` goes back and tries again, which takes hours for `(a|a)*$` or `.*.*.*x`, and cannot be interrupted. Here all places
of the pattern where a match may stand are followed at once, as in Thompson's construction (Communications of the ACM
11, 1968, 419-422; https://swtch.com/~rsc/regexp/regexp1.html). `re` parses, and what it parsed means what it means in
ECMA-262, as JSON Schema has it (2020-12, 6.4): `\\d` and `\\w` are of ASCII, `$` is the very end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any
from unicodedata import category

_parser: Any = import_module("re._parser")
# A repetition is written out, with places of its own for each time.
_MOST_PLACES = 5_000
# Places looked at for one answer, in all: two or three seconds. Few patterns need more than five for a character.
_MOST_STEPS = 2_000_000
_CLASSES: dict[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": lambda character: character in "0123456789",
    "CATEGORY_NOT_DIGIT": lambda character: character not in "0123456789",
    "CATEGORY_SPACE": lambda character: _is_space(character),
    "CATEGORY_NOT_SPACE": lambda character: not _is_space(character),
    "CATEGORY_WORD": lambda character: _is_word(character),
    "CATEGORY_NOT_WORD": lambda character: not _is_word(character),
}
_END = 0
_Place = tuple[Callable[[str], bool] | str | None, tuple[int, ...]]


class UnsupportedPattern(ValueError):
    """No regular expression, too long a one, or one with flags, names, assertions or references back."""


class _Places:
    """The places of a pattern: each a character's test, an edge's name or None, and the places that follow it."""

    def __init__(self) -> None:
        self.places: list[_Place] = [(None, ())]  # _END

    def add(self, test: Callable[[str], bool] | str | None, *following: int) -> int:
        if len(self.places) > _MOST_PLACES:
            raise UnsupportedPattern("too long")
        self.places.append((test, following))
        return len(self.places) - 1

    def sequence(self, items: Iterable[tuple[Any, Any]], following: int) -> int:
        """The first place of what `items` say, before `following`."""
        for kind, value in reversed(list(items)):
            following = self._item(str(kind), value, following)
        return following

    def _item(self, kind: str, value: Any, following: int) -> int:
        match kind:
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
                return self.add(_test(kind, value), following)
            case "AT":
                return self.add(str(value), following)
            case "BRANCH":
                return self.add(None, *(self.sequence(items, following) for items in value[1]))
            case "SUBPATTERN" if not value[1] and not value[2]:
                return self.sequence(value[3], following)
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, items = value
                if most is _parser.MAXREPEAT:
                    again = self.add(None)
                    self.places[again] = (None, (self.sequence(items, again), following))
                    following = again
                else:
                    end = following
                    for _ in range(most - least):
                        following = self.add(None, self.sequence(items, following), end)
                for _ in range(least):
                    following = self.sequence(items, following)
                return following
        raise UnsupportedPattern(kind)


@lru_cache(maxsize=16)
def places_of(pattern: str) -> tuple[Sequence[_Place], int]:
    """The places of a pattern and the first of them. Raises UnsupportedPattern."""
    try:
        parsed = _parser.parse(pattern)
        if parsed.state.flags & ~re.UNICODE or parsed.state.groupdict:
            raise UnsupportedPattern("flags or names")
        places = _Places()
        first = places.sequence(parsed, _END)
    except (re.error, RecursionError, OverflowError) as error:
        raise UnsupportedPattern(str(error)) from None
    return places.places, first


class PatternReader:
    """Looks for the patterns of one schema in the texts of one answer."""

    def __init__(self) -> None:
        self._steps_left = _MOST_STEPS

    def has_match(self, pattern: str, text: str) -> bool:
        """Whether the pattern matches somewhere in the text; false where that takes too many steps. Raises
        UnsupportedPattern.
        """
        places, first = places_of(pattern)
        reached: set[int] = set()
        for position in range(len(text) + 1):
            # A match may begin anywhere. Edges, and places without a test, lead on at once.
            waiting, seen, following_reached = [first, *reached], set[int](), set[int]()
            while waiting:
                place = waiting.pop()
                if place == _END:
                    return True
                if place in seen:
                    continue
                seen.add(place)
                test, following = places[place]
                if test is None or (isinstance(test, str) and _is_at(test, text, position)):
                    waiting += following
                elif not isinstance(test, str) and position < len(text) and test(text[position]):
                    following_reached.update(following)
            self._steps_left -= len(seen)
            if self._steps_left < 0:
                return False
            reached = following_reached
        return False


def _test(kind: str, value: Any) -> Callable[[str], bool]:
    """What a character has to be."""
    match kind:
        case "LITERAL":
            return chr(value).__eq__
        case "NOT_LITERAL":
            return chr(value).__ne__
        case "ANY":
            return lambda character: character not in "\n\r\u2028\u2029"
        case "RANGE":
            return lambda character: value[0] <= ord(character) <= value[1]
        case "CATEGORY":
            return _CLASSES[str(value)]
    negated = str(value[0][0]) == "NEGATE"
    tests = [_test(str(name), one) for name, one in value[negated:]]
    return lambda character: any(test(character) for test in tests) is not negated


def _is_at(edge: str, text: str, position: int) -> bool:
    match edge:
        case "AT_BEGINNING" | "AT_BEGINNING_STRING":
            return position == 0
        case "AT_END" | "AT_END_STRING":
            return position == len(text)
    before = position > 0 and _is_word(text[position - 1])
    after = position < len(text) and _is_word(text[position])
    return (before is not after) is (edge == "AT_BOUNDARY")


def _is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


def _is_space(character: str) -> bool:
    """What ECMA-262 calls white space or the end of a line (12.2, 12.3)."""
    return character in "\t\n\v\f\r\ufeff\u2028\u2029" or category(character) == "Zs"

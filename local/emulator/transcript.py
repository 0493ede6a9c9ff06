"""What a prompt tells of a conversation: the turns that a model is to judge, and what can be quoted of them."""

from __future__ import annotations

import json
import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

_PEOPLE: Final = frozenset(("candidate", "applicant", "interviewee", "user"))
_SPEAKER, _TEXT, _NUMBER = ("speaker", "role"), ("text", "content", "message"), ("turn", "sequence_number", "index")
_LINE: Final = re.compile(r"^\s*(candidate|applicant|interviewee|user)\s*:\s*(\S.*)$", re.IGNORECASE | re.MULTILINE)
_OPENING: Final = re.compile(r"[{\[]")
# Words a turn from which a judge thinks better of it.
_STEPS: Final = (8, 20, 45, 90)
_LONGEST_QUOTE: Final = 12


@dataclass(frozen=True, slots=True)
class Said:
    """A turn of the person who is judged; `number` is 0 where the prompt gives none."""

    number: int
    text: str


def said(texts: Sequence[str]) -> list[Said]:
    """The turns of the person who is judged: of JSON lists with a speaker and a text in each item, or of lines that
    begin with who speaks.
    """
    found = [turn for text in texts for value in _json_in(text) for turn in _turns(value)]
    return found or [Said(0, line[2].strip()) for text in texts for line in _LINE.finditer(text)]


def quote(turns: Sequence[Said], number: int) -> Said:
    """A quote, with the turn's number: some words in a row, chosen by `number`."""
    turn = turns[number % len(turns)]
    words = turn.text.split()
    start = number // 3 % max(1, len(words) - _LONGEST_QUOTE + 1)
    return Said(turn.number, " ".join(words[start : start + _LONGEST_QUOTE]))


def rating(choices: Sequence[str], turns: Sequence[Said], number: int) -> str | None:
    """The grade of a judge who goes by how much is said, a little moved by `number`; None where these are no grades."""
    grades = [choice for choice in choices if choice.isdigit()]
    if len(grades) < 3:
        return None
    words = [len(turn.text.split()) for turn in turns]
    if not words:
        return next((choice for choice in choices if choice not in grades), grades[0])
    step = bisect(_STEPS, sum(words) / len(words)) * (len(grades) - 1) // len(_STEPS)
    return grades[max(0, min(len(grades) - 1, step + number % 3 - 1))]


def _json_in(text: str) -> Iterator[Any]:
    """The JSON objects and lists in a text."""
    decode, at = json.JSONDecoder(strict=False).raw_decode, 0
    while opening := _OPENING.search(text, at):
        try:
            value, at = decode(text, opening.start())
        except (ValueError, RecursionError):
            at = opening.end()
        else:
            yield value


def _turns(value: Any) -> Iterator[Said]:
    if isinstance(value, list):
        for item in value:
            yield from _turns(item)
    elif isinstance(value, dict):
        speaker, text = _first(value, _SPEAKER), _first(value, _TEXT)
        if isinstance(speaker, str) and isinstance(text, str):
            number = _first(value, _NUMBER)
            if speaker.lower() in _PEOPLE and text.strip():
                yield Said(number if isinstance(number, int) else 0, text)
        else:
            for item in value.values():
                yield from _turns(item)


def _first(value: dict[str, Any], names: Sequence[str]) -> Any:
    return next((value[name] for name in names if name in value), None)

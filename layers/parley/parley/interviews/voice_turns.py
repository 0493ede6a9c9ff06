"""The turns of a voice call as a transcript: one a speaker at a time, each placed at the question it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, Final, Literal, NamedTuple

from parley.interviews.voice_reading import CallReport, Spoken, as_time
from parley.interviews.wording import parts
from parley.interviews.words import is_unspaced, words_in

# How surely a turn asks a question: in a turn that is clear, the question stands in one piece. Voices rephrase, so that
# most of its words are enough for the question that comes next.
_CLEAR, _LIKELY = 0.8, 0.6
# Fewer words stand in many sentences by chance. A question that has fewer is asked as it is, in a sentence of its own.
_LEAST_WORDS = 3
_VERBATIM = 0.99
_LONGER = 4  # characters: words that tell one question from another
_LAST_WORDS = 60  # a turn ends with what it asks
Likeness = Literal["clear", "likely"]
# A question that is left out is rarer than one that is like a later one.
_WEIGHTS: Final[Mapping[Likeness, float]] = {"clear": 1.0, "likely": 0.6}
_LEFT_OUT = 0.3
_SENTENCE = re.compile(r"[^.!?\u2026\u061f\u0964\u3002\uff01\uff1f]+[.!?\u2026\u061f\u0964\u3002\uff01\uff1f]*")
_QUESTION_MARK = re.compile("[?\u061f\uff1f]")


def turns_of(report: CallReport, questions: Sequence[str]) -> list[dict[str, Any]]:
    """The turns as `app.apply_call_report` takes them: role, content, question_index, timestamp, confidence, analysis.

    What one speaker said in several messages without a word of the other is one turn.
    """
    turns = [list(group) for _, group in groupby(report.spoken, key=lambda spoken: spoken.role)]
    placed = _placed(turns, questions)
    found, moment = [], report.started
    for turn, index in zip(turns, placed, strict=True):
        # One without a time of its own stays where it stands.
        moment = moment if turn[0].start is None else turn[0].start
        found.append(_turn(turn, index, moment))
    return found


def turn_of(said: Spoken) -> dict[str, Any]:
    """A turn that was heard live."""
    return _turn([said], None, said.start)


def _turn(messages: Sequence[Spoken], question_index: int | None, moment: float | None) -> dict[str, Any]:
    heard = [word.confidence for message in messages for word in message.words if word.confidence is not None]
    return {
        "role": messages[0].role,
        "content": _text(messages),
        "question_index": question_index,
        "timestamp": as_time(moment),
        "confidence": round(sum(heard) / len(heard), 4) if heard else None,
    }


def _text(messages: Sequence[Spoken]) -> str:
    return " ".join(message.content for message in messages)


def _placed(turns: Sequence[Sequence[Spoken]], questions: Sequence[str]) -> Iterator[int | None]:
    """The question that each turn is about: the one that the interviewer asked last, never one before it."""
    answered = [
        number
        for number, (asked, answer) in enumerate(pairwise(turns))
        if asked[0].role == "assistant" and words_in(_text(answer))
    ]
    asking = [number for number in answered if _QUESTION_MARK.search(_text(turns[number]))]
    asking = asking if len(asking) > 1 else answered  # not every recogniser sets marks
    asked_at = _asked_in_words(turns, questions)
    if asked_at:
        end = len(turns), len(questions)
        asked_at |= _asked_between(asked_at, asking, end) or _asked_between(asked_at, answered, end)
    else:
        # Every question was put in other words: the first turn is about the first one, and so on.
        asked_at = dict(zip(asking, range(len(questions)), strict=False))
    current: int | None = None
    for number in range(len(turns)):
        current = asked_at.get(number, current)
        yield current


class _Path(NamedTuple):
    """Which turns ask which questions, so far: the last one, and those before it.

    Attributes:
        weight: how much speaks for it.
        before: None at the beginning.
    """

    weight: float
    turn: int = -1
    question: int = -1
    before: _Path | None = None


def _asked_in_words(turns: Sequence[Sequence[Spoken]], questions: Sequence[str]) -> dict[int, int]:
    """Which turns ask which questions, as their words say: of all ways, in their order, the one most speaks for.

    So a question that a greeting touches on is asked where it is asked, after those before it.
    """
    wanted = [_Wanted.of(question) for question in questions]
    # By the question that was asked last; the first one is for none.
    paths: list[_Path | None] = [_Path(0.0), *([None] * len(questions))]
    for number, turn in enumerate(turns):
        if turn[0].role != "assistant":
            continue
        text = _text(turn)
        following = list(paths)
        farthest: _Path | None = None  # the best that leaves a question out
        for question, likeness in enumerate(_likenesses(wanted, text)):
            ways = [paths[question + 1]]  # it was asked already
            if likeness is not None and (before := paths[question]) is not None:
                ways.append(_Path(before.weight + _WEIGHTS[likeness], number, question, before))
            if likeness == "clear" and farthest is not None:
                ways.append(_Path(farthest.weight + _WEIGHTS[likeness] - _LEFT_OUT, number, question, farthest))
            following[question + 1] = _best(ways)
            farthest = _best([farthest, paths[question]])
        paths = following
    best = _best(paths)
    asked_at = {}
    while best is not None and best.before is not None:
        asked_at[best.turn] = best.question
        best = best.before
    return asked_at


def _best(paths: Sequence[_Path | None]) -> _Path | None:
    """The one that most speaks for; of two the first, which asks earlier."""
    return max((path for path in paths if path is not None), key=lambda path: path.weight, default=None)


def _asked_between(asked_at: Mapping[int, int], asking: Sequence[int], end: tuple[int, int]) -> dict[int, int]:
    """Questions before, between and after those that were found, where as many of the interviewer's turns ask there.

    After the last one that takes two: a single turn more is a follow-up as often as a question.

    Args:
        end: how many turns there are, and how many questions.
    """
    found: dict[int, int] = {}
    for (from_turn, from_question), (to_turn, to_question) in pairwise([(-1, -1), *sorted(asked_at.items()), end]):
        between = [number for number in asking if from_turn < number < to_turn]
        missing = range(from_question + 1, to_question)
        if len(between) == len(missing) and ((to_turn, to_question) != end or len(missing) > 1):
            found |= dict(zip(between, missing, strict=True))
    return found


class _Wanted(NamedTuple):
    """A question by its words.

    Attributes:
        longer: those that tell it from another.
        sentences: how many it has.
    """

    words: frozenset[str]
    longer: frozenset[str]
    sentences: int

    @classmethod
    def of(cls, question: str) -> _Wanted:
        words = frozenset(parts(question))
        longer = frozenset(word for word in words if len(word) >= _LONGER or is_unspaced(word[0])) or words
        return cls(words, longer, max(1, len(_SENTENCE.findall(question))))


def _likenesses(wanted: Sequence[_Wanted], text: str) -> list[Likeness | None]:
    """How surely a turn asks each question. What it says before its last question may be about any other."""
    said = parts(text)[-_LAST_WORDS:]
    found: list[tuple[float, bool]] = []
    for one in wanted:
        common = len(one.words.intersection(said))
        if 2 * common < len(one.words) or not common:
            found.append((0.0, False))
            continue
        last = parts(_last_question(text, one.sentences))[-_LAST_WORDS:]
        closeness = _closeness(one.words, last)
        if len(one.words) < _LEAST_WORDS:
            is_all = closeness >= _VERBATIM and len(last) <= 2 * len(one.words) + 1
            found.append((closeness if is_all else 0.0, False))
            continue
        share = len(one.longer.intersection(last)) / len(one.longer)
        is_likely = max(closeness, share) >= _LIKELY or _closeness(one.words, said) >= _CLEAR
        found.append((closeness, is_likely and common >= _LEAST_WORDS))
    # Questions can be like each other: a turn asks the one that it is closest to.
    closest = max((closeness for closeness, _ in found), default=0.0)
    return [
        "clear" if closeness == closest >= _CLEAR else "likely" if is_likely else None for closeness, is_likely in found
    ]


def _last_question(text: str, sentences: int) -> str:
    """The last sentences of a turn, as many as the question has, up to the last one with a question mark."""
    found = _SENTENCE.findall(text) or [text]
    asking = [number for number, sentence in enumerate(found) if _QUESTION_MARK.search(sentence)]
    end = asking[-1] + 1 if asking else len(found)
    return "".join(found[max(0, end - sentences) : end])


def _closeness(wanted: frozenset[str], said: Sequence[str]) -> float:
    """How far some words beside each other are those wanted: the Dice coefficient, 1 where they are the same."""
    closest = 0.0
    for start, word in enumerate(said):
        if word not in wanted:
            continue
        met: set[str] = set()
        for length, other in enumerate(said[start : start + 2 * len(wanted)], 1):
            if other in wanted:
                met.add(other)
                closest = max(closest, 2 * len(met) / (len(wanted) + length))
    return closest

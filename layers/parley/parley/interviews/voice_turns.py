"""The turns of a voice call as a transcript: one a speaker at a time, each placed at the question it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from parley.interviews.record import is_unspaced
from parley.interviews.voice_reading import CallReport, Spoken, as_time

# An interviewer's turn asks a question where it holds this share of the question's longer words. Voices rephrase.
_SHARE_OF_WORDS = 0.6
_LONGER = 4  # characters
_WORD = re.compile(r"\w+")


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
        "content": " ".join(message.content for message in messages),
        "question_index": question_index,
        "timestamp": as_time(moment),
        "confidence": round(sum(heard) / len(heard), 4) if heard else None,
    }


def _placed(turns: Sequence[Sequence[Spoken]], questions: Sequence[str]) -> Iterator[int | None]:
    """The question that each turn is about: the one that the interviewer asked last, never one before it."""
    wanted = [_longer_words(question) for question in questions]
    current: int | None = None
    for turn in turns:
        if turn[0].role == "assistant":
            said = _longer_words(" ".join(message.content for message in turn))
            asked = [
                index
                for index, words in enumerate(wanted)
                if index > (-1 if current is None else current)
                and words
                and len(words & said) >= _SHARE_OF_WORDS * len(words)
            ]
            # Of several in one turn, the last one waits for the answer.
            current = asked[-1] if asked else current
        yield current


def _longer_words(text: str) -> frozenset[str]:
    """The words that tell one question from another; of scripts without spaces, the characters."""
    words = set()
    for word in _WORD.findall(text.casefold()):
        unspaced = [character for character in word if is_unspaced(character)]
        words |= set(unspaced) if unspaced else {word}
    return frozenset(word for word in words if len(word) >= _LONGER or is_unspaced(word[0])) or frozenset(words)

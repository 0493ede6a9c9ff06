"""How a candidate spoke, out of a call's times and words: counted by fixed formulas, without a model.

For practice only: nothing of it enters a score or a recommendation, since accents, stutters and first languages would.
Nothing is inferred about feelings from anybody's voice (EU AI Act, article 5). What cannot be measured is None.
"""

from __future__ import annotations

import statistics
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, Final, Literal, NamedTuple

from parley.interviews.voice_reading import CallReport, Spoken, Word
from parley.interviews.words import with_plain_apostrophes, words_in, words_of

FORMULA_VERSION: Final = "2026-11-29.3"

FillerDetection = Literal["full", "lexical_only", "unknown"]
Source = Literal["words", "duration", "message_times", "none"]

# Nobody speaks faster or slower than this over a whole call: what says so has another unit. Words a minute.
_SLOWEST, _FASTEST = 30.0, 400.0
# A single message may be a short burst, or have long pauses in it.
_FASTEST_MESSAGE = 1000.0  # words a minute
_LONGEST_MESSAGE = 600.0  # seconds
_PAUSE, _LONG_PAUSE, _LONG_SILENCE, _OVERLAP = 0.25, 2.0, 4.0, 0.2  # seconds
# Between these points the pace counts proportionally (words a minute, points).
_PACE = ((80.0, 0.0), (110.0, 80.0), (120.0, 100.0), (160.0, 100.0), (190.0, 80.0), (220.0, 0.0))
_FEW_FILLERS, _MANY_FILLERS = 5.0, 15.0  # a minute: full marks, and none
_CLARITY = {"fillers": 0.5, "confidence": 0.3, "pauses": 0.2}

# Recognisers that leave such words in, unless they are told not to; the others take them out of what they write.
_KEEPS_HESITATIONS = {"speechmatics": "removeDisfluencies"}
_HESITATIONS: Mapping[str, frozenset[str]] = {
    "en": frozenset(["um", "uh", "erm", "er", "hmm", "mm", "mhm", "ah", "eh", "umm", "uhh"]),
    "de": frozenset(["äh", "ähm", "öh", "hm", "hmm", "ähh"]),
    "sv": frozenset(["öh", "eh", "hm", "hmm", "öhm"]),
    "es": frozenset(["eh", "em", "mmm", "este"]),
    "fr": frozenset(["euh", "hum", "ben"]),
}
_DISCOURSE: Mapping[str, tuple[str, ...]] = {
    "en": (
        "you know", "i mean", "sort of", "kind of", "basically", "actually", "literally", "honestly", "okay so",
    ),
    "de": ("sozusagen", "quasi", "irgendwie"),
    "sv": ("liksom", "typ", "alltså"),
    "es": ("o sea", "digamos"),
    "fr": ("en fait", "du coup", "genre"),
}  # fmt: skip
_BEFORE_LIKE = frozenset(("was", "is", "and", "but", "so", "i'm", "it's"))
_AFTER_LIKE = frozenset(("a", "the", "really", "so"))


class Timed(NamedTuple):
    """A message with its times resolved.

    Attributes:
        start, end: seconds since 1970, None where unknown.
        seconds: how long it was spoken; None where nothing tells.
    """

    spoken: Spoken
    start: float | None
    end: float | None
    seconds: float | None
    source: Source


def analytics(report: CallReport, language: str) -> dict[str, Any] | None:
    """Columns of voice_analytics; None where the candidate said nothing.

    Args:
        language: BCP 47; decides which words are fillers.
    """
    user = _timed([one for one in report.spoken if one.role == "user" and words_in(one.content)])
    if not user:
        return None
    interviewer = _timed([one for one in report.spoken if one.role == "assistant" and words_in(one.content)])
    measured = [one for one in user if one.seconds is not None]
    seconds = sum(one.seconds or 0.0 for one in measured)
    words = sum(words_in(one.spoken.content) for one in measured)
    minutes = seconds / 60
    pace = words / minutes if minutes > 0 else None

    detection = _filler_detection(report.transcriber)
    fillers = _fillers(user, language)
    counted = Counter[str]()
    for counts in fillers.values():
        counted.update(counts)
    weights = _weights(language)
    measured_fillers = sum(weights(word) * count for one in measured for word, count in _found(one, language).items())
    per_minute = measured_fillers / minutes if minutes > 0 and _has_fillers(language) else None

    confidences = [word.confidence for one in user for word in one.spoken.words if word.confidence is not None]
    confidence = statistics.fmean(confidences) if confidences else None
    pauses = _pauses(user)
    # Pauses between words are known of those messages alone whose single words are told.
    heard = minutes if pauses is None else sum(one.seconds or 0.0 for one in user if one.source == "words") / 60
    pause_count = None if pauses is None else sum(gap >= _PAUSE for gap in pauses)
    latencies = _latencies(user, interviewer)
    if pauses is not None:
        long_pauses, pause_source = sum(gap >= _LONG_PAUSE for gap in pauses), "words"
    elif latencies:
        long_pauses, pause_source = sum(gap >= _LONG_SILENCE for gap in latencies), "turns"
    else:
        long_pauses, pause_source = None, "none"
    parts = {
        "fillers": _filler_points(per_minute) if per_minute is not None and detection != "unknown" else None,
        "confidence": None if confidence is None else confidence * 100,
        "pauses": max(0.0, 100 - 10 * long_pauses / heard) if long_pauses is not None and heard > 0 else None,
    }
    spoken_by_interviewer = [one.seconds for one in interviewer if one.seconds is not None]
    talk = seconds + sum(spoken_by_interviewer)
    complete = len(measured) == len(user) and len(spoken_by_interviewer) == len(interviewer)
    return {
        "words_per_minute": _rounded(pace, 2),
        "pace_score": None if pace is None else _rounded(between(_PACE, pace), 2),
        "speaking_seconds": _rounded(seconds, 3) if measured else None,
        "filler_words_count": sum(counted.values()) if _has_fillers(language) else None,
        "fillers_per_minute": _rounded(per_minute, 2),
        "filler_detection": detection,
        "pause_frequency": _rounded(pause_count / heard, 3) if pause_count is not None and heard > 0 else None,
        "clarity_score": _rounded(_weighted(parts), 2),
        "articulation_score": None if confidence is None else _rounded(confidence * 100, 2),
        "analysis": {
            "formula_version": FORMULA_VERSION,
            "timing": {
                "quality": _quality(user),
                "sources": dict(sorted(Counter(one.source for one in user).items())),
                "messages": len(user),
            },
            "words": words,
            "fillers": {word: counted[word] for word in sorted(counted)},
            "pauses": {
                "source": pause_source,
                "count": pause_count,
                "long": long_pauses,
            },
            "response_latency_seconds": {
                "median": _rounded(statistics.median(latencies), 3) if latencies else None,
                "p90": _rounded(_percentile(latencies, 0.9), 3) if latencies else None,
                "count": len(latencies),
            },
            "talk_ratio": _rounded(seconds / talk, 3) if complete and talk > 0 else None,
            "interruptions": _interruptions(report, user, interviewer),
            "clarity_parts": {name: _rounded(part, 2) for name, part in parts.items()},
        },
    }


def _timed(messages: Sequence[Spoken]) -> list[Timed]:
    """The messages with their times: of each the first source that tells something, in the unit that makes sense."""
    by_words = _scale(messages, _span_of_words)
    by_duration = _scale(messages, lambda one: one.duration)
    by_times = _scale(messages, _between_times)
    found = []
    for one in messages:
        span, duration, apart = _span_of_words(one), one.duration, _between_times(one)
        shortest = words_in(one.content) / _FASTEST_MESSAGE * 60
        sources: Sequence[tuple[Source, float | None]] = (
            ("words", None if span is None or by_words is None else span * by_words),
            ("duration", None if duration is None or by_duration is None else duration * by_duration),
            # Their unit is known. Where nobody could have spoken like that, they are not the times of what was said.
            ("message_times", apart if by_times == 1.0 else None),
        )
        source: Source = "none"
        seconds: float | None = None
        for name, value in sources:
            if value is not None and 0 < value < _LONGEST_MESSAGE and value >= shortest:
                source, seconds = name, value
                break
        end = one.start + seconds if one.start is not None and seconds is not None else one.end
        found.append(Timed(one, one.start, end, seconds, source))
    return found


def _span_of_words(one: Spoken) -> float | None:
    return max(word.end for word in one.words) - min(word.start for word in one.words) if len(one.words) > 1 else None


def _between_times(one: Spoken) -> float | None:
    apart = one.end - one.start if one.start is not None and one.end is not None else 0.0
    return apart if 0 < apart < _LONGEST_MESSAGE else None


def _scale(messages: Sequence[Spoken], told: Callable[[Spoken], float | None]) -> float | None:
    """What makes seconds of what is told: milliseconds or seconds, whichever is a pace that people speak at."""
    both = [(value, words_in(one.content)) for one in messages if (value := told(one)) is not None and value > 0]
    total, words = sum(value for value, _ in both), sum(count for _, count in both)
    told_minutes = total / 60
    # Multiplied, because a vendor's number may be so small that it divides like zero.
    fitting = [
        scale for scale in (0.001, 1.0)
        if both and _SLOWEST * told_minutes * scale <= words <= _FASTEST * told_minutes * scale
    ]  # fmt: skip
    return fitting[0] if fitting else None


def _turns(user: Sequence[Timed], interviewer: Sequence[Timed]) -> Iterator[list[Timed]]:
    everybody = [*user, *interviewer]
    if any(one.start is None for one in everybody):
        return
    everybody.sort(key=lambda one: one.start or 0.0)
    for _, turn in groupby(everybody, key=lambda one: one.spoken.role):
        yield list(turn)


def _latencies(user: Sequence[Timed], interviewer: Sequence[Timed]) -> list[float]:
    """Seconds from the end of each of the interviewer's turns to the candidate's answer."""
    found = []
    for before, after in pairwise(_turns(user, interviewer)):
        end, start = before[-1].end, after[0].start
        if after[0].spoken.role == "user" and end is not None and start is not None and start >= end:
            found.append(start - end)
    return found


def _interruptions(report: CallReport, user: Sequence[Timed], interviewer: Sequence[Timed]) -> int | None:
    """How often the candidate spoke into the interviewer's turn: as the vendor counts, else by overlaps."""
    if report.interruptions is not None:
        return report.interruptions
    turns = list(_turns(user, interviewer))
    if not turns or any(one.end is None for one in interviewer):
        return None
    return sum(
        after[0].spoken.role == "user" and (after[0].start or 0.0) < (before[-1].end or 0.0) - _OVERLAP
        for before, after in pairwise(turns)
    )


def _pauses(user: Sequence[Timed]) -> list[float] | None:
    """The gaps between words of one message, in seconds; None where single words are not told."""
    told = [one for one in user if one.source == "words"]
    scale = _scale([one.spoken for one in user], _span_of_words)
    if scale is None or not told:
        return None
    gaps = []
    for one in told:
        words: Sequence[Word] = sorted(one.spoken.words, key=lambda word: word.start)
        gaps += [(after.start - before.end) * scale for before, after in pairwise(words)]
    return [gap for gap in gaps if gap > 0]


def _filler_detection(transcriber: Mapping[str, Any]) -> FillerDetection:
    provider = transcriber.get("provider")
    if not isinstance(provider, str):
        return "unknown"
    option = _KEEPS_HESITATIONS.get(provider)
    return "full" if option is not None and transcriber.get(option) is not True else "lexical_only"


def _has_fillers(language: str) -> bool:
    return _primary(language) in _HESITATIONS


def _primary(language: str) -> str:
    return language.partition("-")[0].lower()


def _weights(language: str) -> Callable[[str], float]:
    hesitations = _HESITATIONS.get(_primary(language), frozenset())
    return lambda word: 1.0 if word in hesitations else 0.5


def _fillers(user: Sequence[Timed], language: str) -> dict[int, Counter[str]]:
    return {number: _found(one, language) for number, one in enumerate(user)}


def _found(one: Timed, language: str) -> Counter[str]:
    """The fillers of one message by their words."""
    text = with_plain_apostrophes(unicodedata.normalize("NFC", one.spoken.content.casefold()))
    # A comma is a token of its own.
    tokens = [word for at, part in enumerate(text.split(",")) for word in ([","] if at else []) + words_of(part)]
    words = [word for word in tokens if word != ","]
    primary = _primary(language)
    counts = Counter(word for word in words if word in _HESITATIONS.get(primary, ()))
    text = f" {' '.join(words)} "
    for phrase in _DISCOURSE.get(primary, ()):
        if count := text.count(f" {phrase} "):
            counts[phrase] += count
    if primary == "en":
        counts["like"] += sum(word == "like" and _is_filler_like(tokens, at) for at, word in enumerate(tokens))
    return +counts


def _is_filler_like(tokens: Sequence[str], at: int) -> bool:
    """Whether this "like" is neither verb nor preposition: between commas, or as in "it was like really"."""
    before = tokens[at - 1] if at else ""
    after = tokens[at + 1] if at + 1 < len(tokens) else ""
    return (before == "," and after == ",") or (before in _BEFORE_LIKE and after in _AFTER_LIKE)


def _filler_points(per_minute: float) -> float:
    return between(((_FEW_FILLERS, 100.0), (_MANY_FILLERS, 0.0)), per_minute)


def between(points: Sequence[tuple[float, float]], at: float) -> float:
    """The value at a place of a curve of straight lines; beyond its ends it stays what it is there."""
    if at <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in pairwise(points):
        if at <= right:
            return low + (high - low) * (at - left) / (right - left)
    return points[-1][1]


def _weighted(parts: Mapping[str, float | None]) -> float | None:
    """The mean of the parts that there are, by their weights."""
    known = {name: part for name, part in parts.items() if part is not None}
    weight = sum(_CLARITY[name] for name in known)
    return sum(_CLARITY[name] * part for name, part in known.items()) / weight if known else None


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _quality(user: Sequence[Timed]) -> Literal["measured", "partial", "none"]:
    measured = sum(one.seconds is not None for one in user)
    return "measured" if measured == len(user) else "partial" if measured else "none"


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)

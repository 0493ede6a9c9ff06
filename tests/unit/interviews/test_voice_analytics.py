"""How somebody spoke, against figures counted by hand, in every unit of time that was seen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.interviews.voice_analytics import FORMULA_VERSION, analytics
from parley.interviews.voice_reading import CallReport, read_call, read_event

BEGAN = 1_795_248_912_000  # ms since 1970
# Two answers, word by word: when each begins and ends, in seconds since the call began.
FIRST = [
    "Um",
    "I",
    "moved",
    "the",
    "billing",
    "queue",
    "to",
    "a",
    "smaller",
    "table",
    "and",
    "honestly",
    "the",
    "retries",
    "stopped",
    "like",
    "really",
    "fast",
]
SECOND = [
    "I",
    "measured",
    "the",
    "slow",
    "statements",
    "first",
    "you",
    "know",
    "and",
    "then",
    "I",
    "rewrote",
    "the",
    "two",
    "that",
    "took",
    "most",
    "time",
]


def timed(words: list[str], start: float, pauses: dict[int, float]) -> list[tuple[str, float, float]]:
    """A word every 0.4 s that takes 0.3 s, and longer gaps before some."""
    found, now = [], start
    for number, word in enumerate(words):
        now += pauses.get(number, 0.0)
        found.append((word, round(now, 3), round(now + 0.3, 3)))
        now += 0.4
    return found


# Gaps of 0.1 s are no pauses; 0.6 s and 0.5 s are (0.5 and 0.4 more than usual), 2.3 s is a long one.
ANSWERS = [timed(FIRST, 5.0, {4: 0.5, 9: 2.2}), timed(SECOND, 25.0, {7: 0.4})]
SPANS = [answer[-1][2] - answer[0][1] for answer in ANSWERS]
# By hand: of each 18 words, 17 steps of 0.4 s, the longer gaps, and the last word's 0.3 s.
TRUE_SECONDS = (17 * 0.4 + 2.7 + 0.3) + (17 * 0.4 + 0.4 + 0.3)
TRUE_PACE = 36 / TRUE_SECONDS * 60
ASKED = [(0.5, 4.0), (20.0, 23.5)]


def report(unit: str, **changes: Any) -> dict[str, Any]:
    """The call's report with its times told in one way alone, as the vendor sends it."""
    messages: list[dict[str, Any]] = []
    for (asked_from, asked_to), answer in zip(ASKED, ANSWERS, strict=True):
        for role, text, start, end in (
            ("bot", "Which decision are you proud of?", asked_from, asked_to),
            ("user", " ".join(word for word, _, _ in answer), answer[0][1], answer[-1][2]),
        ):
            message: dict[str, Any] = {"role": role, "message": text, "time": BEGAN + start * 1000}
            spoken = end - start
            if unit == "duration_ms":
                # Real ones have an end that is later than the duration says.
                message |= {"duration": spoken * 1000, "endTime": BEGAN + end * 1000 + 310}
            elif unit == "duration_s":
                message |= {"duration": spoken}
            elif unit == "end_time" or role == "bot":
                message |= {"endTime": BEGAN + end * 1000}
            else:
                message["metadata"] = {"wordLevelConfidence": [
                    {"word": word, "start": told(unit, begins), "end": told(unit, ends), "confidence": 0.9}
                    for word, begins, ends in answer
                ]}  # fmt: skip
            messages.append(message)
    message = {"type": "end-of-call-report", "call": {"id": "c"}, "artifact": {"messages": messages}, **changes}
    return {"message": message}


def told(unit: str, seconds: float) -> float:
    return {"words_s": seconds, "words_ms": seconds * 1000, "words_epoch_ms": BEGAN + seconds * 1000}[unit]


def found(unit: str, language: str = "en", **changes: Any) -> dict[str, Any]:
    read = read_event(report(unit, **changes)).report
    assert read is not None
    result = analytics(read, language)
    assert result is not None
    return result


WORDS = ("words_s", "words_ms", "words_epoch_ms")
UNITS = (*WORDS, "duration_ms", "duration_s", "end_time")


@pytest.mark.parametrize("unit", UNITS)
def test_pace_and_time_are_those_counted_by_hand_in_every_unit(unit: str) -> None:
    one = found(unit)
    assert sum(SPANS) == pytest.approx(TRUE_SECONDS)
    assert one["speaking_seconds"] == pytest.approx(TRUE_SECONDS, rel=0.02)
    assert one["words_per_minute"] == pytest.approx(TRUE_PACE, rel=0.02)
    # 36 words in 17.3 s: about 125 a minute, where the pace has full marks.
    assert one["pace_score"] == 100
    assert one["analysis"]["response_latency_seconds"] == {"median": 1.25, "p90": 1.45, "count": 2}
    assert one["analysis"]["talk_ratio"] == pytest.approx(TRUE_SECONDS / (TRUE_SECONDS + 7.0), rel=0.02)


@pytest.mark.parametrize("unit", WORDS)
def test_pauses_are_counted_between_words(unit: str) -> None:
    one = found(unit)
    assert one["analysis"]["pauses"] == {"source": "words", "count": 3, "long": 1}
    assert one["pause_frequency"] == pytest.approx(3 / (TRUE_SECONDS / 60), rel=0.02)
    assert one["articulation_score"] == 90


@pytest.mark.parametrize("unit", ["duration_ms", "duration_s", "end_time"])
def test_without_single_words_there_are_no_pauses_and_no_articulation(unit: str) -> None:
    one = found(unit)
    assert (one["pause_frequency"], one["articulation_score"]) == (None, None)
    assert one["analysis"]["pauses"] == {"source": "turns", "count": None, "long": 0}


@pytest.mark.parametrize(
    ("transcriber", "detection"),
    [
        ({"provider": "speechmatics"}, "full"),
        ({"provider": "speechmatics", "removeDisfluencies": True}, "lexical_only"),
        ({"provider": "deepgram"}, "lexical_only"), ({}, "unknown"), ("deepgram", "unknown"),
    ],
)  # fmt: skip
def test_fillers_are_counted_and_how_they_could_be_is_said(transcriber: Any, detection: str) -> None:
    one = found("duration_ms", assistant={"transcriber": transcriber})
    assert one["filler_detection"] == detection
    assert one["analysis"]["fillers"] == {"honestly": 1, "um": 1, "you know": 1}
    assert one["filler_words_count"] == 3
    # One that counts whole, two that count half.
    assert one["fillers_per_minute"] == pytest.approx(2 / (TRUE_SECONDS / 60), rel=0.02)
    assert (one["analysis"]["clarity_parts"]["fillers"] is None) == (detection == "unknown")


def test_fillers_of_a_language_that_is_not_known_are_not_counted() -> None:
    one = found("duration_ms", language="ja")
    assert (one["filler_words_count"], one["fillers_per_minute"]) == (None, None)


def test_what_cannot_be_measured_is_null() -> None:
    call = {"messages": [], "transcript": "AI: Which one?\nUser: The second one, because it was cheaper."}
    one = found("end_time", artifact=call)
    assert one["analysis"]["timing"] == {"quality": "none", "sources": {"none": 1}, "messages": 1}
    nulls = ("words_per_minute", "pace_score", "speaking_seconds", "fillers_per_minute", "pause_frequency",
             "clarity_score", "articulation_score")  # fmt: skip
    assert [one[name] for name in nulls] == [None] * len(nulls)
    assert analytics(CallReport([]), "en") is None


def test_the_same_report_gives_the_same_figures_and_says_by_which_formulas() -> None:
    first, again = (json.dumps(found("words_ms"), sort_keys=True) for _ in range(2))
    assert first == again
    assert found("words_ms")["analysis"]["formula_version"] == FORMULA_VERSION


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["user", "bot", "2026-01-01T00:00:00Z", "User: hello there"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["message", "type", "call", "artifact", "messages", "role", "time", "endTime", "duration",
                         "metadata", "wordLevelConfidence", "word", "start", "end", "confidence", "transcript", "id",
                         "startedAt", "endedAt", "cost", "assistant", "transcriber", "performanceMetrics",
                         "numAssistantInterrupted", "status"]), inner, max_size=6),
    max_leaves=30,
)  # fmt: skip


@given(anything)
def test_no_shape_makes_reading_fail(body: Any) -> None:
    for read in (read_event(body), read_call(body)):
        if read.report is not None:
            json.dumps(analytics(read.report, "en"), allow_nan=False)

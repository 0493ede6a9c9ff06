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


def one_message(text: str, **times: Any) -> dict[str, Any]:
    return {"role": "user", "message": text, "time": BEGAN} | times


@pytest.mark.parametrize(
    "times",
    [
        {"endTime": BEGAN + 10}, {"endTime": BEGAN + 240}, {"endTime": BEGAN + 30_000}, {"endTime": BEGAN - 1000},
        {"duration": 10}, {"duration": 0.01}, {"duration": 30_000},
        {"metadata": {"wordLevelConfidence": [
            {"word": "I", "start": 0.0, "end": 0.001}, {"word": "know", "start": 0.002, "end": 0.01},
        ]}},
    ],
)  # fmt: skip
def test_times_in_which_nobody_could_have_said_it_are_none(times: dict[str, Any]) -> None:
    one = found("end_time", artifact={"messages": [one_message("I do not know", **times)]})
    assert (one["words_per_minute"], one["speaking_seconds"]) == (None, None)
    assert one["analysis"]["timing"] == {"quality": "none", "sources": {"none": 1}, "messages": 1}


@pytest.mark.parametrize(("wrong", "measured"), [(10, 1), (700_000, 1), (1600, 2)])
def test_one_message_with_times_that_cannot_be_leaves_the_others_measured(wrong: int, measured: int) -> None:
    first = one_message("one two three four", endTime=BEGAN + 1600)
    second = one_message("five six seven eight", endTime=BEGAN + wrong)
    one = found("end_time", artifact={"messages": [first, second]})
    assert (one["words_per_minute"], one["analysis"]["words"]) == (150, 4 * measured)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don't know, it's a well-known thing", 8),
        ("I don\u2019t, they\u2019d've left", 4),
        ("the testers' 'own' list", 4),
        ("l'homme d'ici", 2),
        ("\u79c1\u306f\u6771\u4eac", 2),
    ],
)
def test_a_contraction_is_the_one_word_that_is_spoken(text: str, words: int) -> None:
    one = found("end_time", artifact={"messages": [one_message(text, endTime=BEGAN + words * 400)]})
    assert (one["analysis"]["words"], one["words_per_minute"]) == (words, 150)


def test_pauses_are_counted_over_the_time_of_which_they_are_known() -> None:
    # 9 words in 6 s with two pauses, one of them long; then 30 s of which no single word is told.
    starts = [0.0, 0.4, 0.8, 1.2, 1.6, 2.5, 2.9, 5.3, 5.7]
    words = [{"word": "word", "start": start, "end": start + 0.3} for start in starts]
    told = one_message("one two three four five six seven eight nine", metadata={"wordLevelConfidence": words})
    untold = one_message(" ".join(["more"] * 75), time=BEGAN + 10_000, duration=30_000)
    one = found("end_time", artifact={"messages": [told, untold]})
    assert one["speaking_seconds"] == 36
    assert one["analysis"]["pauses"] == {"source": "words", "count": 2, "long": 1}
    assert (one["pause_frequency"], one["analysis"]["clarity_parts"]["pauses"]) == (20, 0)


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


moments = st.integers(BEGAN, BEGAN + 1000) | st.integers(BEGAN, BEGAN + 10_000_000)
spans = st.none() | st.floats(0, 1000) | st.floats(0, 1e9)
word_times = st.lists(st.tuples(spans, spans), max_size=4).map(
    lambda times: [{"word": "um", "start": start, "end": end, "confidence": 0.5} for start, end in times]
)
messages = st.lists(
    st.builds(
        lambda role, text, time, end, duration, words: {
            "role": role, "message": text, "time": time, "endTime": end, "duration": duration,
            "metadata": {"wordLevelConfidence": words},
        },
        st.sampled_from(["user", "user", "bot"]), st.sampled_from(["I do not know", "um uh um", "yes", "um " * 500]),
        moments, moments, spans, word_times,
    ), min_size=1, max_size=5,
)  # fmt: skip


@given(messages)
def test_no_times_give_a_figure_that_its_column_cannot_hold(said: list[dict[str, Any]]) -> None:
    read = read_event(report("end_time", artifact={"messages": said})).report
    one = None if read is None else analytics(read, "en")
    if one is not None:
        most = {
            "words_per_minute": 9_999, "fillers_per_minute": 9_999, "pause_frequency": 99_999,
            "speaking_seconds": 9_999_999, "pace_score": 100, "clarity_score": 100, "articulation_score": 100,
        }  # fmt: skip
        assert [name for name, limit in most.items() if not 0 <= (one[name] or 0) <= limit] == []

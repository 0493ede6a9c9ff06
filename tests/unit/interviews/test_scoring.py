"""Scores and recommendations by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.interviews.assessment import Assessment, read
from parley.interviews.record import InterviewRecord
from parley.interviews.rubric import Rubric, rubric_for
from parley.interviews.scoring import Feedback, feedback_from
from testing.interviews import as_json, make_answer, make_record

RUBRIC = rubric_for("mixed")
RECORD = make_record(Random(7), questions=4)


def assessed(
    levels: Sequence[int | None],
    record: InterviewRecord = RECORD,
    rubric: Rubric = RUBRIC,
    *,
    quote: str | None = None,
) -> Assessment:
    answer: dict[str, Any] = make_answer(rubric, record, Random(7))
    for competency, level in zip(answer["competencies"], levels, strict=True):
        competency["level"] = "not_observed" if level is None else str(level)
        if quote is not None:
            competency["evidence"] = [{"turn": 2, "quote": quote}]
    return read(as_json(answer), rubric, record)


def feedback(levels: Sequence[int | None], record: InterviewRecord = RECORD, **members: Any) -> Feedback:
    return feedback_from([assessed(levels, record, **members)], RUBRIC, record)


@pytest.mark.parametrize(
    ("levels", "score", "recommendation"),
    [
        ([5, 5, 5, 5, 5], 100, "strong_hire"),
        ([5, 5, 4, 4, 3], 80, "strong_hire"),
        ([5, 5, 5, 5, 2], 85, "hire"),
        ([4, 4, 3, 3, 3], 60, "hire"),
        ([5, 5, 5, 1, 5], 80, "no_hire"),
        ([3, 3, 3, 2, 2], 40, "no_hire"),
        ([3, 3, 2, 2, 2], 35, "strong_no_hire"),
        ([1, 1, 1, 1, 1], 0, "strong_no_hire"),
        ([4, 4, 4, None, None], 75, "hire"),
        ([5, 5, None, None, None], None, "insufficient_evidence"),
    ],
)
def test_levels_become_a_score_and_a_recommendation(
    levels: Sequence[int | None], score: int | None, recommendation: str
) -> None:
    given_back = feedback(levels)
    assert (given_back.overall_score, given_back.recommendation) == (score, recommendation)


def test_weights_count() -> None:
    criteria = [criterion.model_copy(update={"weight": 1.0 + index}) for index, criterion in enumerate(RUBRIC.criteria)]
    weighted = Rubric("own", criteria)
    given_back = feedback_from([assessed([1, 1, 1, 1, 5], rubric=weighted)], weighted, RECORD)
    assert given_back.overall_score == round(100 * 5 / 15)


def test_a_level_without_evidence_says_so_and_counts_as_three_at_most() -> None:
    given_back = feedback([5, 4, 3, 2, 1], quote="Nobody said this.")
    assert [item.level for item in given_back.competencies] == [5, 4, 3, 2, 1]
    assert [item.score for item in given_back.competencies] == [50, 50, 50, 25, 0]
    assert [item.is_evidenced for item in given_back.competencies] == [False] * 5
    assert given_back.rejected == 5
    assert not given_back.is_fully_evidenced


def test_a_quote_of_a_word_or_two_is_shown_and_supports_nothing() -> None:
    """PrepIQ #63: the answer "fine" was given 7 of 10. A word that everybody says is no evidence of anything."""
    first = RECORD.said[0].content.split()
    for words, score in ((1, 50), (2, 50), (3, 100)):
        given_back = feedback([5] * 5, quote=" ".join(first[:words]))
        assert (given_back.overall_score, given_back.rejected) == (score, 0)
        assert {len(item.evidence) for item in given_back.competencies} == {1}
        assert {item.is_evidenced for item in given_back.competencies} == {words == 3}
        assert given_back.is_fully_evidenced == (words == 3)


@pytest.mark.parametrize("dots", ["...", "\u2026"])
def test_who_halts_is_judged_like_anybody_else(dots: str) -> None:
    """As recognisers write it: every word stands between ellipses."""
    quote = f"I{dots} measured{dots} the latency{dots} before{dots} shipping"
    turns = [
        replace(turn, content=f"I\u2026 measured\u2026 the latency\u2026 before\u2026 shipping. {turn.content}")
        if turn.role == "user"
        else turn
        for turn in RECORD.turns
    ]
    given_back = feedback([5] * 5, replace(RECORD, turns=turns), quote=quote)
    assert (given_back.recommendation, given_back.overall_score, given_back.rejected) == ("strong_hire", 100, 0)


def test_a_question_that_was_left_out_earns_nothing() -> None:
    turns = [turn for turn in RECORD.turns if (turn.question_index, turn.role) != (3, "user")]
    assert feedback([5] * 5, replace(RECORD, turns=turns)).overall_score == 75


def test_a_question_that_was_never_asked_costs_nothing() -> None:
    turns = [turn for turn in RECORD.turns if turn.question_index != 3]
    assert feedback([5] * 5, replace(RECORD, turns=turns)).overall_score == 100


def test_too_few_answers_are_no_verdict() -> None:
    turns = [turn for turn in RECORD.turns if turn.question_index == 0 or turn.role == "assistant"]
    given_back = feedback([5] * 5, replace(RECORD, turns=turns))
    assert (given_back.overall_score, given_back.recommendation) == (None, "insufficient_evidence")


def test_too_few_words_are_no_verdict() -> None:
    turns = [replace(turn, content=" ".join(turn.content.split()[:20])) for turn in RECORD.turns]
    assert feedback([1] * 5, replace(RECORD, turns=turns)).recommendation == "insufficient_evidence"


def test_an_adopted_interview_without_questions_gets_no_verdict() -> None:
    """No answer can be told from any other: that is too little to judge by, and no score of 0."""
    turns = [replace(turn, question_index=None) for turn in RECORD.turns]
    for questions in ([], RECORD.questions):
        given_back = feedback([5] * 5, replace(RECORD, questions=questions, turns=turns))
        assert (given_back.overall_score, given_back.recommendation) == (None, "insufficient_evidence")


def test_an_interview_of_one_question_needs_one_answer() -> None:
    record = replace(RECORD, questions=RECORD.questions[:1], turns=RECORD.turns[:2])
    long = replace(record, turns=[record.turns[0], replace(record.turns[1], content=record.turns[1].content * 10)])
    assert feedback([5] * 5, long).recommendation == "strong_hire"


def test_who_said_nothing_gets_no_score() -> None:
    record = replace(RECORD, turns=[turn for turn in RECORD.turns if turn.role == "assistant"])
    given_back = feedback_from([], RUBRIC, record)
    assert (given_back.overall_score, given_back.recommendation, given_back.coverage) == (
        None,
        "insufficient_evidence",
        0,
    )
    assert {item.status for item in given_back.questions} == {"not_answered"}


def test_samples_give_their_median_and_their_spread() -> None:
    levels: Mapping[int, list[int | None]] = {0: [2, 3, 3, 5, None], 1: [4, 3, 3, 5, None], 2: [3, 3, 4, 5, 2]}
    samples = [assessed(one) for one in levels.values()]
    given_back = feedback_from(samples, RUBRIC, RECORD)
    assert [item.level for item in given_back.competencies] == [3, 3, 3, 5, None]
    assert [item.spread for item in given_back.competencies] == [2, 0, 1, 0, 0]
    assert given_back.samples == 3
    assert given_back.agreement == pytest.approx(1 - 3 / 5 / 4)


def test_one_sample_says_nothing_about_agreement() -> None:
    given_back = feedback([3] * 5)
    assert given_back.agreement is None
    assert {item.spread for item in given_back.competencies} == {None}


@given(st.lists(st.lists(st.none() | st.integers(1, 5), min_size=5, max_size=5), min_size=1, max_size=5))
def test_any_levels_give_a_score_within_its_bounds_and_an_agreement_of_a_share(levels: list[list[int | None]]) -> None:
    given_back = feedback_from([assessed(one) for one in levels], RUBRIC, RECORD)
    assert given_back.overall_score is None or 0 <= given_back.overall_score <= 100
    assert (given_back.overall_score is None) == (given_back.recommendation == "insufficient_evidence")
    assert given_back.agreement is None or 0 <= given_back.agreement <= 1
    assert 0 <= given_back.coverage <= 1

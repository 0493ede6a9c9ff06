"""From a model's levels to a score and a recommendation, by rule: what no model decides.

| Recommendation | When |
| --- | --- |
| insufficient_evidence | too little to judge by, see below |
| strong_hire | a score of 80 or more and no competency below 3 |
| hire | 60 or more and none at 1 |
| no_hire | 40 or more |
| strong_no_hire | less |

Too little is: fewer than two questions answered (one where there are no two), fewer than 100 words said, or fewer than
half of the competencies assessed. A model that fails is not among these: then there is no feedback at all.

A level is worth 0, 25, 50, 75 or 100. The score is their mean by weight, times the share of the asked questions that
were answered: who leaves a question out gets nothing for it. A level without evidence counts as 3 at most, since
praise that nothing supports is what an instruction hidden in an answer would earn. A quote is evidence from three words
in a row: a word or two stand somewhere in every interview, and show nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Final

from parley.interviews.assessment import AssessedQuestion, Assessment, Improvement
from parley.interviews.evidence import Evidence
from parley.interviews.feedback_schemas import Recommendation
from parley.interviews.record import InterviewRecord
from parley.interviews.rubric import LEVELS, Rubric

# Feedback keeps the version it was computed by; whoever changes a rule changes it.
RULE_VERSION: Final = "2026-11-30"

_LEAST_ANSWERS = 2
_LEAST_WORDS = 100
_LEAST_COVERAGE = 0.5
_HIGHEST_WITHOUT_EVIDENCE = 3
_SHORTEST_EVIDENCE = 3  # words in a row


@dataclass(frozen=True, slots=True)
class ScoredCompetency:
    """One competency, over all samples.

    Attributes:
        level: the samples' median (the lower one of two); None where most samples did not observe it.
        counted: the level that counts, which without evidence is 3 at most.
        evidence: the quotes that were found, shorter ones than count too.
        spread: the highest less the lowest level; None for a single sample.
    """

    key: str
    name: str
    level: int | None
    counted: int | None
    evidence: tuple[Evidence, ...]
    reasoning: str
    spread: int | None

    @property
    def is_evidenced(self) -> bool:
        """Whether the candidate's words support it."""
        return _supported(self.evidence)

    @property
    def score(self) -> int | None:
        """0 to 100."""
        return None if self.counted is None else (self.counted - LEVELS[0]) * 25


@dataclass(frozen=True, slots=True)
class Feedback:
    """What an interview is told.

    Attributes:
        overall_score: 0 to 100; None where the evidence is insufficient.
        coverage: assessed competencies of all, 0 to 1.
        samples: how many assessments it rests on.
        agreement: how far they agreed, 0 to 1: 1 less the mean spread over the widest there can be; None for one.
        rejected: how many quotes were dropped.
        summary, strengths, improvements, next_steps, questions: those of the sample nearest to the medians.
    """

    overall_score: int | None
    recommendation: Recommendation
    competencies: tuple[ScoredCompetency, ...]
    questions: tuple[AssessedQuestion, ...]
    strengths: tuple[str, ...]
    improvements: tuple[Improvement, ...]
    next_steps: tuple[str, ...]
    summary: str
    coverage: float
    samples: int
    agreement: float | None
    rejected: int

    @property
    def is_fully_evidenced(self) -> bool:
        """Whether the candidate's words support every competency."""
        return all(competency.is_evidenced for competency in self.competencies)


def feedback_from(
    samples: Sequence[Assessment], rubric: Rubric, record: InterviewRecord, least_words: int = _LEAST_WORDS
) -> Feedback:
    """The feedback that assessments of the same interview give together; none where there was nothing to assess.

    Args:
        least_words: with fewer there is too little to judge by.
    """
    if not samples:
        return _without_words(rubric, record)
    competencies = tuple(_over_all(position, samples, rubric) for position in range(len(rubric.criteria)))
    nearest = min(samples, key=lambda sample: _distance(sample, competencies))
    coverage = sum(competency.level is not None for competency in competencies) / len(competencies)
    score = _overall_score(competencies, rubric, record)
    has_words = record.words >= least_words
    recommendation = _recommendation(score, competencies, coverage, record) if has_words else "insufficient_evidence"
    spreads = [competency.spread for competency in competencies if competency.spread is not None]
    return Feedback(
        overall_score=None if recommendation == "insufficient_evidence" else score,
        recommendation=recommendation,
        competencies=competencies,
        questions=nearest.questions,
        strengths=nearest.strengths,
        improvements=nearest.improvements,
        next_steps=nearest.next_steps,
        summary=nearest.summary,
        coverage=coverage,
        samples=len(samples),
        agreement=1 - sum(spreads) / len(spreads) / (LEVELS[-1] - LEVELS[0]) if spreads else None,
        rejected=sum(sample.rejected for sample in samples),
    )


def _without_words(rubric: Rubric, record: InterviewRecord) -> Feedback:
    """Of an interview in which the candidate said nothing there is nothing to ask a model."""
    return Feedback(
        overall_score=None,
        recommendation="insufficient_evidence",
        competencies=tuple(
            ScoredCompetency(criterion.key, criterion.name, None, None, (), "", None) for criterion in rubric.criteria
        ),
        questions=tuple(
            AssessedQuestion(index, "not_answered" if index in record.asked else "not_asked", "", (), "")
            for index in range(len(record.questions))
        ),
        strengths=(),
        improvements=(),
        next_steps=(),
        summary="",
        coverage=0.0,
        samples=0,
        agreement=None,
        rejected=0,
    )


def _over_all(position: int, samples: Sequence[Assessment], rubric: Rubric) -> ScoredCompetency:
    criterion = rubric.criteria[position]
    each = [sample.competencies[position] for sample in samples]
    levels = [one.level for one in each if one.level is not None]
    level = median_low(levels) if 2 * len(levels) >= len(samples) else None
    evidence = tuple(dict.fromkeys(quote for one in each for quote in one.evidence))
    unsupported = level is not None and level > _HIGHEST_WITHOUT_EVIDENCE and not _supported(evidence)
    spread = max(levels) - min(levels) if len(samples) > 1 and levels else None
    reasoning = next((one.reasoning for one in each if one.level == level), each[0].reasoning)
    counted = _HIGHEST_WITHOUT_EVIDENCE if unsupported else level
    return ScoredCompetency(criterion.key, criterion.name, level, counted, evidence, reasoning, spread)


def _supported(evidence: Sequence[Evidence]) -> bool:
    return any(quote.words_in_a_row >= _SHORTEST_EVIDENCE for quote in evidence)


def _distance(sample: Assessment, competencies: Sequence[ScoredCompetency]) -> int:
    """How far a sample's levels are from the medians; one that only one of the two has counts as two levels."""
    distance = 0
    for one, other in zip(sample.competencies, competencies, strict=True):
        if one.level is not None and other.level is not None:
            distance += abs(one.level - other.level)
        elif one.level != other.level:
            distance += 2
    return distance


def _overall_score(competencies: Sequence[ScoredCompetency], rubric: Rubric, record: InterviewRecord) -> int:
    weighted = [
        (criterion.weight, competency.score)
        for criterion, competency in zip(rubric.criteria, competencies, strict=True)
        if competency.score is not None
    ]
    if not weighted or not record.asked:
        return 0
    mean = sum(weight * score for weight, score in weighted) / sum(weight for weight, _ in weighted)
    return int(mean * len(record.answered) / len(record.asked) + 0.5)


def _recommendation(
    score: int, competencies: Sequence[ScoredCompetency], coverage: float, record: InterviewRecord
) -> Recommendation:
    # An adopted interview may have kept no questions; then no answer can be told from any other.
    least_answers = max(1, min(_LEAST_ANSWERS, len(record.questions)))
    if len(record.answered) < least_answers or coverage < _LEAST_COVERAGE:
        return "insufficient_evidence"
    lowest = min(competency.counted for competency in competencies if competency.counted is not None)
    if score >= 80 and lowest >= 3:
        return "strong_hire"
    if score >= 60 and lowest > 1:
        return "hire"
    return "no_hire" if score >= 40 else "strong_no_hire"

"""What a caller sends for feedback, and what it is told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from parley.core.fields import BODY, QUERY, Count, Whole
from parley.core.provider_names import ProviderName

Recommendation = Literal["strong_hire", "hire", "no_hire", "strong_no_hire", "insufficient_evidence"]
Score = Annotated[int, Field(ge=0, le=100)]
Level = Annotated[int, Field(ge=1, le=5)]
Share = Annotated[float, Field(ge=0, le=1)]


class FeedbackRequest(BaseModel):
    """How many assessments to ask for; several tell how far they agree, and count as as many."""

    model_config = BODY
    samples: Annotated[int, Field(ge=1, le=5), Whole] = 1


class FeedbackQuery(BaseModel):
    """Which version; the latest by default."""

    model_config = QUERY
    version: Annotated[int, Field(ge=1, le=1_000)] | None = None


class EvidenceQuote(TypedDict):
    """What the candidate said, word for word: where in which turn."""

    sequence_number: int
    start: Count
    end: Count
    quote: str


class CompetencyFeedback(TypedDict):
    """One competency. Without evidence a level counts as 3 at most, and `evidenced` says so: a quote counts from three
    words in a row.

    `level` is null where the interview did not show the competency, `score` also where nothing is scored. `spread` is
    the highest level of several samples less the lowest.
    """

    key: str
    name: str
    level: Level | None
    score: Score | None
    evidence: list[EvidenceQuote]
    evidenced: bool
    reasoning: str
    spread: Annotated[int, Field(ge=0, le=4)] | None


class QuestionFeedback(TypedDict):
    """One question, counted from 0."""

    question_index: Count
    status: Literal["answered", "partial", "not_answered", "not_asked"]
    summary: str
    missing_points: list[str]
    better_answer: str


class SuggestedImprovement(TypedDict):
    """What could be better, and what to do about it."""

    what: str
    action: str


class InterviewFeedback(TypedDict):
    """One version of an interview's feedback.

    Score and recommendation follow from the levels by rule; the score is null where the evidence is insufficient.
    `coverage` is the share of the competencies that were assessed, `agreement` how far several samples agreed,
    `rejected_quotes` how many quotes were left out because the candidate did not say so. `verified_transcript` is false
    where the client sent the transcript.
    """

    version: Annotated[int, Field(ge=1)]
    overall_score: Score | None
    hiring_recommendation: Recommendation
    competencies: list[CompetencyFeedback]
    questions: list[QuestionFeedback]
    strengths: list[str]
    improvements: list[SuggestedImprovement]
    next_steps: list[str]
    summary: str
    coverage: Share
    samples: Annotated[int, Field(ge=0, le=5)]
    agreement: Share | None
    rejected_quotes: Count
    verified_transcript: bool
    rubric_version: str | None
    rule_version: str | None
    prompt_version: str | None
    provider: ProviderName | None
    model: str | None
    created_at: datetime


class FeedbackState(TypedDict):
    """Where an interview's feedback is. `feedback` is the latest version, or the one asked for, while another one is
    written too; `error` says why the last one could not be written. What was there before Parley is in the export.
    """

    interview_id: str
    feedback_status: Literal["none", "pending", "ready", "failed"]
    error: str | None
    requested_at: datetime | None
    versions: Count
    regenerations_left: Annotated[int, Field(ge=0, le=3)]
    feedback: InterviewFeedback | None

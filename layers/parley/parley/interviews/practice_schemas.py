"""What a caller sends to have a single answer graded, and what it is told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints
from typing_extensions import TypedDict

from parley.core.fields import BODY, Count
from parley.core.provider_names import ProviderName
from parley.interviews.feedback_schemas import EvidenceQuote, Level, SuggestedImprovement
from parley.interviews.schemas import Difficulty, LanguageTag

Skill = Literal[
    "technical_knowledge", "problem_solving", "communication", "collaboration", "ownership_impact", "role_fit"
]


class PracticeRequest(BaseModel):
    """A question and your answer to it, to be judged by one competency of the rubric: the skill that it trains."""

    model_config = BODY
    question: Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=r"\S")]
    answer: Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=r"\S")]
    skill: Skill
    difficulty: Difficulty = "medium"
    language: LanguageTag = "en"


class PracticeFeedback(TypedDict):
    """How the answer was judged. Without evidence, a quote from three words on, a level counts as 3 at most, and
    `evidenced` says so.
    """

    level: Level | None
    evidence: list[EvidenceQuote]
    evidenced: bool
    reasoning: str
    summary: str
    missing_points: list[str]
    better_answer: str
    strengths: list[str]
    improvements: list[SuggestedImprovement]
    next_steps: list[str]
    rejected_quotes: Count
    rubric_version: str
    rule_version: str
    prompt_version: str
    provider: ProviderName | None
    model: str | None


class PracticeAttempt(TypedDict):
    """A graded answer. `score` follows from the level by rule; it is null where the answer is too short to judge by.

    `feedback` is null in attempts that Parley did not grade.
    """

    id: str
    skill: str
    question: str | None
    answer: str | None
    difficulty: str | None
    language: str
    score: Annotated[float, Field(ge=0, le=100)] | None
    feedback: PracticeFeedback | None
    created_at: datetime


class PracticeAttemptList(TypedDict):
    """The caller's attempts, the newest first."""

    data: list[PracticeAttempt]
    next_cursor: str | None

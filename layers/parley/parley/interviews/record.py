"""An interview as it was held: what feedback is written from and counted by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parley.interviews.session_records import Turn
from parley.interviews.words import words_in


@dataclass(frozen=True, slots=True)
class InterviewRecord:
    """What was asked and what was said.

    Attributes:
        language: BCP 47.
        criteria: the interview's own rubric as it is kept; empty for the shipped one of its category.
        is_verified: False where the transcript came from the client.
    """

    language: str
    category: str
    role: str
    experience_level: str
    questions: Sequence[str]
    turns: Sequence[Turn]
    criteria: Any = ()
    is_verified: bool = True

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> InterviewRecord:
        """Read `interview` of app.begin_feedback."""
        return cls(
            language=found["language"],
            category=found["category"],
            role=found["role"] or "",
            experience_level=found["experience_level"] or "",
            # An adopted interview may keep something else than a list.
            questions=[_question_text(question) for question in _a_list(found["questions"])],
            turns=[Turn.from_json(turn) for turn in found["turns"]],
            criteria=found["competencies"],
            is_verified=found["is_verified"],
        )

    @property
    def said(self) -> list[Turn]:
        """The candidate's turns that have words."""
        return [turn for turn in self.turns if turn.role == "user" and words_in(turn.content)]

    @property
    def words(self) -> int:
        """How many words the candidate said."""
        return sum(words_in(turn.content) for turn in self.said)

    @property
    def answered(self) -> frozenset[int]:
        """The questions to which the candidate said something."""
        return self._placed(self.said)

    @property
    def asked(self) -> frozenset[int]:
        """The questions that were put to the candidate: those that anything was said about."""
        return self._placed(self.turns)

    def _placed(self, turns: Sequence[Turn]) -> frozenset[int]:
        found = {turn.question_index for turn in turns if turn.question_index is not None}
        return frozenset(index for index in found if 0 <= index < len(self.questions))


def _a_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _question_text(question: Any) -> str:
    """The text of an item of `interview_sessions.questions`, which adopted rows may hold as plain text."""
    return str(question.get("question") or question.get("text") or "") if isinstance(question, dict) else str(question)

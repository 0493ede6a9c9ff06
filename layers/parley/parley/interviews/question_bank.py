"""The questions that are asked when no model answers: fixed, so that an interview can still begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

# Nobody who asks for questions in another language is served by these.
LANGUAGE: Final = "en"

# What each kind of interview looks at (facts: structured interviews use five to eight competencies).
COMPETENCIES: dict[str, tuple[str, ...]] = {
    "technical": ("technical_knowledge", "problem_solving", "communication"),
    "behavioral": ("collaboration", "ownership_impact", "communication"),
    "situational": ("problem_solving", "ownership_impact", "communication"),
    "system_design": ("technical_knowledge", "problem_solving", "role_fit"),
    "mixed": ("technical_knowledge", "problem_solving", "communication", "ownership_impact", "role_fit"),
}

_QUESTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "technical": (
        (
            "Which technical decision in your recent work are you most proud of, and which options did you rule out?",
            "technical_knowledge",
        ),
        (
            "Walk us through the hardest defect you tracked down: how did you narrow it and prove the cause?",
            "problem_solving",
        ),
        ("How do you decide that a piece of work is tested well enough to ship?", "technical_knowledge"),
        ("Describe a system you know deeply to someone who has never seen it.", "communication"),
        ("When did a measurement change what you were about to build?", "problem_solving"),
        ("What would you improve first in the last codebase you worked on, and why that?", "technical_knowledge"),
        ("Tell us about a performance problem you solved and the figures before and after.", "problem_solving"),
    ),
    "behavioral": (
        ("Tell us about a time when you disagreed with a colleague and how the two of you moved on.", "collaboration"),
        (
            "Describe something that went wrong under your responsibility and what you changed afterwards.",
            "ownership_impact",
        ),
        ("When did you last ask for help, and what made you decide to ask?", "collaboration"),
        ("Which piece of feedback changed the way you work?", "communication"),
        ("Tell us about a goal you reached although priorities shifted on the way.", "ownership_impact"),
        ("How did you bring a quieter colleague's idea into a decision?", "collaboration"),
        ("Give an example of difficult news you had to explain to somebody outside your field.", "communication"),
    ),
    "situational": (
        ("A deadline is near and a requirement turns out to be unclear: what do you do first?", "problem_solving"),
        (
            "You find a serious mistake in work that was already delivered; how do you handle the next hour?",
            "ownership_impact",
        ),
        ("Two stakeholders want opposite things from you this week: how do you settle it?", "communication"),
        ("You inherit work with no documentation and its author has left; where do you begin?", "problem_solving"),
        ("Your team keeps missing its estimates: what would you look at, and what would you try?", "ownership_impact"),
        ("A customer insists on a solution that you believe is wrong; how does that conversation go?", "communication"),
        (
            "Half of the information you need is missing but a choice is due today: how do you choose?",
            "problem_solving",
        ),
    ),
    "system_design": (
        (
            "Design a service that shortens links for millions of readers: which parts does it have and why?",
            "technical_knowledge",
        ),
        ("How would you let a system survive the loss of its database for ten minutes?", "problem_solving"),
        ("Sketch how you would move a busy system to a new storage engine without stopping it.", "technical_knowledge"),
        ("Which figures would you ask for before designing a notification service?", "problem_solving"),
        ("How would you keep one tenant's load from slowing down all the others?", "technical_knowledge"),
        ("When would you choose a queue between two services, and what does it cost you?", "technical_knowledge"),
        ("How do you find out that a design was wrong before its users do?", "role_fit"),
    ),
}
_MIXED_ORDER = ("technical", "behavioral", "situational", "system_design")

_AREAS = [
    "planning",
    "quality",
    "teamwork",
    "learning",
    "risk",
    "delivery",
    "security",
    "cost",
    "users",
    "change",
    "automation",
    "mentoring",
    "documentation",
    "hiring",
    "priorities",
    "research",
    "ethics",
    "support",
    "design",
    "reliability",
    "estimates",
    "feedback",
    "onboarding",
    "accessibility",
    "delegation",
    "negotiation",
    "testing",
    "incidents",
    "refactoring",
    "experiments",
]


# Short, so that two questions of one pattern share too few words to count as the same question.
_PATTERNS = (
    "How do you approach {}?",
    "What has experience taught you about {}?",
    "Where do most teams go wrong with {}?",
    "When did {} surprise you, and why?",
    "Which habit helps you most with {}?",
    "How would you explain {} to beginners?",
    "What makes {} hard in practice?",
)


def bank(kind: str) -> Iterator[tuple[str, str, str]]:
    """Yield (question, competency, kind): the bank's own questions first, then ones about areas of work.

    No two are alike, and there are more than 230: enough for 20 questions where a hundred are excluded, fifty were
    asked before, and some are like these.
    """
    kinds = _MIXED_ORDER if kind == "mixed" else (kind, *(other for other in _MIXED_ORDER if other != kind))
    groups = [_QUESTIONS[name] for name in kinds]
    if kind == "mixed":
        for row in zip(*groups, strict=True):
            for name, (text, competency) in zip(kinds, row, strict=True):
                yield text, competency, name
    else:
        for name, group in zip(kinds, groups, strict=True):
            for text, competency in group:
                yield text, competency, name
    for pattern in _PATTERNS:
        for area in _AREAS:
            yield pattern.format(area), "role_fit", "behavioral" if kind == "mixed" else kind

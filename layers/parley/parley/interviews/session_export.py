"""An interview as something to keep: a transcript to read, Markdown, or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from parley.interviews.session_schemas import ExportedFeedback, InterviewExport, InterviewTurn

_SPEAKERS = {"assistant": "Interviewer", "user": "Candidate", "system": "Interviewer"}
_UNSAID = {"skipped": "(skipped)", "expired": "(time ran out)"}
_COLUMNS = ("sequence_number", "role", "stage", "question_index", "timestamp", "content")
# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_transcript(turns: Sequence[InterviewTurn]) -> str:
    """What was said, a paragraph a turn."""
    return "".join(f"{_SPEAKERS[turn['role']]}: {_said(turn)}\n\n" for turn in turns)


def as_csv(turns: Sequence[InterviewTurn]) -> str:
    """One line a turn, RFC 4180; text that a spreadsheet would calculate has an apostrophe before it."""
    written = io.StringIO()
    lines = csv.writer(written)
    lines.writerow(_COLUMNS)
    for turn in turns:
        content = turn["content"]
        lines.writerow(
            [
                turn["sequence_number"],
                turn["role"],
                turn["stage"],
                turn["question_index"],
                turn["timestamp"].isoformat(),
                f"'{content}" if content.startswith(_FORMULA) else content,
            ]
        )
    return written.getvalue()


def as_markdown(export: InterviewExport) -> str:
    """A document: what the interview was, what was said question by question, and what the feedback says in short."""
    interview, feedback = export["interview"], export["feedback"]
    parts = [f"# {interview['title'] or 'Interview'}", f"Status: {interview['status']}"]
    if interview["description"]:
        parts.append(interview["description"])
    for turn in export["turns"]:
        if turn["stage"] == "question":
            parts.append(f"## Question {(turn['question_index'] or 0) + 1}")
        parts.append(f"**{_SPEAKERS[turn['role']]}:** {_said(turn)}")
    if feedback is not None:
        parts += ["## Feedback", *_feedback(feedback)]
    return "\n\n".join(parts) + "\n"


def _feedback(feedback: ExportedFeedback) -> Iterator[str]:
    score = feedback["overall_score"]
    yield f"Score: {'none' if score is None else f'{score:g} of 100'} ({feedback['hiring_recommendation']})"
    if feedback["detailed_feedback"]:
        yield feedback["detailed_feedback"]
    for name in ("strengths", "improvements", "recommendations"):
        items = [": ".join(map(str, item.values())) if isinstance(item, dict) else str(item) for item in feedback[name]]
        if items:
            yield f"### {name.capitalize()}"
            yield "\n".join(f"- {item}" for item in items)


def _said(turn: InterviewTurn) -> str:
    return _UNSAID.get(turn["stage"] or "", turn["content"])

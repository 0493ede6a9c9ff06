"""An interview as something to keep: JSON, CSV, Markdown, or a transcript to read."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from parley.interviews.session_schemas import ExportedFeedback, InterviewExport, InterviewTurn

_SPEAKERS = {"assistant": "Interviewer", "user": "Candidate", "system": "Interviewer"}
_UNSAID = {"skipped": "(skipped)", "expired": "(time ran out)"}
_COLUMNS = ("sequence_number", "role", "stage", "question_index", "timestamp", "content")
# A spreadsheet takes a cell that begins so for a formula, whatever cannot be seen before it (OWASP, CSV injection).
_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
# Where cells may begin within a text: spreadsheets of some countries, or after an import, part them so.
_PARTS_CELLS = frozenset(";\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029")
# Of these a cell is taken to begin after: quotation marks that part cells, and letters that are blank.
_BLANK = frozenset('"\u115f\u1160\u2800\u3164\uffa0')
# What Markdown takes for more than text (CommonMark 0.31): anywhere, and at the beginning of a line.
_MARKUP = re.compile(r"[\\`*_\[\]<>&#|~]|(?<![^\n])[-+=]|(?<![^\n])\d+(?=[.)])")


def exported(export: InterviewExport, form: Literal["json", "csv", "md", "txt"]) -> tuple[InterviewExport | str, str]:
    """The interview in this form (`txt`: the transcript), and its content type."""
    if form == "csv":
        return _as_csv(export["turns"]), "text/csv; charset=utf-8"
    if form == "md":
        return _as_markdown(export), "text/markdown; charset=utf-8"
    if form == "txt":
        return _as_transcript(export["turns"]), "text/plain; charset=utf-8"
    return export, "application/json"


def _as_transcript(turns: Sequence[InterviewTurn]) -> str:
    """What was said, a paragraph a turn; further lines are indented, so that no answer can pass for another turn."""
    indented = ("\n    ".join(_said(turn).splitlines()) for turn in turns)
    return "".join(f"{_SPEAKERS[turn['role']]}: {said}\n\n" for turn, said in zip(turns, indented, strict=True))


def _as_csv(turns: Sequence[InterviewTurn]) -> str:
    """One line a turn, RFC 4180, all in quotes; what a spreadsheet would calculate has an apostrophe before it."""
    written = io.StringIO()
    lines = csv.writer(written, quoting=csv.QUOTE_ALL)
    lines.writerow(_COLUMNS)
    for turn in turns:
        lines.writerow(
            [
                turn["sequence_number"],
                turn["role"],
                turn["stage"],
                turn["question_index"],
                turn["timestamp"].isoformat(),
                _without_formulas(turn["content"]),
            ]
        )
    return written.getvalue()


def _without_formulas(written: str) -> str:
    """The text with an apostrophe wherever a cell may begin with a formula."""
    kept: list[str] = []
    begins: int | None = 0  # where a cell does, as long as nothing of it can be seen
    for character in written:
        if character in _PARTS_CELLS:
            begins = len(kept) + 1
        elif begins is not None and not _is_unseen(character):
            if character in _FORMULA:
                kept.insert(begins, "'")
            begins = None
        kept.append(character)
    return "".join(kept)


def _is_unseen(character: str) -> bool:
    return character.isspace() or character in _BLANK or unicodedata.category(character) in ("Cc", "Cf", "Mn")


def _as_markdown(export: InterviewExport) -> str:
    """A document: what the interview was, what was said question by question, and what the feedback says in short.

    Headings are the document's only: in what people and models wrote, markup is text.
    """
    interview, feedback = export["interview"], export["feedback"]
    title = " ".join((interview["title"] or "Interview").split())
    parts = [f"# {_as_text(title)}", f"Status: {interview['status']}"]
    if interview["description"]:
        parts.append(_as_text(interview["description"]))
    for turn in export["turns"]:
        if turn["stage"] == "question":
            parts.append(f"## Question {(turn['question_index'] or 0) + 1}")
        parts.append(f"**{_SPEAKERS[turn['role']]}:** {_as_text(_said(turn))}")
    if feedback is not None:
        parts += ["## Feedback", *_feedback(feedback)]
    return "\n\n".join(parts) + "\n"


def _feedback(feedback: ExportedFeedback) -> Iterator[str]:
    score = feedback["overall_score"]
    yield f"Score: {'none' if score is None else f'{score:g} of 100'} ({feedback['hiring_recommendation']})"
    if feedback["detailed_feedback"]:
        yield _as_text(feedback["detailed_feedback"])
    for name in ("strengths", "improvements", "recommendations"):
        items = [_sentence(item) for item in feedback[name]]
        if items:
            yield f"### {name.capitalize()}"
            yield "\n".join(f"- {_as_text(item)}" for item in items)


def _sentence(item: Any) -> str:
    """An item of a list: a text, or an improvement with what to do about it."""
    return f"{item['what']} {item['action']}" if isinstance(item, dict) and "what" in item else str(item)


def _as_text(written: str) -> str:
    """Markdown that shows what was written as it was; a line that is indented does not become code."""
    lines = "\n".join(line.strip() for line in written.splitlines())
    return _MARKUP.sub(lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", lines)


def _said(turn: InterviewTurn) -> str:
    return _UNSAID.get(turn["stage"] or "", turn["content"])

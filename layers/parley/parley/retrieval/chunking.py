"""Cutting long documents into chunks: at paragraphs, then at sentences, then at words."""

from __future__ import annotations

import re
from collections.abc import Sequence

# A chunk is what one vector stands for. Up to about this much, a document is one.
_MOST_WORDS = 450
_MOST_CHARACTERS = 4_000  # for scripts that put no spaces between words

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])")  # noqa: RUF001
_WORD = re.compile(r"\s+")


def chunks(text: str) -> list[str]:
    """The text in order, in parts that together are the text again, to the last space. None is blank, unless all is."""
    parts: list[str] = []
    for part in _cut(text, (_PARAGRAPH, _SENTENCE, _WORD)):
        # Thousands of spaces belong to what stands beside them: alone they are no text to embed.
        if parts and (part.isspace() or parts[-1].isspace()):
            parts[-1] += part
        else:
            parts.append(part)
    return parts


def _cut(text: str, boundaries: Sequence[re.Pattern[str]]) -> list[str]:
    if _fits(text):
        return [text]
    if not boundaries:
        return [text[start : start + _MOST_CHARACTERS] for start in range(0, len(text), _MOST_CHARACTERS)]
    ends = [match.end() for match in boundaries[0].finditer(text) if match.end() < len(text)]
    parts: list[str] = []
    for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
        for part in _cut(text[start:end], boundaries[1:]):
            if parts and _fits(parts[-1] + part):
                parts[-1] += part
            else:
                parts.append(part)
    return parts


def _fits(text: str) -> bool:
    return len(text) <= _MOST_CHARACTERS and len(text.split()) <= _MOST_WORDS

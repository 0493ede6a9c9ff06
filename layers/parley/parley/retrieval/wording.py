"""What a query says: words, "phrases in quotes" and -excluded words."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A phrase or a word, with a hyphen before it where it is excluded. A quote that nothing closes is a character.
_PART = re.compile(r'(?<!\S)(?P<excluded>-(?=["\w]))?(?:"(?P<phrase>[^"]*\w[^"]*)"|(?P<word>\S+))')


@dataclass(frozen=True, slots=True)
class Wording:
    """A query as search by words takes it.

    Attributes:
        words: what is ranked by, those of phrases included.
        phrases: what a hit must hold, word for word.
        excluded: words and phrases that it must not.
    """

    words: str
    phrases: tuple[str, ...]
    excluded: tuple[str, ...]

    @classmethod
    def of(cls, query: str) -> Wording:
        """Read a query; anything is one."""
        words, phrases, excluded = [], [], []
        for part in _PART.finditer(query):
            text = part["phrase"] or part["word"]
            if part["excluded"]:
                excluded.append(text)
                continue
            words.append(text)
            if part["phrase"]:
                phrases.append(text)
        return cls(" ".join(words), tuple(phrases), tuple(excluded))

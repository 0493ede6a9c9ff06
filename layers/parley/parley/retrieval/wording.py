"""What a query says: words, "phrases in quotes" and -excluded words."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A phrase, in whatever quotes, or a word, with a hyphen before it where it is excluded. A quote that nothing closes is
# a character; what follows on a closing one is a word of its own.
_PART = re.compile(
    r'(?:(?<!\S)[(\[{]+(?=["“„«»「『]))?(?P<excluded>(?<!\S)-(?=["“„«»「『\w]))?'
    r'(?:"(?P<phrase>(?=[^"\w]*\w)[^"]*)"|[“„”«»「『](?P<typographic>(?=[^“„”«»「」『』\w]*\w)[^“„”«»「」『』]*)[“”«»」』]|(?P<word>\S+))'
)

# The database asks every chunk for all of them, so both are bounded.
_MOST = 16  # phrases, and as many that are excluded
_LONGEST = 500  # characters of one


@dataclass(frozen=True, slots=True)
class Wording:
    """A query as search by words takes it.

    Attributes:
        words: what is ranked by, those of phrases included.
        phrases: what a hit must hold, word for word: the first 16 of at most 500 characters. Of others the words count.
        excluded: words and phrases that it must not, the first 16 of at most 500 characters. Others are left out.
    """

    words: str
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @classmethod
    def of(cls, query: str) -> Wording:
        """Read a query; anything is one."""
        words: list[str] = []
        phrases: list[str] = []
        excluded: list[str] = []
        for part in _PART.finditer(query):
            phrase = part["phrase"] or part["typographic"]
            text = phrase or part["word"]
            if not part["excluded"]:
                words.append(text)
            if part["excluded"] or phrase:
                conditions = excluded if part["excluded"] else phrases
                if len(conditions) < _MOST and len(text) <= _LONGEST:
                    conditions.append(text)
        return cls(" ".join(words), tuple(phrases), tuple(excluded))

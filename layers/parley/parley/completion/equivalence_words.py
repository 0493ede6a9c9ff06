"""The word lists of `equivalence.toml`, in the shapes that the rules look things up in."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

_FILE: dict[str, Any] = tomllib.loads(Path(__file__).with_name("equivalence.toml").read_text(encoding="utf-8"))


def _words(name: str) -> frozenset[str]:
    return frozenset(_FILE[name].split())


FUNCTION_WORDS = _words("function_words")
OPPOSED: tuple[tuple[str, str], ...] = tuple((one, other) for one, other in _FILE["opposed"])
# Each word, mapped to the first of its line.
SYNONYMS: dict[str, str] = {
    word: line.split()[0] for line in _FILE["synonyms"].strip().splitlines() for word in line.split()
}
NEGATIONS = _words("negations")
DATES = _words("dates")
UNITS = _words("units")
TENS: dict[str, int] = {word: 20 + 10 * place for place, word in enumerate(_FILE["tens"].split())}
DIGITS: dict[str, int] = {word: value for line in _FILE["digits"] for value, word in enumerate(line.split(), 1)}
# Each word for a number, mapped to its digits, or to itself where it has none (half, dozen).
NUMBERS: dict[str, str] = (
    {
        word: str(value)
        for value, line in enumerate(_FILE["counted"].strip().splitlines())
        for word in line.split()
        if word not in ("one", "second")
    }
    | {word: word for word in _FILE["number_words"].split()}
    | {word: str(value) for word, value in TENS.items()}
)
ROMAN: dict[str, str] = _FILE["roman"]
LANGUAGES: dict[str, frozenset[str]] = {name: frozenset(words.split()) for name, words in _FILE["languages"].items()}
LANGUAGE_NAMES = _words("language_names")
QUESTION_WORDS: dict[str, str] = _FILE["question_words"]
VERDICTS: dict[str, str] = {word: verdict for verdict, words in _FILE["verdicts"].items() for word in words.split()}
PAST, FUTURE = _words("past"), _words("future")
AMOUNTS = _words("amounts")
DETERMINERS = _words("determiners")
GOVERNING = _words("governing")
PREPOSITIONS = GOVERNING | _words("prepositions")
ASKED, ASKING = _words("asked"), _words("asking")
PRICES = _words("prices")
SUBJECTS = _words("subjects")
PERSONS: dict[str, int] = {word: person for person, words in enumerate(_FILE["persons"]) for word in words.split()}
PRONOUNS = _words("pronouns")
DO = _words("do")
AUXILIARIES = DO | _words("auxiliaries")
COORDINATORS = _words("coordinators")
CONTRACTED_VERBS: dict[str, str] = _FILE["contracted_verbs"]
CONTRACTIONS: dict[str, tuple[str, ...]] = {word: tuple(words.split()) for word, words in _FILE["contractions"].items()}

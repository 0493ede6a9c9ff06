"""Lexical embeddings: texts that share words are near, others are not.

Words, pairs of neighbouring words and the words' character trigrams are hashed into the dimensions with a sign
(feature hashing), weighted, and the vector is brought to length one. Trigrams let "database" and "databases" meet;
words that carry no meaning weigh little, so that two questions do not meet in "how do I".
"""

from __future__ import annotations

import math
import re
from array import array
from functools import lru_cache
from typing import Final
from zlib import crc32

_WORD: Final = re.compile(r"\w+")
_COMMON: Final = frozenset(
    _WORD.findall(
        "a about an and are as at be by can could did do does for from had has have how i if in into is it "
        "its me my of on or our please should so tell that the their them there they this to was we were what "
        "when where which who why will with would you your att av de den det du en ett för hur i jag med och "
        "om på som till vad är"
    )
)
_WORD_WEIGHT: Final = 1.0
_COMMON_WEIGHT: Final = 0.08
_PAIR_WEIGHT: Final = 0.35
_TRIGRAM_WEIGHT: Final = 0.22


@lru_cache(maxsize=2048)
def embed(text: str, dimensions: int) -> array[float]:
    """The vector of a text, of length one; one without any word is its own single feature."""
    vector: dict[int, float] = {}

    def add(feature: str, weight: float) -> None:
        code = crc32(feature.encode())
        # The hash's low bits choose the dimension, so the sign comes from the top one.
        position = (code & 0x7FFFFFFF) % dimensions
        vector[position] = vector.get(position, 0.0) + (weight if code < 0x80000000 else -weight)

    previous = ""
    for word in _WORD.findall(text.lower()):
        common = word in _COMMON
        if common:
            add(word, _COMMON_WEIGHT)
        else:
            word = word.rstrip("s") or word
            add(word, _WORD_WEIGHT)
            padded = f"<{word}>"
            for start in range(len(padded) - 2):
                add("#" + padded[start : start + 3], _TRIGRAM_WEIGHT)
            if previous:
                add(f"{previous} {word}", _PAIR_WEIGHT)
            previous = word
    if not any(vector.values()):  # a provider never answers zeros
        add(text, _WORD_WEIGHT)
    length = math.sqrt(sum(value * value for value in vector.values()))
    values = array("f", bytes(4 * dimensions))
    for position, value in vector.items():
        values[position] = value / length
    return values

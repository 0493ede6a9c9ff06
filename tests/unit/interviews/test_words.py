"""What a word is, in any script."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.interviews.words import words_in, words_of

SENTENCES = [
    "मैं हर दिन हिन्दी में लिखता हूँ",
    "r\u00e9sum\u00e9 writing isn't \u00fcber-easy",
    "ti\u1ebfng Vi\u1ec7t r\u1ea5t hay",
    "\u30ac\u30e9\u30b9\u3092\u4f7f\u3046",
    "한국어를 씁니다",
]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("...", 0),
        ("_ _ _", 0),
        ("\u0301", 0),
        ("snake_case", 2),
        ("one two  three", 3),
        ("I don't", 2),
        ("It\u2019s fine", 2),
        ("don\u02bct", 1),
        ("the testers' 'own' list", 4),
        ("l'homme d'ici", 2),
        ("צה\u05f4ל בנה", 2),
        ("हिन्दी", 1),
        ("வணக்கம் உலகம்", 2),
        ("r\u00e9sum\u00e9 writing".replace("\u00e9", "e\u0301"), 2),
        ("می\u200cخو\u0627\u0647م بروم", 2),
        ("Ich mu\u00df das pr\u00fcfen", 4),
        ("\u79c1\u306f\u6771\u4eac", 2),
        ("\u6211\u7528Python\u5199", 3),
        ("\u0e17\u0e35\u0e48\u0e19\u0e35\u0e48", 1),
        ("40\u5e74", 2),
        ("\u2764\ufe0f ok", 1),
        ("C++ and C#", 3),
    ],
)
def test_words_are_counted_in_any_script(text: str, words: int) -> None:
    assert words_in(text) == words


@pytest.mark.parametrize("text", SENTENCES)
def test_a_text_has_as_many_words_however_it_is_encoded(text: str) -> None:
    counts = {words_in(unicodedata.normalize(form, text)) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert len(counts) == 1


def test_names_keep_their_signs() -> None:
    assert words_of("C++, C# and F#; 1 + 1, #1") == ["C++", "C#", "and", "F#", "1", "1", "1"]


@given(st.text())
def test_words_stand_in_their_text_in_order(text: str) -> None:
    at = 0
    for word in words_of(text):
        at = text.index(word, at) + len(word)
        assert any(character.isalnum() or unicodedata.category(character)[0] in "LN" for character in word)

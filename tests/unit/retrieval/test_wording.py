"""What is read out of a query."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.retrieval.wording import Wording


@pytest.mark.parametrize(
    ("query", "words", "phrases", "excluded"),
    [
        ("when are refunds paid?", "when are refunds paid?", (), ()),
        ('"boundary layer" flow', "boundary layer flow", ("boundary layer",), ()),
        ("fox -hen", "fox", (), ("hen",)),
        ('fox -"red hen"', "fox", (), ("red hen",)),
        ("well-known state-of-the-art", "well-known state-of-the-art", (), ()),
        ('an "unbalanced quote', 'an "unbalanced quote', (), ()),
        ("5 - 3 -- dash", "5 - 3 -- dash", (), ()),
        ("-hen", "", (), ("hen",)),
        ('""', '""', (), ()),
    ],
)
def test_words_phrases_and_what_is_excluded(
    query: str, words: str, phrases: tuple[str, ...], excluded: tuple[str, ...]
) -> None:
    wording = Wording.of(query)
    assert (wording.words, wording.phrases, wording.excluded) == (words, phrases, excluded)


def test_what_is_embedded_is_the_query_itself_unless_something_is_marked() -> None:
    assert Wording.of("two  spaces .").meaning == "two  spaces ."
    assert Wording.of('"two words" -three').meaning == "two words"
    assert Wording.of("-three").meaning == "-three"


@given(st.text())
def test_any_text_is_a_query(text: str) -> None:
    wording = Wording.of(text)
    assert all(part in text for part in (*wording.phrases, *wording.excluded))
    assert wording.meaning or not text

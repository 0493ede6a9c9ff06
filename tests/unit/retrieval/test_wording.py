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
        ('"?!" fox', '"?!" fox', (), ()),
        ('"?! fox"', "?! fox", ("?! fox",), ()),
        ("“boundary layer” flow", "boundary layer flow", ("boundary layer",), ()),
        ("„rote Henne“ -«le renard»", "rote Henne", ("rote Henne",), ("le renard",)),
        ("「智能技术」 -『退款』", "智能技术", ("智能技术",), ("退款",)),
        ("it “breaks off", "it “breaks off", (), ()),
        ('a "boundary layer"-theory', "a boundary layer -theory", ("boundary layer",), ()),
        ("the “red hen”s nest", "the red hen s nest", ("red hen",), ()),
        ('("red hen" or fox)', "red hen or fox)", ("red hen",), ()),
        ('-"red hen"s fox', "s fox", (), ("red hen",)),
    ],
)
def test_words_phrases_and_what_is_excluded(
    query: str, words: str, phrases: tuple[str, ...], excluded: tuple[str, ...]
) -> None:
    wording = Wording.of(query)
    assert (wording.words, wording.phrases, wording.excluded) == (words, phrases, excluded)


def test_what_every_chunk_is_asked_for_is_bounded() -> None:
    wording = Wording.of(" ".join(f'"red hen {n}" -fox{n}' for n in range(1_000)))
    assert wording.phrases == tuple(f"red hen {n}" for n in range(16))
    assert wording.excluded == tuple(f"fox{n}" for n in range(16))
    assert wording.words == " ".join(f"red hen {n}" for n in range(1_000))
    long = "hen " * 126
    assert Wording.of(f'"{long}" -"{long}" -{"a" * 501}') == Wording(long)


def test_a_long_text_after_a_quote_that_nothing_closes_is_one_word() -> None:
    text = '"' + "a" * 1_000_000  # in square time this would take longer than a test may
    assert Wording.of(text) == Wording(text)


@given(st.text())
def test_any_text_is_a_query(text: str) -> None:
    wording = Wording.of(text)
    assert all(part in text for part in (*wording.phrases, *wording.excluded))

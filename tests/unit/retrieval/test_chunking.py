"""Where long documents are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.retrieval.chunking import chunks

_PARAGRAPH = " ".join(["A sentence of exactly six words."] * 25)  # 150 words


def test_a_short_document_is_one_chunk() -> None:
    assert chunks("\n\n".join([_PARAGRAPH] * 3)) == ["\n\n".join([_PARAGRAPH] * 3)]


def test_a_long_document_is_cut_between_paragraphs() -> None:
    parts = chunks("\n\n".join([_PARAGRAPH] * 7))
    assert [part.count(_PARAGRAPH) for part in parts] == [3, 3, 1]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    parts = chunks(" ".join([_PARAGRAPH] * 4))
    assert len(parts) == 2
    assert all(part.rstrip().endswith("words.") for part in parts)


@given(st.text(alphabet=st.sampled_from('ab. \n。?"”é'), max_size=12_000) | st.text(max_size=2_000))
def test_the_chunks_are_the_document_again_and_none_is_too_long(text: str) -> None:
    parts = chunks(text)
    assert "".join(parts) == text
    assert all(len(part.strip()) <= 4_000 and len(part.split()) <= 450 for part in parts)
    assert parts == [text] or all(part.strip() for part in parts)


@pytest.mark.parametrize("text", ["\n" * 9_000 + "a fox", "a fox" + " " * 9_000 + "a hen", "a fox" + "\n \n" * 4_000])
def test_no_chunk_is_blank(text: str) -> None:
    parts = chunks(text)
    assert "".join(parts) == text
    assert all(part.strip() for part in parts)

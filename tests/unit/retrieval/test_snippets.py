"""Matches in a passage, and the part of it to show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from parley.retrieval.snippets import END, START, Match, matches_of, snippet_of


def test_marks_become_offsets_into_the_text_without_them() -> None:
    marked = f"a {START}red{END} and a {START}blue{END} car"
    matches = matches_of(marked, "a red and a blue car")
    assert ["a red and a blue car"[match.start : match.end] for match in matches] == ["red", "blue"]


def test_a_marked_text_that_is_another_one_gives_no_matches() -> None:
    assert matches_of(f"{START}red{END}", "read") == []
    assert matches_of(None, "red") == []


@given(st.text(alphabet="ab \n", max_size=900), st.lists(st.tuples(st.integers(0, 900), st.integers(1, 9)), max_size=5))
def test_a_snippet_is_a_short_part_of_the_text(content: str, spans: list[tuple[int, int]]) -> None:
    matches = [Match(start, min(start + size, len(content))) for start, size in sorted(spans) if start < len(content)]
    snippet = snippet_of(content, matches)
    assert snippet in content
    assert len(snippet) <= 240

"""Filters on metadata, as the database takes them."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parley.retrieval.filters import filter_of


def test_equality_is_containment_and_operators_are_a_path() -> None:
    contained, matching = filter_of({"a": 1, "b": {"c": "x", "d": {"$gte": 2, "$lt": 5}}, "e": {"$in": ["y", None]}})
    assert contained == {"a": 1, "b": {"c": "x"}}
    assert matching == '($."b"."d" >= 2) && ($."b"."d" < 5) && ($."e" == "y" || $."e" == null)'


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-03-01", "2024-03-01T00:00:00.000000+00:00"),
        ("2024-03-01T00:30:00+02:00", "2024-02-29T22:30:00.000000+00:00"),
        ("2024-03-01 10:00Z", "2024-03-01T10:00:00.000000+00:00"),
        ("2024-03-01T10:00:00.123456789-0330", "2024-03-01T13:30:00.123456+00:00"),
        ("2024-02-30", None),
        ("0001-01-01T00:00:00+02:00", None),
        ("2024-03", None),
        ("1.2.3", None),
    ],
)
def test_dates_and_times_are_moments_and_other_texts_texts(written: str, moment: str | None) -> None:
    matching = filter_of({"d": {"$gte": written}}).matching
    as_moment = f'exists ($."d" ? (@.datetime() >= "{moment}".datetime()))'
    assert matching == (as_moment if moment else f'($."d" >= "{written}")')


@pytest.mark.parametrize(
    "wanted",
    [
        {"$gt": 1},
        {"a": {"$near": 1}},
        {"a": {"$gt": True}},
        {"a": {"$gt": None}},
        {"a": {"$in": []}},
        {"a": {"$in": "x"}},
        {"a": {"$in": [{}]}},
        {"a": {"$gt": 1, "b": 2}},
        {"a": {"b": {"c": {"d": {"e": {}}}}}},
        {"a": [[[[[]]]]]},
    ],
)
def test_what_no_metadata_could_match_is_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        filter_of(wanted)


@example(name="a", value="\\")
@given(name=st.text(min_size=1).filter(lambda name: not name.startswith("$")), value=st.text())
def test_names_and_texts_stay_in_their_quotes(name: str, value: str) -> None:
    _, matching = filter_of({name: {"$in": [value]}})
    assert matching is not None
    assert matching.isascii()  # JSON escapes the rest, and jsonpath reads it as JSON does
    unescaped = re.sub(r"\\.", "", matching)  # from the left: an escaped backslash may stand before a quote
    assert unescaped.count('"') == 4

"""The shipped rubric, and criteria of an interview's own."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from parley.interviews.question_bank import COMPETENCIES
from parley.interviews.rubric import MOST_CRITERIA, OWN, Criteria, rubric_for
from parley.interviews.schemas import Kind

CHECK: TypeAdapter[Any] = TypeAdapter(Criteria)


def criterion(**members: Any) -> dict[str, Any]:
    anchors = {str(level): f"Shows it at level {level}." for level in range(1, 6)}
    return {"key": "empathy", "name": "Empathy", "description": "Understands others.", "anchors": anchors} | members


@pytest.mark.parametrize("category", get_args(Kind))
def test_each_kind_of_interview_has_competencies_with_five_anchors(category: str) -> None:
    rubric = rubric_for(category)
    assert rubric.keys == list(COMPETENCIES[category])
    for found in rubric.criteria:
        anchors = list(found.anchors.model_dump(by_alias=True).items())
        assert [level for level, _ in anchors] == ["1", "2", "3", "4", "5"]
        assert len({text for _, text in anchors}) == 5


def test_an_unknown_category_is_judged_as_mixed() -> None:
    assert rubric_for("of an adopted database").keys == rubric_for("mixed").keys


def test_own_criteria_take_the_place_of_the_shipped_ones() -> None:
    rubric = rubric_for("mixed", [criterion(weight=2.0)])
    assert (rubric.version, rubric.keys, rubric.of("empathy").weight) == (OWN, ["empathy"], 2.0)


def test_criteria_are_stored_as_they_are_read() -> None:
    stored = [found.as_json() for found in CHECK.validate_python([criterion()])]
    assert rubric_for("mixed", stored).criteria[0].as_json() == stored[0]


def without(level: str) -> dict[str, str]:
    anchors: dict[str, str] = criterion()["anchors"]
    return {key: text for key, text in anchors.items() if key != level}


@pytest.mark.parametrize(
    "criteria",
    [
        [{key: value for key, value in criterion().items() if key != "anchors"}],
        [criterion(anchors={})],
        [criterion(anchors=without("3"))],
        [criterion(anchors=criterion()["anchors"] | {"6": "Beyond."})],
        [criterion(anchors=criterion()["anchors"] | {"1": " "})],
        [criterion(key="Empathy for users")],
        [criterion(key="")],
        [criterion(weight=0)],
        [criterion(weight="2")],
        [criterion(extra=1)],
        [criterion(), criterion()],
        [criterion(key=f"k{number}") for number in range(MOST_CRITERIA + 1)],
    ],
)
def test_criteria_that_cannot_be_judged_by_are_refused(criteria: list[Any]) -> None:
    with pytest.raises(ValidationError):
        CHECK.validate_python(criteria)
    # Where an adopted interview has them, its category's serve.
    assert rubric_for("technical", criteria).keys == rubric_for("technical").keys


@pytest.mark.parametrize("kept", [None, [], {}, ["Communication"], {"communication": 5}, "communication", 3, [None]])
def test_an_adopted_interview_that_keeps_something_else_is_judged_by_its_category(kept: Any) -> None:
    rubric = rubric_for("technical", kept)
    assert (rubric.version, rubric.keys) == (rubric_for("technical").version, rubric_for("technical").keys)

"""Filters on metadata: what it contains, and conditions on its members."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

_DEEPEST = 5
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII | re.IGNORECASE)
_BOUNDS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


class MetadataFilter(NamedTuple):
    """A filter as the database takes it.

    Attributes:
        contained: what metadata must contain (`@>`).
        matching: a jsonpath predicate that it must match (`app.matches`); None for none.
    """

    contained: dict[str, Any]
    matching: str | None


def filter_of(wanted: Mapping[str, Any]) -> MetadataFilter:
    """Read a filter: members that metadata must contain, or in a member's place `{"$in": [...]}` and bounds
    (`$gt`, `$gte`, `$lt`, `$lte`) of numbers, of texts, or of ISO dates and times. Those are moments, however they are
    written: UTC where no zone is named, the first one of a day where no time is.

    Raises ValueError for an unknown operator, for values that it does not take, and beyond five levels.
    """
    predicates: list[str] = []
    contained = _split(wanted, "$", 1, predicates)
    return MetadataFilter(contained, " && ".join(predicates) or None)


def _split(members: Mapping[str, Any], path: str, depth: int, predicates: list[str]) -> dict[str, Any]:
    contained: dict[str, Any] = {}
    for name, value in members.items():
        _check_depth(value, depth + 1)
        if name.startswith("$"):
            raise ValueError(f"{name} stands in no member's place")
        here = f"{path}.{json.dumps(name)}"
        if not isinstance(value, dict) or not value:
            contained[name] = value
        elif any(key.startswith("$") for key in value):
            predicates += [_predicate(here, operator, operand) for operator, operand in value.items()]
        elif inner := _split(value, here, depth + 1, predicates):
            contained[name] = inner
    return contained


def _predicate(path: str, operator: str, operand: Any) -> str:
    if operator == "$in":
        if not isinstance(operand, list) or not operand or any(isinstance(each, list | dict) for each in operand):
            raise ValueError("$in takes a list of texts, numbers, booleans or null")
        return "(" + " || ".join(f"{path} == {json.dumps(each)}" for each in operand) + ")"
    if operator not in _BOUNDS:
        raise ValueError(f"no such operator: {operator}; there are $in, {', '.join(_BOUNDS)}")
    if isinstance(operand, bool) or not isinstance(operand, str | int | float):
        raise ValueError(f"{operator} takes a number or a text")
    if isinstance(operand, str) and (moment := _moment(operand)):
        # In a filter, what is no time is passed over.
        return f'exists ({path} ? (@.datetime() {_BOUNDS[operator]} "{moment}".datetime()))'
    return f"({path} {_BOUNDS[operator]} {json.dumps(operand)})"


def _moment(text: str) -> str | None:
    """An ISO date or time as `app.matches` compares it; None for any other text."""
    if not _TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat(timespec="microseconds")


def _check_depth(value: Any, depth: int) -> None:
    if isinstance(value, dict | list):
        if depth > _DEEPEST:
            raise ValueError(f"a filter has at most {_DEEPEST} levels")
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, depth + 1)

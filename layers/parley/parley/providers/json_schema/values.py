"""JSON values as JSON Schema sees them: their types, and when two are equal."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


def type_of(value: Any) -> str:
    """The type that says most of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else "object" if isinstance(value, dict) else "array"


def is_of_type(value: Any, kind: str) -> bool:
    """Whether a value is of a type; 1.0 is an integer too."""
    match kind:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "integer":
            return not isinstance(value, bool) and isinstance(value, int | float) and value == math.floor(value)
        case _:
            return not isinstance(value, bool) and isinstance(value, int | float)


def equal(one: Any, other: Any) -> bool:
    """Equality of JSON: true is not 1, whereas 1.0 is."""
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def from_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, also for NaN and Infinity, which JSON does not have."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)

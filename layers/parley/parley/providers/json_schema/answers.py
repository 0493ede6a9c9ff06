"""Whether an answer fits a checked schema, and as what its caller gets it."""

from __future__ import annotations

import json
import math
from typing import Any

from parley.providers.json_schema.keywords import Schema, listed
from parley.providers.json_schema.references import resolve
from parley.providers.json_schema.values import equal, from_json, is_of_type
from parley.providers.patterns import PatternReader


def fits(value: Any, schema: Schema, root: Schema) -> bool:
    """Whether a JSON value fits a checked schema."""
    return _Reader(root).fault_in(value, schema) is None


def fault_in(value: Any, schema: Schema, root: Schema) -> str | None:
    """The keyword that a JSON value does not fit; None where it fits. `format` is not looked at, as by default in JSON
    Schema (2020-12, 7.2.1).
    """
    return _Reader(root).fault_in(value, schema)


def answer_that_fits(text: str, schema: Schema) -> str:
    """The answer as its caller gets it. Raises ValueError where it is no JSON, or does not fit."""
    value = from_json(text)
    reader = _Reader(schema)
    kept = reader.restored(value, schema)
    if fault := reader.fault_in(kept, schema):
        raise ValueError(fault)
    return text if kept == value else json.dumps(kept, ensure_ascii=False, allow_nan=False)


class _Reader:
    """Reads a value beside a schema. Alternatives share their parts, so what was found of one value and one part is
    kept: looked for again each time, it would take twice as long with each level.
    """

    def __init__(self, root: Schema) -> None:
        self._root = root
        # With the value: an id is another's once its object is gone.
        self._faults: dict[tuple[int, int], tuple[Any, str | None]] = {}
        self._restored: dict[tuple[int, int], tuple[Any, Any]] = {}
        self._patterns = PatternReader()

    def fits(self, value: Any, schema: Schema) -> bool:
        """See `fits`."""
        return self.fault_in(value, schema) is None

    def fault_in(self, value: Any, schema: Schema) -> str | None:
        """See `fault_in`."""
        key = id(value), id(schema)
        if key not in self._faults:
            self._faults[key] = value, self._fault_in(value, schema)
        return self._faults[key][1]

    def restored(self, value: Any, schema: Schema) -> Any:
        """An answer without the nulls that say that a member is none: where the schema lets it be left out, and not be
        null.
        """
        key = id(value), id(schema)
        if key not in self._restored:
            self._restored[key] = value, self._without_nulls(value, schema)
        return self._restored[key][1]

    def _fault_in(self, value: Any, schema: Schema) -> str | None:
        if "$ref" in schema and (fault := self.fault_in(value, resolve(self._root, schema["$ref"]))):
            return fault
        kinds = schema.get("type")
        if kinds is not None and not any(is_of_type(value, kind) for kind in listed(kinds)):
            return "type"
        if "enum" in schema and not any(equal(value, one) for one in schema["enum"]):
            return "enum"
        if "anyOf" in schema and not any(self.fits(value, part) for part in schema["anyOf"]):
            return "anyOf"
        if "oneOf" in schema and sum(self.fits(value, part) for part in schema["oneOf"]) != 1:
            return "oneOf"
        if "allOf" in schema and not all(self.fits(value, part) for part in schema["allOf"]):
            return "allOf"
        if isinstance(value, dict):
            return self._fault_in_object(value, schema)
        if isinstance(value, list):
            return self._fault_in_array(value, schema)
        if isinstance(value, str):
            return self._fault_in_text(value, schema)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _fault_in_number(value, schema)
        return None

    def _fault_in_object(self, value: dict[str, Any], schema: Schema) -> str | None:
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        if any(name not in value for name in schema.get("required", ())):
            return "required"
        if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", math.inf):
            return "minProperties"
        for name, member in value.items():
            if name in properties:
                fault = self.fault_in(member, properties[name])
            elif others is False:
                return "additionalProperties"
            else:
                fault = self.fault_in(member, others) if isinstance(others, dict) else None
            if fault:
                return fault
        return None

    def _fault_in_array(self, value: list[Any], schema: Schema) -> str | None:
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
            return "minItems"
        if schema.get("uniqueItems") and any(equal(one, other) for n, one in enumerate(value) for other in value[:n]):
            return "uniqueItems"
        before, items = schema.get("prefixItems", []), schema.get("items", True)
        for number, item in enumerate(value):
            part = before[number] if number < len(before) else items
            if part is False:
                return "items"
            if isinstance(part, dict) and (fault := self.fault_in(item, part)):
                return fault
        return None

    def _fault_in_text(self, value: str, schema: Schema) -> str | None:
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf):
            return "minLength"
        return "pattern" if "pattern" in schema and not self._patterns.has_match(schema["pattern"], value) else None

    def _without_nulls(self, value: Any, schema: Schema) -> Any:
        if "$ref" in schema:
            value = self.restored(value, resolve(self._root, schema["$ref"]))
        if isinstance(value, list):
            items, before = schema.get("items"), schema.get("prefixItems", [])
            parts = [before[n] if n < len(before) else items for n in range(len(value))]
            return [
                self.restored(item, part) if isinstance(part, dict) else item
                for item, part in zip(value, parts, strict=True)
            ]
        for name in ("anyOf", "oneOf"):
            for part in schema.get(name, ()):
                if self.fits(one := self.restored(value, part), part):
                    value = one
                    break
        for part in schema.get("allOf", ()):
            value = self.restored(value, part)
        if not isinstance(value, dict):
            return value
        properties, required = schema.get("properties", {}), schema.get("required", ())
        return {
            name: self.restored(member, properties[name]) if name in properties else member
            for name, member in value.items()
            if not (
                member is None and name in properties and name not in required and not self.fits(None, properties[name])
            )
        }


def _fault_in_number(value: float, schema: Schema) -> str | None:
    if not schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf):
        return "minimum"
    if not schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf):
        return "exclusiveMinimum"
    if "multipleOf" in schema:
        times = value / schema["multipleOf"]
        if not math.isclose(times, round(times), rel_tol=1e-9, abs_tol=1e-9):
            return "multipleOf"
    return None

"""A caller's JSON schema: what of it is handled, how each provider takes it, and whether an answer fits it.

Handled are the keywords of `_HANDLED`, with references inside the schema. What a provider does not enforce itself it is
told in the description, and the answer is checked against the caller's own schema, whoever gave it. Sources:
https://platform.openai.com/docs/guides/structured-outputs (supported schemas),
https://platform.claude.com/docs/en/build-with-claude/structured-outputs (JSON schema limitations),
https://ai.google.dev/gemini-api/docs/structured-output (JSON schema support).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from parley.core.provider_names import ProviderName

Schema = dict[str, Any]

_DEFINITIONS = ("$defs", "definitions")
# Say something to readers, nothing of what fits.
_NOTES = frozenset(
    {
        "$schema", "$id", "$comment", "title", "description", "default", "examples", "example", "deprecated",
        "readOnly", "writeOnly", "format", "discriminator", "contentEncoding", "contentMediaType", "propertyOrdering",
    }
)  # fmt: skip
_BOUNDS = frozenset(
    {
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
        "pattern", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
    }
)  # fmt: skip
_HANDLED = (
    _NOTES
    | _BOUNDS
    | {
        "type", "enum", "const", "anyOf", "oneOf", "allOf", "properties", "required", "additionalProperties", "items",
        "prefixItems", "nullable", "$ref", *_DEFINITIONS,
    }
)  # fmt: skip
_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_MOST_MEMBERS = 1_000
_DEEPEST = 32
# What each provider enforces of the bounds, and which formats.
_ENFORCED: Mapping[ProviderName, frozenset[str]] = {
    "openai": frozenset(
        {
            "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "pattern", "minItems",
            "maxItems",
        }
    ),
    "anthropic": frozenset(),
    "google": frozenset({"minimum", "maximum", "minItems", "maxItems"}),
}  # fmt: skip
_FORMATS: Mapping[ProviderName, frozenset[str]] = {
    "openai": frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}),
    "anthropic": frozenset(
        {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
    ),
    "google": frozenset({"date-time", "date", "time"}),
}


class UnsupportedSchema(ValueError):
    """A schema that is not handled, or that a provider does not take.

    Args:
        keyword: the one that it is for.
        path: where it stands, from the schema's root.
        reason: the sentence's end.
    """

    def __init__(self, keyword: str, path: Sequence[str], reason: str = "is not supported") -> None:
        place = f" at {'.'.join(path)}" if path else ""
        super().__init__(f'the keyword "{keyword}"{place} {reason}')
        self.keyword = keyword
        self.path = tuple(path)


def check(schema: Schema) -> Schema:
    """The schema of an answer, as it is handled from here on: with `nullable` as a type, and its root an object. Raises
    UnsupportedSchema.
    """
    checked = check_arguments(schema)
    if checked.get("type") != "object":
        keyword = next((name for name in ("anyOf", "oneOf", "allOf", "enum", "const") if name in checked), "type")
        raise UnsupportedSchema(keyword, [], "is not supported at the root, which has to be of the type object")
    return checked


def check_arguments(schema: Schema) -> Schema:
    """As `check`, for the arguments of a tool: an empty schema is one without arguments."""
    checker = _Checker(schema)
    checked = checker.schema(schema, [], 0)
    if "$ref" in checked:
        # Providers want the root itself to be an object.
        target = checker.schema(resolve(schema, checked["$ref"]), [], 0)
        checked = target | {name: checked[name] for name in _DEFINITIONS if name in checked}
    if not checked.keys() - _NOTES - {"properties", *_DEFINITIONS} or (
        "properties" in checked and "type" not in checked
    ):
        checked = {"type": "object"} | checked
    return checked


class _Checker:
    def __init__(self, root: Schema) -> None:
        self._root = root
        self._members = 0

    def schema(self, schema: Any, path: list[str], depth: int) -> Schema:
        """A part of the schema, checked, with what only looks different made alike."""
        if schema is True:
            return {}
        if not isinstance(schema, dict):
            raise UnsupportedSchema("false" if schema is False else "schema", path)
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise UnsupportedSchema("properties", path, f"makes more than {_MOST_MEMBERS} parts")
        if depth > _DEEPEST:
            raise UnsupportedSchema(path[-1] if path else "properties", path, "is nested too deep")
        for keyword in schema:
            if keyword not in _HANDLED and not keyword.startswith("x-"):
                raise UnsupportedSchema(keyword, path)
        checked = {name: value for name, value in schema.items() if name in _HANDLED and value is not None}
        checked = {name: value for name, value in schema.items() if name in checked or name in ("const", "default")}
        self._check_values(checked, path)
        for name in (*_DEFINITIONS, "properties"):
            if name in checked:
                if not isinstance(checked[name], dict):
                    raise UnsupportedSchema(name, path, "is not an object")
                checked[name] = {
                    key: self.schema(part, [*path, name, key], depth + 1) for key, part in checked[name].items()
                }
        for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
            if name in checked:
                if not isinstance(checked[name], list) or not checked[name]:
                    raise UnsupportedSchema(name, path, "is not a list of schemas")
                checked[name] = [
                    self.schema(part, [*path, name, str(number)], depth + 1)
                    for number, part in enumerate(checked[name])
                ]
        for name in ("items", "additionalProperties"):
            if name in checked and not isinstance(checked[name], bool):
                checked[name] = self.schema(checked[name], [*path, name], depth + 1)
        return _with_null(checked) if checked.pop("nullable", None) is True else checked

    def _check_values(self, schema: Schema, path: list[str]) -> None:
        """Raises UnsupportedSchema for a keyword whose value says nothing."""
        kinds = schema.get("type", [])
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if not isinstance(kind, str) or kind not in _TYPES:
                raise UnsupportedSchema("type", path, "names no type")
        if "enum" in schema and (not isinstance(schema["enum"], list) or not schema["enum"]):
            raise UnsupportedSchema("enum", path, "is not a list of values")
        if "required" in schema and not (
            isinstance(schema["required"], list) and all(isinstance(name, str) for name in schema["required"])
        ):
            raise UnsupportedSchema("required", path, "is not a list of names")
        for name in _BOUNDS & schema.keys():
            value = schema[name]
            wanted: type | tuple[type, ...] = (int, float)
            if name in ("pattern", "uniqueItems"):
                wanted = str if name == "pattern" else bool
            if not isinstance(value, wanted) or (wanted == (int, float) and isinstance(value, bool)):
                raise UnsupportedSchema(name, path, "has a value that it cannot have")
        if schema.get("multipleOf", 1) <= 0:
            raise UnsupportedSchema("multipleOf", path, "has a value that it cannot have")
        if "pattern" in schema:
            _check_pattern(schema["pattern"], path)
        if "$ref" in schema:
            try:
                found = resolve(self._root, schema["$ref"])
                seen = set[str]()
                while isinstance(found, dict) and "$ref" in found:
                    if found["$ref"] in seen:
                        raise LookupError
                    seen.add(found["$ref"])
                    found = resolve(self._root, found["$ref"])
            except (LookupError, TypeError, AttributeError):
                raise UnsupportedSchema("$ref", path, "points to nothing in this schema") from None


def _check_pattern(pattern: str, path: list[str]) -> None:
    """Raises UnsupportedSchema for a pattern that is not simple: a repetition inside a repetition, or a reference back,
    may take for ever.
    """
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        raise UnsupportedSchema("pattern", path, "is not a regular expression that is understood here") from None
    if len(pattern) > 500 or re.search(r"[+*}]\)*[+*{]|[+*}][^()]*\)[+*{]|\\[1-9]|\(\?(?!:)", pattern):
        raise UnsupportedSchema("pattern", path, "is too involved: repeat nothing inside a repetition")


def _with_null(schema: Schema) -> Schema:
    kinds = schema.get("type")
    if kinds is None:
        if any(name in schema for name in ("anyOf", "oneOf", "$ref", "allOf")):
            notes = {name: schema[name] for name in _NOTES & schema.keys()}
            rest = {name: value for name, value in schema.items() if name not in notes}
            return notes | {"anyOf": [rest, {"type": "null"}]}
        return schema
    kinds = kinds if isinstance(kinds, list) else [kinds]
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema and None not in schema["enum"] else {}
    return schema | {"type": [*kinds, "null"] if "null" not in kinds else kinds} | enum


def resolve(root: Schema, reference: Any) -> Any:
    """What a reference inside the schema points to. Raises LookupError, TypeError, AttributeError."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        raise LookupError(reference)
    found: Any = root
    for step in reference[2:].split("/"):
        step = unquote(step).replace("~1", "/").replace("~0", "~")
        found = found[int(step)] if isinstance(found, list) else found[step]
    if not isinstance(found, dict):
        raise LookupError(reference)
    return found


def for_provider(schema: Schema, provider: ProviderName) -> tuple[Schema, bool]:
    """The schema as a provider takes it, and whether the provider then enforces all of the caller's: where it does not,
    an answer may still not fit. Raises UnsupportedSchema for what it takes in no form.
    """
    fitter = _Fitter(schema, provider)
    if provider == "anthropic" and (keyword_path := _recursion(schema)) is not None:
        raise UnsupportedSchema("$ref", keyword_path, "leads back to itself, which Anthropic does not take")
    return fitter.schema(schema, []), fitter.exact


class _Fitter:
    def __init__(self, root: Schema, provider: ProviderName) -> None:
        self._root = root
        self._provider = provider
        self.exact = True

    def schema(self, schema: Schema, path: list[str]) -> Schema:
        """A part, in the provider's subset."""
        fitted: Schema = {}
        told: list[str] = []
        schema = self._without_all_of(schema, path)
        if "oneOf" in schema:
            self.exact = False  # they take it as anyOf
            schema = {name: value for name, value in schema.items() if name != "oneOf"} | {
                "anyOf": [*schema.get("anyOf", ()), *schema["oneOf"]]
            }
        for name in _DEFINITIONS:
            if name in schema:
                fitted[name] = {key: self.schema(part, [*path, name, key]) for key, part in schema[name].items()}
        if "$ref" in schema:
            if schema.keys() & {"properties", "enum", "type", "anyOf"} or schema.keys() & _BOUNDS:
                self.exact = False
            return fitted | {"$ref": schema["$ref"]}
        for name in ("type", "enum", "title", "description"):
            if name in schema:
                fitted[name] = schema[name]
        if "const" in schema:
            fitted["enum"] = [schema["const"]]
            if "type" not in fitted:
                fitted["type"] = _type_of(schema["const"])
        if "enum" in fitted and any(isinstance(value, dict | list) for value in fitted["enum"]):
            told.append(f"one of {json.dumps(fitted.pop('enum'), ensure_ascii=False)}")
        elif "enum" in fitted and "type" not in fitted:
            kinds = list(dict.fromkeys(map(_type_of, fitted["enum"])))
            fitted["type"] = kinds[0] if len(kinds) == 1 else kinds
        if isinstance(schema.get("format"), str):
            if schema["format"] in _FORMATS[self._provider]:
                fitted["format"] = schema["format"]
            else:
                told.append(f"format: {schema['format']}")
        for name in _BOUNDS & schema.keys():
            if name in _ENFORCED[self._provider] or (
                name == "minItems" and schema[name] in (0, 1) and self._provider == "anthropic"
            ):
                fitted[name] = schema[name]
            else:
                self.exact = False
                told.append(f"{name}: {json.dumps(schema[name], ensure_ascii=False)}")
        if "anyOf" in schema:
            fitted["anyOf"] = [
                self.schema(part, [*path, "anyOf", str(number)]) for number, part in enumerate(schema["anyOf"])
            ]
            if schema.keys() & {"type", "enum", "properties", "items"}:
                self.exact = False
                fitted.pop("type", None)
                fitted.pop("enum", None)
        elif _may_be(schema, "object"):
            self._object(schema, fitted, path, told)
        if _may_be(schema, "array") and "anyOf" not in fitted:
            self._array(schema, fitted, path, told)
        if not fitted.keys() - {"title", "description", *_DEFINITIONS}:
            self._anything(fitted, path)
        if told:
            description = fitted.get("description")
            hints = "; ".join(sorted(told))
            fitted["description"] = f"{description} ({hints})" if description else hints
        return fitted

    def _object(self, schema: Schema, fitted: Schema, path: list[str], told: list[str]) -> None:
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        required = [name for name in schema.get("required", ()) if name in properties]
        if missing := [name for name in schema.get("required", ()) if name not in properties]:
            raise UnsupportedSchema("required", path, f"names no member: {missing[0]}"[:200])
        if self._provider != "google" and isinstance(others, dict):
            raise UnsupportedSchema(
                "additionalProperties", path, f"with a schema is not supported by {_SPELLED[self._provider]}"
            )
        if self._provider != "google" and not properties and others is True:
            raise UnsupportedSchema(
                "additionalProperties",
                path,
                f"has to be false, and the members named, for {_SPELLED[self._provider]}",
            )
        fitted["properties"] = {}
        for name, part in properties.items():
            member = self.schema(part, [*path, "properties", name])
            if self._provider == "openai" and name not in required:
                member = self._or_null(part, member)
            fitted["properties"][name] = member
        if self._provider == "openai":
            fitted["required"] = list(properties)
        elif required:
            fitted["required"] = required
        if self._provider != "google" or others is False:
            fitted["additionalProperties"] = False
        elif isinstance(others, dict):
            fitted["additionalProperties"] = self.schema(others, [*path, "additionalProperties"])

    def _or_null(self, part: Schema, member: Schema) -> Schema:
        """A member that may be left out, for OpenAI, which gives every member: null then says that it is none."""
        if fits(None, part, self._root):
            return member
        self.exact = False
        notes = {name: member[name] for name in ("title", "description") if name in member}
        rest = {name: value for name, value in member.items() if name not in notes}
        return notes | {"anyOf": [rest, {"type": "null"}]}

    def _array(self, schema: Schema, fitted: Schema, path: list[str], told: list[str]) -> None:
        if "prefixItems" in schema:
            if self._provider != "google":
                raise UnsupportedSchema("prefixItems", path, f"is not supported by {_SPELLED[self._provider]}")
            fitted["prefixItems"] = [
                self.schema(part, [*path, "prefixItems", str(number)])
                for number, part in enumerate(schema["prefixItems"])
            ]
            self.exact = False
        items = schema.get("items", True)
        if isinstance(items, dict):
            fitted["items"] = self.schema(items, [*path, "items"])
        elif items is True and "prefixItems" not in schema:
            fitted["items"] = {}
            self._anything(fitted["items"], [*path, "items"])

    def _anything(self, fitted: Schema, path: list[str]) -> None:
        """A part that says nothing of what fits: Gemini takes it, the others have no form of it but simple values."""
        if self._provider != "google":
            fitted["anyOf"] = [{"type": kind} for kind in ("string", "number", "boolean", "null")]

    def _without_all_of(self, schema: Schema, path: list[str]) -> Schema:
        """The schema with what `allOf` says as its own members."""
        while "allOf" in schema:
            parts = schema["allOf"]
            schema = {name: value for name, value in schema.items() if name != "allOf"}
            if len(parts) == 1 and "$ref" in parts[0] and not schema.keys() - _NOTES:
                return {**schema, **parts[0]}
            for part in parts:
                seen = 0
                while "$ref" in part and seen < _DEEPEST:
                    part, seen = resolve(self._root, part["$ref"]), seen + 1
                schema = _merged(schema, part, path)
        return schema


_SPELLED: Mapping[ProviderName, str] = {"openai": "OpenAI", "anthropic": "Anthropic", "google": "Google"}


def _merged(one: Schema, other: Schema, path: list[str]) -> Schema:
    """A schema that both say. Raises UnsupportedSchema where no one schema does."""
    merged = dict(one)
    for name, value in other.items():
        if name not in merged or merged[name] == value or name in _NOTES:
            merged.setdefault(name, value)
        elif name == "properties":
            if any(merged[name].get(key, part) != part for key, part in value.items()):
                raise UnsupportedSchema("allOf", path, "describes a member twice")
            merged[name] = merged[name] | value
        elif name == "required":
            merged[name] = list(dict.fromkeys([*merged[name], *value]))
        elif name == "additionalProperties" and False in (merged[name], value):
            raise UnsupportedSchema("allOf", path, "has parts that forbid each other's members")
        elif name in _DEFINITIONS:
            merged[name] = value | merged[name]
        else:
            raise UnsupportedSchema("allOf", path, f'has parts that say "{name}" differently')
    return merged


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else "object" if isinstance(value, dict) else "array"


def _may_be(schema: Schema, kind: str) -> bool:
    kinds = schema.get("type")
    if kinds is None:
        implied = "properties" if kind == "object" else "items"
        return implied in schema or (kind == "array" and "prefixItems" in schema)
    return kind in (kinds if isinstance(kinds, list) else [kinds])


def _recursion(schema: Schema) -> list[str] | None:
    """Where a reference leads back to where it stands; None where none does."""

    def references(part: Any, path: list[str]) -> Iterator[tuple[str, list[str]]]:
        if isinstance(part, dict):
            for name, value in part.items():
                if name == "$ref" and isinstance(value, str):
                    yield value, path
                elif name not in ("enum", "const", "default", "examples", *_DEFINITIONS):
                    yield from references(value, [*path, name])
        elif isinstance(part, list):
            for number, value in enumerate(part):
                yield from references(value, [*path, str(number)])

    def search(part: Any, path: list[str], inside: frozenset[str]) -> list[str] | None:
        for reference, place in references(part, path):
            if reference in inside:
                return place
            if reference not in done:
                if found := search(resolve(schema, reference), place, inside | {reference}):
                    return found
                done.add(reference)
        return None

    done: set[str] = set()
    return search(schema, [], frozenset({"#"}))


def fits(value: Any, schema: Schema, root: Schema) -> bool:
    """Whether a JSON value fits a checked schema."""
    return fault_in(value, schema, root) is None


def fault_in(value: Any, schema: Schema, root: Schema) -> str | None:
    """The keyword that a JSON value does not fit; None where it fits. `format` is not looked at, as by default in JSON
    Schema (2020-12, 7.2.1).
    """
    if "$ref" in schema and (fault := fault_in(value, resolve(root, schema["$ref"]), root)):
        return fault
    kinds = schema.get("type")
    if kinds is not None and not any(_is(value, kind) for kind in (kinds if isinstance(kinds, list) else [kinds])):
        return "type"
    if "enum" in schema and not any(_equal(value, one) for one in schema["enum"]):
        return "enum"
    if "const" in schema and not _equal(value, schema["const"]):
        return "const"
    if "anyOf" in schema and not any(fits(value, part, root) for part in schema["anyOf"]):
        return "anyOf"
    if "oneOf" in schema and sum(fits(value, part, root) for part in schema["oneOf"]) != 1:
        return "oneOf"
    if "allOf" in schema and not all(fits(value, part, root) for part in schema["allOf"]):
        return "allOf"
    if isinstance(value, dict):
        return _fault_in_object(value, schema, root)
    if isinstance(value, list):
        return _fault_in_array(value, schema, root)
    if isinstance(value, str):
        return _fault_in_text(value, schema)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _fault_in_number(value, schema)
    return None


def _fault_in_object(value: dict[str, Any], schema: Schema, root: Schema) -> str | None:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    if any(name not in value for name in schema.get("required", ())):
        return "required"
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", math.inf):
        return "minProperties"
    for name, member in value.items():
        if name in properties:
            fault = fault_in(member, properties[name], root)
        elif others is False:
            return "additionalProperties"
        else:
            fault = fault_in(member, others, root) if isinstance(others, dict) else None
        if fault:
            return fault
    return None


def _fault_in_array(value: list[Any], schema: Schema, root: Schema) -> str | None:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
        return "minItems"
    if schema.get("uniqueItems") and any(_equal(one, other) for n, one in enumerate(value) for other in value[:n]):
        return "uniqueItems"
    before, items = schema.get("prefixItems", []), schema.get("items", True)
    for number, item in enumerate(value):
        part = before[number] if number < len(before) else items
        if part is False:
            return "items"
        if isinstance(part, dict) and (fault := fault_in(item, part, root)):
            return fault
    return None


def _fault_in_text(value: str, schema: Schema) -> str | None:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf):
        return "minLength"
    return "pattern" if "pattern" in schema and not re.search(schema["pattern"], value) else None


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


def _is(value: Any, kind: str) -> bool:
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


def _equal(one: Any, other: Any) -> bool:
    """Equality of JSON: true is not 1, whereas 1.0 is."""
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def restored(value: Any, schema: Schema, root: Schema) -> Any:
    """An answer without the nulls that say that a member is none: where the schema lets it be left out, not be null."""
    for _ in range(_DEEPEST):
        if "$ref" not in schema:
            break
        schema = resolve(root, schema["$ref"])
    if isinstance(value, list):
        items, before = schema.get("items"), schema.get("prefixItems", [])
        parts = [before[n] if n < len(before) else items for n in range(len(value))]
        return [
            restored(item, part, root) if isinstance(part, dict) else item
            for item, part in zip(value, parts, strict=True)
        ]
    for name in ("anyOf", "oneOf"):
        for part in schema.get(name, ()):
            if fits(one := restored(value, part, root), part, root):
                value = one
                break
    for part in schema.get("allOf", ()):
        value = restored(value, part, root)
    if not isinstance(value, dict):
        return value
    properties, required = schema.get("properties", {}), schema.get("required", ())
    return {
        name: restored(member, properties[name], root) if name in properties else member
        for name, member in value.items()
        if not (
            member is None and name in properties and name not in required and not fits(None, properties[name], root)
        )
    }


def answer_that_fits(text: str, schema: Schema) -> str:
    """The answer as its caller gets it. Raises ValueError where it is no JSON, or does not fit."""
    value = json.loads(text)
    kept = restored(value, schema, schema)
    if fault := fault_in(kept, schema, schema):
        raise ValueError(fault)
    return text if kept == value else json.dumps(kept, ensure_ascii=False)

"""A caller's schema, checked: what is not handled is refused, or told in the description."""

from __future__ import annotations

from typing import Any

from parley.providers.json_schema.keywords import (
    BOUNDS,
    DEEPEST,
    FORMATS,
    HANDLED,
    KEYWORDS_OF,
    LISTS,
    MOST_PARTS,
    NOTES,
    ONES,
    TYPES,
    UNHANDLED,
    RefusedSchema,
    Schema,
    UnsupportedSchema,
    kinds_of,
    listed,
    no_object,
    said,
    with_words,
)
from parley.providers.json_schema.merging import merged
from parley.providers.json_schema.references import References, resolve
from parley.providers.patterns import UnsupportedPattern, places_of

_LONGEST_PATTERN = 500


def check(schema: Schema) -> Schema:
    """The schema of an answer, as it is handled from here on: with `nullable` as a type, `const` as an enumeration,
    what references point to in `$defs`, and its root an object. Raises UnsupportedSchema.
    """
    checked = _Checker(schema, tells=False).checked()
    if checked.get("type") != "object":
        raise no_object(checked)
    return checked


def check_arguments(schema: Schema) -> tuple[Schema, bool]:
    """As `check`, for the arguments of a tool, and whether all that the caller's schema says is in it: what is not
    handled is told in the description instead. An empty schema is one without arguments, and its root may be a choice.

    Raises UnsupportedSchema for a reference to nothing, a root that is no object, and a schema too large or too deep.
    """
    checker = _Checker(schema, tells=True)
    checked = checker.checked()
    if checked.get("type") != "object" and not _may_be_object(checked, checked, {}):
        raise no_object(checked)
    return checked, checker.whole


def _may_be_object(schema: Schema, root: Schema, known: dict[str, bool]) -> bool:
    """Whether an object may fit.

    Args:
        known: what was found of references.
    """

    def may(part: Schema) -> bool:
        return _may_be_object(part, root, known)

    if reference := schema.get("$ref"):
        if reference not in known:
            known[reference] = may(resolve(root, reference))
        if not known[reference]:
            return False
    kinds = kinds_of(schema)
    choices = [schema[name] for name in ("anyOf", "oneOf") if name in schema]
    return (
        (not kinds or "object" in kinds)
        and all(any(map(may, parts)) for parts in choices)
        and all(map(may, schema.get("allOf", ())))
    )


class _Checker:
    """
    Attributes:
        whole: whether all of the schema is handled.

    Args:
        tells: whether what is not handled is told in the description, and not refused.
    """

    def __init__(self, root: Schema, *, tells: bool) -> None:
        self._root = root
        self._tells = tells
        self._parts = 0
        self._references = References(root)
        self.whole = True

    def checked(self) -> Schema:
        """The schema, whose root is no reference, with all that references point to in its `$defs`."""
        checked, schema = Schema(), self._root
        path: list[str] = []
        followed: set[tuple[str, ...]] = {()}
        while True:
            here = {name: value for name, value in schema.items() if name != "$ref"}
            checked = merged(checked, self._schema(here, path, 0), "$ref", path)
            if schema.get("$ref") is None:
                break
            steps, schema = self._references.pointed(schema["$ref"], path)
            if steps in followed:
                raise RefusedSchema("$ref", path, "leads back to itself")
            followed.add(steps)
            path = list(steps)
        kinds = listed(checked.get("type", []))
        unsaid = not checked.keys() - NOTES or KEYWORDS_OF["object"] & checked.keys()
        if "object" in kinds or (not kinds and unsaid):
            checked = {"type": "object"} | checked | {"type": "object"}
        definitions: dict[str, Schema] = {}
        for name, steps, target in self._references.targets:  # which may add to them
            definitions[name] = self._schema(target, list(steps), 1)
        checked = checked | ({"$defs": definitions} if definitions else {})
        self._references.check_loops(checked)
        return checked

    def _schema(self, schema: Any, path: list[str], depth: int) -> Schema:
        """A part of the schema, checked, with what only looks different made alike."""
        if schema is True:
            return {}
        if not isinstance(schema, dict):
            holders = (step for step in reversed(path) if step in HANDLED)
            raise UnsupportedSchema("false" if schema is False else next(holders, "$ref"), path)
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise RefusedSchema("properties", path, f"makes more than {MOST_PARTS} parts")
        if depth > DEEPEST:
            raise RefusedSchema(path[-1] if path else "properties", path, "is nested too deep")
        checked: Schema = {}
        left: Schema = {}
        for name, value in schema.items():
            if name not in HANDLED | UNHANDLED or _says_nothing(name, schema):
                continue
            try:
                if name == "properties":
                    checked[name] = self._properties(value, path, depth, left)
                else:
                    checked[name] = self._value(name, value, path, depth)
            except UnsupportedSchema as error:
                self._leave(error)
                left[name] = value
        if "const" in checked:
            checked["enum"] = [checked.pop("const")]
        if checked.get("items") is False and "prefixItems" not in schema:
            # The empty list alone, in words that providers know.
            del checked["items"]
            checked["maxItems"] = 0
        if "required" in checked and "properties" in left and "properties" in checked:
            checked["required"] = [name for name in checked["required"] if name not in left["properties"]]
        if checked.pop("nullable", None) is True:
            checked = _with_null(checked)
        return with_words(checked, [said(name, value) for name, value in left.items()])

    def _leave(self, error: UnsupportedSchema) -> None:
        """Raises the error where what it is for cannot be told instead."""
        if not self._tells or isinstance(error, RefusedSchema):
            raise error
        self.whole = False

    def _properties(self, value: Any, path: list[str], depth: int, left: Schema) -> dict[str, Schema]:
        """The members; what can only be told of some of them is put into `left`."""
        if not isinstance(value, dict):
            raise UnsupportedSchema("properties", path, "is not an object")
        checked = {}
        for name, part in value.items():
            try:
                checked[name] = self._schema(part, [*path, "properties", name], depth + 1)
            except UnsupportedSchema as error:
                self._leave(error)
                left.setdefault("properties", {})[name] = part
        return checked

    def _value(self, name: str, value: Any, path: list[str], depth: int) -> Any:
        """What a keyword says, checked. Raises UnsupportedSchema where that is nothing, or not handled."""
        if name in UNHANDLED:
            raise UnsupportedSchema(name, path)
        if name == "$ref":
            return self._references.gathered(value, path)
        if name in LISTS:
            if not isinstance(value, list) or not value:
                raise UnsupportedSchema(name, path, "is not a list of schemas")
            parts = list(enumerate(value))
            if name in ("anyOf", "oneOf"):
                # What nothing fits is no alternative: zod writes it for undefined.
                parts = [(number, part) for number, part in parts if not _fits_nothing(part)]
                if not parts:
                    raise UnsupportedSchema("not", [*path, name, "0"])
            return [self._schema(part, [*path, name, str(number)], depth + 1) for number, part in parts]
        if name in ONES:
            return value if isinstance(value, bool) else self._schema(value, [*path, name], depth + 1)
        if name == "type":
            return self._type(value, path)
        if name == "enum" and (not isinstance(value, list) or not value):
            raise UnsupportedSchema("enum", path, "is not a list of values")
        if name == "required" and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            raise UnsupportedSchema("required", path, "is not a list of names")
        if name in BOUNDS:
            wanted: type | tuple[type, ...] = (int, float)
            if name in ("pattern", "uniqueItems"):
                wanted = str if name == "pattern" else bool
            if not isinstance(value, wanted) or (wanted == (int, float) and isinstance(value, bool)):
                raise UnsupportedSchema(name, path, "has a value that it cannot have")
        if name == "multipleOf" and value <= 0:
            raise UnsupportedSchema(name, path, "has a value that it cannot have")
        if name == "pattern":
            _check_pattern(value, path)
        return value

    def _type(self, value: Any, path: list[str]) -> Any:
        kinds = value if isinstance(value, list) else [value]
        if self._tells:
            # Google's own schemas have them in capitals.
            kinds = [kind.lower() if isinstance(kind, str) else kind for kind in kinds]
        if not kinds or not all(isinstance(kind, str) and kind in TYPES for kind in kinds):
            raise UnsupportedSchema("type", path, "names no type")
        return kinds if isinstance(value, list) else kinds[0]


def _says_nothing(name: str, schema: Schema) -> bool:
    """Whether a keyword can be left out: whatever fits, fits without it."""
    value = schema[name]
    match name:
        case "const" | "default":
            return False
        case "propertyNames":
            # Members' names are text.
            return value in (None, {"type": "string"})
        case "additionalItems":
            return not isinstance(schema.get("items"), list)
        case "pattern" if isinstance(value, str) and isinstance(schema.get("format"), str):
            # zod and others write out a format too, in more than is read here.
            return any(schema["format"] in formats for formats in FORMATS.values()) and not _is_read(value)
        case "title" | "description" | "format" | "$schema" | "$id" | "$comment":
            return not isinstance(value, str)
    return value is None


def _fits_nothing(schema: Any) -> bool:
    return schema is False or (isinstance(schema, dict) and (schema.get("not") is True or schema.get("not") == {}))


def _check_pattern(pattern: str, path: list[str]) -> None:
    """Raises UnsupportedSchema for a pattern that is none, or says more than what a text consists of."""
    if len(pattern) > _LONGEST_PATTERN:
        raise UnsupportedSchema("pattern", path, f"is longer than {_LONGEST_PATTERN} characters")
    if not _is_read(pattern):
        raise UnsupportedSchema("pattern", path, "is not a regular expression that is understood here")


def _is_read(pattern: str) -> bool:
    try:
        places_of(pattern)
    except UnsupportedPattern:
        return False
    return len(pattern) <= _LONGEST_PATTERN


def _with_null(schema: Schema) -> Schema:
    kinds = schema.get("type")
    if kinds is None:
        if any(name in schema for name in ("anyOf", "oneOf", "$ref", "allOf")):
            notes = {name: schema[name] for name in NOTES & schema.keys()}
            rest = {name: value for name, value in schema.items() if name not in notes}
            return notes | {"anyOf": [rest, {"type": "null"}]}
        return schema
    kinds = kinds if isinstance(kinds, list) else [kinds]
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema and None not in schema["enum"] else {}
    return schema | {"type": [*kinds, "null"] if "null" not in kinds else kinds} | enum

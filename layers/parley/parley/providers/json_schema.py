"""A caller's JSON schema: what of it is handled, how each provider takes it, and whether an answer fits it.

Handled are the keywords of `_HANDLED`, with references inside the schema. Those of `_UNHANDLED` are refused in the
schema of an answer, and told in the description in that of a tool's arguments, which nobody checks; any other is left
out. What a reference points to lies in `$defs` from the check on, so that nothing that is rewritten later leaves a
reference without its target. What a provider does not enforce itself it is told in the description, and the answer is
checked against the caller's own schema, whoever gave it. Sources:
https://platform.openai.com/docs/guides/structured-outputs (supported schemas),
https://platform.claude.com/docs/en/build-with-claude/structured-outputs (JSON schema limitations),
https://ai.google.dev/gemini-api/docs/structured-output (JSON schema support).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import unquote

from parley.core.errors import Problem
from parley.core.provider_names import ProviderName
from parley.providers.patterns import PatternReader, UnsupportedPattern, places_of

Schema = dict[str, Any]

# Where the schemas inside of a schema stand: a list of them, or one; else there are members and definitions, by name.
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_ONES = ("items", "additionalProperties")
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
# The keywords that say something of one type alone.
_KEYWORDS_OF: Mapping[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties", "minProperties", "maxProperties"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}),
    "string": frozenset({"pattern", "minLength", "maxLength", "format"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
}
_LEAST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_MOST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_HANDLED = (
    _NOTES
    | _BOUNDS
    | {
        "type", "enum", "const", "anyOf", "oneOf", "allOf", "properties", "required", "additionalProperties", "items",
        "prefixItems", "nullable", "$ref",
    }
)  # fmt: skip
# Keywords of JSON Schema that are not handled. Any other is a note (2020-12, 4.3.1).
_UNHANDLED = frozenset(
    {
        "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "patternProperties",
        "propertyNames", "contains", "minContains", "maxContains", "unevaluatedProperties", "unevaluatedItems",
        "additionalItems", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor",
    }
)  # fmt: skip
_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_MOST_MEMBERS = 1_000
_LONGEST_PATTERN = 500
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
# The most that is in all schemas of a request which Anthropic enforces, and in each that OpenAI does.
MOST_STRICT_TOOLS = 20
_MOST_OPTIONAL = 24
_MOST_UNIONS = 16
_MOST_LEVELS = 10
_MOST_CHOICES = 1_000


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

    def problem(self, member: str) -> Problem:
        """It as a caller is told it.

        Args:
            member: the one of the body that the schema came in.
        """
        param = ".".join([member, *self.path])
        return Problem(
            "schema_unsupported", f"In the schema, {self}.", status=400, param=param, extra={"keyword": self.keyword}
        )


class _Refused(UnsupportedSchema):
    """What is refused in the schema of a tool's arguments too."""


def check(schema: Schema) -> Schema:
    """The schema of an answer, as it is handled from here on: with `nullable` as a type, `const` as an enumeration,
    what references point to in `$defs`, and its root an object. Raises UnsupportedSchema.
    """
    checked = _Checker(schema, tells=False).checked()
    if checked.get("type") != "object":
        raise _no_object(checked)
    return checked


def check_arguments(schema: Schema) -> tuple[Schema, bool]:
    """As `check`, for the arguments of a tool, and whether all that the caller's schema says is in it: what is not
    handled is told in the description instead. An empty schema is one without arguments, and its root may be a choice.

    Raises UnsupportedSchema for a reference to nothing, a root that is no object, and a schema too large or too deep.
    """
    checker = _Checker(schema, tells=True)
    checked = checker.checked()
    if checked.get("type") != "object" and not _may_be_object(checked, checked, {}):
        raise _no_object(checked)
    return checked, checker.whole


def _no_object(schema: Schema) -> UnsupportedSchema:
    keyword = next((name for name in ("anyOf", "oneOf", "allOf", "enum") if name in schema), "type")
    return UnsupportedSchema(keyword, [], "is not supported at the root, which has to be of the type object")


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
    kinds = _kinds(schema)
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
        self._members = 0
        self._names: dict[tuple[str, ...], str] = {}  # of definitions, by where they stand in the caller's schema
        self._targets: list[tuple[tuple[str, ...], Any]] = []
        self._sound: set[str] = set()
        self.whole = True

    def checked(self) -> Schema:
        """The schema, whose root is no reference, with all that references point to in its `$defs`."""
        checked, schema = Schema(), self._root
        path: list[str] = []
        followed: set[tuple[str, ...]] = {()}
        while True:
            here = {name: value for name, value in schema.items() if name != "$ref"}
            checked = _merged(checked, self._schema(here, path, 0), "$ref", path)
            if schema.get("$ref") is None:
                break
            steps, schema = self._pointed(schema["$ref"], path)
            if steps in followed:
                raise _Refused("$ref", path, "leads back to itself")
            followed.add(steps)
            path = list(steps)
        kinds = _listed(checked.get("type", []))
        unsaid = not checked.keys() - _NOTES or _KEYWORDS_OF["object"] & checked.keys()
        if "object" in kinds or (not kinds and unsaid):
            checked = {"type": "object"} | checked | {"type": "object"}
        definitions: dict[str, Schema] = {}
        for steps, target in self._targets:  # which may add to them
            definitions[self._names[steps]] = self._schema(target, list(steps), 1)
        checked = checked | ({"$defs": definitions} if definitions else {})
        self._check_loops(checked, checked, [], frozenset({"#"}))
        for steps, _ in self._targets:
            name = self._names[steps]
            self._check_loops(checked, definitions[name], list(steps), frozenset({f"#/$defs/{name}"}))
        return checked

    def _schema(self, schema: Any, path: list[str], depth: int) -> Schema:
        """A part of the schema, checked, with what only looks different made alike."""
        if schema is True:
            return {}
        if not isinstance(schema, dict):
            holders = (step for step in reversed(path) if step in _HANDLED)
            raise UnsupportedSchema("false" if schema is False else next(holders, "$ref"), path)
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise _Refused("properties", path, f"makes more than {_MOST_MEMBERS} parts")
        if depth > _DEEPEST:
            raise _Refused(path[-1] if path else "properties", path, "is nested too deep")
        checked: Schema = {}
        left: Schema = {}
        for name, value in schema.items():
            if name not in _HANDLED | _UNHANDLED or _says_nothing(name, schema):
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
        if "required" in checked and "properties" in left and "properties" in checked:
            checked["required"] = [name for name in checked["required"] if name not in left["properties"]]
        if checked.pop("nullable", None) is True:
            checked = _with_null(checked)
        return _with_words(checked, [_said(name, value) for name, value in left.items()])

    def _leave(self, error: UnsupportedSchema) -> None:
        """Raises the error where what it is for cannot be told instead."""
        if not self._tells or isinstance(error, _Refused):
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
        if name in _UNHANDLED:
            raise UnsupportedSchema(name, path)
        if name == "$ref":
            return self._reference(value, path)
        if name in _LISTS:
            if not isinstance(value, list) or not value:
                raise UnsupportedSchema(name, path, "is not a list of schemas")
            parts = list(enumerate(value))
            if name in ("anyOf", "oneOf"):
                # What nothing fits is no alternative: zod writes it for undefined.
                parts = [(number, part) for number, part in parts if not _fits_nothing(part)]
                if not parts:
                    raise UnsupportedSchema("not", [*path, name, "0"])
            return [self._schema(part, [*path, name, str(number)], depth + 1) for number, part in parts]
        if name in _ONES:
            return value if isinstance(value, bool) else self._schema(value, [*path, name], depth + 1)
        if name == "type":
            return self._type(value, path)
        if name == "enum" and (not isinstance(value, list) or not value):
            raise UnsupportedSchema("enum", path, "is not a list of values")
        if name == "required" and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            raise UnsupportedSchema("required", path, "is not a list of names")
        if name in _BOUNDS:
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
        if not kinds or not all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
            raise UnsupportedSchema("type", path, "names no type")
        return kinds if isinstance(value, list) else kinds[0]

    def _reference(self, reference: Any, path: list[str]) -> str:
        """The reference to the definition that its target becomes."""
        steps, target = self._pointed(reference, path)
        if not steps:
            return "#"
        if steps not in self._names:
            self._names[steps] = self._new_name(steps)
            self._targets.append((steps, target))
        return f"#/$defs/{self._names[steps]}"

    def _new_name(self, steps: Sequence[str]) -> str:
        """A name for a definition, of characters that need no escape in a reference."""
        said = [step for step in steps if step not in ("properties", *_DEFINITIONS)][-2:]
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", "_".join(said))[:50] or "_"
        taken = set(self._names.values())
        return next(one for n in range(1, len(taken) + 2) if (one := name if n == 1 else f"{name}_{n}") not in taken)

    def _pointed(self, reference: Any, path: list[str]) -> tuple[tuple[str, ...], Schema]:
        """Where in the caller's schema a reference points to, and what stands there. Raises UnsupportedSchema."""
        found: Any = self._root
        steps: tuple[str, ...] = ()
        try:
            if reference != "#":
                if not reference.startswith("#/"):
                    raise LookupError(reference)
                pointer = reference[2:].split("/")
                steps = tuple(unquote(step).replace("~1", "/").replace("~0", "~") for step in pointer)
            for step in steps:
                found = found[int(step)] if isinstance(found, list) else found[step]
            if found is not True and not isinstance(found, dict):
                raise LookupError(reference)
        except (LookupError, TypeError, ValueError, AttributeError):
            raise _Refused("$ref", path, "points to nothing in this schema") from None
        return steps, {} if found is True else found

    def _check_loops(self, root: Schema, part: Schema, path: list[str], inside: frozenset[str]) -> None:
        """Raises UnsupportedSchema for a reference that says of itself what is said here."""
        for reference in _references_here(part):
            if reference in inside or len(inside) > _DEEPEST:
                raise _Refused("$ref", path, "leads back to itself")
            if reference not in self._sound:
                self._check_loops(root, resolve(root, reference), path, inside | {reference})
                self._sound.add(reference)


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
            return any(schema["format"] in formats for formats in _FORMATS.values()) and not _is_read(value)
        case "title" | "description" | "format" | "$schema" | "$id" | "$comment":
            return not isinstance(value, str)
    return value is None


def _fits_nothing(schema: Any) -> bool:
    return schema is False or (isinstance(schema, dict) and (schema.get("not") is True or schema.get("not") == {}))


def _references_here(part: Schema) -> Iterator[str]:
    """The references whose targets a value has to fit, or may fit, that is to fit this part."""
    if "$ref" in part:
        yield part["$ref"]
    for name in ("anyOf", "oneOf", "allOf"):
        for alternative in part.get(name, ()):
            yield from _references_here(alternative)


def _parts(schema: Schema) -> Iterator[tuple[list[str], Schema]]:
    """The schemas right inside of a checked one, but for its definitions, each with the steps that lead to it."""
    for name, part in schema.get("properties", {}).items():
        yield ["properties", name], part
    for name in _LISTS:
        for number, part in enumerate(schema.get(name, ())):
            yield [name, str(number)], part
    for name in _ONES:
        if isinstance(schema.get(name), dict):
            yield [name], schema[name]


def _changed(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """A checked schema with each of the schemas right inside of it, and its definitions, changed."""
    changed = dict(schema)
    for name, value in schema.items():
        if name in ("properties", "$defs"):
            changed[name] = {key: change(part) for key, part in value.items()}
        elif name in _LISTS:
            changed[name] = [change(part) for part in value]
        elif name in _ONES and isinstance(value, dict):
            changed[name] = change(value)
    return changed


def _said(name: str, value: Any) -> str:
    """A keyword, for a description."""
    return f"{name}: {json.dumps(value, ensure_ascii=False)}"


def _with_words(schema: Schema, told: Sequence[str]) -> Schema:
    """The schema with more in its description."""
    if not told:
        return schema
    words = "; ".join(told)
    return schema | {"description": f"{schema['description']} ({words})" if schema.get("description") else words}


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
            notes = {name: schema[name] for name in _NOTES & schema.keys()}
            rest = {name: value for name, value in schema.items() if name not in notes}
            return notes | {"anyOf": [rest, {"type": "null"}]}
        return schema
    kinds = kinds if isinstance(kinds, list) else [kinds]
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema and None not in schema["enum"] else {}
    return schema | {"type": [*kinds, "null"] if "null" not in kinds else kinds} | enum


def resolve(root: Schema, reference: str) -> Schema:
    """What a reference of a checked schema points to: the root, or one of its definitions."""
    return root if reference == "#" else root["$defs"][reference.removeprefix("#/$defs/")]


def for_provider(schema: Schema, provider: ProviderName) -> tuple[Schema, bool]:
    """The schema as a provider takes it, and whether the provider then enforces all of the caller's: where it does not,
    an answer may still not fit. Raises UnsupportedSchema for what it takes in no form.
    """
    fitter = _Fitter(schema, provider)
    if provider == "anthropic" and (keyword_path := _recursion(schema)) is not None:
        raise UnsupportedSchema("$ref", keyword_path, "leads back to itself, which Anthropic does not take")
    fitted = fitter.schema(_without_definitions(schema), [])
    if "$defs" in schema:
        fitted["$defs"] = {name: fitter.schema(part, ["$defs", name]) for name, part in schema["$defs"].items()}
    if "anyOf" in fitted and provider != "google":
        raise _no_object(schema)
    if error := beyond_limits([fitted], provider):
        raise error
    return fitted, fitter.exact


def beyond_limits(schemas: Sequence[Schema], provider: ProviderName) -> UnsupportedSchema | None:
    """Why a provider does not enforce all of these in one request; None where it does.

    Args:
        schemas: as the provider takes them.
    """
    parts = [part for schema in schemas for part in _all_parts(schema)]
    if provider == "anthropic":
        optional = sum(len(part.get("properties", ())) - len(part.get("required", ())) for part in parts)
        if optional > _MOST_OPTIONAL:
            reason = f"lets more than {_MOST_OPTIONAL} members be left out, which are the most that Anthropic takes"
            return UnsupportedSchema("required", [], reason)
        unions = sum(len(part.get("anyOf", ())) > 1 or isinstance(part.get("type"), list) for part in parts)
        if unions > _MOST_UNIONS:
            reason = f"or a list of types is in more than {_MOST_UNIONS} places, the most that Anthropic takes"
            return UnsupportedSchema("anyOf", [], reason)
    if provider == "openai":
        if sum(len(part.get("enum", ())) for part in parts) > _MOST_CHOICES:
            reason = f"has more than {_MOST_CHOICES} values in all, which are the most that OpenAI takes"
            return UnsupportedSchema("enum", [], reason)
        if any(_levels(schema) > _MOST_LEVELS for schema in schemas):
            reason = f"is nested more than {_MOST_LEVELS} levels deep, which are the most that OpenAI takes"
            return UnsupportedSchema("properties", [], reason)
    return None


def _all_parts(schema: Schema) -> Iterator[Schema]:
    """A checked schema and all that are in it, its definitions too."""
    yield schema
    for part in (*schema.get("$defs", {}).values(), *(part for _, part in _parts(schema))):
        yield from _all_parts(part)


def _levels(schema: Schema) -> int:
    """How many objects are in each other; a definition's are counted where it stands."""
    inside = (*schema.get("$defs", {}).values(), *(part for _, part in _parts(schema)))
    return ("properties" in schema) + max(map(_levels, inside), default=0)


def _without_definitions(schema: Schema) -> Schema:
    return {name: value for name, value in schema.items() if name != "$defs"}


def for_tool(parameters: Schema, provider: ProviderName, *, strict: bool) -> tuple[Schema, bool]:
    """The arguments of a tool as a provider takes them, and whether it makes a model keep to them: only where it
    enforces all of the caller's schema.
    """
    if strict:
        try:
            fitted, exact = for_provider(parameters, provider)
        except UnsupportedSchema:
            exact = False
        if exact and "anyOf" not in fitted:
            return fitted, True
    if parameters.keys() & {"anyOf", "oneOf", "allOf", "enum"}:
        # Providers take no choice at the root: what fits the choice fits this too, and the model is told of it.
        properties, required = _members_of(parameters, parameters, {})
        rest = {name: part for name, part in parameters.items() if name in _NOTES or name == "$defs"}
        told = [_said(name, parameters[name]) for name in ("anyOf", "oneOf", "enum") if name in parameters]
        members = {"type": "object", "properties": properties, "required": sorted(required)}
        parameters = _with_words(rest, told) | members
    return _completed(parameters) if provider == "openai" else parameters, False


def _completed(schema: Schema) -> Schema:
    """The arguments of a tool for OpenAI, which asks for the members of every object and the items of every list, also
    where it enforces nothing.
    """
    completed = _changed(schema, _completed)
    kinds = _listed(schema.get("type", []))
    if "object" in kinds:
        completed.setdefault("properties", {})
    if "array" in kinds and not isinstance(completed.get("items"), dict):
        completed["items"] = {}
    return completed


_Members = tuple[dict[str, Schema], frozenset[str]]


def _members_of(schema: Schema, root: Schema, known: dict[str, _Members]) -> _Members:
    """The members that an object which fits the schema may have, and those that it must have."""

    def of(part: Schema) -> _Members:
        if part.keys() != {"$ref"}:
            return _members_of(part, root, known)
        if part["$ref"] not in known:
            known[part["$ref"]] = _members_of(resolve(root, part["$ref"]), root, known)
        return known[part["$ref"]]

    required = frozenset(schema.get("required", ()))
    all_of = [of(part) for part in (*schema.get("allOf", ()), *({"$ref": schema[n]} for n in ("$ref",) if n in schema))]
    found = [(schema.get("properties", {}), required), *all_of]
    required = required.union(*(must for _, must in all_of))
    for name in ("anyOf", "oneOf"):
        if name in schema:
            choices = [of(part) for part in schema[name]]
            found += choices
            required |= frozenset.intersection(*(must for _, must in choices))
    properties: dict[str, list[Schema]] = {}
    for may, _ in found:
        for name, part in may.items():
            if part not in properties.setdefault(name, []):
                properties[name].append(part)
    return {name: parts[0] if len(parts) == 1 else {"anyOf": parts} for name, parts in properties.items()}, required


class _Fitter:
    def __init__(self, root: Schema, provider: ProviderName) -> None:
        self._root = root
        self._provider = provider
        self._parts = 0
        self.exact = True

    def schema(self, schema: Schema, path: list[str], inlined: frozenset[str] = frozenset()) -> Schema:
        """A part, in the provider's subset.

        Args:
            inlined: the references in whose place their targets stand, here or around this part.
        """
        self._parts += 1
        if self._parts > 2 * _MOST_MEMBERS:
            raise UnsupportedSchema("allOf", path, "repeats what it refers to too often")
        fitted: Schema = {}
        told: list[str] = []
        schema, inlined = self._plain(schema, path, inlined)
        if "$ref" in schema:
            return {"$ref": schema["$ref"]}
        for name in ("type", "enum", "title", "description"):
            if name in schema:
                fitted[name] = schema[name]
        kinds = [] if "anyOf" in schema else _kinds(schema)
        if kinds and "type" not in fitted:
            fitted["type"] = kinds[0] if len(kinds) == 1 else kinds
        if "anyOf" in schema and "enum" in fitted:
            self.exact = False
            told.append(_said("enum", fitted.pop("enum")))
        if isinstance(schema.get("format"), str):
            if schema["format"] in _FORMATS[self._provider]:
                fitted["format"] = schema["format"]
            else:
                told.append(_said("format", schema["format"]))
        for name in _BOUNDS & schema.keys():
            if name in _ENFORCED[self._provider] or (
                name == "minItems" and schema[name] in (0, 1) and self._provider == "anthropic"
            ):
                fitted[name] = schema[name]
            else:
                self.exact = False
                told.append(_said(name, schema[name]))
        if "anyOf" in schema:
            fitted["anyOf"] = [
                self.schema(part, [*path, "anyOf", str(number)], inlined) for number, part in enumerate(schema["anyOf"])
            ]
        if "object" in kinds:
            self._object(schema, fitted, path, inlined)
        if "array" in kinds:
            self._array(schema, fitted, path, inlined)
        if not fitted.keys() - {"title", "description"}:
            self._anything(fitted)
        return _with_words(fitted, sorted(told))

    def _object(self, schema: Schema, fitted: Schema, path: list[str], inlined: frozenset[str]) -> None:
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
            member = self.schema(part, [*path, "properties", name], inlined)
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
            fitted["additionalProperties"] = self.schema(others, [*path, "additionalProperties"], inlined)

    def _or_null(self, part: Schema, member: Schema) -> Schema:
        """A member that may be left out, for OpenAI, which gives every member: null then says that it is none."""
        if fits(None, part, self._root):
            return member
        self.exact = False
        notes = {name: member[name] for name in ("title", "description") if name in member}
        rest = {name: value for name, value in member.items() if name not in notes}
        return notes | {"anyOf": [rest, {"type": "null"}]}

    def _array(self, schema: Schema, fitted: Schema, path: list[str], inlined: frozenset[str]) -> None:
        if "prefixItems" in schema:
            if self._provider != "google":
                raise UnsupportedSchema("prefixItems", path, f"is not supported by {_SPELLED[self._provider]}")
            fitted["prefixItems"] = [
                self.schema(part, [*path, "prefixItems", str(number)], inlined)
                for number, part in enumerate(schema["prefixItems"])
            ]
            self.exact = False
        items = schema.get("items", True)
        if isinstance(items, dict):
            fitted["items"] = self.schema(items, [*path, "items"], inlined)
        elif items is True and "prefixItems" not in schema:
            fitted["items"] = {}
            self._anything(fitted["items"])

    def _anything(self, fitted: Schema) -> None:
        """A part that says nothing of what fits: Gemini takes it, the others have no form of it but simple values."""
        if self._provider != "google":
            fitted["anyOf"] = [{"type": kind} for kind in ("string", "number", "boolean", "null")]

    def _plain(self, schema: Schema, path: list[str], inlined: frozenset[str]) -> tuple[Schema, frozenset[str]]:
        """The part as a reference alone, as alternatives with nothing but notes beside them, or with neither; and with
        what `allOf` says among its own members.
        """
        while "allOf" in schema or ("$ref" in schema and schema.keys() - _NOTES - {"$ref"}):
            parts = [*([{"$ref": schema["$ref"]}] if "$ref" in schema else ()), *schema.get("allOf", ())]
            schema = {name: value for name, value in schema.items() if name not in ("$ref", "allOf")}
            if len(parts) == 1 and "$ref" in parts[0] and not schema.keys() - _NOTES:
                schema = {**parts[0], **schema}
                break
            for part in parts:
                target, inlined = self._target(part, path, inlined)
                schema = _merged(schema, target, "allOf", path)
        if "$ref" in schema and schema.keys() & {"title", "description"}:
            # Providers take nothing beside a reference.
            reference = schema["$ref"]
            return {name: value for name, value in schema.items() if name != "$ref"} | {
                "anyOf": [{"$ref": reference}]
            }, inlined
        if "oneOf" in schema:
            self.exact = False  # they take it as anyOf
            rest = {name: value for name, value in schema.items() if name != "oneOf"}
            schema = _merged(rest, {"anyOf": schema["oneOf"]}, "oneOf", path)
        beside = {name: value for name, value in schema.items() if name not in _NOTES | {"anyOf"}}
        if "anyOf" not in schema:
            if any(isinstance(value, dict | list) for value in schema.get("enum", ())):
                # Only simple values can be enumerated.
                kept = {name: value for name, value in schema.items() if name not in beside.keys() - {"enum"}}
                return kept | {"anyOf": [_form(value) for value in schema["enum"]]}, inlined
            return schema, inlined
        if not beside:
            return schema, inlined
        alternatives = []
        for part in schema["anyOf"]:
            target, inlined = self._target(part, path, inlined)
            try:
                alternatives.append(_merged(target, beside, "anyOf", path))
            except _Contradiction as error:
                contradiction = error
        if not alternatives:
            raise contradiction
        kept = {name: value for name, value in schema.items() if name not in beside}
        return kept | {"anyOf": alternatives}, inlined

    def _target(self, part: Schema, path: list[str], inlined: frozenset[str]) -> tuple[Schema, frozenset[str]]:
        """What stands in a part's place, where that is a reference and nothing else. Raises UnsupportedSchema where it
        leads back to itself.
        """
        while part.keys() == {"$ref"}:
            if part["$ref"] in inlined:
                raise UnsupportedSchema("$ref", path, "leads back to itself, with more beside it")
            inlined |= {part["$ref"]}
            part = resolve(self._root, part["$ref"])
        return _without_definitions(part), inlined


_SPELLED: Mapping[ProviderName, str] = {"openai": "OpenAI", "anthropic": "Anthropic", "google": "Google"}


class _Contradiction(UnsupportedSchema):
    """Nothing fits both of two schemas."""


def _merged(one: Schema, other: Schema, keyword: str, path: list[str]) -> Schema:
    """A schema that says what both say. Raises UnsupportedSchema where no one schema does.

    Args:
        keyword: what made two of one.
    """
    merged = dict(one)
    for name, value in other.items():
        if name not in merged or merged[name] == value or name in _NOTES:
            merged.setdefault(name, value)
        elif name == "type":
            merged[name] = _both(_listed(merged[name]), _listed(value))
        elif name == "enum":
            merged[name] = [value for value in merged[name] if any(_equal(value, other) for other in other[name])]
        elif name == "properties":
            merged[name] = merged[name] | {
                key: {"allOf": [merged[name][key], part]} if merged[name].get(key, part) != part else part
                for key, part in value.items()
            }
        elif name == "items" and isinstance(value, dict) and isinstance(merged[name], dict):
            merged[name] = {"allOf": [merged[name], value]}
        elif name == "required":
            merged[name] = list(dict.fromkeys([*merged[name], *value]))
        elif name == "allOf":
            merged[name] = [*merged[name], *value]
        elif name == "uniqueItems":
            merged[name] = True
        elif name in _LEAST:
            merged[name] = max(merged[name], value)
        elif name in _MOST:
            merged[name] = min(merged[name], value)
        elif name == "additionalProperties" and False in (merged[name], value):
            merged[name] = False
        elif name == "additionalProperties" and True in (merged[name], value):
            merged[name] = value if merged[name] is True else merged[name]
        else:
            raise UnsupportedSchema(keyword, path, f'has parts that say "{name}" differently')
    for part, others in ((one, other), (other, one)):
        strange = others.get("properties", {}).keys() - part.get("properties", {}).keys()
        if strange and part.get("additionalProperties", True) is not True:
            raise UnsupportedSchema(keyword, path, "has parts that forbid each other's members")
    if "type" in merged and "enum" in merged:
        merged["enum"] = [
            value for value in merged["enum"] if any(_is(value, kind) for kind in _listed(merged["type"]))
        ]
    if [] in (merged.get("type"), merged.get("enum")):
        raise _Contradiction(keyword, path, "has parts that contradict each other")
    return merged


def _form(value: Any) -> Schema:
    """The schema of one value, as far as providers take such: of a list they take no order."""
    if isinstance(value, dict):
        members = {name: _form(member) for name, member in value.items()}
        return {"type": "object", "properties": members, "required": list(value), "additionalProperties": False}
    if isinstance(value, list):
        items = {"anyOf": [_form(item) for item in value]} if value else {"type": "null"}
        return {"type": "array", "items": items, "minItems": len(value), "maxItems": len(value)}
    return {"enum": [value]}


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


def _listed(kinds: str | list[str]) -> list[str]:
    return kinds if isinstance(kinds, list) else [kinds]


def _both(kinds: list[str], others: list[str]) -> list[str]:
    """The types that are among both; an integer is a number too."""
    wide = [[*some, *({"integer"} if "number" in some else ())] for some in (kinds, others)]
    return [kind for kind in dict.fromkeys(wide[0]) if kind in wide[1]]


def _kinds(schema: Schema) -> list[str]:
    """The types of what fits. Where none are stated, those whose keywords are there: all they say nothing of would fit
    too, but nobody means that.
    """
    if "type" in schema:
        return _listed(schema["type"])
    if "enum" in schema:
        return list(dict.fromkeys(map(_type_of, schema["enum"])))
    return [kind for kind, keywords in _KEYWORDS_OF.items() if keywords & schema.keys()]


def _recursion(schema: Schema) -> list[str] | None:
    """Where a reference leads back to where it stands; None where none does."""

    def references(part: Schema, path: list[str]) -> Iterator[tuple[str, list[str]]]:
        if "$ref" in part:
            yield part["$ref"], path
        for steps, inner in _parts(part):
            yield from references(inner, [*path, *steps])

    def search(part: Schema, path: list[str], inside: frozenset[str]) -> list[str] | None:
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
    return _Reader(root).fault_in(value, schema) is None


def fault_in(value: Any, schema: Schema, root: Schema) -> str | None:
    """The keyword that a JSON value does not fit; None where it fits. `format` is not looked at, as by default in JSON
    Schema (2020-12, 7.2.1).
    """
    return _Reader(root).fault_in(value, schema)


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
        if kinds is not None and not any(_is(value, kind) for kind in _listed(kinds)):
            return "type"
        if "enum" in schema and not any(_equal(value, one) for one in schema["enum"]):
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
        if schema.get("uniqueItems") and any(_equal(one, other) for n, one in enumerate(value) for other in value[:n]):
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


def answer_that_fits(text: str, schema: Schema) -> str:
    """The answer as its caller gets it. Raises ValueError where it is no JSON, or does not fit."""
    value = from_json(text)
    reader = _Reader(schema)
    kept = reader.restored(value, schema)
    if fault := reader.fault_in(kept, schema):
        raise ValueError(fault)
    return text if kept == value else json.dumps(kept, ensure_ascii=False, allow_nan=False)


def from_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, also for NaN and Infinity, which JSON does not have."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)

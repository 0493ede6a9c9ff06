"""What a schema consists of: the keywords that are handled, where its parts stand, and what is not supported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from parley.core.errors import Problem
from parley.core.provider_names import ProviderName
from parley.providers.json_schema.values import type_of

Schema = dict[str, Any]

# Where the schemas inside of a schema stand: a list of them, or one; else there are members and definitions, by name.
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
ONES = ("items", "additionalProperties")
DEFINITIONS = ("$defs", "definitions")
# Say something to readers, nothing of what fits.
NOTES = frozenset(
    {
        "$schema", "$id", "$comment", "title", "description", "default", "examples", "example", "deprecated",
        "readOnly", "writeOnly", "format", "discriminator", "contentEncoding", "contentMediaType", "propertyOrdering",
    }
)  # fmt: skip
BOUNDS = frozenset(
    {
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
        "pattern", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
    }
)  # fmt: skip
# The keywords that say something of one type alone.
KEYWORDS_OF: Mapping[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties", "minProperties", "maxProperties"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}),
    "string": frozenset({"pattern", "minLength", "maxLength", "format"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
}
HANDLED = (
    NOTES
    | BOUNDS
    | {
        "type", "enum", "const", "anyOf", "oneOf", "allOf", "properties", "required", "additionalProperties", "items",
        "prefixItems", "nullable", "$ref",
    }
)  # fmt: skip
# Keywords of JSON Schema that are not handled. Any other is a note (2020-12, 4.3.1).
UNHANDLED = frozenset(
    {
        "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "patternProperties",
        "propertyNames", "contains", "minContains", "maxContains", "unevaluatedProperties", "unevaluatedItems",
        "additionalItems", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor",
    }
)  # fmt: skip
TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
FORMATS: Mapping[ProviderName, frozenset[str]] = {
    "openai": frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}),
    "anthropic": frozenset(
        {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
    ),
    "google": frozenset({"date-time", "date", "time"}),
}
# Of a schema: how many are in it, and how deep.
MOST_PARTS = 1_000
DEEPEST = 32


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


class RefusedSchema(UnsupportedSchema):
    """What is refused in the schema of a tool's arguments too."""


def no_object(schema: Schema) -> UnsupportedSchema:
    """What is said of a schema whose root is no object."""
    keyword = next((name for name in ("anyOf", "oneOf", "allOf", "enum") if name in schema), "type")
    return UnsupportedSchema(keyword, [], "is not supported at the root, which has to be of the type object")


def parts_of(schema: Schema) -> Iterator[tuple[list[str], Schema]]:
    """The schemas right inside of a checked one, but for its definitions, each with the steps that lead to it."""
    for name, part in schema.get("properties", {}).items():
        yield ["properties", name], part
    for name in LISTS:
        for number, part in enumerate(schema.get(name, ())):
            yield [name, str(number)], part
    for name in ONES:
        if isinstance(schema.get(name), dict):
            yield [name], schema[name]


def changed(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """A checked schema with each of the schemas right inside of it, and its definitions, changed."""
    whole = dict(schema)
    for name, value in schema.items():
        if name in ("properties", "$defs"):
            whole[name] = {key: change(part) for key, part in value.items()}
        elif name in LISTS:
            whole[name] = [change(part) for part in value]
        elif name in ONES and isinstance(value, dict):
            whole[name] = change(value)
    return whole


def kinds_of(schema: Schema) -> list[str]:
    """The types of what fits. Where none are stated, those whose keywords are there: all they say nothing of would fit
    too, but nobody means that.
    """
    if "type" in schema:
        return listed(schema["type"])
    if "enum" in schema:
        return list(dict.fromkeys(map(type_of, schema["enum"])))
    return [kind for kind, keywords in KEYWORDS_OF.items() if keywords & schema.keys()]


def listed(kinds: str | list[str]) -> list[str]:
    """The types that `type` says, be it one or several."""
    return kinds if isinstance(kinds, list) else [kinds]


def said(name: str, value: Any) -> str:
    """A keyword, for a description."""
    return f"{name}: {json.dumps(value, ensure_ascii=False)}"


def with_words(schema: Schema, told: Sequence[str]) -> Schema:
    """The schema with more in its description."""
    if not told:
        return schema
    words = "; ".join(told)
    return schema | {"description": f"{schema['description']} ({words})" if schema.get("description") else words}


def without_definitions(schema: Schema) -> Schema:
    """The schema, whose references then lead nowhere."""
    return {name: value for name, value in schema.items() if name != "$defs"}

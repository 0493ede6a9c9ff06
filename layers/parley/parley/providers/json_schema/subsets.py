"""A checked schema in each provider's subset, as the form of an answer or as the arguments of a tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parley.core.provider_names import ProviderName
from parley.providers.json_schema.answers import fits
from parley.providers.json_schema.keywords import (
    BOUNDS,
    FORMATS,
    MOST_PARTS,
    NOTES,
    Schema,
    UnsupportedSchema,
    changed,
    kinds_of,
    listed,
    no_object,
    parts_of,
    said,
    with_words,
    without_definitions,
)
from parley.providers.json_schema.merging import Contradiction, merged
from parley.providers.json_schema.references import recursion, resolve

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
# The most that is in all schemas of a request which Anthropic enforces, and in each that OpenAI does.
MOST_STRICT_TOOLS = 20
_MOST_OPTIONAL = 24
_MOST_UNIONS = 16
_MOST_LEVELS = 10
_MOST_CHOICES = 1_000
_SPELLED: Mapping[ProviderName, str] = {"openai": "OpenAI", "anthropic": "Anthropic", "google": "Google"}


def for_provider(schema: Schema, provider: ProviderName) -> tuple[Schema, bool]:
    """The schema as a provider takes it, and whether the provider then enforces all of the caller's: where it does not,
    an answer may still not fit. Raises UnsupportedSchema for what it takes in no form.
    """
    fitter = _Fitter(schema, provider)
    if provider == "anthropic" and (keyword_path := recursion(schema)) is not None:
        raise UnsupportedSchema("$ref", keyword_path, "leads back to itself, which Anthropic does not take")
    fitted = fitter.schema(without_definitions(schema), [])
    if "$defs" in schema:
        fitted["$defs"] = {name: fitter.schema(part, ["$defs", name]) for name, part in schema["$defs"].items()}
    if "anyOf" in fitted and provider != "google":
        raise no_object(schema)
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
    for part in (*schema.get("$defs", {}).values(), *(part for _, part in parts_of(schema))):
        yield from _all_parts(part)


def _levels(schema: Schema) -> int:
    """How many objects are in each other; a definition's are counted where it stands."""
    inside = (*schema.get("$defs", {}).values(), *(part for _, part in parts_of(schema)))
    return ("properties" in schema) + max(map(_levels, inside), default=0)


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
        rest = {name: part for name, part in parameters.items() if name in NOTES or name == "$defs"}
        told = [said(name, parameters[name]) for name in ("anyOf", "oneOf", "enum") if name in parameters]
        members = {"type": "object", "properties": properties, "required": sorted(required)}
        parameters = with_words(rest, told) | members
    return _completed(parameters) if provider == "openai" else parameters, False


def _completed(schema: Schema) -> Schema:
    """The arguments of a tool for OpenAI, which asks for the members of every object and the items of every list, also
    where it enforces nothing.
    """
    completed = changed(schema, _completed)
    kinds = listed(schema.get("type", []))
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
        if self._parts > 2 * MOST_PARTS:
            raise UnsupportedSchema("allOf", path, "repeats what it refers to too often")
        fitted: Schema = {}
        told: list[str] = []
        schema, inlined = self._plain(schema, path, inlined)
        if "$ref" in schema:
            return {"$ref": schema["$ref"]}
        for name in ("type", "enum", "title", "description"):
            if name in schema:
                fitted[name] = schema[name]
        kinds = [] if "anyOf" in schema else kinds_of(schema)
        if kinds and "type" not in fitted:
            fitted["type"] = kinds[0] if len(kinds) == 1 else kinds
        if "anyOf" in schema and "enum" in fitted:
            self.exact = False
            told.append(said("enum", fitted.pop("enum")))
        if isinstance(schema.get("format"), str):
            if schema["format"] in FORMATS[self._provider]:
                fitted["format"] = schema["format"]
            else:
                told.append(said("format", schema["format"]))
        for name in BOUNDS & schema.keys():
            if name in _ENFORCED[self._provider] or (
                name == "minItems" and schema[name] in (0, 1) and self._provider == "anthropic"
            ):
                fitted[name] = schema[name]
            else:
                self.exact = False
                told.append(said(name, schema[name]))
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
        return with_words(fitted, sorted(told))

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
        while "allOf" in schema or ("$ref" in schema and schema.keys() - NOTES - {"$ref"}):
            parts = [*([{"$ref": schema["$ref"]}] if "$ref" in schema else ()), *schema.get("allOf", ())]
            schema = {name: value for name, value in schema.items() if name not in ("$ref", "allOf")}
            if len(parts) == 1 and "$ref" in parts[0] and not schema.keys() - NOTES:
                schema = {**parts[0], **schema}
                break
            for part in parts:
                target, inlined = self._target(part, path, inlined)
                schema = merged(schema, target, "allOf", path)
        if "$ref" in schema and schema.keys() & {"title", "description"}:
            # Providers take nothing beside a reference.
            reference = schema["$ref"]
            return {name: value for name, value in schema.items() if name != "$ref"} | {
                "anyOf": [{"$ref": reference}]
            }, inlined
        if "oneOf" in schema:
            self.exact = False  # they take it as anyOf
            rest = {name: value for name, value in schema.items() if name != "oneOf"}
            schema = merged(rest, {"anyOf": schema["oneOf"]}, "oneOf", path)
        beside = {name: value for name, value in schema.items() if name not in NOTES | {"anyOf"}}
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
                alternatives.append(merged(target, beside, "anyOf", path))
            except Contradiction as error:
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
        return without_definitions(part), inlined


def _form(value: Any) -> Schema:
    """The schema of one value, as far as providers take such: of a list they take no order."""
    if isinstance(value, dict):
        members = {name: _form(member) for name, member in value.items()}
        return {"type": "object", "properties": members, "required": list(value), "additionalProperties": False}
    if isinstance(value, list):
        items = {"anyOf": [_form(item) for item in value]} if value else {"type": "null"}
        return {"type": "array", "items": items, "minItems": len(value), "maxItems": len(value)}
    return {"enum": [value]}

"""One schema in the place of two: of `allOf`, and of what stands beside a reference or beside alternatives."""

from __future__ import annotations

from parley.providers.json_schema.keywords import NOTES, Schema, UnsupportedSchema, listed
from parley.providers.json_schema.values import equal, is_of_type

_LEAST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_MOST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})


class Contradiction(UnsupportedSchema):
    """Nothing fits both of two schemas."""


def merged(one: Schema, other: Schema, keyword: str, path: list[str]) -> Schema:
    """A schema that says what both say. Raises UnsupportedSchema where no one schema does.

    Args:
        keyword: what made two of one.
    """
    whole = dict(one)
    for name, value in other.items():
        if name not in whole or whole[name] == value or name in NOTES:
            whole.setdefault(name, value)
        elif name == "type":
            whole[name] = _both(listed(whole[name]), listed(value))
        elif name == "enum":
            whole[name] = [value for value in whole[name] if any(equal(value, other) for other in other[name])]
        elif name == "properties":
            whole[name] = whole[name] | {
                key: {"allOf": [whole[name][key], part]} if whole[name].get(key, part) != part else part
                for key, part in value.items()
            }
        elif name == "items" and isinstance(value, dict) and isinstance(whole[name], dict):
            whole[name] = {"allOf": [whole[name], value]}
        elif name == "required":
            whole[name] = list(dict.fromkeys([*whole[name], *value]))
        elif name == "allOf":
            whole[name] = [*whole[name], *value]
        elif name == "uniqueItems":
            whole[name] = True
        elif name in _LEAST:
            whole[name] = max(whole[name], value)
        elif name in _MOST:
            whole[name] = min(whole[name], value)
        elif name == "additionalProperties" and False in (whole[name], value):
            whole[name] = False
        elif name == "additionalProperties" and True in (whole[name], value):
            whole[name] = value if whole[name] is True else whole[name]
        else:
            raise UnsupportedSchema(keyword, path, f'has parts that say "{name}" differently')
    for part, others in ((one, other), (other, one)):
        strange = others.get("properties", {}).keys() - part.get("properties", {}).keys()
        if strange and part.get("additionalProperties", True) is not True:
            raise UnsupportedSchema(keyword, path, "has parts that forbid each other's members")
    if "type" in whole and "enum" in whole:
        whole["enum"] = [
            value for value in whole["enum"] if any(is_of_type(value, kind) for kind in listed(whole["type"]))
        ]
    if [] in (whole.get("type"), whole.get("enum")):
        raise Contradiction(keyword, path, "has parts that contradict each other")
    return whole


def _both(kinds: list[str], others: list[str]) -> list[str]:
    """The types that are among both; an integer is a number too."""
    wide = [[*some, *({"integer"} if "number" in some else ())] for some in (kinds, others)]
    return [kind for kind in dict.fromkeys(wide[0]) if kind in wide[1]]

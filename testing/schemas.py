"""JSON schemas in the shapes that callers send: of pydantic, zod, OpenAPI, TypeScript, and of public formats."""

from __future__ import annotations

from typing import Any, NamedTuple

from parley.core.provider_names import PROVIDERS, ProviderName

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_YES: Schema = {"type": "boolean"}


class Shape(NamedTuple):
    """A caller's schema, and the keyword that each provider's callers are told where it is refused."""

    schema: Schema
    refused: dict[ProviderName, str]


def closed(**members: Any) -> Schema:
    """An object with these members, all of them required, and no others."""
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


def opened(**members: Any) -> Schema:
    """An object with these members, each of which may be left out."""
    return {"type": "object", "properties": members}


def many(items: Any, **bounds: Any) -> Schema:
    """A list."""
    return {"type": "array", "items": items, **bounds}


def _nested(levels: int) -> Schema:
    inner = closed(label=_TEXT)
    for level in range(levels, 0, -1):
        inner = closed(**{f"level_{level}": inner, "notes": many(_TEXT)})
    return inner


def _everywhere(keyword: str) -> dict[ProviderName, str]:
    return dict.fromkeys(PROVIDERS, keyword)


def _but_google(keyword: str) -> dict[ProviderName, str]:
    return {"openai": keyword, "anthropic": keyword}


ANSWERED: dict[str, Schema] = {
    "contact": closed(name=_TEXT, email={"type": "string", "format": "email"}, phone={"type": ["string", "null"]}),
    "steps of a proof": closed(steps=many(closed(explanation=_TEXT, output=_TEXT)), final_answer=_TEXT),
    "all optional": opened(
        basics=opened(name=_TEXT, url={"type": "string", "format": "uri"}, summary=_TEXT),
        work=many(opened(company=_TEXT, startDate={"type": "string", "format": "date"}, highlights=many(_TEXT))),
    ),
    "tagged union": closed(
        item={
            "anyOf": [
                closed(kind={"type": "string", "const": "person"}, age=_WHOLE),
                closed(kind={"type": "string", "const": "address"}, street=_TEXT, city=_TEXT),
            ]
        }
    ),
    "union of simple types": closed(id={"anyOf": [_WHOLE, _TEXT]}, ratio={"type": ["number", "string", "null"]}),
    "union by oneOf": closed(
        payment={"oneOf": [closed(card=_TEXT, cvc=_WHOLE), closed(iban=_TEXT), closed(cash=_YES)]}
    ),
    "union with a discriminator": {
        "type": "object",
        "properties": {
            "pet": {
                "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
                "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/$defs/Cat", "dog": "#/$defs/Dog"}},
            }
        },
        "required": ["pet"],
        "$defs": {
            "Cat": closed(kind={"const": "cat", "type": "string"}, lives=_WHOLE),
            "Dog": closed(kind={"const": "dog", "type": "string"}, barks=_YES),
        },
    },
    "pydantic's optional members": {
        "title": "User",
        "type": "object",
        "properties": {
            "name": {"title": "Name", "type": "string"},
            "age": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None, "title": "Age"},
            "role": {"$ref": "#/$defs/Role", "default": "guest"},
            "tags": {"items": {"type": "string"}, "title": "Tags", "type": "array", "default": []},
        },
        "required": ["name"],
        "$defs": {"Role": {"enum": ["admin", "guest"], "title": "Role", "type": "string"}},
    },
    "pydantic 1": {
        "title": "Order",
        "type": "object",
        "properties": {
            "customer": {"title": "Customer", "description": "Who pays.", "allOf": [{"$ref": "#/definitions/Party"}]},
            "quantity": {"title": "Quantity", "exclusiveMinimum": 0, "type": "integer"},
        },
        "required": ["customer", "quantity"],
        "definitions": {"Party": {"title": "Party", "type": "object", "properties": {"name": _TEXT}}},
    },
    "zod": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$ref": "#/definitions/Event",
        "definitions": {
            "Event": closed(
                name=_TEXT,
                start={"type": "string", "format": "date-time"},
                guests=many({"$ref": "#/definitions/Event/properties/name"}, minItems=1),
            )
        },
    },
    "TypeScript": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"size": {"enum": ["large", "small", 3, None]}, "at": {"type": "string", "format": "date-time"}},
        "required": ["size"],
        "additionalProperties": False,
    },
    "OpenAPI 3.0": {
        "type": "object",
        "properties": {
            "nickname": {"type": "string", "nullable": True, "example": "Bo"},
            "owner": {"nullable": True, "allOf": [{"$ref": "#/definitions/Owner"}]},
            "level": {"type": "string", "enum": ["low", "high"], "nullable": True},
        },
        "required": ["nickname", "owner", "level"],
        "definitions": {"Owner": closed(id={"type": "integer", "format": "int64"})},
    },
    "allOf extends": closed(
        employee={
            "allOf": [
                {"$ref": "#/$defs/Person"},
                {"type": "object", "properties": {"salary": {"type": "number"}}, "required": ["salary"]},
            ]
        }
    )
    | {"$defs": {"Person": {"type": "object", "properties": {"name": _TEXT}, "required": ["name"]}}},
    "allOf narrows": closed(
        age={"allOf": [{"type": "integer"}, {"minimum": 18}, {"maximum": 99}]},
        code={"allOf": [{"type": "string"}, {"minLength": 4}], "description": "A code."},
    ),
    "invoice": closed(
        number={"type": "string", "pattern": "^INV-[0-9]{4}$"},
        currency={"type": "string", "pattern": "^[A-Z]{3}$"},
        lines=many(
            closed(
                text={"type": "string", "minLength": 3, "maxLength": 40},
                quantity={"type": "integer", "minimum": 1, "maximum": 500},
                price={"type": "number", "minimum": 0, "multipleOf": 0.25},
            ),
            minItems=1,
            maxItems=4,
        ),
    ),
    "ranges": closed(
        probability={"type": "number", "minimum": 0, "maximum": 1},
        below_zero={"type": "integer", "exclusiveMaximum": 0, "minimum": -5},
        even={"type": "integer", "multipleOf": 2, "exclusiveMinimum": 10},
        between={"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1.5},
    ),
    "formats": closed(
        day={"type": "string", "format": "date"},
        time={"type": "string", "format": "time"},
        length={"type": "string", "format": "duration"},
        id={"type": "string", "format": "uuid"},
        page={"type": "string", "format": "uri"},
        host={"type": "string", "format": "hostname"},
        four={"type": "string", "format": "ipv4"},
        six={"type": "string", "format": "ipv6"},
        country={"type": "string", "format": "country-code"},
    ),
    "lists with bounds": closed(
        pair=many({"type": "number"}, minItems=2, maxItems=2),
        matrix=many(many(_WHOLE, minItems=3, maxItems=3), minItems=2),
        labels=many(_TEXT, uniqueItems=True, maxItems=5),
        empty_too=many(_YES, minItems=0),
    ),
    "choices": closed(
        size={"enum": ["S", "M", "L"]},
        priority={"type": "integer", "enum": [1, 2, 3]},
        version={"const": 2},
        strict={"const": True},
        nothing={"type": "null"},
        maybe={"type": ["string", "null"], "enum": ["yes", "no", None]},
    ),
    "a choice of lists": closed(grid={"enum": [[1, 2], [3, 4]]}, origin={"const": {"x": 0, "y": 0}}),
    "two hundred choices": closed(city={"type": "string", "enum": [f"City {number}" for number in range(200)]}),
    "five levels": _nested(5),
    "a hundred members": closed(**{f"field_{number}": (_TEXT, _WHOLE, _YES)[number % 3] for number in range(100)}),
    "shared definitions": closed(billing={"$ref": "#/$defs/address"}, delivery={"$ref": "#/$defs/address"})
    | {"$defs": {"address": closed(street=_TEXT, country={"$ref": "#/$defs/country"}), "country": {"enum": ["SE"]}}},
    "a reference to a member": {
        "type": "object",
        "properties": {"from": closed(lat={"type": "number"}), "to": {"$ref": "#/properties/from"}},
        "required": ["from", "to"],
    },
    "references to members of members, as zod writes them": closed(
        user=closed(address=closed(street=_TEXT), name=_TEXT),
        home={"$ref": "#/properties/user/properties/address"},
        list=many(closed(id=_WHOLE)),
        first={"$ref": "#/properties/list/items"},
        choice={"oneOf": [closed(a=_TEXT), closed(b=_WHOLE)]},
        chosen={"$ref": "#/properties/choice/oneOf/0"},
        whole={"allOf": [closed(x=_WHOLE)]},
        part={"$ref": "#/properties/whole/allOf/0/properties/x"},
        again={"$ref": "#/properties/home"},
    ),
    "references into components, as OpenAPI has them": closed(pet={"$ref": "#/components/schemas/Pet"})
    | {
        "components": {
            "schemas": {
                "Pet": closed(name=_TEXT, owner={"$ref": "#/components/schemas/Owner"}),
                "Owner": closed(name=_TEXT),
            }
        }
    },
    "a definition of nothing that is referred to": closed(name=_TEXT)
    | {"$defs": {"unused": {"not": {"type": "string"}}, "broken": {"$ref": "#/$defs/gone"}}},
    "a reference at the root, with words beside it": {
        "$ref": "#/definitions/A",
        "title": "The answer",
        "definitions": {
            "A": {"$ref": "#/definitions/B"},
            "B": closed(name=_TEXT, like={"$ref": "#/definitions/C"}),
            "C": closed(name=_TEXT),
        },
    },
    "zod's undefined, as an alternative": opened(
        nickname={"anyOf": [{"not": {}}, _TEXT]}, count={"oneOf": [_WHOLE, {"not": {}}]}
    ),
    "an empty list alone": closed(list=many(False), text=_TEXT),
    "no more items than those described": closed(list=many(_TEXT) | {"additionalItems": False}),
    "a reference with words beside it": {
        "type": "object",
        "properties": {"home": {"$ref": "#/$defs/place", "description": "Where one lives."}},
        "required": ["home"],
        "$defs": {"place": closed(name=_TEXT)},
    },
    "a reference with bounds beside it": {
        "type": "object",
        "properties": {"count": {"$ref": "#/$defs/whole", "minimum": 3}},
        "required": ["count"],
        "$defs": {"whole": {"type": "integer", "maximum": 9}},
    },
    "an optional reference": {
        "type": "object",
        "properties": {"home": {"$ref": "#/$defs/place"}},
        "$defs": {"place": closed(name=_TEXT)},
    },
    "names that need escaping": {
        "type": "object",
        "properties": {
            "a/b": {"$ref": "#/$defs/x~1y"},
            "ä ö.å": {"$ref": "#/$defs/til~0de"},
            "": _TEXT,
            "$ref": _TEXT,
            "type": _TEXT,
            "properties": many(_TEXT),
        },
        "required": ["a/b", "ä ö.å", "", "$ref", "type", "properties"],
        "$defs": {"x/y": _TEXT, "til~de": _WHOLE},
    },
    "no types": {"properties": {"name": {"description": "A name.", "type": "string"}, "ages": {"items": _WHOLE}}},
    "anything": closed(value={}, other=True, list=many({}), described={"description": "Whatever comes to mind."}),
    "members without a type": opened(score={"minimum": 0, "maximum": 10}, code={"pattern": "^[a-z]+$"}),
    "objects or lists": closed(result={"anyOf": [many(closed(id=_WHOLE)), closed(error=_TEXT), {"type": "null"}]}),
    "members beside a union": {
        "type": "object",
        "properties": {
            "shape": {
                "type": "object",
                "properties": {"color": _TEXT},
                "required": ["color"],
                "anyOf": [
                    {"properties": {"radius": {"type": "number"}}, "required": ["radius"]},
                    {"properties": {"width": {"type": "number"}}, "required": ["width"]},
                ],
            }
        },
        "required": ["shape"],
    },
    "a type beside a union": closed(code={"type": "string", "anyOf": [{"pattern": "^[0-9]{3}$"}, {"const": "none"}]}),
    "names of members that are text": closed(name=_TEXT) | {"propertyNames": {"type": "string"}},
    "words of editors and forms": closed(
        name=_TEXT | {"markdownDescription": "**Name**", "errorMessage": "Required.", "x-order": 1, "ui:widget": "text"}
    ),
    "other members allowed": {
        "type": "object",
        "properties": {"id": _WHOLE},
        "required": ["id"],
        "additionalProperties": True,
    },
}

_TREE: Schema = closed(value=_WHOLE, children=many({"$ref": "#"}))
_LIST: Schema = closed(head={"$ref": "#/$defs/node"}) | {
    "$defs": {"node": closed(value=_WHOLE, next={"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]})}
}
_EXPRESSION: Schema = {
    "type": "object",
    "properties": {"expression": {"$ref": "#/$defs/expression"}},
    "required": ["expression"],
    "$defs": {
        "expression": {"anyOf": [{"$ref": "#/$defs/sum"}, closed(number={"type": "number"})]},
        "sum": closed(left={"$ref": "#/$defs/expression"}, right={"$ref": "#/$defs/expression"}),
    },
}

# Those that some provider, or none, takes.
SHAPES: dict[str, Shape] = {name: Shape(schema, {}) for name, schema in ANSWERED.items()} | {
    "a tree by the root": Shape(_TREE, {"anthropic": "$ref"}),
    "a linked list": Shape(_LIST, {"anthropic": "$ref"}),
    "an expression": Shape(_EXPRESSION, {"anthropic": "$ref"}),
    "a tree in a member called default": Shape(
        closed(default={"$ref": "#/$defs/enum"})
        | {"$defs": {"enum": closed(definitions=closed(examples=many({"$ref": "#/$defs/enum"})))}},
        {"anthropic": "$ref"},
    ),
    "a tree by a member": Shape(
        closed(node=closed(value=_WHOLE, children=many({"$ref": "#/properties/node"}))), {"anthropic": "$ref"}
    ),
    "a hundred members, none required": Shape(
        opened(**{f"field_{number}": (_TEXT, {"type": "number"}, many(_TEXT))[number % 3] for number in range(100)}),
        {"anthropic": "required"},
    ),
    "seventeen unions": Shape(
        closed(**{f"field_{number}": {"type": ["string", "null"]} for number in range(17)}), {"anthropic": "anyOf"}
    ),
    "more than a thousand choices": Shape(
        closed(**{f"field_{number}": {"enum": [f"{number} {n}" for n in range(90)]} for number in range(12)}),
        {"openai": "enum"},
    ),
    "eleven levels": Shape(_nested(10), {"openai": "properties"}),
    "a choice of objects at the root": Shape(
        closed(a=_WHOLE) | {"enum": [{"a": 1}, {"a": 2}]}, {"openai": "enum", "anthropic": "enum"}
    ),
    "a map": Shape(
        closed(name=_TEXT, dependencies={"type": "object", "additionalProperties": _TEXT}),
        _but_google("additionalProperties"),
    ),
    "a map with bounds": Shape(
        closed(scores={"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 1}),
        _but_google("additionalProperties"),
    ),
    "a free object": Shape(closed(metadata={"type": "object"}), _but_google("additionalProperties")),
    "GeoJSON": Shape(
        closed(
            type={"const": "Feature"},
            geometry=closed(
                type={"const": "Point"},
                coordinates={"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}], "items": False},
            ),
        ),
        _but_google("prefixItems"),
    ),
    "tuples of draft 7": Shape(closed(pair={"type": "array", "items": [_WHOLE, _TEXT]}), _everywhere("items")),
    "members by pattern": Shape(
        closed(headers={"type": "object", "patternProperties": {"^x-": _TEXT}}), _everywhere("patternProperties")
    ),
    "not": Shape(closed(name={"type": "string", "not": {"const": "root"}}), _everywhere("not")),
    "if and then": Shape(
        opened(country=_TEXT) | {"if": {"required": ["country"]}, "then": {"required": ["zip"]}}, _everywhere("if")
    ),
    "dependent members": Shape(
        opened(card=_TEXT, cvc=_TEXT) | {"dependentRequired": {"card": ["cvc"]}}, _everywhere("dependentRequired")
    ),
    "contains": Shape(closed(list=many(_WHOLE) | {"contains": {"const": 1}}), _everywhere("contains")),
    "names of members": Shape(
        closed(map={"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}}), _everywhere("propertyNames")
    ),
    "a bound of draft 4": Shape(
        closed(age={"type": "integer", "minimum": 0, "exclusiveMinimum": True}), _everywhere("exclusiveMinimum")
    ),
    "a reference elsewhere": Shape(closed(place={"$ref": "https://example.com/place.json"}), _everywhere("$ref")),
    "a reference to nothing": Shape(closed(place={"$ref": "#/$defs/place"}), _everywhere("$ref")),
    "anchors": Shape(
        closed(place={"$ref": "#place"}) | {"$defs": {"place": {"$anchor": "place", "type": "string"}}},
        _everywhere("$ref"),
    ),
    "a required member that is not described": Shape(
        {"type": "object", "properties": {"a": _TEXT}, "required": ["a", "b"]}, _everywhere("required")
    ),
    "nothing at all allowed": Shape(closed(a=False), _everywhere("false")),
    "a list at the root": Shape(many(_TEXT), _everywhere("type")),
    "a union at the root": Shape({"anyOf": [closed(a=_TEXT), closed(b=_TEXT)]}, _everywhere("anyOf")),
    "a string at the root": Shape({"type": "string"}, _everywhere("type")),
    "a type that is none": Shape(closed(when={"type": "date"}), _everywhere("type")),
}

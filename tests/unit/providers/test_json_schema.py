"""Callers' JSON schemas: what is made of them for each provider lets nothing through that does not fit."""

from __future__ import annotations

import importlib
import json
import re
from random import Random
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulator.schema import conforming, dangling, matching, refused_arguments
from parley.core.provider_names import PROVIDERS, ProviderName
from parley.providers.json_schema.answers import answer_that_fits, fault_in
from parley.providers.json_schema.checking import check, check_arguments
from parley.providers.json_schema.keywords import UnsupportedSchema
from parley.providers.json_schema.references import resolve
from parley.providers.json_schema.subsets import for_provider, for_tool
from parley.providers.patterns import PatternReader
from testing.schemas import ANSWERED, SHAPES, Schema, closed, many

# `nullable` is no keyword of JSON Schema.
_OF_JSON_SCHEMA = SHAPES.keys() - {"OpenAPI 3.0"}
_ANYTHING: tuple[Any, ...] = (None, True, 0, -1.5, 7, "", "abc", "none", [], [1, "x"], {}, {"a": None})

_ATOMS = [
    "a", "b", ".", "[ab]", "[^a]", "[a-c0-9_-]", r"[^\w]", r"[\D]", r"\d", r"\w", r"\W", r"\s", r"\S", r"\.", "^", "$",
    r"\b", r"\B", r"\A", r"\Z",
]  # fmt: skip


def _larger(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    times = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?", "+?"])
    return (
        st.tuples(part, part).map("".join)
        | st.tuples(part, part).map(lambda two: f"(?:{two[0]}|{two[1]})")
        | st.tuples(part, times).map(lambda two: f"({two[0]}){two[1]}")
    )


def drawn(schema: Any, root: Schema, random: Random, depth: int = 0) -> Any:
    """Any value that a provider may give for the schema that it was sent: of what it enforces all is kept."""
    if not isinstance(schema, dict) or not schema.keys() - {"description", "title", "$defs", "definitions"}:
        return random.choice(_ANYTHING)
    if "$ref" in schema:
        return drawn(resolve(root, schema["$ref"]), root, random, depth + 1)
    if "anyOf" in schema:
        parts = sorted(schema["anyOf"], key=lambda part: "$ref" in json.dumps(part))
        return drawn(parts[0] if depth > 8 else random.choice(parts), root, random, depth + 1)
    if "enum" in schema:
        return random.choice(schema["enum"])
    kinds = schema.get("type", "string")
    kind = random.choice(kinds) if isinstance(kinds, list) else kinds
    if kind == "object":
        members = schema.get("properties", {})
        kept = {name for name in members if name in schema.get("required", ()) or random.random() < 0.5}
        value = {name: drawn(part, root, random, depth + 1) for name, part in members.items() if name in kept}
        others = schema.get("additionalProperties", True)
        return value | ({} if others is False else {"extra member": drawn(others, root, random, depth + 1)})
    if kind == "array":
        least = schema.get("minItems", 0)
        count = least if depth > 8 else random.randint(least, min(schema.get("maxItems", least + 3), least + 3))
        before = [drawn(part, root, random, depth + 1) for part in schema.get("prefixItems", ())]
        return before or [drawn(schema.get("items", True), root, random, depth + 1) for _ in range(count)]
    if kind in ("integer", "number"):
        bounded = schema.keys() & {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
        return conforming(schema, (str(random.random()),)) if bounded else random.choice([-3, 0, 12])
    if kind == "string":
        return matching(schema["pattern"]) if "pattern" in schema else random.choice(["", "x", "Lund", "ö" * 50])
    return None if kind == "null" else random.random() < 0.5


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_provider_may_answer_fits_or_is_refused_and_where_it_enforces_all_it_fits(
    provider: ProviderName,
) -> None:
    random = Random(f"answers of {provider}")
    fitting = 0
    for name, shape in SHAPES.items():
        if provider in shape.refused or name not in _OF_JSON_SCHEMA:
            continue
        checked = check(shape.schema)
        sent, exact = for_provider(checked, provider)
        valid = jsonschema.Draft202012Validator(shape.schema).is_valid
        for _ in range(15):
            value = drawn(sent, sent, random)
            try:
                kept = json.loads(answer_that_fits(json.dumps(value), checked))
            except ValueError:
                assert not exact, f"{name}: {value}"
                assert not valid(value), f"{name}: {value}"
            else:
                fitting += 1
                assert valid(kept), f"{name}: {value}"
    assert fitting > 200


def test_what_fits_is_what_json_schema_says() -> None:
    random = Random("values")
    agreed = {True: 0, False: 0}
    for name in sorted(ANSWERED.keys() & _OF_JSON_SCHEMA):
        schema = ANSWERED[name]
        checked, valid = check(schema), jsonschema.Draft202012Validator(schema).is_valid
        for _ in range(20):
            value = drawn(checked, checked, random)
            if isinstance(value, dict) and value and random.random() < 0.5:
                value[random.choice(list(value))] = random.choice(_ANYTHING)
            fits = fault_in(value, checked, checked) is None
            assert fits is valid(value), f"{name}: {value}"
            agreed[fits] += 1
    assert min(agreed.values()) > 100


@pytest.mark.parametrize(
    "loop",
    [
        {"$ref": "#/$defs/a"},
        {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]},
        {"oneOf": [{"type": "string"}, {"$ref": "#/$defs/b"}]},
        {"allOf": [{"$ref": "#/$defs/a"}, {"type": "object"}]},
        {"$ref": "#/$defs/b", "minLength": 3},
    ],
)
def test_a_reference_that_leads_back_without_going_into_a_member_is_refused(loop: Schema) -> None:
    for schema in (
        closed(x={"$ref": "#/$defs/a"}) | {"$defs": {"a": loop, "b": {"$ref": "#/$defs/a"}}},
        {"type": "object", "properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"b": {"allOf": [loop]}, "a": loop}},
    ):
        with pytest.raises(UnsupportedSchema, match="leads back to itself") as caught:
            check(schema)
        assert caught.value.keyword == "$ref"


def test_what_grows_without_end_or_is_followed_too_deep_is_refused() -> None:
    doubled = {f"d{n}": closed(a={"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"title": "x", "type": "object"}]},
                               b={"$ref": f"#/$defs/d{n + 1}", "type": "object"}) for n in range(60)}  # fmt: skip
    schema = closed(x={"$ref": "#/$defs/d0"}) | {"$defs": doubled | {"d60": closed(z={"type": "string"})}}
    chained = {f"c{n}": closed(next={"$ref": f"#/$defs/c{n + 1}"}) for n in range(480)}
    chain = closed(x={"$ref": "#/$defs/c0"}) | {"$defs": chained | {"c480": {"type": "string"}}}
    for provider in PROVIDERS:
        with pytest.raises(UnsupportedSchema, match="repeats"):
            for_provider(check(schema), provider)
        assert for_provider(check(chain), provider)[1]
    deep: Schema = {"type": "string"}
    for _ in range(40):
        deep = many(deep)
    with pytest.raises(UnsupportedSchema, match="nested too deep"):
        check(closed(x=deep))


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        (closed(a={"allOf": [{"type": "string"}, {"type": "integer"}]}), "allOf"),
        (closed(a={"allOf": [closed(b={"type": "string"}), closed(c={"type": "string"})]}), "allOf"),
        (closed(a={"allOf": [{"pattern": "^a"}, {"pattern": "b$"}]}), "allOf"),
        (closed(a={"type": "integer", "anyOf": [{"type": "string"}, {"type": "null"}]}), "anyOf"),
        (closed(a={"oneOf": [{"type": "string"}], "anyOf": [{"type": "integer"}]}), "oneOf"),
    ],
)
def test_what_contradicts_itself_is_refused(schema: Schema, keyword: str) -> None:
    checked = check(schema)
    for provider in PROVIDERS:
        with pytest.raises(UnsupportedSchema) as caught:
            for_provider(checked, provider)
        assert caught.value.keyword == keyword


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^(a|a)*$", "a" * 40 + "b"),
        ("^(a+)+$", "a" * 40 + "b"),
        (".*.*.*x", "y" * 20_000),
        ("^" + "a?" * 30 + "a" * 30 + "$", "a" * 29),
        ("(a|b)*a(a|b){400}c", "ab" * 20_000),
    ],
)
def test_a_pattern_that_takes_hours_elsewhere_is_decided_here(pattern: str, text: str) -> None:
    schema = check(closed(a={"type": "string", "pattern": pattern}))
    assert fault_in({"a": text}, schema, schema) == "pattern"


@given(st.recursive(st.sampled_from(_ATOMS), _larger, max_leaves=8), st.text("ab1_ .\nö-", min_size=1, max_size=8))
def test_a_pattern_matches_what_it_matches_in_python_but_for_what_ecmascript_has_otherwise(
    pattern: str, text: str
) -> None:
    ours = PatternReader().has_match(pattern, text)
    assert ours is bool(re.search(pattern.replace("$", r"\Z"), text, re.ASCII))


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        (r"^\d$", "٣", False),
        (r"^\D$", "٣", True),
        (r"^\w$", "ö", False),
        (r"^\W$", "ö", True),
        (r"ö\b", "ö", False),
        (r"^[\d]$", "३", False),
        (r"^\s$", "\u00a0", True),
        (r"^\s$", "\ufeff", True),
        (r"^\s$", "\x1c", False),
        ("^a$", "a\n", False),
        ("^a.b$", "a\u2028b", False),
    ],
)
def test_a_pattern_means_what_it_means_in_ecmascript(pattern: str, text: str, fits: bool) -> None:
    schema = check(closed(a={"type": "string", "pattern": pattern}))
    assert (fault_in({"a": text}, schema, schema) is None) is fits


@pytest.mark.parametrize(
    "pattern", [r"(a)\1", "(?i)a", "(?i:a)", "(?=a)", "(?<!a)b", "(?P<x>a)", "(?>a)", "a++", "(", "((a{90}){90}){9}"]
)
def test_a_pattern_that_is_more_than_regular_or_too_long_is_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedSchema) as caught:
        check(closed(a={"type": "string", "pattern": pattern}))
    assert caught.value.keyword == "pattern"


def test_nullable_is_a_type_more() -> None:
    checked = check(SHAPES["OpenAPI 3.0"].schema)
    nothing = {"nickname": None, "owner": None, "level": None}
    assert fault_in(nothing, checked, checked) is None
    assert fault_in(nothing | {"level": "middling"}, checked, checked) == "enum"
    for provider in PROVIDERS:
        assert fault_in(nothing, for_provider(checked, provider)[0], checked) is None


def test_arguments_may_be_none_at_all_or_not_said() -> None:
    assert check_arguments({}) == ({"type": "object"}, True)
    assert check_arguments({"properties": {}}) == ({"type": "object", "properties": {}}, True)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_words_beside_a_reference_reach_the_provider_and_those_of_its_target_stay(provider: ProviderName) -> None:
    schema = check(
        closed(home={"$ref": "#/$defs/place", "description": "Where one lives."}, work={"$ref": "#/$defs/place"})
        | {"$defs": {"place": closed(name={"type": "string"}) | {"description": "A place."}}}
    )
    sent, exact = for_provider(schema, provider)
    home = sent["properties"]["home"]
    assert home == {"description": "Where one lives.", "anyOf": [{"$ref": "#/$defs/place"}]}
    assert sent["properties"]["work"] == {"$ref": "#/$defs/place"}
    assert sent["$defs"]["place"]["description"] == "A place."
    assert exact


# What tools of MCP servers, zod, pydantic and older drafts have, and the keyword that is told of it.
TOLD: list[tuple[Schema, str]] = [
    ({"type": "string", "pattern": r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)@example\.com$"}, "pattern"),
    ({"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"}, "pattern"),
    ({"type": "string", "pattern": r"[\w-.]"}, "pattern"),
    ({"type": "string", "pattern": r"\p{L}"}, "pattern"),
    ({"type": "string", "pattern": "(?<y>[0-9]{4})"}, "pattern"),
    ({"type": "string", "pattern": "(?i)yes"}, "pattern"),
    ({"type": "string", "pattern": "a" * 501}, "pattern"),
    ({"type": "string", "pattern": "^[a-z ]{1,5000}$"}, "pattern"),
    ({"type": "string", "not": {"const": "root"}}, "not"),
    ({"anyOf": [{"not": {}}, {"not": {}}]}, "anyOf"),
    ({"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}}, "propertyNames"),
    ({"type": "array", "items": [{"type": "string"}, {"type": "integer"}]}, "items"),
    ({"type": "array", "items": [{"type": "string"}], "additionalItems": False}, "additionalItems"),
    ({"type": "object", "unevaluatedProperties": False}, "unevaluatedProperties"),
    ({"type": "object", "patternProperties": {"^x-": {"type": "string"}}}, "patternProperties"),
    ({"type": "object", "dependentRequired": {"a": ["b"]}}, "dependentRequired"),
    ({"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}}, "if"),
    ({"type": "object", "properties": {"gone": False, "x": {"type": "string"}}, "required": ["gone"]}, "properties"),
    ({"type": "object", "properties": []}, "properties"),
    ({"type": "array", "items": {"type": "string"}, "contains": {"const": "a"}}, "contains"),
    ({"enum": []}, "enum"),
    ({"type": "string", "required": True}, "required"),
    ({"type": "integer", "minimum": 0, "exclusiveMinimum": True}, "exclusiveMinimum"),
    ({"type": "any"}, "type"),
    ({"type": "number", "multipleOf": 0}, "multipleOf"),
    ({"allOf": ["text"]}, "allOf"),
]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("part", "keyword"), TOLD)
def test_what_of_a_tools_schema_is_not_handled_is_told_and_the_rest_stays(
    part: Schema, keyword: str, provider: ProviderName
) -> None:
    described = part | {"description": "Said before"}
    for parameters in (closed(a=part), closed(a=described), closed(list=many(part)), closed(a={"anyOf": [part, {}]})):
        checked, whole = check_arguments(parameters)
        assert not whole
        sent, strict = for_tool(checked, provider, strict=whole)
        assert not strict
        assert refused_arguments(sent, provider, strict=False) is None
        assert f"{keyword}: " in json.dumps(sent)
        assert keyword in json.dumps(part)
    checked, _ = check_arguments(closed(a=described))
    told = checked["properties"]["a"]["description"]
    value = part[keyword] if keyword != "properties" or part[keyword] == [] else {"gone": False}
    assert told.startswith("Said before (")
    assert f"{keyword}: {json.dumps(value, ensure_ascii=False)}" in told
    with pytest.raises(UnsupportedSchema) as caught:
        check(closed(a=part))
    assert caught.value.keyword in json.dumps(part)


_KEYWORDS = [
    "type", "enum", "const", "anyOf", "oneOf", "allOf", "not", "if", "properties", "required", "additionalProperties",
    "patternProperties", "items", "prefixItems", "additionalItems", "minimum", "exclusiveMinimum", "multipleOf",
    "pattern", "maxLength", "uniqueItems", "nullable", "format", "description", "default", "$defs", "x-order",
]  # fmt: skip
_JSON = st.recursive(
    st.sampled_from([None, True, False, 0, -1.5, "", "string", "OBJECT", "any", "(?i)a", "email", {"type": "string"}]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*_KEYWORDS, "a"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(_KEYWORDS), _JSON, max_size=4), st.booleans())
def test_whatever_stands_in_a_member_every_provider_takes_the_tool(part: dict[str, Any], strict: bool) -> None:
    checked, whole = check_arguments(closed(a=part, b={"type": "string"}))
    for provider in PROVIDERS:
        sent, kept = for_tool(checked, provider, strict=strict and whole)
        assert refused_arguments(sent, provider, strict=kept) is None
        assert sent["properties"]["b"] == {"type": "string"}
        conforming(sent, ("Use it.",))


def test_what_is_not_handled_at_the_root_of_a_tools_schema_is_told_too() -> None:
    condition = {"required": ["a"]}
    checked, whole = check_arguments(closed(a={"type": "string"}) | {"if": condition, "then": condition})
    assert not whole
    assert checked["description"] == 'if: {"required": ["a"]}; then: {"required": ["a"]}'
    assert checked["properties"] == {"a": {"type": "string"}}


def test_a_type_in_capitals_is_that_type_for_a_tool() -> None:
    checked, whole = check_arguments({"type": "OBJECT", "properties": {"a": {"type": ["STRING", "null"]}}})
    assert (checked, whole) == ({"type": "object", "properties": {"a": {"type": ["string", "null"]}}}, True)


EMAIL = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"


def test_a_pattern_that_is_not_read_is_left_out_where_the_format_says_the_same() -> None:
    schema = closed(email={"type": "string", "format": "email", "pattern": EMAIL})
    kept = {"type": "string", "format": "email"}
    assert check(schema)["properties"]["email"] == kept
    checked, whole = check_arguments(schema)
    assert (checked["properties"]["email"], whole) == (kept, True)
    read = closed(day={"type": "string", "format": "date", "pattern": "^2026-"})
    assert check(read)["properties"]["day"]["pattern"] == "^2026-"
    for form in ({}, {"format": "nickname"}, {"format": None}):
        with pytest.raises(UnsupportedSchema) as caught:
            check(closed(email={"type": "string", "pattern": EMAIL} | form))
        assert caught.value.keyword == "pattern"


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        (many({"type": "string"}), "type"),
        ({"type": "string"}, "type"),
        ({"type": ["string", "null"]}, "type"),
        ({"minLength": 3}, "type"),
        ({"anyOf": [{"type": "string"}, many({})]}, "anyOf"),
        ({"allOf": [{"title": "x"}, {"anyOf": [{"type": "integer"}]}]}, "allOf"),
        ({"$ref": "#/$defs/list", "$defs": {"list": many({})}}, "type"),
        ({"oneOf": [{"$ref": "#/$defs/text"}], "$defs": {"text": {"type": "string"}}}, "oneOf"),
        ({"enum": ["a"]}, "enum"),
        (closed(a={"$ref": "#/$defs/gone"}), "$ref"),
        (closed(a={"$ref": "#/components/schemas/P"}), "$ref"),
        (closed(a={"$ref": "https://example.com/place.json"}), "$ref"),
        (closed(a={"$ref": "#/required"}), "$ref"),
        (closed(a={"$ref": 3}), "$ref"),
        (closed(a={"anyOf": [{"$ref": "#/$defs/gone"}, {}]}), "$ref"),
        ({"$ref": "#"}, "$ref"),
        (closed(**{f"m{n}": {} for n in range(1_001)}), "properties"),
    ],
)
def test_a_tools_schema_is_refused_where_its_root_is_no_object_a_reference_is_broken_or_it_is_too_large(
    schema: Schema, keyword: str
) -> None:
    for checks in (check, check_arguments):
        with pytest.raises(UnsupportedSchema) as caught:
            checks(schema)
        assert caught.value.keyword == keyword


@pytest.mark.parametrize("root", [{"type": ["object", "null"]}, {"type": "object", "nullable": True}])
def test_an_object_or_null_at_the_root_is_an_object(root: Schema) -> None:
    schema = closed(a={"type": "string"}) | root
    expected = closed(a={"type": "string"})
    assert check(schema) == expected
    assert check_arguments(schema) == (expected, True)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_reference_is_left_without_its_target(provider: ProviderName) -> None:
    for name, shape in SHAPES.items():
        if provider not in shape.refused:
            sent, _ = for_provider(check(shape.schema), provider)
            assert dangling(sent) is None, name
        for strict in (False, True):
            try:
                checked, whole = check_arguments(shape.schema)
            except UnsupportedSchema as error:
                assert error.keyword in ("$ref", "type"), name  # noqa: PT017
                continue
            arguments, kept = for_tool(checked, provider, strict=strict and whole)
            assert refused_arguments(arguments, provider, strict=kept) is None, name
    schema = SHAPES["a definition of nothing that is referred to"].schema
    assert "$defs" not in check(schema)


def test_definitions_have_names_of_their_own_that_need_no_escape() -> None:
    a, b, c = closed(x={"type": "string"}), closed(y={"type": "string"}), closed(z={"type": "string"})
    schema = closed(
        one={"$ref": "#/$defs/same"},
        two={"$ref": "#/definitions/same"},
        three={"$ref": "#/$defs/s~1p%20%7Eö"},
        four={"$ref": "#/$defs/same"},
    ) | {"$defs": {"same": a, "s/p ~ö": c}, "definitions": {"same": b}}
    checked = check(schema)
    assert [checked["properties"][name]["$ref"] for name in ("one", "two", "three", "four")] == [
        "#/$defs/same", "#/$defs/same_2", "#/$defs/s_p___", "#/$defs/same",
    ]  # fmt: skip
    assert list(checked["$defs"].values()) == [a, b, c]


def test_openai_is_told_members_and_items_of_a_tool_at_every_depth() -> None:
    anything: Schema = {"type": "array"}
    parameters: Schema = {
        "type": "object",
        "properties": {
            "free": {"type": "object"},
            "list": {"type": ["array", "null"]},
            "choice": {"anyOf": [{"type": "object", "additionalProperties": anything}, {"$ref": "#/$defs/deep"}]},
            "pair": {"type": "array", "prefixItems": [anything], "items": False},
        },
        "$defs": {"deep": many(many({"type": "array", "items": True}))},
    }
    for schema in (parameters, {"type": "object"}, {}, {"oneOf": [parameters, {"type": "object"}]} | parameters):
        checked, _ = check_arguments(schema)
        for strict in (False, True):
            sent, kept = for_tool(checked, "openai", strict=strict)
            assert refused_arguments(sent, "openai", strict=kept) is None
        assert for_tool(checked, "google", strict=False)[0].get("properties") == checked.get("properties")
    sent, _ = for_tool(check_arguments(parameters)[0], "openai", strict=False)
    assert sent["properties"]["free"] == {"type": "object", "properties": {}}
    assert sent["properties"]["list"]["items"] == {}
    assert sent["$defs"]["deep"]["items"]["items"]["items"] == {}


def test_a_deep_answer_is_read_once_however_many_alternatives_share_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    node: Schema = {"$ref": "#/$defs/node"}
    parts = [closed(child=node, a={"enum": [number]}) for number in range(4)]
    schema = check(closed(root=node) | {"$defs": {"node": {"anyOf": [*parts, {"type": "string"}]}}})
    read: list[Any] = []
    module = importlib.import_module("parley.providers.json_schema.answers")

    def listed(kinds: str | list[str]) -> list[str]:
        read.append(kinds)
        return kinds if isinstance(kinds, list) else [kinds]

    monkeypatch.setattr(module, "listed", listed)
    value: Any = 0  # fits nowhere
    for _ in range(60):
        value = {"child": value, "a": 3}
    with pytest.raises(ValueError, match="anyOf"):
        answer_that_fits(json.dumps({"root": value}), schema)
    assert len(read) < 5_000

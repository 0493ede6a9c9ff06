"""JSON that fits a JSON schema, with varied and meaningful strings in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from importlib import import_module
from typing import Any, Final
from zlib import crc32

from local.emulator import transcript
from local.emulator.phrases import FOLLOW_UPS, QUESTIONS, SENTENCES, language_of

Schema = dict[str, Any]

MAX_DEPTH: Final = 12
MAX_ITEMS: Final = 100
_NUMBER_WORDS: Final = {
    word: number
    for number, word in enumerate(
        re.findall(r"\w+", "one two three four five six seven eight nine ten eleven twelve"), 1
    )
}
_NUMBER: Final = r"(\d{1,3}|" + "|".join(_NUMBER_WORDS) + r")\b"
_COUNTS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\bexactly " + _NUMBER + r"(?!\s*-?\s*(?:words?|sentences?|characters?|minutes?|tokens?))",
        r"\b(?:number|count|amount) of (?:[\w-]+ ){0,2}questions\D{0,40}?" + _NUMBER,
        r"\b" + _NUMBER + r"\s+(?:[\w-]+\s+){0,3}questions?\b",
        r"\bquestions?\s*[:=]\s*" + _NUMBER,
    )
)
# A random fence around the material is neither its topic nor what an answer depends on.
_FENCE: Final = re.compile(r"\b\w+-[0-9a-f]{16}\b")
_COMMON: Final = frozenset(
    re.findall(
        r"\w+",
        "about above after again also answer answers asked assistant because been before being below between "
        "both candidate candidates context could create description does each ensure every exactly example "
        "field fields first following format from generate give given guidelines have help here into "
        "interview interviewer interviews json just keep know like list make more most much must name need "
        "number object objective only output please prompt provide question questions respond response role "
        "schema should show some string such tell than that their them then there these they thing this those "
        "through title using very want what when where which while will with words would write your yourself",
    )
)
_FORMATS: Final = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT30M",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "6f1c2d3e-4b5a-4c6d-8e7f-0123456789ab",
}


def keywords(texts: Sequence[str]) -> list[str]:
    """The words a text is about, in order and without repetition; never empty."""
    words = re.findall(r"[^\W\d_][\w+#-]{3,}", _FENCE.sub(" ", " ".join(texts).lower()))
    return list(dict.fromkeys(word for word in words if word not in _COMMON))[:12] or ["this"]


def asked_for(texts: Sequence[str]) -> int | None:
    """How many questions a prompt asks for; the last message is looked at first. None if it does not say."""
    for text in reversed(texts):
        for pattern in _COUNTS:
            if found := pattern.search(text):
                number = found[1].lower()
                return min(_NUMBER_WORDS.get(number) or int(number), MAX_ITEMS)
    return None


_MEMBERS: Final = re.compile(r"\b(?:keys?|members?|fields?|properties)\b", re.IGNORECASE)
_QUOTED_NAME: Final = re.compile(r"[`'\"]([A-Za-z_]\w*)[`'\"]")


def free_form(texts: Sequence[str]) -> Schema:
    """A schema for a prompt that wants JSON without a schema: of the members that it names; otherwise questions if it
    speaks of them, else an answer.
    """
    text: Schema = {"type": "string"}
    said = " ".join(texts)
    named = _QUOTED_NAME.findall(said) if _MEMBERS.search(said) else []
    properties: Schema = dict.fromkeys(named, text) or {"answer": text}
    if not named and "question" in " ".join(texts).lower():
        item = {"type": "object", "properties": {"question": text}, "required": ["question"]}
        properties = {"questions": {"type": "array", "items": item}, "description": text}
    return {"type": "object", "properties": properties, "required": list(properties)}


# What each provider refuses of a schema: https://platform.openai.com/docs/guides/structured-outputs and
# https://platform.claude.com/docs/en/build-with-claude/structured-outputs
_REFUSED: Final = {
    "openai": (
        "oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties",
        "prefixItems", "uniqueItems", "minProperties", "maxProperties", "minLength", "maxLength", "nullable",
    ),
    "anthropic": (
        "oneOf", "not", "if", "then", "else", "patternProperties", "prefixItems", "uniqueItems", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "maxItems",
        "minProperties", "maxProperties", "nullable",
    ),
}  # fmt: skip


def refused(schema: Schema, provider: str) -> str | None:
    """Why a provider refuses the schema of an answer; None where it does not."""
    if schema.get("type") != "object":
        return "schema must be a JSON Schema of 'type: \"object\"'"
    return _refused(schema, schema, provider, frozenset()) or excess([schema], provider)


def excess(schemas: Sequence[Schema], provider: str) -> str | None:
    """Why a provider does not enforce all of these schemas in one request; None where it does."""
    parts = [part for schema in schemas for part in _all_parts(schema)]
    if provider == "anthropic":
        optional = sum(len(set(part.get("properties", ())) - set(part.get("required", ()))) for part in parts)
        unions = sum(len(part.get("anyOf", ())) > 1 or isinstance(part.get("type"), list) for part in parts)
        if optional > 24:
            return f"Schemas contains too many optional parameters ({optional}), limit: 24"
        if unions > 16:
            return f"Schemas contains too many parameters with union types ({unions}), limit: 16"
    elif (choices := sum(len(part.get("enum", ())) for part in parts)) > 1_000:
        return f"Expected at most 1000 enum values in total within a schema. Found {choices}."
    elif (levels := max(map(_levels, schemas), default=0)) > 10:
        return f"{levels} levels of nesting exceeds limit of 10."
    return None


def _levels(part: Any) -> int:
    """How many objects are in each other."""
    inside = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    own = isinstance(part, dict) and isinstance(part.get("properties"), dict) and "type" in part
    return own + max(map(_levels, inside), default=0)


def refused_arguments(schema: Schema, provider: str, *, strict: bool) -> str | None:
    """Why a provider refuses the schema of a tool's arguments; None where it does not."""
    if schema.get("type") != "object":
        return "schema must be a JSON Schema of 'type: \"object\"'"
    if choice := next((name for name in ("anyOf", "oneOf", "allOf", "enum", "not") if name in schema), None):
        return f"'{choice}' is not supported at the top level"
    if fault := dangling(schema) or (_incomplete(schema) if provider == "openai" else None):
        return fault
    return refused(schema, provider) if strict and provider in _REFUSED else None


def dangling(schema: Schema) -> str | None:
    """The fault of a schema that has a reference to nothing, which no provider takes; None where it has none."""
    for part in _all_parts(schema):
        if "$ref" in part and _target(part["$ref"], schema) is None:
            return f"reference '{part['$ref']}' can't be resolved"
    return None


def _incomplete(schema: Schema) -> str | None:
    """What OpenAI misses in the arguments of a tool, strict or not."""
    for part in _all_parts(schema):
        kinds = part.get("type", ())
        if "object" in kinds and not isinstance(part.get("properties"), dict):
            return "object schema missing properties"
        if "array" in kinds and not isinstance(part.get("items"), dict):
            return "array schema missing items"
    return None


def _all_parts(schema: Any) -> Iterator[Schema]:
    """A schema and all that are in it."""
    if not isinstance(schema, dict):
        return
    yield schema
    inside = [schema.get("items"), schema.get("additionalProperties")]
    for name in ("properties", "$defs", "definitions"):
        inside += schema.get(name, {}).values()
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        inside += schema.get(name, ())
    for part in inside:
        yield from _all_parts(part)


def _target(reference: str, root: Schema) -> Schema | None:
    """What a reference points to; None where that is nothing."""
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        try:
            if step:
                found = found[int(step) if isinstance(found, list) else step.replace("~1", "/").replace("~0", "~")]
        except (LookupError, TypeError, ValueError):
            return None
    return found if isinstance(found, dict) else None


def _refused(schema: Any, root: Schema, provider: str, inside: frozenset[str]) -> str | None:
    if not isinstance(schema, dict) or (not schema and provider == "openai"):
        return "schema must have a 'type' key"
    if unsupported := [name for name in _REFUSED[provider] if name in schema]:
        return f"'{unsupported[0]}' is not permitted"
    parts = [*(schema.get("properties") or {}).values(), *schema.get("anyOf", ()), *schema.get("$defs", {}).values()]
    if "properties" in schema or schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            return "'additionalProperties' is required to be supplied and to be false"
        if provider == "openai" and set(schema.get("required", ())) != set(schema.get("properties", {})):
            return "'required' is required to be supplied and to be an array including every key in properties"
    if isinstance(schema.get("items"), dict):
        parts.append(schema["items"])
    if reference := schema.get("$ref"):
        if reference in inside:
            return "recursive references are not supported" if provider == "anthropic" else None
        found = _target(reference, root)
        if found is None:
            return f"reference '{reference}' can't be resolved"
        if provider == "anthropic" or reference != "#":
            inside |= {reference, "#"} if provider == "anthropic" else {reference}
            return _refused(found, root, provider, inside)
    return next((fault for part in parts if (fault := _refused(part, root, provider, inside))), None)


# What a description says of a value, as `keyword: JSON`: models keep to it where nothing makes them.
_SAID: Final = re.compile(
    r"\b(enum|pattern|multipleOf|uniqueItems|(?:min|max)(?:imum|Length|Items|Properties)|exclusiveM(?:in|ax)imum): "
)


def _described(schema: Schema) -> Schema:
    """What the description says of a value."""
    said: Schema = {}
    description = schema.get("description") or ""
    for found in _SAID.finditer(description):
        try:
            value = json.JSONDecoder().raw_decode(description, found.end())[0]
            if found[1] == "pattern":
                matching(value)
        except (ValueError, TypeError, re.error, StopIteration):
            continue  # words, or a pattern in more than is known here
        wanted = {"enum": list, "pattern": str, "uniqueItems": bool}.get(found[1], int | float)
        if isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool)):
            said[found[1]] = value
    return said


def matching(pattern: str) -> str:
    """The first text that a regular expression matches; of lookarounds and references back it knows nothing. Raises
    re.error.
    """
    return _matching(import_module("re._parser").parse(pattern))


def _matching(parsed: Any) -> str:
    text = ""
    for operation, argument in parsed:
        match str(operation):
            case "LITERAL":
                text += chr(argument)
            case "NOT_LITERAL":
                text += "a" if argument != ord("a") else "b"
            case "ANY":
                text += "a"
            case "IN":
                inside = re.compile("".join(map(_in_class, argument)).join("[]"))
                text += next(
                    character for character in map(chr, (*range(97, 123), *range(33, 0x2FF))) if inside.match(character)
                )
            case "MAX_REPEAT" | "MIN_REPEAT":
                text += _matching(argument[2]) * argument[0]
            case "SUBPATTERN":
                text += _matching(argument[3])
            case "BRANCH":
                text += _matching(argument[1][0])
    return text


def _in_class(one: tuple[Any, Any]) -> str:
    """A member of a character class, as it is written."""
    operation, argument = str(one[0]), one[1]
    if operation == "NEGATE":
        return "^"
    if operation == "LITERAL":
        return re.escape(chr(argument))
    if operation == "RANGE":
        return "-".join(re.escape(chr(end)) for end in argument)
    name = str(argument).removeprefix("CATEGORY_")
    letter = name.removeprefix("NOT_")[0].lower()
    return "\\" + (letter.upper() if name.startswith("NOT_") else letter)


def conforming(schema: Schema, texts: Sequence[str]) -> Any:
    """A value that fits the schema. The texts are the prompt: they give the topics and how many items are wanted."""
    return _Generator(schema, texts).value(schema, "", 0, outermost=True)


def spoiled(value: Any, schema: Schema, fault: str) -> Any:
    """A value that nearly fits: `wrong_enum` chooses what is no choice, `missing_keys` leaves a member out."""
    value = deepcopy(value)
    for holder, key, part in _members(value, schema):
        if fault == "wrong_enum" and isinstance(part, dict) and part.get("enum"):
            holder[key] = "none of these"
            return value
    holders = [holder for holder, _, _ in _members(value, schema) if isinstance(holder, dict)]
    if fault == "missing_keys" and holders:
        holders[-1].popitem()
    return value


def _members(value: Any, schema: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Every member of a value, as who holds it, its key and its schema; references are not followed."""
    if isinstance(value, dict):
        for key, inner in value.items():
            part = (schema.get("properties") or {}).get(key, {}) if isinstance(schema, dict) else {}
            yield value, key, part
            yield from _members(inner, part)
    elif isinstance(value, list):
        part = schema.get("items", {}) if isinstance(schema, dict) else {}
        for index, inner in enumerate(value):
            yield value, index, part
            yield from _members(inner, part)


class _Generator:
    def __init__(self, root: Schema, texts: Sequence[str]) -> None:
        self._root = root
        self._topics = keywords(texts[-1:] or texts)
        self._wanted = asked_for(texts)
        self._seed = crc32(_FENCE.sub("", "\n".join(texts)).encode())
        self._turns = transcript.said(texts)
        self._language = language_of(texts)
        self._prompt = "\n".join(texts).casefold()
        self._said: set[str] = set()
        self._drawn = 0

    def value(self, schema: Any, name: str, depth: int, outermost: bool) -> Any:
        """A value for the property called `name`; `outermost` until the first array is entered."""
        if not isinstance(schema, dict):
            return self._string({}, name)  # `true` allows anything
        schema = _described(schema) | schema
        if "enum" not in schema:
            schema = self._resolved(schema, depth)
            schema = _described(schema) | schema
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            self._drawn += 1
            number = self._seed + self._drawn
            words = [choice for choice in schema["enum"] if isinstance(choice, str)]
            grade = transcript.rating(words, self._turns, number) if words else None
            return grade or schema["enum"][number % len(schema["enum"])]
        kind = self._kind(schema)
        if kind == "object":
            return self._object(schema, depth, outermost)
        if kind == "array":
            return self._array(schema, name, depth, outermost)
        if kind == "integer":
            # Where no range is given, a model that is asked for a number of seconds means the time of an answer.
            limits = {"minimum": 90, "maximum": 180} if name.endswith("_seconds") else {}
            return int(self._number(limits | schema, 1))
        if kind == "number":
            return float(self._number(schema, 0))
        if kind == "boolean":
            return True
        return None if kind == "null" else self._string(schema, name)

    def _resolved(self, schema: Schema, depth: int) -> Schema:
        """The schema with references, unions and conjunctions replaced by one alternative."""
        while True:
            if "$ref" in schema:
                rest = {key: value for key, value in schema.items() if key != "$ref"}
                schema = self._definition(schema["$ref"]) | rest
            elif alternatives := schema.get("anyOf") or schema.get("oneOf"):
                rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
                nulls = [option for option in alternatives if self._kind(option) == "null"]
                others = [option for option in alternatives if option not in nulls]
                # A recursive schema ends where it may: deep down, the alternative that ends it is taken.
                if depth > MAX_DEPTH // 2:
                    others = sorted(others, key=lambda option: len(self._references(option)))
                    others, nulls = nulls, others
                schema = rest | (others or nulls)[0]
            elif "allOf" in schema:
                merged = {key: value for key, value in schema.items() if key != "allOf"}
                for part in schema["allOf"]:
                    part = self._resolved(part, depth)
                    properties = merged.get("properties", {}) | part.get("properties", {})
                    required = [*merged.get("required", ()), *part.get("required", ())]
                    merged |= part | {"properties": properties, "required": required}
                schema = merged
            else:
                return schema

    def _references(self, part: Any, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        """The references that a part follows, and those that lead on from there."""
        if isinstance(part, dict):
            reference = part.get("$ref")
            if isinstance(reference, str) and reference not in seen:
                seen = self._references(self._definition(reference), seen | {reference})
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            seen = self._references(inner, seen)
        return seen

    def _definition(self, reference: str) -> Schema:
        return dict(_target(reference, self._root) or {})

    @staticmethod
    def _kind(schema: Schema) -> str:
        """The schema's type in lower case (Gemini writes it in capitals); without one, what its keywords imply."""
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "null")
        if kind:
            return str(kind).lower()
        if "properties" in schema:
            return "object"
        return "array" if "items" in schema or "prefixItems" in schema else "string"

    def _object(self, schema: Schema, depth: int, outermost: bool) -> Schema:
        properties = schema.get("properties", {})
        if depth >= MAX_DEPTH:
            properties = {name: properties[name] for name in schema.get("required", ()) if name in properties}
        values = {name: self.value(part, name, depth + 1, outermost) for name, part in properties.items()}
        for number in range(len(values), int(schema.get("minProperties") or 0)):
            values[f"item_{number}"] = self.value(schema.get("additionalProperties"), "item", depth + 1, False)
        if "quote" in values and self._turns:
            self._drawn += 1
            quoted = transcript.quote(self._turns, self._seed + self._drawn)
            values["quote"] = quoted.text
            # A number beside a quote says which turn it is of.
            values |= {name: quoted.number for name, part in properties.items() if self._kind(part) == "integer"}
        return values

    def _array(self, schema: Schema, name: str, depth: int, outermost: bool) -> list[Any]:
        least = int(schema.get("minItems") or 0)
        most = int(schema["maxItems"]) if schema.get("maxItems") is not None else MAX_ITEMS
        if "prefixItems" in schema:
            return [self.value(part, name, depth + 1, False) for part in schema["prefixItems"]]
        if choices := self._choices(schema.get("items")):
            items = [self.value(schema["items"], name, depth + 1, False) for _ in choices]
            return [item | choice for item, choice in zip(items, choices, strict=True)]
        wanted = (self._wanted or 3) if outermost else 2
        if depth >= MAX_DEPTH:
            wanted = 0
        count = max(least, min(wanted, most))
        return [self.value(schema.get("items", True), name, depth + 1, False) for _ in range(count)]

    @staticmethod
    def _choices(item: Any) -> list[Schema]:
        """The first member of each item, where it is a choice: a list of named things has each of them once."""
        properties = item.get("properties") if isinstance(item, dict) else None
        if not properties:
            return []
        name, part = next(iter(properties.items()))
        return [{name: choice} for choice in (part.get("enum") or ())]

    def _number(self, schema: Schema, least_step: int) -> float:
        """The middle of the allowed range, moved a little from one number to the next."""
        step = schema.get("multipleOf") or least_step or 0.5
        low, high = schema.get("minimum"), schema.get("maximum")
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        if above is not None and below is not None and not schema.get("multipleOf") and not least_step:
            step = min(step, (below - above) / 4)
        low = above + step if above is not None else low
        high = below - step if below is not None else high
        low = low if low is not None else (min(0, high) if high is not None else 1)
        high = high if high is not None else low + 10 * step
        self._drawn += 1
        # Counted from the multiple of the step at or above the lower bound, so that both rules hold.
        first = -(-low // step) * step if schema.get("multipleOf") or least_step else low
        steps = int((high - first) // step)
        middle = steps // 2 + (self._seed + self._drawn) % 3 - 1
        return float(first + max(0, min(steps, middle)) * step)

    def _string(self, schema: Schema, name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        self._drawn += 1
        if "pattern" in schema:
            return matching(schema["pattern"])
        lower = name.lower()
        if "question" in lower:
            text = self._from(QUESTIONS[self._language])
        elif "follow_up" in lower:
            text = self._from(FOLLOW_UPS[self._language])
        elif lower.endswith(("name", "title", "label", "topic", "skill", "category", "tag", "tags", "id")):
            text = self._from(("{topic}", "{topic} basics", "{topic} in practice"))
        else:
            text = self._from(SENTENCES[self._language])
        text = text.ljust(int(schema.get("minLength") or 0), ".")
        return text[: int(schema["maxLength"])] if schema.get("maxLength") is not None else text

    def _from(self, bank: Sequence[str]) -> str:
        """A text of the bank that neither this answer nor the prompt has."""
        for attempt in range(len(bank) * len(self._topics)):
            number = self._seed + self._drawn + attempt
            template = bank[number % len(bank)]
            topic = self._topics[(self._drawn + attempt // len(bank)) % len(self._topics)]
            text = template.format(topic=topic)
            if text not in self._said and text.casefold() not in self._prompt:
                break
        else:
            text = f"{text.rstrip('?.')}, case {self._drawn}{text[-1] if text[-1] in '?.' else ''}"
        self._said.add(text)
        return text[0].upper() + text[1:]

"""Whether an answer is what docs/openapi.json says: status, headers, media type, body, events, and a problem's code.

Stricter than a client has to be: members that the contract does not name are wrong too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from local.openapi import CONTRACT


def _is_utc_time(value: object) -> bool:
    return not isinstance(value, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value))


_FORMATS = FormatChecker()
_FORMATS.checks("date-time")(_is_utc_time)


class Contract:
    """An OpenAPI document, as a judge of answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._routes = [
            (re.compile(re.sub(r"{\w+}", "[^/]+", path)), {method.upper(): one for method, one in methods.items()})
            for path, methods in document["paths"].items()
        ]
        # A literal path goes before a template that it fits too.
        self._routes.sort(key=lambda route: route[0].pattern.count("[^/]+"))
        self._validators: dict[str, Draft202012Validator] = {}

    @cached_property
    def operations(self) -> dict[str, dict[str, Any]]:
        """Every operation by its id."""
        return {one["operationId"]: one for _, methods in self._routes for one in methods.values()}

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The operation that a request is for; None for no such route."""
        matched = next((methods for pattern, methods in self._routes if pattern.fullmatch(path)), {})
        return matched.get(method)

    def faults(self, method: str, path: str, status: int, headers: Mapping[str, str], body: str) -> list[str]:
        """What of an answer the contract does not say; none for an unknown route, which it does not speak of."""
        operation = self.operation(method, path)
        if operation is None:
            return []
        response = self.resolved(operation["responses"].get(str(status)))
        if response is None:
            return [f"{operation['operationId']} does not declare {status}: {body[:200]}"]
        sent = {name.lower() for name in headers}
        faults = [
            f"the header {name} is missing"
            for name, header in response.get("headers", {}).items()
            if self.resolved(header).get("required") and name.lower() not in sent
        ]
        content = response.get("content", {})
        kind = {name.lower(): value for name, value in headers.items()}.get("content-type", "").partition(";")[0]
        if not content:
            return faults + ([f"{status} comes with a body"] if body or kind else [])
        if kind not in content:
            return [*faults, f"{status} comes as {kind!r}"]
        found = content[kind]
        if kind == "text/event-stream":
            return faults + [fault for event in events(body) for fault in self._event_faults(found["x-events"], *event)]
        if kind.endswith("json"):
            value = json.loads(body)
            faults += self._schema_faults(found["schema"], value)
            if kind == "application/problem+json" and value["code"] not in found["examples"]:
                faults.append(f"{operation['operationId']} does not declare the code {value['code']}")
        return faults

    def resolved(self, node: Any) -> Any:
        """What a reference leads to."""
        while isinstance(node, dict) and "$ref" in node:
            steps = node["$ref"].removeprefix("#/").split("/")
            node = self._document
            for step in steps:
                node = node[step]
        return node

    def _event_faults(self, schemas: dict[str, Any], name: str, data: Any) -> list[str]:
        return self._schema_faults(schemas[name], data) if name in schemas else [f"no event is called {name}"]

    def _schema_faults(self, schema: dict[str, Any], value: Any) -> list[str]:
        key = json.dumps(schema)
        if key not in self._validators:
            whole = {"components": {"schemas": closed(self._document["components"]["schemas"])}, **closed(schema)}
            self._validators[key] = Draft202012Validator(whole, format_checker=_FORMATS)
        return [f"{error.json_path}: {error.message}"[:300] for error in self._validators[key].iter_errors(value)]


def events(stream: str) -> list[tuple[str, Any]]:
    """The events of a stream's text, with their data read; `message` is one without a name. Comments are left out, and
    the word with which OpenAI's streams end.
    """
    found = []
    for block in stream.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields and fields["data"] != "[DONE]":
            found.append((fields.get("event", "message"), json.loads(fields["data"])))
    return found


def closed(schema: Any) -> Any:
    """A schema by which members that it does not name are wrong."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


@cache
def contract() -> Contract:
    """The committed contract."""
    return Contract(json.loads(CONTRACT.read_text()))

"""The contract, generated from the functions' own routes: `python -m local.openapi [--check]`.

Paths, access, bodies and queries are what `parley.api` was told; what an answer holds is said in words.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from pydantic.json_schema import models_json_schema

from parley.api.face import Access, Route

CHECKOUT = Path(__file__).resolve().parent.parent
CONTRACT = CHECKOUT / "functions" / "health" / "openapi.json"

_REFERENCES = "#/components/schemas/{model}"
_SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    "anyone": [{}, {"token": []}],
    "user": [{"token": []}],
    "organization_admin": [{"token": []}],
    "service": [{"token": []}],
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457, with the `error` member that OpenAI's clients read.",
    "required": ["type", "title", "status", "detail", "code", "request_id", "error"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "error": {"type": "object"},
    },
}


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of every function that has routes."""
    routes = [route for name in _functions() for route in _routes(name)]
    models = {model for route in routes for model in (route.body, route.query) if model is not None}
    ordered = sorted(models, key=lambda model: (model.__module__, model.__name__))
    refs, definitions = models_json_schema([(model, "validation") for model in ordered], ref_template=_REFERENCES)
    schemas: dict[str, Any] = {"Problem": _PROBLEM, **definitions.get("$defs", {})}
    paths: dict[str, dict[str, Any]] = {}
    for route in sorted(routes, key=lambda route: (route.path, route.method)):
        body = refs[(route.body, "validation")] if route.body else None
        query = schemas[refs[(route.query, "validation")]["$ref"].rpartition("/")[2]] if route.query else {}
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, body, query)
    used = set(re.findall(r"#/components/schemas/([\w.-]+)", json.dumps(paths)))
    while wider := used | set(
        re.findall(r"#/components/schemas/([\w.-]+)", json.dumps([schemas[name] for name in used]))
    ):
        if wider == used:
            break
        used = wider
    return {
        "openapi": "3.1.0",
        "info": {"title": "Parley", "version": "1", "description": "Chat, interview practice and semantic search."},
        "paths": paths,
        "components": {
            "schemas": {name: schemas[name] for name in sorted(used | {"Problem"})},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(route: Route, body: Any, query: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    parameters += [
        {"name": name, "in": "query", "required": name in query.get("required", []), "schema": schema}
        for name, schema in query.get("properties", {}).items()
    ]
    problem = {"application/problem+json": {"schema": {"$ref": _REFERENCES.format(model="Problem")}}}
    operation: dict[str, Any] = {
        "operationId": f"{route.handler.__module__.split('.')[-1]}.{route.handler.__name__}",
        "summary": (route.handler.__doc__ or "").strip().split("\n", 1)[0],
        "security": _SECURITY[route.access],
        "responses": {"2XX": {"description": "Done."}, "default": {"description": "A problem.", "content": problem}},
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _functions() -> list[str]:
    return sorted(folder.parent.name for folder in (CHECKOUT / "functions").glob("*/app.py"))


def _routes(name: str) -> list[Route]:
    api = getattr(_load(name), "api", None)
    return list(api.routes) if api else []


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, CHECKOUT / "functions" / name / "app.py")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with mock.patch.dict(os.environ, {"PARLEY_JWT_SECRET": "never used"}):
        spec.loader.exec_module(module)
    return module


def main(arguments: list[str]) -> int:
    """Write the contract, or with --check say whether the committed one is current."""
    text = json.dumps(document(), indent=1, sort_keys=False, ensure_ascii=False) + "\n"
    if "--check" in arguments:
        if CONTRACT.is_file() and CONTRACT.read_text() == text:
            return 0
        print("docs/openapi.json is not what the routes say: run `make openapi`", file=sys.stderr)
        return 1
    CONTRACT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The contract, generated from the functions' own routes: `python -m local.openapi [--check]`.

Paths, access, bodies and queries are what `parley.api` was told. Statuses and media types are what the handlers'
`return`s say, a key is taken where a handler passes `request.context` on, and the model of an answer is the one that
`Annotated[Reply, Model]` names.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import os
import re
import sys
import textwrap
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints
from unittest import mock

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from parley.api import sse as events
from parley.api.request import LARGEST_BODY, LONGEST_IDEMPOTENCY_KEY
from parley.api.router import Access, Route

CHECKOUT = Path(__file__).resolve().parent.parent
CONTRACT = CHECKOUT / "functions" / "health" / "openapi.json"

_REFERENCES = "#/components/schemas/{model}"
_SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    "anyone": [{}, {"token": []}],
    "user": [{"token": []}],
    "organization_admin": [{"token": []}],
    "service": [{"token": []}],
}
_LARGEST = f"The body may have at most {LARGEST_BODY // 1024} KiB."
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "For signed-in callers. The same key with the same body gets the first answer again for a day; "
        "422 with another body, 409 with Retry-After while the first request is being answered."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_IDEMPOTENCY_KEY, "pattern": "^[ -~]+$"},
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
        "code": {"type": "string", "description": "One of these, or one that is newer than this document."},
        "request_id": {"type": "string"},
        "error": {"type": "object"},
    },
}


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of every function that has routes."""
    routes = [route for name in _functions() for route in _routes(name)]
    models = {model for route in routes for model in (route.body, route.query) if model is not None}
    ordered = sorted(models, key=lambda model: (model.__module__, model.__name__))
    answers = sorted({model for route in routes if (model := _answer(route))}, key=lambda model: model.__name__)
    refs, definitions = models_json_schema(
        [(model, "validation") for model in ordered] + [(model, "serialization") for model in answers],
        ref_template=_REFERENCES,
    )
    schemas: dict[str, Any] = {"Problem": _problem(), **definitions.get("$defs", {})}
    paths: dict[str, dict[str, Any]] = {}
    for route in sorted(routes, key=lambda route: (route.path, route.method)):
        body = refs[(route.body, "validation")] if route.body else None
        query = schemas[refs[(route.query, "validation")]["$ref"].rpartition("/")[2]] if route.query else {}
        model = _answer(route)
        answer = refs[(model, "serialization")] if model else {"type": "object"}
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, body, query, answer)
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


def _operation(route: Route, body: Any, query: dict[str, Any], answer: Any) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    parameters += [
        {"name": name, "in": "query", "required": name in query.get("required", []), "schema": schema}
        for name, schema in query.get("properties", {}).items()
    ]
    handler = ast.parse(textwrap.dedent(inspect.getsource(route.handler)))
    if "request.context" in {ast.unparse(node) for node in ast.walk(handler) if isinstance(node, ast.Attribute)}:
        parameters.append(_IDEMPOTENCY_KEY)
    problem = {"application/problem+json": {"schema": {"$ref": _REFERENCES.format(model="Problem")}}}
    responses = _responses(route, handler, answer)
    if body is not None:
        responses["413"] = {"description": _LARGEST, "content": problem}
    operation: dict[str, Any] = {
        "operationId": f"{route.handler.__module__.split('.')[-1]}.{route.handler.__name__}",
        "summary": (route.handler.__doc__ or "").strip().split("\n", 1)[0],
        "security": _SECURITY[route.access],
        "responses": responses | {"default": {"description": "A problem.", "content": problem}},
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        content = {"application/json": {"schema": body}}
        operation["requestBody"] = {"required": True, "description": _LARGEST, "content": content}
    return operation


def _responses(route: Route, handler: ast.Module, answer: Any) -> dict[str, Any]:
    """By status, what the handler's `return`s send."""
    found: dict[str, Any] = {}
    for node in ast.walk(handler):
        if not isinstance(node, ast.Return):
            continue
        status, kind = 200, "application/json"
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "Reply":
            given = dict(zip(("body", "status", "headers", "content_type"), node.value.args, strict=False))
            given |= {keyword.arg or "": keyword.value for keyword in node.value.keywords}
            status = ast.literal_eval(given["status"]) if "status" in given else status
            kind = ast.literal_eval(given["content_type"]) if "content_type" in given else kind
        description = HTTPStatus(status).phrase
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "Stream":
            kind, description = events.CONTENT_TYPE, inspect.getdoc(inspect.getmodule(route.handler)) or description
        response = found.setdefault(str(status), {"description": description})
        if status != HTTPStatus.NO_CONTENT:
            schema = answer if kind == "application/json" else {"type": "string"}
            response.setdefault("content", {})[kind.partition(";")[0]] = {"schema": schema}
    return {status: found[status] for status in sorted(found)}


def _answer(route: Route) -> type[BaseModel] | None:
    """The model of the answer, where the handler names one."""
    told = get_type_hints(route.handler, include_extras=True).get("return")
    return next((one for one in getattr(told, "__metadata__", ()) if issubclass(one, BaseModel)), None)


def _problem() -> dict[str, Any]:
    """The schema of a problem, with every code that the sources and the gateway's responses spell."""
    codes = set(re.findall(r'"code":"(\w+)"', (CHECKOUT / "template.yaml").read_text()))
    for folder in ("functions", "layers/parley/parley"):
        for path in (CHECKOUT / folder).rglob("*.py"):
            codes |= {code for node in ast.walk(ast.parse(path.read_text())) if (code := _code(node))}
    code = _PROBLEM["properties"]["code"] | {"examples": sorted(codes)}
    return _PROBLEM | {"properties": _PROBLEM["properties"] | {"code": code}}


def _code(node: ast.AST) -> str | None:
    """The code that `Problem("code", ...)`, or a function that makes one of it, is given; or a table's (code, status,
    detail).
    """
    match node:
        case ast.Call(func=ast.Name(id="Problem" | "_unauthorized"), args=[ast.Constant(value=str(code)), *_]):
            return code
        case ast.Tuple(elts=[ast.Constant(value=str(code)), ast.Constant(value=int()), ast.Constant(value=str())]):
            return code
    return None


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

"""The contract, generated from the functions' own routes: `python -m local.openapi [--check]`.

Paths, access, answers, statuses and idempotency are what the routes declare, bodies and queries the models that their
handlers take, and the summary is the handler's docstring. The codes of problems come from `local/problem_codes.py`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from types import ModuleType
from typing import Any, Literal, get_args
from unittest import mock

from pydantic import BaseModel, TypeAdapter

from local.checkout import FUNCTIONS
from local.problem_codes import CODES, codes_of
from parley.api import problems, sse
from parley.api.problems import ProblemDocument
from parley.api.request import LONGEST_IDEMPOTENCY_KEY
from parley.api.router import Access, Route
from parley.core.errors import Problem
from parley.core.fields import PROVIDER_SPELLINGS, TierName
from parley.retrieval.kinds import ContentType

CONTRACT = FUNCTIONS / "health" / "openapi.json"

JSON = "application/json"
_MODELS = "#/components/schemas/"
_SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    "anyone": [{}, {"token": []}],
    "user": [{"token": []}],
    "organization_admin": [{"token": []}],
    "service": [{"token": []}],
    "sender": [{"webhook": []}],
}
_WHO: dict[Access, str] = {
    "anyone": "Open to anybody; without a token a source address is counted.",
    "user": "For signed-in users.",
    "organization_admin": "For admins of an organization.",
    "service": "For the service role.",
    "sender": "For the voice vendor, which signs what it sends.",
}
# By the first parts of a path, the longest that fits: what the operation is filed under.
_TAGS = {
    "/api/chat": ("Chat", "One answer, whole or streamed."),
    "/v1": ("OpenAI", "What OpenAI's clients ask for, over the same models and quotas."),
    "/api/conversations": ("Conversations", "What chat keeps."),
    "/api/generate-interview-questions": ("Interviews", "Interview practice: questions, interviews, feedback."),
    "/api/interviews": ("Interviews", ""),
    "/api/practice-attempts": ("Interviews", ""),
    "/api/webhooks": ("Interviews", ""),
    "/api/documents": ("Search", "Documents in, found again by meaning, by words, or both."),
    "/api/search": ("Search", ""),
    "/api/content": ("Content", "The application's content of six types: everybody signed in reads it."),
    "/api/interactions": ("Interactions", "What callers did, and what they may like next."),
    "/api/recommendations": ("Interactions", ""),
    "/api/ai-provider": ("Providers", "Which provider answers, and what there is to choose from."),
    "/api/profile": ("Game", "Profiles, points, achievements, streaks, progress, standings."),
    "/api/xp-events": ("Game", ""),
    "/api/achievements": ("Game", ""),
    "/api/streaks": ("Game", ""),
    "/api/user-progress": ("Game", ""),
    "/api/leaderboard": ("Game", ""),
    "/api/settings": ("Account", "Settings, own keys and usage."),
    "/api/usage": ("Account", ""),
    "/api/faqs": ("Service", "What the deployment says of itself."),
    "/api/health": ("Service", ""),
    "/api/openapi.json": ("Service", ""),
    "/api/admin": ("Administration", "Tiers, FAQs, analytics and maintenance."),
}
_PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "provider": {"enum": [*PROVIDER_SPELLINGS]},
    "type": {"enum": [*get_args(ContentType)]},
    "content_id": {"format": "uuid"},
    "tier": {"enum": [*get_args(TierName)]},
    "search_id": {"format": "uuid"},
    "faq_id": {"format": "uuid"},
    "interview_id": {"format": "uuid"},
}
_NO_NUL = r"^[^\x00]*$"
_NOT_BLANK, _NOT_BLANK_NO_NUL = r"\S", r"^[^\x00]*[^\x00\s][^\x00]*$"
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "For signed-in callers. The same key with the same body gets the first answer again for a day, with "
        "`Idempotency-Replayed: true`; 422 with another body, 409 with Retry-After while the first request is being "
        "answered."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_IDEMPOTENCY_KEY, "pattern": "^[ -~]+$"},
}
_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "What this request is called in the logs.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Where it is, for a while; the address is not to be kept.",
        "required": True,
        "schema": {"type": "string", "format": "uri"},
    },
    "Idempotency-Replayed": {
        "description": "`true` where an earlier request with this Idempotency-Key was given this answer.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "X-Parley-Degraded": {
        "description": "`database` where the answer was made without it.",
        "schema": {"type": "string", "enum": ["database"]},
    },
    "Retry-After": {
        "description": "Seconds, where waiting helps.",
        "schema": {"type": "string", "pattern": r"^\d+$"},
    },
    "RateLimit-Policy": {
        "description": "The limited windows, as in draft-ietf-httpapi-ratelimit-headers-10.",
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "What is left of them, and for how many seconds they last.",
        "schema": {"type": "string"},
    },
    "X-RateLimit-Limit": {
        "description": "The limit of the window that ends first.",
        "schema": {"type": "string", "pattern": r"^\d+$"},
    },
    "X-RateLimit-Remaining": {
        "description": "What is left of it.",
        "schema": {"type": "string", "pattern": r"^\d+$"},
    },
    "X-RateLimit-Reset": {
        "description": "Seconds until it starts anew.",
        "schema": {"type": "string", "pattern": r"^\d+$"},
    },
    "X-Parley-Ignored": {
        "description": "The members of the request that had no effect, with commas between.",
        "schema": {"type": "string"},
    },
}
_HEADERS |= {
    f"X-RateLimit-{name}-{what}": {
        "description": f"{meaning}, by OpenAI's name.",
        "schema": {"type": "string", "pattern": r"^\d+s?$"},
    }
    for what, of in (("Requests", "answers"), ("Tokens", "tokens to embed"))
    for name, meaning in (
        ("Limit", f"The limit of {of}"),
        ("Remaining", f"What is left of it, of {of}"),
        ("Reset", f"Seconds until the limit of {of} starts anew"),
    )
}
_QUOTA_HEADERS = (
    "RateLimit-Policy", "RateLimit", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset",
    "X-RateLimit-Limit-Requests", "X-RateLimit-Remaining-Requests", "X-RateLimit-Reset-Requests",
)  # fmt: skip
_TOKEN_HEADERS = ("X-RateLimit-Limit-Tokens", "X-RateLimit-Remaining-Tokens", "X-RateLimit-Reset-Tokens")


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of every function that has routes.

    Raises ValueError where two handlers have one name, or a path no tag.
    """
    found = sorted(routes(), key=lambda route: (route.path, route.method))
    names = [route.handler.__name__ for route in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"operations of one name: {sorted(twice)}")
    schemas = _Schemas(found)
    shared = _Problems(schemas.answer(ProblemDocument))
    paths: dict[str, dict[str, Any]] = {}
    for route in found:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas, shared)
    return {
        "openapi": "3.1.1",
        "info": {"title": "Parley", "version": "1", "description": "Chat, interview practice and semantic search."},
        "servers": [{"url": "/", "description": "Where this document is served."}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.values() if text],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "responses": dict(sorted(shared.responses.items())),
            "headers": _HEADERS,
            "examples": {code: {"value": _example(code)} for code in sorted(CODES)},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "webhook": {"type": "apiKey", "in": "header", "name": "X-Vapi-Secret"},
            },
        },
    }


def routes() -> Iterator[Route]:
    """The routes of every function."""
    for folder in sorted(path.parent for path in FUNCTIONS.glob("*/app.py")):
        api = getattr(_load(folder.name), "api", None)
        yield from api.routes if api else ()


class _Schemas:
    """The schemas of everything that routes take and answer with.

    Attributes:
        definitions: by name, what the references lead to.
    """

    def __init__(self, found: list[Route]) -> None:
        taken = {model for route in found for model in (route.body, route.query) if model is not None}
        answered = [answer for route in found for answer in _answers(route).values()]
        adapters: list[tuple[Any, Literal["validation", "serialization"], TypeAdapter[Any]]] = []
        for model in sorted(taken, key=lambda one: one.__name__):
            adapters.append((model, "validation", TypeAdapter(model)))
        for answer in [*answered, ProblemDocument]:
            adapters.append((str(answer), "serialization", TypeAdapter(answer)))
        self._references, rest = TypeAdapter.json_schemas(adapters, ref_template=_MODELS + "{model}")
        self.definitions: dict[str, Any] = rest["$defs"]
        if unclear := [name for name in self.definitions if "__" in name or "-" in name]:
            raise ValueError(f"schemas of one name: {unclear}")
        self._queries = {model: self._definition(model) for model in taken if issubclass(model, BaseModel)}
        for route in found:
            if route.query is not None:
                self.definitions.pop(route.query.__name__, None)
            if route.body is not None:
                self._sent(self.definitions[route.body.__name__])
        self.definitions = {name: self.definitions[name] for name in sorted(self.definitions)}

    def taken(self, model: type[BaseModel]) -> dict[str, Any]:
        """What a body has to be."""
        return self._references[(model, "validation")]

    def query(self, model: type[BaseModel]) -> dict[str, Any]:
        """An object with the parameters of a query."""
        return self._queries[model]

    def answer(self, answer: Any) -> dict[str, Any]:
        """What an answer, or an event's data, is."""
        return self._references[(str(answer), "serialization")]

    def _definition(self, model: type[BaseModel]) -> dict[str, Any]:
        found: dict[str, Any] = self.definitions[self.taken(model)["$ref"].removeprefix(_MODELS)]
        return found

    def _sent(self, schema: Any) -> None:
        """Say of text that it holds no NUL, wherever a body's schema leads."""
        if isinstance(schema, list):
            for item in schema:
                self._sent(item)
        elif isinstance(schema, dict):
            if schema.get("type") == "string" and not schema.keys() & {"pattern", "enum", "const"}:
                schema["pattern"] = _NO_NUL
            elif schema.get("pattern") == _NOT_BLANK:
                schema["pattern"] = _NOT_BLANK_NO_NUL
            for name, value in schema.items():
                if name == "$ref":
                    self._sent(self.definitions[value.removeprefix(_MODELS)])
                elif name not in ("examples", "default", "allOf"):
                    self._sent(value)


class _Problems:
    """The problem answers; routes that can answer with the same codes share one.

    Attributes:
        responses: by name.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._names: dict[tuple[str, ...], str] = {}
        self.responses: dict[str, Any] = {}

    def reference(self, status: int, codes: list[str]) -> dict[str, str]:
        """Where the answer with these codes of one status is."""
        name = self._names.get(tuple(codes))
        if name is None:
            alike = sum(name.startswith(f"Problem{status}") for name in self.responses)
            name = self._names[tuple(codes)] = f"Problem{status}" + (f"_{alike + 1}" if alike else "")
            self.responses[name] = self._response(status, codes)
        return {"$ref": f"#/components/responses/{name}"}

    def _response(self, status: int, codes: list[str]) -> dict[str, Any]:
        headers = ["X-Request-Id", *(["Retry-After"] if status in (409, 429, 503) else [])]
        examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
        return {
            "description": " ".join(f"`{code}`: {CODES[code][1]}" for code in codes),
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
            "content": {problems.CONTENT_TYPE: {"schema": self._schema, "examples": examples}},
        }


def _operation(route: Route, schemas: _Schemas, shared: _Problems) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "tags": [_tag(route.path)],
        "summary": (route.handler.__doc__ or "").strip(),
        "description": _WHO[route.access],
        "security": _SECURITY[route.access],
    }
    if parameters := list(_parameters(route, schemas)):
        operation["parameters"] = parameters
    if route.body is not None:
        content = {JSON: {"schema": schemas.taken(route.body)}}
        operation["requestBody"] = {
            "required": True,
            "description": f"The body may have at most {route.largest_body // 1024} KiB.",
            "content": content,
        }
    if route.access == "sender":
        content = {JSON: {"schema": {"type": "object", "description": "An event as its sender describes it."}}}
        operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] = {str(route.status): _answer(route, schemas)} | {
        str(status): shared.reference(status, codes) for status, codes in codes_of(route).items()
    }
    return operation


def _parameters(route: Route, schemas: _Schemas) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", route.path):
        schema = {"type": "string", **_PATH_PARAMETERS.get(name, {"minLength": 1, "pattern": r"^[^\x00/]+$"})}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if route.query is not None:
        query = schemas.query(route.query)
        for name, schema in query["properties"].items():
            yield {"name": name, "in": "query", "required": name in query.get("required", ()), **_queried(schema)}
    if route.idempotent:
        yield _IDEMPOTENCY_KEY


def _queried(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema; a query cannot say null. What is JSON inside it is a media type of its own."""
    choices = [choice for choice in schema.get("anyOf", [schema]) if choice.get("type") != "null"]
    (one,) = choices
    one = {name: value for name, value in one.items() if name != "title"}
    if schema.get("default") is not None:
        one["default"] = schema["default"]
    if one.get("contentMediaType") == JSON:
        return {"content": {JSON: {"schema": one["contentSchema"]}}}
    return {"schema": one}


def _answers(route: Route) -> dict[str, Any]:
    """By media type, what the route answers with; a stream's events come one by one."""
    if route.answer is None:
        return {}
    return dict(route.answer) if isinstance(route.answer, Mapping) else {JSON: route.answer}


def _answer(route: Route, schemas: _Schemas) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    headers = ["X-Request-Id", *(["Location"] if 300 <= route.status < 400 else [])]
    if route.idempotent:
        headers.append("Idempotency-Replayed")
    if "quota_exceeded" in route.errors:
        headers += ["X-Parley-Degraded", *_QUOTA_HEADERS]
    if route.path.startswith("/v1/") and route.body is not None:
        headers.append("X-Parley-Ignored")
        headers += _TOKEN_HEADERS if "embedding_quota_exceeded" in route.errors else ()
    response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    for media_type, answer in _answers(route).items():
        if media_type == sse.MEDIA_TYPE:
            content = _events(schemas.answer(answer), schemas)
        else:
            content = {"schema": schemas.answer(answer)}
        response.setdefault("content", {})[media_type] = content
    return response


def _events(reference: dict[str, Any], schemas: _Schemas) -> dict[str, Any]:
    """The data of a stream's events by name. OpenAPI describes events from 3.2 on, which client generators do not read
    yet: to them a stream is text.
    """
    by_name = schemas.definitions.pop(reference["$ref"].removeprefix(_MODELS))
    return {
        "schema": {"type": "string", "description": by_name["description"]},
        "x-events": by_name["properties"] | {"error": schemas.answer(ProblemDocument)},
    }


def _example(code: str) -> dict[str, Any]:
    status, meaning = CODES[code]
    return problems.document(Problem(code, meaning, status=status), "0b9e5a3c-6f0e-4d8e-9d55-2f2f5a0c7f11")


def _tag(path: str) -> str:
    fitting = [start for start in _TAGS if path.startswith(start)]
    if not fitting:
        raise ValueError(f"{path} has no tag; see _TAGS")
    return _TAGS[max(fitting, key=len)][0]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FUNCTIONS / name / "app.py")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with mock.patch.dict(os.environ, {"PARLEY_JWT_SECRET": "never used, since nothing is called here"}):
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

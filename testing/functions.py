"""Handlers called as Lambda calls them, in this process."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import jwt

from local.checkout import FUNCTIONS
from local.deployment.api import Answer as Answer
from parley.runtime.response import StreamingResponse
from testing.voice import VOICE_SECRET

SECRET = "a test secret of more than thirty-two bytes"
ISSUER, AUDIENCE = "https://issuer.test", "parley-test"

_numbers = itertools.count(1)

Faults = Callable[[str, str, int, dict[str, str], str], list[str]]


def make_token(subject: str | None = "ada", *, secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A token as the issuer would sign it; `claims` replace or add, None removes."""
    issued = int(time.time())
    body: dict[str, Any] = {"sub": subject, "iss": ISSUER, "aud": AUDIENCE, "iat": issued, "exp": issued + 3600}
    body = {name: value for name, value in (body | claims).items() if value is not None}
    return jwt.encode(body, secret, algorithm=algorithm)


class Context:
    """Lambda's context object, as far as it is read."""

    function_name = "under-test"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:eu-north-1:000000000000:function:under-test"

    def __init__(self, seconds: float = 20) -> None:
        self.aws_request_id = f"run-{next(_numbers)}"
        self._until = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds left."""
        return int((self._until - time.monotonic()) * 1000)


def api_event(
    method: str,
    target: str,
    body: Any = None,
    *,
    token: str | None = None,
    headers: dict[str, str] | None = None,
    address: str = "203.0.113.7",
) -> dict[str, Any]:
    """The event that API Gateway makes of a request; `body` is JSON unless it is text."""
    parts = urlsplit(target)
    query = dict(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
    sent = {"Content-Type": "application/json"} | (headers or {})
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    return {
        "resource": parts.path,
        "path": parts.path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
        "pathParameters": None,
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "identity": {"sourceIp": address},
            "stage": "live",
            "httpMethod": method,
            "path": parts.path,
        },
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
    }


def openai_request(text: str, model: str = "auto", **more: Any) -> dict[str, Any]:
    """A body for /v1/chat/completions with one message."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


_inside: list[dict[str, str]] = []  # for each thread that is inside, the environment as it came
_entering = threading.Lock()


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """The process's environment with these variables; the last thread to leave puts back what the first one found.

    Threads overlap: one that restored what it had found itself would leave the variables of another behind.
    """
    with _entering:
        _inside.append(_inside[0] if _inside else dict(os.environ))
        os.environ.update(variables)
    try:
        yield
    finally:
        with _entering:
            before = _inside.pop()
            if not _inside:
                for name in os.environ.keys() - before.keys():
                    del os.environ[name]
                os.environ.update(before)


class Functions:
    """Functions by name, each loaded once, and requests to them.

    Args:
        faults: tells from method, path, status, headers and body what is wrong with an answer, and a request fails with
            it; None looks at none (benchmarks).
    """

    def __init__(self, environment: dict[str, str], faults: Faults | None = None) -> None:
        self.environment = environment
        self._faults = faults
        self._modules: dict[str, Any] = {}

    def module(self, name: str) -> Any:
        """The function's module, imported as Lambda's cold start does."""
        if name not in self._modules:
            spec = importlib.util.spec_from_file_location(f"{name}_{next(_numbers)}", FUNCTIONS / name / "app.py")
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module  # where pydantic looks annotations up
            with _environment(self.environment):
                spec.loader.exec_module(module)
            self._modules[name] = module
        return self._modules[name]

    def invoke(self, name: str, event: dict[str, Any], seconds: float = 20) -> Any:
        """Call the handler with any event."""
        with _environment(self.environment):
            return self.module(name).lambda_handler(event, Context(seconds))

    def request(self, name: str, method: str, target: str, body: Any = None, **options: Any) -> Answer:
        """Send an HTTP request; the options are those of `api_event`."""
        answer = self.invoke(name, api_event(method, target, body, **options))
        if isinstance(answer, StreamingResponse):
            answer = answer.whole()
        many = answer.get("multiValueHeaders") or {}
        headers = {name: values[-1] for name, values in many.items()} | (answer.get("headers") or {})
        if self._faults is not None:
            faults = self._faults(method, urlsplit(target).path, answer["statusCode"], headers, answer["body"])
            assert faults == [], f"{method} {target} is not what docs/openapi.json says"
        return Answer(answer["statusCode"], headers, answer["body"])

    def close(self) -> None:
        """Let go of every container's connections."""
        for module in self._modules.values():
            parts = vars(module.services)
            queue = vars(parts["degraded"])["_queue"] if "degraded" in parts else None
            for part, client in ((parts.get("key_cipher"), "_kms"), (queue, "_client"), (parts.get("http"), "_client")):
                if part is not None and (opened := vars(part).get(client)) is not None:
                    opened.close()
            module.services.database.close()


def function_environment(database_url: str, providers_url: str) -> dict[str, str]:
    """A function's environment: a database, and an emulator in the providers' place."""
    return {
        "DATABASE_URL": database_url,
        "PARLEY_JWT_SECRET": SECRET,
        "PARLEY_JWT_ISSUER": ISSUER,
        "PARLEY_JWT_AUDIENCE": AUDIENCE,
        "PARLEY_VOICE_SECRET": VOICE_SECRET,
        "VAPI_BASE_URL": f"{providers_url}/vapi",
        "OPENAI_API_KEY": "sk-operator-openai",
        "ANTHROPIC_API_KEY": "sk-operator-anthropic",
        "GEMINI_API_KEY": "sk-operator-google",
        "OPENAI_BASE_URL": f"{providers_url}/openai/v1",
        "ANTHROPIC_BASE_URL": f"{providers_url}/anthropic",
        "GEMINI_BASE_URL": f"{providers_url}/google",
    }

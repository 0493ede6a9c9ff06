"""Between HTTP and a function: REST proxy events (payload format 1.0) one way, proxy responses the other.

The shapes are those of
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html and, for streams,
https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl

from local.http_server import Disconnected, Exchange, Headers
from local.runtime.process import Streamed

# The bytes between the head and the body of a streamed response.
DELIMITER = b"\0" * 8
_MAX_PRELUDE = 64 * 1024
_API_ID = "local"
# What a connection's own framing decides, not the function.
_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}


class MalformedResponse(ValueError):
    """The function did not answer in the proxy format."""


@dataclass(frozen=True)
class Head:
    """Status and headers of a response."""

    status: int
    headers: list[tuple[str, str]]


def proxy_event(
    exchange: Exchange,
    request_id: str,
    resource: str,
    path_parameters: dict[str, str],
    stage: str,
    body: bytes,
    binary_types: Sequence[str],
) -> dict[str, Any]:
    """The event that API Gateway makes of a request: the query decoded, the path as it was sent."""
    path, _, query = exchange.target.partition("?")
    headers = _single_and_multi(_forwarded(exchange))
    parameters = _single_and_multi(parse_qsl(query, keep_blank_values=True))
    text, encoded = _body_text(body, exchange.header("content-type"), binary_types)
    host = exchange.header("host")
    now = time.time()
    identity = dict.fromkeys(
        ("accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
         "cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "user", "userArn")
    )  # fmt: skip
    return {
        "resource": resource,
        "path": path,
        "httpMethod": exchange.method,
        "headers": headers[0],
        "multiValueHeaders": headers[1],
        "queryStringParameters": parameters[0],
        "multiValueQueryStringParameters": parameters[1],
        "pathParameters": path_parameters or None,
        "stageVariables": None,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": _API_ID,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "extendedRequestId": base64.b64encode(uuid.uuid4().bytes[:11]).decode(),
            "httpMethod": exchange.method,
            "identity": identity | {"sourceIp": exchange.peer, "userAgent": exchange.header("user-agent") or None},
            "path": f"/{stage}{path}",
            "protocol": f"HTTP/{exchange.version}",
            "requestId": request_id,
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "requestTimeEpoch": int(now * 1000),
            "resourceId": _API_ID,
            "resourcePath": resource,
            "stage": stage,
        },
        "body": text,
        "isBase64Encoded": encoded,
    }


def buffered_response(payload: bytes) -> tuple[Head, bytes]:
    """Head and body of what a function returned. Raises MalformedResponse."""
    try:
        answer = json.loads(payload)
    except ValueError as error:
        raise MalformedResponse("not JSON") from error
    head = _head(answer, default_status=None)
    body = answer.get("body")
    if body is None:
        return head, b""
    if not isinstance(body, str):
        raise MalformedResponse("body is not text")
    if not answer.get("isBase64Encoded"):
        return head, body.encode()
    try:
        return head, base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise MalformedResponse("body is not base64") from error


async def streamed_response(answer: Streamed) -> tuple[Head, AsyncIterator[bytes]]:
    """Head and body of a stream; the body's chunks come as the function writes them.

    Raises MalformedResponse; Disconnected when the function dies before its head is complete.
    """
    chunks = answer.chunks()
    start = bytearray()
    while DELIMITER not in start:
        if len(start) > _MAX_PRELUDE:
            raise MalformedResponse("no delimiter after the head")
        try:
            start += await anext(chunks)
        except StopAsyncIteration:
            raise MalformedResponse("the stream ended within its head") from None
    raw, _, rest = bytes(start).partition(DELIMITER)
    try:
        head = _head(json.loads(raw), default_status=200)
    except ValueError as error:
        raise MalformedResponse("the head is not JSON") from error

    async def body() -> AsyncIterator[bytes]:
        if rest:
            yield rest
        async for chunk in chunks:
            yield chunk
        if answer.error_type:
            raise Disconnected(answer.error_type)

    return head, body()


def _head(answer: Any, default_status: int | None) -> Head:
    if not isinstance(answer, dict):
        raise MalformedResponse("not an object")
    status = answer.get("statusCode", default_status)
    try:
        code = int(str(status))
    except ValueError:
        raise MalformedResponse("no statusCode") from None
    if not 200 <= code <= 599:
        raise MalformedResponse(f"statusCode {code}")
    multi: dict[str, list[Any]] = {}
    try:
        for name, value in (answer.get("headers") or {}).items():
            multi[name] = [value]
        multi |= {name: list(values) for name, values in (answer.get("multiValueHeaders") or {}).items()}
        multi |= {"Set-Cookie": list(answer["cookies"])} if answer.get("cookies") else {}
    except (AttributeError, TypeError):
        raise MalformedResponse("headers are not an object") from None
    headers = [
        (name, _header_value(value))
        for name, values in multi.items()
        for value in values
        if name.lower() not in _HOP_BY_HOP
    ]
    return Head(code, headers)


def _header_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise MalformedResponse("a header is neither text, number nor boolean")
    text = str(value)
    if not text.isascii() or not text.replace("\t", "").isprintable():
        raise MalformedResponse("a header holds what HTTP cannot carry")
    return text


def _forwarded(exchange: Exchange) -> list[tuple[str, str]]:
    """The request's headers as they leave the gateway."""
    headers = [
        (name, value) for name, value in exchange.headers if name.lower() not in ("connection", "transfer-encoding")
    ]
    before = [value for name, value in headers if name.lower() == "x-forwarded-for"]
    port = exchange.header("host").rpartition(":")[2]
    return [(name, value) for name, value in headers if not name.lower().startswith("x-forwarded-")] + [
        ("X-Forwarded-For", ", ".join([*before, exchange.peer])),
        ("X-Forwarded-Port", port if port.isdigit() else "80"),
        ("X-Forwarded-Proto", "http"),
    ]


def _single_and_multi(pairs: Headers) -> tuple[dict[str, str] | None, dict[str, list[str]] | None]:
    """The two maps of an event: the last value of each name, and all of them; null without any."""
    if not pairs:
        return None, None
    multi: dict[str, list[str]] = {}
    for name, value in pairs:
        multi.setdefault(name, []).append(value)
    return {name: values[-1] for name, values in multi.items()}, multi


def _body_text(body: bytes, content_type: str, binary_types: Sequence[str]) -> tuple[str | None, bool]:
    """The body as an event holds it, and whether that is base64."""
    if not body:
        return None, False
    kind = content_type.partition(";")[0].strip().lower()
    if not any(fnmatchcase(kind, pattern) for pattern in binary_types):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True

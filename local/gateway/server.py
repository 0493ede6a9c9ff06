"""API Gateway's place on a developer's machine: routes of template.yaml, answered by functions.

Beside the API it serves Lambda's Invoke API, so that `aws lambda invoke --endpoint-url http://127.0.0.1:3000` works.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote

from local.gateway.proxy import Head, MalformedResponse, buffered_response, proxy_event, streamed_response
from local.http_server import BodyTooLarge, Disconnected, Exchange
from local.runtime.process import Answer, Buffered, Streamed, failure
from local.template.definitions import ACCOUNT, REGION, Api, GatewayResponse, Route

MAX_BODY = 10 * 2**20
MAX_HEAD = 10_240
# The paths of Lambda's API, which begin with its version; two operations of it are served.
_LAMBDA = re.compile(r"/20\d\d-\d\d-\d\d/.*")
_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
# A function's name alone, or within its ARN or a part of it; a version or an alias may follow.
_FUNCTION = re.compile(r"(?:(?:arn:[\w-]+:lambda:[\w-]+:)?\d{12}:function:|function:)?([\w-]+)(?::[\w$-]+)?")
_LIST = re.compile(r"/2015-03-31/functions/?")
# How the log names an invocation that failed, and a stream that its function did not end.
_BROKEN_OFF = "function_failed"
_JSON = ("Content-Type", "application/json")
_CODE = re.compile(rb'"code": ?"(\w+)"')
_CONTEXT = re.compile(r"\$context\.(error\.messageString|error\.message|error\.responseType|requestId)")

Invoke = Callable[[str, bytes], Awaitable[Answer]]
AccessLog = Callable[[str, str, int, float, str, str], None]


class _Refused(Exception):
    """The gateway answers by itself: `kind` is the name of its gateway response."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class Gateway:
    """Turns requests into invocations.

    Args:
        api: routes and what else the template says.
        functions: the short name of each function, by every name that the Invoke API knows it by.
        invoke: runs a function by name with an event.
        log: called after each request with method, path, status, seconds, the function's name ("" for none), and the
            code of the problem that it ended in ("" for none).
    """

    def __init__(self, api: Api, functions: Mapping[str, str], invoke: Invoke, log: AccessLog) -> None:
        self._api = api
        self._functions = functions
        self._invoke = invoke
        self._log = log
        self._background: set[asyncio.Task[Answer]] = set()

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        began = time.perf_counter()
        path = exchange.target.partition("?")[0]
        request_id = str(uuid.uuid4())
        status, code, function = 499, "", ""
        try:
            if _LAMBDA.fullmatch(path):
                status, code, function = await self._lambda_api(exchange, path)
                return
            try:
                route, pattern, parameters = self._route(exchange.method, path)
                if route is None:
                    status = await self._answer_options(exchange)
                    return
                function = self._functions[route.function]
                body = await _read(exchange)
                event = proxy_event(
                    exchange, request_id, pattern, parameters, self._api.stage, body, self._api.binary_types
                )
                status, code = await self._run(exchange, route, json.dumps(event).encode(), request_id)
            except _Refused as refusal:
                status, code = await self._refuse(exchange, refusal, request_id)
        finally:
            self._log(exchange.method, path, status, time.perf_counter() - began, function, code)

    def _route(self, method: str, path: str) -> tuple[Route | None, str, dict[str, str]]:
        matched = self._api.match(path)
        if matched is not None:
            route = self._api.route(method, matched[0])
            if route is not None or (method == "OPTIONS" and self._api.cors):
                return route, *matched
        raise _Refused(403, "MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token")

    async def _answer_options(self, exchange: Exchange) -> int:
        """What SAM makes of `Cors`: a mock integration under every path."""
        await exchange.respond(200, [("Content-Type", "application/json"), *self._api.cors.items()])
        return 200

    async def _run(self, exchange: Exchange, route: Route, event: bytes, request_id: str) -> tuple[int, str]:
        task = self._start(route.function, event)
        done, _ = await asyncio.wait({task}, timeout=route.timeout)
        if not done:
            # The function runs on; nobody waits for it any more.
            task.add_done_callback(_drop)
            raise _Refused(504, "INTEGRATION_TIMEOUT", "Endpoint request timed out")
        answer = task.result()
        try:
            if isinstance(answer, Streamed):
                if not route.streams:
                    answer.abort()
                    raise MalformedResponse("a stream, but the route is buffered")
                return await self._stream(exchange, answer, request_id)
            if answer.failed or route.streams:
                raise MalformedResponse("the function failed, or returned instead of streaming")
            head, body = buffered_response(answer.payload)
        except MalformedResponse as error:
            raise _Refused(502, "DEFAULT_5XX", "Internal server error") from error
        await exchange.respond(head.status, _stamped(head, request_id), body)
        return head.status, _code(head, body)

    async def _stream(self, exchange: Exchange, answer: Streamed, request_id: str) -> tuple[int, str]:
        left = asyncio.create_task(_abort_when_left(exchange, answer))
        try:
            try:
                head, body = await streamed_response(answer)
            except Disconnected as error:
                raise MalformedResponse("the function died") from error
            await exchange.start(head.status, _stamped(head, request_id))
            code = ""
            try:
                async for chunk in body:
                    code = code or _code(head, chunk)
                    await exchange.send(chunk)
            except Disconnected:
                if exchange.closed.is_set():
                    raise
                # The function broke off. The caller is told by a connection that ends without the final chunk.
                exchange.abort()
                return head.status, _BROKEN_OFF
            await exchange.end()
            return head.status, code
        finally:
            left.cancel()
            if not answer.ended.is_set():
                answer.abort()

    def _start(self, function: str, event: bytes) -> asyncio.Task[Answer]:
        task = asyncio.ensure_future(self._invoke(function, event))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _refuse(self, exchange: Exchange, refusal: _Refused, request_id: str) -> tuple[int, str]:
        general = "DEFAULT_4XX" if refusal.status < 500 else "DEFAULT_5XX"
        response = self._api.responses.get(refusal.kind) or self._api.responses.get(general) or GatewayResponse()
        values = {
            "requestId": request_id,
            "error.message": str(refusal),
            "error.messageString": json.dumps(str(refusal)),
            "error.responseType": refusal.kind,
        }
        body = _CONTEXT.sub(lambda match: values[match[1]], response.body).encode()
        headers = {"Content-Type": "application/json"} | {
            name: value[1:-1] if value.startswith("'") else values.get(value.removeprefix("context."), value)
            for name, value in response.headers.items()
        }
        head = Head(response.status or refusal.status, list(headers.items()))
        await exchange.respond(head.status, _stamped(head, request_id), body)
        return head.status, _code(head, body)

    async def _lambda_api(self, exchange: Exchange, path: str) -> tuple[int, str, str]:
        """Lambda's Invoke and ListFunctions; 501 for its other operations. Returns what the log is told: status, code
        and function.
        """
        if invoked := _INVOKE.fullmatch(path):
            name = unquote(invoked[1])
            name = found[1] if (found := _FUNCTION.fullmatch(name)) else name
            status, code = await self._invoke_function(exchange, name)
            return status, code, self._functions.get(name, "")
        if exchange.method == "GET" and _LIST.fullmatch(path):
            names = sorted(set(self._functions.values()))
            arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
            listed = [{"FunctionName": name, "FunctionArn": arn + name, "Version": "$LATEST"} for name in names]
            await exchange.respond(200, [_JSON], json.dumps({"Functions": listed}).encode())
            return 200, "", ""
        message = "make run serves ListFunctions and Invoke of Lambda's API, and nothing else of it"
        return *await _lambda_error(exchange, 501, "NotImplementedException", message), ""

    async def _invoke_function(self, exchange: Exchange, name: str) -> tuple[int, str]:
        """Lambda's Invoke: RequestResponse waits, Event does not, DryRun only looks."""
        kind = exchange.header("x-amz-invocation-type", "RequestResponse")
        if exchange.method != "POST" or exchange.header("origin"):  # no web page invokes functions
            return await _lambda_error(exchange, 403, "AccessDeniedException", "POST without an Origin header invokes")
        if name not in self._functions:
            return await _lambda_error(exchange, 404, "ResourceNotFoundException", f"Function not found: {name}")
        try:
            event = await exchange.body(MAX_BODY) or b"{}"
        except BodyTooLarge:
            return await _lambda_error(exchange, 413, "RequestTooLargeException", f"more than {MAX_BODY} bytes")
        if kind != "RequestResponse":
            if kind == "Event":
                self._start(name, event).add_done_callback(_drop)
            status = 202 if kind == "Event" else 204
            await exchange.respond(status, [])
            return status, ""
        answer = await self._start(name, event)
        if isinstance(answer, Streamed):
            try:
                answer = Buffered(b"".join([chunk async for chunk in answer.chunks()]))
            except Disconnected:
                answer = failure("Runtime.ExitError", "the function died while it streamed")
        headers = [_JSON, ("X-Amz-Executed-Version", "$LATEST")]
        if answer.failed:
            headers.append(("X-Amz-Function-Error", "Unhandled"))
        await exchange.respond(200, headers, answer.payload)
        return 200, _BROKEN_OFF if answer.failed else ""


async def _read(exchange: Exchange) -> bytes:
    try:
        return await exchange.body(MAX_BODY)
    except BodyTooLarge:
        raise _Refused(413, "REQUEST_TOO_LARGE", "Request Too Long") from None


async def _abort_when_left(exchange: Exchange, answer: Streamed) -> None:
    await exchange.closed.wait()
    answer.abort()


def _drop(task: asyncio.Task[Answer]) -> None:
    """Let go of an answer that nobody waits for."""
    if not task.cancelled() and isinstance(answer := task.result(), Streamed):
        answer.abort()


def _code(head: Head, body: bytes) -> str:
    """The code of a problem document, or of the event that says so in a stream; empty for what is neither."""
    problem = any(
        name.lower() == "content-type" and value.startswith("application/problem+json") for name, value in head.headers
    )
    found = _CODE.search(body) if problem or body.startswith(b"event: error\n") else None
    return found[1].decode() if found else ""


def _stamped(head: Head, request_id: str) -> list[tuple[str, str]]:
    return [*head.headers, ("x-amzn-RequestId", request_id)]


async def _lambda_error(exchange: Exchange, status: int, kind: str, message: str) -> tuple[int, str]:
    headers = [_JSON, ("X-Amzn-ErrorType", kind)]
    body = {"Type": "User", "message": message, "Message": message}
    await exchange.respond(status, headers, json.dumps(body).encode())
    return status, kind

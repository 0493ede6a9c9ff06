"""The loop of a streaming function: take an event, call the handler, send what it returned, chunk by chunk."""

from __future__ import annotations

import base64
import importlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from parley.runtime.client import CallerGone, Failure, Invocation, ResponseStream, RuntimeClient
from parley.runtime.response import StreamingResponse

Handler = Callable[[Any, "Context"], Any]

_PRELUDE_FIELDS = ("statusCode", "headers", "multiValueHeaders", "cookies")
_log = logging.getLogger(__name__)


class Context:
    """What a handler gets as its second argument; the same names as the managed runtime's context object."""

    def __init__(self, invocation: Invocation) -> None:
        self.aws_request_id = invocation.request_id
        self.invoked_function_arn = invocation.function_arn
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.client_context = None
        self.identity = None
        self._deadline_ms = invocation.deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the run; never negative."""
        return max(0, self._deadline_ms - int(time.time() * 1000))


def load_handler(name: str) -> Handler:
    """The function that `module.function` names. Raises whatever importing it raises."""
    module, _, function = name.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module.replace("/", ".")), function)
    return handler


def run(client: RuntimeClient, handler: Handler) -> None:
    """Serve events for ever. Raises OSError when the Runtime API is gone."""
    while True:
        serve(client, handler, client.next_invocation())


def serve(client: RuntimeClient, handler: Handler, invocation: Invocation) -> None:
    """Serve one event. The handler's errors are reported to Lambda, not raised."""
    if invocation.trace_id:
        os.environ["_X_AMZN_TRACE_ID"] = invocation.trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    try:
        answer = handler(json.loads(invocation.event), Context(invocation))
        response = _response(answer)
        document = None if response else json.dumps(answer).encode()
    except Exception as error:
        client.post_error(invocation.request_id, _report("the handler failed", error, invocation.request_id))
        return
    if response:
        _send(client, invocation.request_id, *response)
    else:
        client.post_json(invocation.request_id, document or b"null")


def _response(answer: Any) -> tuple[Mapping[str, Any], StreamingResponse] | None:
    """Prelude and stream of an HTTP answer, whole ones included; None for what is no HTTP answer.

    API Gateway expects the streamed form from a streaming integration, also for an answer that does not stream.
    """
    if isinstance(answer, StreamingResponse):
        return {"statusCode": answer.status, "headers": dict(answer.headers)}, answer
    if not isinstance(answer, Mapping) or "statusCode" not in answer:
        return None
    body = answer.get("body") or ""
    whole = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    prelude = {name: answer[name] for name in _PRELUDE_FIELDS if answer.get(name)}
    return prelude, StreamingResponse(answer["statusCode"], {}, iter((whole,)))


def _send(client: RuntimeClient, request_id: str, prelude: Mapping[str, Any], answer: StreamingResponse) -> None:
    try:
        stream = client.open_stream(request_id, prelude)
        try:
            stream.watch(answer.cancel or _nothing, answer.heartbeat, answer.heartbeat_seconds)
            _pump(stream, answer, request_id)
        finally:
            stream.close()
    except CallerGone:
        _log.info("the caller left before the answer was complete", extra={"request_id": request_id})
    finally:
        _close(answer, request_id)


def _pump(stream: ResponseStream, answer: StreamingResponse, request_id: str) -> None:
    """Send chunk by chunk. Raises CallerGone; what `body` raises ends the stream as failed."""
    body = answer.body
    while True:
        try:
            chunk = next(body, None)
        except Exception as error:
            if stream.broken:  # `cancel` made the wait end
                raise CallerGone from error
            failure = _report("the stream failed", error, request_id)
            break
        if stream.broken:
            raise CallerGone
        try:
            if chunk is None:
                return stream.finish()
            stream.send(chunk)
        except OSError as error:
            raise CallerGone from error
    try:
        stream.fail(failure)
    except OSError as error:
        raise CallerGone from error


def _close(answer: StreamingResponse, request_id: str) -> None:
    try:
        (answer.close or _nothing)()
    except Exception as error:
        _report("closing the stream failed", error, request_id)


def _report(message: str, error: Exception, request_id: str) -> Failure:
    """Log an exception, without its text, and give it in the form that Lambda takes."""
    failure = Failure.of(error)
    _log.error(message, extra={"request_id": request_id, "error_type": failure.kind, "stack_trace": failure.stack})
    return failure


def _nothing() -> None:
    """Where there is nothing to cancel or to close."""

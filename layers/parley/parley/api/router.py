"""The resolver: routes, access, one log line a request, and every outcome as a JSON answer or a problem document."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Required, TypedDict, Unpack, get_type_hints

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
from pydantic import BaseModel

from parley.api import problems
from parley.api.authentication import Authenticator
from parley.api.request import LARGEST_BODY, Request, check_text, path_parameters, requested_path
from parley.core.caller import AccessKeyScope, Caller
from parley.core.config import ConfigurationError, Settings
from parley.core.encoding import LARGEST_ANSWER, encode, size_in_answer
from parley.core.errors import Problem
from parley.core.fields import QUERY
from parley.core.observability import log_fault, logger
from parley.database.errors import DatabaseUnavailable, LoginRefused

if TYPE_CHECKING:
    from parley.admission.access_keys import AccessKeys
    from parley.api.sse import Events
    from parley.runtime.response import StreamingResponse

# Of a "sender" the route itself knows whether it is the one: it is no caller of ours.
Access = Literal["anyone", "user", "organization_admin", "service", "sender"]
# The type of a JSON answer; by media type where that is not all; None for no content.
Answer = Any | Mapping[str, Any] | None
Handler = Callable[..., "Reply | Stream | Mapping[str, Any] | None"]

# Kept back from the function's own deadline, so that an answer leaves before Lambda ends the process.
_MARGIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with headers of its own, or of another media type or status than the route's usual one.

    Attributes:
        body: None sends none.
        status: None is the route's.
        replayed: whether an earlier request with this idempotency key was given this answer.
    """

    body: Mapping[str, Any] | str | None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None
    content_type: str = "application/json"
    replayed: bool = False


class Stream(NamedTuple):
    """An answer that is still being made.

    Attributes:
        events: what to send; a Problem that it raises becomes the last event, `error`.
        cancel: ends a wait for the model from another thread, for callers who left.
        close: lets go of what the answer holds; called once, also when `events` was never begun.
        headers: beside those of every stream.
        replayed: whether an earlier request with this idempotency key was given this answer.
    """

    events: Events
    cancel: Callable[[], None]
    close: Callable[[], None]
    headers: dict[str, str]
    replayed: bool = False


class Declaration(TypedDict, total=False):
    """What a route says of itself beside its path; the contract is made of it.

    Attributes:
        access: who may call it.
        answer: what it answers with.
        status: of that answer, 200 unless said otherwise.
        idempotent: whether it takes an Idempotency-Key; others do not look at one.
        scope: what a machine key must be good for to be accepted; without it none is.
        admitted: whether begin_request admits its requests, and says whose a machine key is.
        errors: the codes of its own problems, beside those that any route of its kind can answer with.
        largest_body: in bytes, where it is not the usual one.
        mends_text: whether what no text can hold is replaced in its bodies, and not refused.
    """

    access: Required[Access]
    answer: Required[Answer]
    status: int
    idempotent: bool
    scope: AccessKeyScope
    admitted: bool
    errors: Sequence[str]
    largest_body: int
    mends_text: bool


class Route(NamedTuple):
    """One method and path, as registered.

    Attributes:
        handler: takes the request and, where it has parameters of these names, `body` and `query`. Its name is the
            operation's, and its docstring the summary.
        body, query: the models that those are annotated with.
        access, answer, status, idempotent, scope, admitted, errors, largest_body, mends_text: see `Declaration`.
    """

    method: str
    path: str
    handler: Handler
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    access: Access
    answer: Answer
    status: int = 200
    idempotent: bool = False
    scope: AccessKeyScope | None = None
    admitted: bool = False
    errors: Sequence[str] = ()
    largest_body: int = LARGEST_BODY
    mends_text: bool = False

    def call(self, request: Request) -> Reply | Stream | Mapping[str, Any] | None:
        """Check what was sent and answer. Raises Problem."""
        arguments: dict[str, BaseModel] = {}
        query = request.query_as(self.query or _NoQuery)
        if self.query is not None:
            arguments["query"] = query
        if self.body is not None:
            arguments["body"] = request.json(self.body)
        return self.handler(request, **arguments)


class _NoQuery(BaseModel):
    model_config = QUERY


class Api:
    """The routes of one function. `handler` is what Lambda calls.

    Args:
        access_keys: gives what knows whose a machine key is, where a route takes one and begin_request is not asked.
    """

    def __init__(self, settings: Settings, access_keys: Callable[[], AccessKeys] | None = None) -> None:
        self._settings = settings
        self._access_keys = access_keys
        self._authenticator = Authenticator(settings)
        origin = settings.cors_origin
        cors = CORSConfig(allow_origin=origin, expose_headers=["*"], allow_credentials=False) if origin else None
        self._resolver = APIGatewayRestResolver(cors=cors, strip_prefixes=None)
        self._resolver.not_found(self._not_found)
        self.routes: list[Route] = []
        self._stream: Stream | None = None

    def get(self, path: str, **declared: Unpack[Declaration]) -> Callable[[Handler], Handler]:
        """Register a handler for GET of `path` (template syntax: `/api/documents/{id}`)."""
        return self._register("GET", path, declared)

    def post(self, path: str, **declared: Unpack[Declaration]) -> Callable[[Handler], Handler]:
        """Register a POST handler."""
        return self._register("POST", path, declared)

    def put(self, path: str, **declared: Unpack[Declaration]) -> Callable[[Handler], Handler]:
        """Register a PUT handler."""
        return self._register("PUT", path, declared)

    def patch(self, path: str, **declared: Unpack[Declaration]) -> Callable[[Handler], Handler]:
        """Register a PATCH handler."""
        return self._register("PATCH", path, declared)

    def delete(self, path: str, **declared: Unpack[Declaration]) -> Callable[[Handler], Handler]:
        """Register a DELETE handler."""
        return self._register("DELETE", path, declared)

    def _register(self, method: str, path: str, declared: Declaration) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            hints = get_type_hints(handler)
            route = Route(method, path, handler, hints.get("body"), hints.get("query"), **declared)
            if route.scope is not None and not route.admitted and self._access_keys is None:
                raise ValueError(f"{path} takes machine keys, and nothing says whose they are")
            self.routes.append(route)
            pattern = path.replace("{", "<").replace("}", ">")
            self._resolver.route(pattern, method=method)(lambda **parameters: self._answer(route, parameters))
            return handler

        return register

    def handler(self, event: dict[str, Any], context: Any) -> dict[str, Any] | StreamingResponse:
        """The Lambda entry point for API Gateway REST proxy events."""
        self._stream = None
        answer = self._resolver.resolve(event | {"path": requested_path(event)}, context)
        if self._stream is None:
            return answer
        from parley.api.sse import HEARTBEAT, encoded
        from parley.runtime.response import StreamingResponse, is_streaming

        response = StreamingResponse(
            status=answer["statusCode"],
            headers={name: values[-1] for name, values in answer["multiValueHeaders"].items()},
            body=encoded(self._stream.events, _problem_of, _request_id(event, context)),
            cancel=self._stream.cancel,
            close=self._stream.close,
            heartbeat=HEARTBEAT,
        )
        return response if is_streaming() else response.whole()

    def _answer(self, route: Route, parameters: Mapping[str, str]) -> Response[str]:
        started = time.monotonic()
        event, context = self._resolver.current_event, self._resolver.lambda_context
        request_id = _request_id(event.raw_event, context)
        logger.append_keys(request_id=request_id, function_name=context.function_name)
        try:
            request = self._request(event.raw_event, context, request_id, parameters, route)
            outcome = route.call(request)
            if isinstance(outcome, Stream):
                from parley.api.sse import CONTENT_TYPE

                self._stream = outcome
                outcome = Reply(None, outcome.headers, content_type=CONTENT_TYPE, replayed=outcome.replayed)
            reply = outcome if isinstance(outcome, Reply) else Reply(outcome)
            status, code = reply.status or route.status, None
            response = _response(reply, status, request_id)
        except Exception as error:
            problem = _problem_of(error)
            status, code = problem.status, problem.code
            response = _response(_problem_reply(problem, request_id), status, request_id)
        logger.info(
            "request answered",
            method=route.method,
            route=route.path,
            status=status,
            code=code,
            duration_ms=round((time.monotonic() - started) * 1000, 1),
        )
        return response

    def _request(
        self, event: dict[str, Any], context: Any, request_id: str, parameters: Mapping[str, str], route: Route
    ) -> Request:
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        identity = (event.get("requestContext") or {}).get("identity") or {}
        path, query = path_parameters(parameters), _query(event)
        check_text({**path, **query})
        caller = Caller()
        if route.access != "sender":
            caller = self._authenticator.caller(headers, identity.get("sourceIp") or "unknown", route.scope)
        _check_access(caller, route.access)
        if caller.access_key is not None and not route.admitted and self._access_keys is not None:
            caller = self._access_keys().resolve(caller, caller.access_key)
        remaining = context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS
        return Request(
            caller=caller,
            id=request_id,
            headers=headers,
            path=path,
            query=query,
            raw_body=event.get("body"),
            body_is_base64=bool(event.get("isBase64Encoded")),
            seconds=min(remaining, self._settings.request_seconds),
            takes_key=route.idempotent,
            largest_body=route.largest_body,
            mends_text=route.mends_text,
        )

    def _not_found(self, _error: Exception) -> Response[str]:
        request_id = _request_id(self._resolver.current_event.raw_event, self._resolver.lambda_context)
        problem = Problem("not_found", "There is nothing at this path; see /api/openapi.json.", status=404)
        return _response(_problem_reply(problem, request_id), problem.status, request_id)


def _query(event: Mapping[str, Any]) -> dict[str, str]:
    """The query's parameters. Raises Problem (400) for a name that stands in it twice, as in a body."""
    many = event.get("multiValueQueryStringParameters") or {}
    if any(len(values) > 1 for values in many.values()):
        raise Problem("invalid_request", "The query names the same parameter twice.", status=400)
    return dict(event.get("queryStringParameters") or {})


def _request_id(event: Mapping[str, Any], context: Any) -> str:
    # `sam local` gives every request the same id, by which a request would be taken for a repetition of the first one.
    gateway = {} if os.environ.get("AWS_SAM_LOCAL") else event.get("requestContext") or {}
    return str(gateway.get("requestId") or context.aws_request_id)


def _check_access(caller: Caller, access: Access) -> None:
    """Deny by default. Raises Problem: 401 where signing in would help, 403 where it would not."""
    if access in ("anyone", "sender") or (access == "service" and caller.is_service):
        return
    if not caller.is_user and not caller.is_service:
        raise Problem("token_missing", "Sign in and send `Authorization: Bearer <token>`.", status=401)
    if access == "service":
        raise Problem("service_role_required", "Only the service role may do this.", status=403)
    if caller.is_service:
        raise Problem("user_required", "This acts for one user; call it with a user's token.", status=403)
    if access == "organization_admin" and not caller.is_organization_admin:
        raise Problem("organization_admin_required", "Only an organization's admin may do this.", status=403)


def _problem_of(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, LoginRefused):
        return Problem(
            "database_login_refused",
            "The database does not let Parley in; the operator must set its login right.",
            status=503,
        )
    if isinstance(error, DatabaseUnavailable):
        logger.error("database unavailable")
        return Problem(
            "database_unavailable", "The database is away for a moment; try again shortly.", status=503, retry_after=1
        )
    if isinstance(error, ConfigurationError):
        logger.error("not configured", detail=str(error))
        return Problem("not_configured", "The operator has not set this up.", status=501)
    log_fault("request failed", error)
    return Problem(
        "internal_error", "Something went wrong in Parley; its operator finds it by the request id.", status=500
    )


def _problem_reply(problem: Problem, request_id: str) -> Reply:
    from parley.admission.refusals import Refused
    from parley.api.quota_headers import quota_headers

    headers = problems.headers(problem)
    if isinstance(problem, Refused):
        headers |= quota_headers(problem.quota)
    return Reply(problems.document(problem, request_id), headers, content_type=problems.CONTENT_TYPE)


def _response(reply: Reply, status: int, request_id: str) -> Response[str]:
    body = reply.body
    if body is not None and not isinstance(body, str):
        body = encode(body) + "\n"
    # A character takes at most twelve bytes, so that a short body need not be measured.
    if body and len(body) > LARGEST_ANSWER // 12:
        from parley.runtime.response import largest_answer

        if size_in_answer(body) > largest_answer():
            raise Problem(
                "answer_too_large",
                "The answer has more than 6 MB. Ask for less, or for the list of what is in it, which comes in pages.",
                status=413,
            )
    headers = {"X-Request-Id": request_id, "Cache-Control": "no-store", **reply.headers}
    if reply.replayed:
        headers["Idempotency-Replayed"] = "true"
    content_type = None if status in (204, 302) else reply.content_type
    return Response(status_code=status, content_type=content_type, body=body or "", headers=headers)

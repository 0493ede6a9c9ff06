"""What template.yaml says about functions, routes, schedules and queues: the only list of them there is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.template.cloudformation import NO_VALUE, Resolver, TemplateError

REGION = "eu-north-1"
ACCOUNT = "123456789012"
STACK = "parley-local"
_STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/00000000-0000-0000-0000-000000000000"
_PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": STACK,
    "AWS::StackId": _STACK_ID,
}
_DEFAULT_GATEWAY_TIMEOUT = 29.0
_METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Route:
    """One method of one path, and the function behind it."""

    method: str
    path: str
    function: str
    streams: bool
    timeout: float


@dataclass(frozen=True)
class Schedule:
    """One EventBridge Scheduler schedule."""

    name: str
    function: str
    expression: str
    timezone: str
    input: str
    enabled: bool


@dataclass(frozen=True)
class QueueSource:
    """One SQS event source."""

    function: str
    queue: str
    batch_size: int
    reports_failures: bool


@dataclass(frozen=True)
class FunctionDefinition:
    """One function as Lambda would run it; `layers` are source folders, first one first."""

    name: str
    handler: str
    directory: Path
    layers: tuple[Path, ...]
    timeout: float
    memory: int
    environment: dict[str, str]


@dataclass(frozen=True)
class GatewayResponse:
    """How the gateway words an answer of its own."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = '{"message":$context.error.messageString}'


@dataclass(frozen=True)
class Api:
    """What the API does before any function: routes, CORS answers, its own errors, binary types."""

    routes: tuple[Route, ...]
    stage: str
    cors: dict[str, str]
    responses: dict[str, GatewayResponse]
    binary_types: tuple[str, ...]

    def match(self, path: str) -> tuple[str, dict[str, str]] | None:
        """The template's path for a requested one, and its path parameters; literal segments win over parameters."""
        best: tuple[tuple[int, ...], str, dict[str, str]] | None = None
        for pattern in {route.path for route in self.routes}:
            found = _matched(pattern, path)
            if found is not None and (best is None or found[0] < best[0]):
                best = (found[0], pattern, found[1])
        return best[1:] if best else None

    def route(self, method: str, pattern: str) -> Route | None:
        """The route of a template's path; ANY serves what no other method does."""
        of_path = {route.method: route for route in self.routes if route.path == pattern}
        return of_path.get(method) or of_path.get("ANY")


@dataclass(frozen=True)
class Template:
    """Everything the local stand-ins take from the template."""

    functions: dict[str, FunctionDefinition]
    api: Api
    schedules: tuple[Schedule, ...]
    queue_sources: tuple[QueueSource, ...]


def resources(document: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of a type, by logical id."""
    every: dict[str, Any] = document["Resources"]
    return {name: one.get("Properties") or {} for name, one in every.items() if one.get("Type") == kind}


def read(
    document: dict[str, Any], root: Path, parameters: Mapping[str, str], attributes: Mapping[str, str]
) -> Template:
    """Read the template.

    Args:
        document: what `cloudformation.load` returned.
        root: what CodeUri and ContentUri start from.
        parameters: values of its parameters where the default does not serve.
        attributes: what Ref and GetAtt of resources stand for locally.

    Raises:
        TemplateError: it uses what is not known here.
    """
    resolver = Resolver(document, parameters, _PSEUDO | dict(attributes))
    globals_ = (document.get("Globals") or {}).get("Function") or {}
    functions, routes, schedules, sources = {}, [], [], []
    for name, own in resources(document, "AWS::Serverless::Function").items():
        functions[name] = _function(name, _merged(globals_, own), root, document, resolver)
        for event_name, event in (own.get("Events") or {}).items():
            properties = resolver.resolve(event.get("Properties") or {})
            match event["Type"]:
                case "Api":
                    routes.append(_route(name, properties))
                case "ScheduleV2":
                    schedules.append(_schedule(f"{name}{event_name}", name, properties))
                case "SQS":
                    sources.append(_source(name, properties))
                case other:
                    raise TemplateError(f"{name}: nothing stands in for events of type {other}")
    api = _api(document, resolver, tuple(routes))
    return Template(functions, api, tuple(schedules), tuple(sources))


def _merged(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A function's properties over the globals, as SAM merges them: maps by key, lists added, the rest replaced."""
    merged = dict(shared)
    for key, value in own.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict) and not _is_expression(value):
            merged[key] = _merged(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            merged[key] = before + value
        else:
            merged[key] = value
    return merged


def _is_expression(value: dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))


def _function(
    name: str, properties: dict[str, Any], root: Path, document: dict[str, Any], resolver: Resolver
) -> FunctionDefinition:
    layers = resources(document, "AWS::Serverless::LayerVersion")
    folders = []
    for layer in properties.get("Layers") or []:
        if not isinstance(layer, dict) or layer.get("Ref") not in layers:
            raise TemplateError(f"{name}: layers are taken from this template alone")
        folders.append((root / layers[layer["Ref"]]["ContentUri"]).resolve())
    variables = (properties.get("Environment") or {}).get("Variables") or {}
    texts = {key: resolver.text(value) for key, value in variables.items() if resolver.resolve(value) is not NO_VALUE}
    return FunctionDefinition(
        name=name,
        handler=properties["Handler"],
        directory=(root / properties["CodeUri"]).resolve(),
        layers=tuple(folders),
        timeout=float(resolver.resolve(properties.get("Timeout", 3))),
        memory=int(resolver.resolve(properties.get("MemorySize", 128))),
        environment=texts,
    )


def _route(function: str, properties: dict[str, Any]) -> Route:
    method = properties["Method"].upper()
    return Route(
        method=method if method in _METHODS else "ANY",
        path=properties["Path"],
        function=function,
        streams=properties.get("ResponseTransferMode") == "RESPONSE_STREAM",
        timeout=float(properties["TimeoutInMillis"]) / 1000
        if "TimeoutInMillis" in properties
        else _DEFAULT_GATEWAY_TIMEOUT,
    )


def _schedule(name: str, function: str, properties: dict[str, Any]) -> Schedule:
    return Schedule(
        name=str(properties.get("Name", name)),
        function=function,
        expression=properties["ScheduleExpression"],
        timezone=properties.get("ScheduleExpressionTimezone", "UTC"),
        input=properties.get("Input", "{}"),
        enabled=properties.get("State", "ENABLED") == "ENABLED",
    )


def _source(function: str, properties: dict[str, Any]) -> QueueSource:
    return QueueSource(
        function=function,
        queue=properties["Queue"].rsplit(":", 1)[-1],
        batch_size=int(properties.get("BatchSize", 10)),
        reports_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
    )


def _api(document: dict[str, Any], resolver: Resolver, routes: tuple[Route, ...]) -> Api:
    apis = resources(document, "AWS::Serverless::Api")
    if len(apis) > 1:
        raise TemplateError("one AWS::Serverless::Api is served; there are several")
    shared = (document.get("Globals") or {}).get("Api") or {}
    properties = resolver.resolve(_merged(shared, next(iter(apis.values()), {})))
    cors = properties.get("Cors") or {}
    if isinstance(cors, str):
        cors = {"AllowOrigin": cors}
    names = {
        "AllowOrigin": "Access-Control-Allow-Origin",
        "AllowMethods": "Access-Control-Allow-Methods",
        "AllowHeaders": "Access-Control-Allow-Headers",
        "MaxAge": "Access-Control-Max-Age",
    }
    headers = {names[key]: str(value).strip("'") for key, value in cors.items() if key in names}
    if cors.get("AllowCredentials"):
        headers["Access-Control-Allow-Credentials"] = "true"
    responses = {name: _gateway_response(one) for name, one in (properties.get("GatewayResponses") or {}).items()}
    binary = tuple(kind.replace("~1", "/") for kind in properties.get("BinaryMediaTypes") or [])
    return Api(routes, str(properties.get("StageName", "live")), headers, responses, binary)


def _gateway_response(properties: dict[str, Any]) -> GatewayResponse:
    headers = (properties.get("ResponseParameters") or {}).get("Headers") or {}
    status = properties.get("StatusCode")
    return GatewayResponse(
        status=int(status) if status is not None else None,
        headers={name: str(value) for name, value in headers.items()},
        body=(properties.get("ResponseTemplates") or {}).get("application/json", GatewayResponse.body),
    )


def _matched(pattern: str, path: str) -> tuple[tuple[int, ...], dict[str, str]] | None:
    """The parameters of a path under a pattern with a rank: lower is more literal; None where it does not fit."""
    wanted, given = pattern.strip("/").split("/"), path.strip("/").split("/")
    parameters: dict[str, str] = {}
    rank: list[int] = []
    for position, segment in enumerate(wanted):
        greedy = re.fullmatch(r"\{(\w+)\+\}", segment)
        if greedy and position < len(given):
            parameters[greedy[1]] = "/".join(given[position:])
            return (*rank, 2), parameters
        if position >= len(given):
            return None
        if variable := re.fullmatch(r"\{([\w.-]+)\}", segment):
            if not given[position]:
                return None
            parameters[variable[1]] = given[position]
            rank.append(1)
        elif segment == given[position]:
            rank.append(0)
        else:
            return None
    return (tuple(rank), parameters) if len(wanted) == len(given) else None

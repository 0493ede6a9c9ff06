"""Paths as API Gateway hands them over: percent-encoded, below a custom domain's base path, or as `sam local` does."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.checkout import CHECKOUT, FUNCTIONS
from parley.api.request import path_parameters, requested_path
from parley.api.router import Reply, Route
from testing.functions import Functions, api_event

Token = Callable[..., str]

IDS = ["auth0|x", "a/b", "DOMAIN\\user", "ü", "日本", "100%", "%41", "a+b", "a b", "{user_id}", '"', "a;b=c,d", ".."]
API_FUNCTIONS = sorted(app.parent.name for app in FUNCTIONS.glob("*/app.py") if '"/api/' in app.read_text())


def deployed(
    method: str, resource: str, values: dict[str, str], base: str = "", body: Any = None, **options: Any
) -> dict[str, Any]:
    """The event that API Gateway REST sends: path and path parameters as the client wrote them."""
    encoded = {name: quote(value, safe="") for name, value in values.items()}
    path = resource
    for name, value in encoded.items():
        path = path.replace(f"{{{name}}}", value)
    event = api_event(method, path, body, **options)
    event["requestContext"] |= {
        "resourcePath": resource,
        "path": f"{base}{path}" if base else f"/live{path}",
        "domainName": "api.example.com" if base else "abcde12345.execute-api.eu-north-1.amazonaws.com",
    }
    return event | {"resource": resource, "path": base + path, "pathParameters": encoded or None}


# What `sam local start-api` makes of requests, by its own code: its routing and its events, without its containers.
SAM = """
import json, sys
from flask import Flask, request
from samcli.local.apigw.event_constructor import construct_v1_event
from samcli.local.apigw.path_converter import PathConverter

def events(resource, targets):
    app = Flask("sam")
    path = PathConverter.convert_path_to_flask(resource)
    app.add_url_rule(path, endpoint=path, view_func=lambda **_: construct_v1_event(request, 3000, [], "live"))
    for target in targets:
        answer = app.test_client().get(target)
        yield answer.json if answer.status_code == 200 else None

json.dump([list(events(*one)) for one in json.load(sys.stdin)], sys.stdout)
"""


def sam_local_events(requests: list[tuple[str, list[str]]]) -> list[list[dict[str, Any] | None]]:
    """The events of requests by resource and targets; None where no function is found."""
    sam = CHECKOUT / ".venv-sam" / "bin" / "python"
    if not sam.exists():
        pytest.skip("the SAM CLI is not in .venv-sam (make build makes it)")
    done = subprocess.run([sam, "-c", SAM], input=json.dumps(requests), capture_output=True, text=True, check=True)
    events: list[list[dict[str, Any] | None]] = json.loads(done.stdout)
    return events


def told(self: Route, request: Any) -> Reply:
    """In the place of a route's handler: what it would have been given."""
    return Reply(dict(request.path), status=200)


def routes(functions: Functions) -> Iterator[tuple[str, Route]]:
    for name in API_FUNCTIONS:
        for route in functions.module(name).api.routes:
            if "{" in route.path:
                yield name, route


def token_for(route: Route, token: Token) -> str:
    if route.access == "service":
        return token(None, role="service_role")
    return token("ada", organization_id="acme", organization_role="admin")


@pytest.mark.parametrize("base", ["", "/parley", "/v1/parley", "/api"])
def test_every_route_gets_its_parameters_decoded_once(functions: Functions, token: Token, base: str) -> None:
    seen = 0
    with mock.patch.object(Route, "call", told):
        for name, route in routes(functions):
            for text in IDS:
                values = {parameter: text + parameter[0] for parameter in re.findall(r"\{(\w+)\}", route.path)}
                event = deployed(route.method, route.path, values, base, token=token_for(route, token))
                answer = functions.invoke(name, event)
                assert (answer["statusCode"], json.loads(answer["body"])) == (200, values), (route, answer["body"])
            seen += 1
    assert seen > 10


def test_sam_local_which_decodes_gives_the_same_parameters_but_for_slashes(
    functions: Functions, environment: dict[str, str], token: Token
) -> None:
    environment["AWS_SAM_LOCAL"] = "true"
    found = list(routes(functions))
    sent = [re.sub(r"\{\w+\}", quote(text, safe=""), "{id}") for text in IDS]
    made = sam_local_events([(route.path, [re.sub(r"\{\w+\}", id_, route.path) for id_ in sent]) for _, route in found])
    with mock.patch.object(Route, "call", told):
        for (name, route), events in zip(found, made, strict=True):
            for text, event in zip(IDS, events, strict=True):
                assert (event is None) == ("/" in text)
                if event is None:
                    continue
                values = dict.fromkeys(re.findall(r"\{(\w+)\}", route.path), text)
                assert event["pathParameters"] == values  # decoded, unlike AWS
                event["httpMethod"] = route.method
                event["headers"] |= {"Authorization": f"Bearer {token_for(route, token)}"}
                answer = functions.invoke(name, event)
                assert (answer["statusCode"], json.loads(answer["body"])) == (200, values), (route, answer["body"])


def test_sam_local_repeats_its_request_ids_and_the_function_takes_its_own(
    functions: Functions, environment: dict[str, str]
) -> None:
    environment["AWS_SAM_LOCAL"] = "true"
    [[first, second]] = sam_local_events([("/api/health", ["/api/health", "/api/health"])])
    assert first is not None
    assert second is not None
    ids = [functions.invoke("health", event)["multiValueHeaders"]["X-Request-Id"] for event in (first, first, second)]
    assert len({str(one) for one in ids}) == 3


def test_sam_local_decodes_a_query_as_aws_does() -> None:
    [[event]] = sam_local_events([("/api/documents", ["/api/documents?metadata=%7B%22a%22%3A%22100%2541+%2B%22%7D"])])
    assert event is not None
    assert event["queryStringParameters"] == {"metadata": '{"a":"100%41 +"}'}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_comes_through_a_path(text: str) -> None:
    event = deployed("GET", "/api/things/{id}/of/{user_id}", {"id": text, "user_id": "x"}, "/base")
    path = requested_path(event)
    assert path == f"/api/things/{quote(text, safe='')}/of/x"
    assert path_parameters({"id": path.split("/")[3]}) == {"id": text}


@pytest.mark.parametrize("broken", ["%FF", "%C3", "a%ED%A0%80", "%00"])
def test_what_is_no_text_is_400(functions: Functions, token: Token, broken: str) -> None:
    event = deployed("DELETE", "/api/admin/users/{user_id}", {"user_id": "x"}, token=token(None, role="service_role"))
    event |= {"path": f"/api/admin/users/{broken}", "pathParameters": {"user_id": broken}}
    answer = functions.invoke("admin", event)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("user_id", ["auth0|x", "a/b", "DOMAIN\\user", "ü", "a+b", "100%41", "a b"])
def test_an_operator_reaches_any_user_and_no_other(
    functions: Functions, schedules: Functions, token: Token, database: Any, user_id: str
) -> None:
    service = token(None, role="service_role")

    def operator(method: str, resource: str, body: Any = None) -> int:
        event = deployed(method, resource, {"user_id": user_id}, body=body, token=service)
        return int(schedules.invoke("admin", event)["statusCode"])

    assert functions.request("account", "GET", "/api/settings", token=token(user_id)).json["tier"] == "free"
    assert operator("PUT", "/api/admin/users/{user_id}/tier", {"tier": "premium"}) == 200
    assert functions.request("account", "GET", "/api/settings", token=token(user_id)).json["tier"] == "premium"
    with database.connect() as owner:
        assert owner.execute("""select array_agg(id) from "user" """).fetchone() == ([user_id],)
    assert operator("DELETE", "/api/admin/users/{user_id}") == 204
    assert operator("DELETE", "/api/admin/users/{user_id}") == 404
    assert functions.request("account", "GET", "/api/settings", token=token(user_id)).status == 403


@pytest.mark.parametrize("user_id", ["x" * 256, "a\nb", "a\u200bb"])
def test_an_id_that_no_token_can_have_is_nobodys(schedules: Functions, token: Token, user_id: str) -> None:
    service = token(None, role="service_role")
    event = deployed("PUT", "/api/admin/users/{user_id}/tier", {"user_id": user_id}, body={"tier": "premium"},
                     token=service)  # fmt: skip
    answer = schedules.invoke("admin", event)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (404, "not_found")


def test_a_deletion_that_finds_nobody_bars_nobody(functions: Functions, schedules: Functions, token: Token) -> None:
    service = token(None, role="service_role")
    assert schedules.request("admin", "DELETE", "/api/admin/users/ada", token=service).status == 404
    assert functions.request("account", "GET", "/api/settings", token=token("ada")).status == 200
    assert functions.request("chat", "POST", "/api/chat", {"message": "hi"}, token=token("ada")).status == 200
    assert schedules.request("admin", "DELETE", "/api/admin/users/ada", token=service).status == 204
    refused = functions.request("chat", "POST", "/api/chat", {"message": "hi"}, token=token("ada"))
    assert (refused.status, refused.json["code"]) == (403, "subject_deleted")


def test_a_tier_can_be_set_before_the_first_call(functions: Functions, schedules: Functions, token: Token) -> None:
    event = deployed("PUT", "/api/admin/users/{user_id}/tier", {"user_id": "auth0|new"},
                     body={"tier": "premium"}, token=token(None, role="service_role"))  # fmt: skip
    for is_new in (True, False):
        moved = json.loads(schedules.invoke("admin", event)["body"])
        assert moved == {"user_id": "auth0|new", "tier": "premium", "is_new": is_new}
    assert functions.request("account", "GET", "/api/settings", token=token("auth0|new")).json["tier"] == "premium"


@pytest.mark.parametrize(
    ("function", "resource", "name", "service"),
    [
        ("admin", "/api/admin/users/{user_id}", "user_id", True),
        ("admin", "/api/admin/faqs/{faq_id}", "faq_id", True),
        ("account", "/api/conversations/{conversation_id}", "conversation_id", False),
        ("search", "/api/documents/{document_id}", "document_id", False),
        ("store_key", "/api/settings/api-keys/{provider}", "provider", False),
    ],
)
def test_deleting_what_is_not_there_is_404(
    functions: Functions, schedules: Functions, token: Token, function: str, resource: str, name: str, service: bool
) -> None:
    sent = token(None, role="service_role") if service else token("ada")
    for value in ["openai"] if name == "provider" else [*IDS, "00000000-0000-4000-8000-000000000000"]:
        answer = (schedules if service else functions).invoke(
            function, deployed("DELETE", resource, {name: value}, token=sent)
        )
        assert answer["statusCode"] == 404, (value, answer["body"])


@pytest.mark.parametrize("base", ["/parley", "/v1/parley", "/api", "/live"])
def test_a_custom_domains_base_path_is_no_part_of_the_route(functions: Functions, token: Token, base: str) -> None:
    for function, resource in (("health", "/api/health"), ("get_provider", "/api/ai-provider")):
        event = deployed("GET", resource, {}, base)
        assert functions.invoke(function, event)["statusCode"] == 200
        del event["resource"]  # what only the context tells
        assert functions.invoke(function, event)["statusCode"] == 200
    unknown = deployed("GET", "/api/nowhere", {}, base)
    assert functions.invoke("health", unknown)["statusCode"] == 404


def test_a_query_is_decoded_by_the_gateway_and_not_again(functions: Functions, token: Token) -> None:
    body = {"documents": [{"content": "Bread needs time.", "metadata": {"a": "100%41 + ü"}}]}
    assert functions.request("search", "POST", "/api/documents", body, token=token("ada")).status == 201
    event = deployed("GET", "/api/documents", {}, token=token("ada"))
    for metadata, found in (({"a": "100%41 + ü"}, 1), ({"a": "100A + ü"}, 0)):
        query = {"metadata": json.dumps(metadata)}
        many = {name: [value] for name, value in query.items()}
        answer = functions.invoke(
            "search", event | {"queryStringParameters": query, "multiValueQueryStringParameters": many}
        )
        assert len(json.loads(answer["body"])["data"]) == found

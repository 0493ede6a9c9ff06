"""What the local stand-ins read from template.yaml, and the expressions of its schedules."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.checkout import CHECKOUT
from local.template import cloudformation
from local.template.cloudformation import NO_VALUE, Resolver, TemplateError
from local.template.definitions import Api, Route, Schedule, Template, read
from local.template.schedules import ScheduleError, following, payload

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return cloudformation.load(CHECKOUT / "template.yaml")


@pytest.fixture(scope="module")
def template(document: dict[str, Any]) -> Template:
    return read(document, CHECKOUT, {"DatabaseSecretArn": "app", "DatabaseServiceSecretArn": "service"}, {})


def test_every_function_has_its_source(template: Template) -> None:
    assert [name for name, one in template.functions.items() if not (one.directory / "app.py").is_file()] == []
    assert {one.handler for one in template.functions.values()} == {"app.lambda_handler"}


def test_every_function_is_in_the_template(template: Template) -> None:
    on_disk = {path.parent.name for path in (CHECKOUT / "functions").glob("*/app.py")}
    assert {one.directory.name for one in template.functions.values()} == on_disk


def test_there_are_at_most_twenty_functions(template: Template) -> None:
    assert len(template.functions) <= 20


def test_no_route_is_declared_twice(template: Template) -> None:
    routes = [(route.method, route.path) for route in template.api.routes]
    assert len(routes) == len(set(routes))


def test_streamed_chat_and_all_of_v1_stream_and_nothing_else(template: Template) -> None:
    streaming = {route.path for route in template.api.routes if route.streams}
    assert streaming == {"/api/chat/stream"} | {
        route.path for route in template.api.routes if route.path.startswith("/v1/")
    }


def test_a_function_behind_the_api_ends_before_the_gateway_gives_up(template: Template) -> None:
    late = [route for route in template.api.routes if template.functions[route.function].timeout >= route.timeout]
    assert late == []


def test_what_runs_without_a_caller_has_the_service_login(template: Template) -> None:
    called = {route.function for route in template.api.routes}
    logins = {name: one.environment["PARLEY_DATABASE_SECRET_ARN"] for name, one in template.functions.items()}
    scheduled = {one.function for one in template.schedules} | {one.function for one in template.queue_sources}
    assert {logins[name] for name in scheduled} == {"service"}
    assert not called & scheduled


def test_every_schedule_is_understood(template: Template) -> None:
    assert template.schedules
    for schedule in template.schedules:
        following(schedule.expression, schedule.timezone)


def resolver(**conditions: Any) -> Resolver:
    document = {"Parameters": {"Name": {"Type": "String", "Default": "n"}, "Many": {"Type": "CommaDelimitedList"}},
                "Conditions": conditions}  # fmt: skip
    return Resolver(document, {}, {"Queue": "url", "Queue.Arn": "arn", "AWS::Region": "r"})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("!Ref Name", "n"),
        ("!Ref Many", []),
        ("!Ref Queue", "url"),
        ("!GetAtt Queue.Arn", "arn"),
        ("!Ref Elsewhere", "local:Elsewhere"),
        ("!Sub '${Name}-${Queue.Arn}-${!Kept}'", "n-arn-${Kept}"),
        ("!Sub ['${A}${Name}', {A: !Ref Queue}]", "urln"),
        ("!Join ['-', [a, !Ref Name]]", "a-n"),
        ("!Select [1, !Split ['/', 'a/b']]", "b"),
        ("!If [IsTrue, 1, 2]", 1),
        ("!If [IsFalse, 1, !Ref AWS::NoValue]", NO_VALUE),
        ("[1, !If [IsFalse, 2, !Ref AWS::NoValue]]", [1]),
        ("{a: !Ref AWS::NoValue, b: 1}", {"b": 1}),
        ("!And [!Condition IsTrue, !Not [!Condition IsFalse]]", True),
        ("!Or [!Condition IsFalse, !Equals [!Ref Name, n]]", True),
    ],
)
def test_expressions_have_their_values(tmp_path: Path, expression: str, value: Any) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(f"Resources: {{}}\nX: {expression}\n")
    parsed = cloudformation.load(path)["X"]
    given = resolver(IsTrue={"Fn::Equals": [1, 1]}, IsFalse={"Fn::Equals": [1, 2]}).resolve(parsed)
    assert given is NO_VALUE if value is NO_VALUE else given == value


def test_unknown_functions_are_refused() -> None:
    with pytest.raises(TemplateError, match="Cidr"):
        resolver().resolve({"Fn::Cidr": []})


@pytest.mark.parametrize("text", ["- 1", "a: [", "Resources: 3"])
def test_what_is_no_template_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(TemplateError) as refused:
        cloudformation.load(path)
    assert "\n" not in str(refused.value)


def api(*paths: str) -> Api:
    return Api(tuple(Route("GET", path, "F", False, 29) for path in paths), "live", {}, {}, ())


@pytest.mark.parametrize(
    ("path", "matched"),
    [
        ("/a/1", ("/a/{id}", {"id": "1"})),
        ("/a/b", ("/a/b", {})),
        ("/a/b/c", ("/a/{rest+}", {"rest": "b/c"})),
        ("/a/x%2Fy", ("/a/{id}", {"id": "x%2Fy"})),
        ("/a/", None),
        ("/b", None),
    ],
)
def test_paths_match_the_most_literal_route(path: str, matched: object) -> None:
    assert api("/a/{id}", "/a/b", "/a/{rest+}").match(path) == matched


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("cron(5 0 * * ? *)", "2026-01-01T00:00+00:00", "2026-01-01T23:05+00:00"),
        ("cron(20 * * * ? *)", "2026-01-01T10:20+00:00", "2026-01-01T11:20+00:00"),
        ("cron(0/15 8-17 ? * MON-FRI *)", "2026-01-02T16:50+00:00", "2026-01-05T07:00+00:00"),
        ("cron(40 3 1 * ? *)", "2026-01-01T03:00+00:00", "2026-02-01T02:40+00:00"),
        ("cron(0 12 L * ? *)", "2028-02-01T00:00+00:00", "2028-02-29T11:00+00:00"),
        ("cron(0 0 1 1 ? 2027)", "2026-01-01T00:00+00:00", "2026-12-31T23:00+00:00"),
        ("rate(5 minutes)", "2026-01-01T00:00+00:00", "2026-01-01T00:05+00:00"),
        # 02:30 does not exist on the last Sunday of March, and exists twice on that of October.
        ("cron(30 2 * * ? *)", "2026-03-28T02:00+00:00", "2026-03-30T00:30+00:00"),
        ("cron(30 2 * * ? *)", "2026-10-24T23:00+00:00", "2026-10-25T00:30+00:00"),
        ("cron(30 2 * * ? *)", "2026-10-25T00:30+00:00", "2026-10-26T01:30+00:00"),
    ],
)
def test_schedules_run_in_their_time_zone(expression: str, after: str, expected: str) -> None:
    assert following(expression, "Europe/Stockholm")(at(after)) == at(expected)


def test_a_schedule_that_is_over_does_not_run_again() -> None:
    assert following("cron(0 0 1 1 ? 2025)", "UTC")(NEW_YEAR) is None


@pytest.mark.parametrize(
    "expression", ["cron(0 0 * * ?)", "cron(61 0 * * ? *)", "cron(0 0 ? * 2#1 *)", "rate(5 weeks)", "daily"]
)
def test_what_is_no_schedule_is_refused(expression: str) -> None:
    with pytest.raises(ScheduleError):
        following(expression, "UTC")


def test_a_scheduled_event_knows_the_time_it_was_meant_for() -> None:
    schedule = Schedule("Daily", "F", "rate(1 day)", "UTC", '{"at": "<aws.scheduler.scheduled-time>"}', True)
    assert payload(schedule, NEW_YEAR) == b'{"at": "2026-01-01T00:00:00Z"}'

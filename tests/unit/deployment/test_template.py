"""What template.yaml promises: a small stack, and functions that are reachable, logged and allowed little."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from local.checkout import CHECKOUT
from local.template.cloudformation import Resolver
from parley.api import problems
from parley.core.errors import Problem

MAX_FUNCTIONS = 20


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags, each read as its long form."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix == "Ref" else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _intrinsic)


def _load(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((CHECKOUT / path).read_text(), Loader=_Loader)  # a SafeLoader
    return loaded


TEMPLATE = _load("template.yaml")
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
BUFFERED_GATEWAY_SECONDS = 29


def _of(kind: str) -> dict[str, dict[str, Any]]:
    return {name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == kind}


def _folder(function: str) -> str:
    return str(FUNCTIONS[function]["CodeUri"]).removeprefix("functions/").rstrip("/")


def _events(function: str, kind: str) -> list[dict[str, Any]]:
    events = FUNCTIONS[function].get("Events", {}).values()
    return [event["Properties"] for event in events if event["Type"] == kind]


def _statements(value: Any) -> Iterator[dict[str, Any]]:
    """Every policy statement below `value`."""
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        for nested in value.values():
            yield from _statements(nested)
    elif isinstance(value, list):
        for nested in value:
            yield from _statements(nested)


def _actions(function: str) -> set[str]:
    """What a function may do: its inline statements and those of the policies it names, conditional ones included."""
    references = re.findall(r"'Ref': '(\w+)'", str(FUNCTIONS[function]["Policies"]))
    policies = [FUNCTIONS[function]["Policies"], *(RESOURCES[name] for name in references if name in RESOURCES)]
    found: set[str] = set()
    for statement in (one for one in _statements(policies) if one["Effect"] == "Allow"):
        action = statement["Action"]
        found |= {action} if isinstance(action, str) else set(action)
    return found


def _text(node: ast.expr, names: Mapping[str, str]) -> str | None:
    """What an expression of texts and names of texts says; None for another one."""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _text(part.value if isinstance(part, ast.FormattedValue) else part, names) or "" for part in node.values
        )
    if isinstance(node, ast.Name):
        return names.get(node.id)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _named_texts(tree: ast.Module) -> dict[str, str]:
    """The texts that a module gives names to, several in one line too."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            (target,) = node.targets
            pairs = (
                zip(target.elts, node.value.elts, strict=True)
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                else [(target, node.value)]
            )
            found |= {
                name.id: value.value
                for name, value in pairs
                if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str)
            }
    return found


def _declared_routes(folder: str) -> set[tuple[str, str]]:
    """The routes that a function's decorators declare: `@api.get("/api/...", ...)`, or by names of the module's own."""
    routes = set()
    tree = ast.parse((CHECKOUT / "functions" / folder / "app.py").read_text())
    names = _named_texts(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        for call in node.decorator_list:
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                words = [text for argument in call.args if (text := _text(argument, names)) is not None]
                if call.func.attr == "route":
                    routes.add((str(words[0]), str(words[1])))
                elif call.func.attr in ("get", "post", "put", "patch", "delete"):
                    routes.add((call.func.attr.upper(), str(words[0])))
    return routes


def test_the_stack_stays_small() -> None:
    assert len(FUNCTIONS) <= MAX_FUNCTIONS


def test_every_folder_of_functions_is_deployed_and_every_function_has_one() -> None:
    folders = {path.parent.name for path in (CHECKOUT / "functions").glob("*/app.py")}
    assert {_folder(name) for name in FUNCTIONS} == folders


@pytest.mark.parametrize("function", FUNCTIONS)
class TestEveryFunction:
    def test_is_named_after_its_folder(self, function: str) -> None:
        assert function == "".join(word.capitalize() for word in _folder(function).split("_")) + "Function"

    def test_writes_to_a_log_group_that_forgets(self, function: str) -> None:
        group = RESOURCES[FUNCTIONS[function]["LoggingConfig"]["LogGroup"]["Ref"]]
        assert group["Type"] == "AWS::Logs::LogGroup"
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}

    def test_has_a_trigger_unless_it_is_run_by_hand(self, function: str) -> None:
        assert bool(FUNCTIONS[function].get("Events")) != (function == "MigrateFunction")

    def test_has_a_sample_event_that_fits_its_trigger(self, function: str) -> None:
        event = json.loads((CHECKOUT / "events" / f"{_folder(function)}.json").read_text())
        if routes := _events(function, "Api"):
            assert (event["httpMethod"], event["resource"]) in {(route["Method"], route["Path"]) for route in routes}
            assert event["path"] == event["resource"].format(**(event["pathParameters"] or {}))
        elif schedules := _events(function, "ScheduleV2"):
            assert event.keys() == json.loads(schedules[0]["Input"]).keys()
        elif _events(function, "SQS"):
            assert [record["eventSource"] for record in event["Records"]] == ["aws:sqs"]

    def test_serves_the_routes_that_its_code_declares(self, function: str) -> None:
        routed = {(route["Method"], route["Path"]) for route in _events(function, "Api")}
        assert routed == _declared_routes(_folder(function))

    def test_may_do_nothing_by_wildcard(self, function: str) -> None:
        assert not [action for action in _actions(function) if "*" in action]

    def test_ends_before_whoever_waits_for_it_and_after_its_model(self, function: str) -> None:
        properties = FUNCTIONS[function]
        shared = TEMPLATE["Globals"]["Function"]
        timeout = properties.get("Timeout", shared["Timeout"])
        variables = shared["Environment"]["Variables"] | properties.get("Environment", {}).get("Variables", {})
        for route in _events(function, "Api"):
            waits = route.get("TimeoutInMillis", BUFFERED_GATEWAY_SECONDS * 1000) / 1000
            assert float(variables["PARLEY_REQUEST_SECONDS"]) < timeout < waits
        for queue in _events(function, "SQS"):
            source = RESOURCES[queue["Queue"]["Fn::GetAtt"].split(".")[0]]["Properties"]
            assert source["VisibilityTimeout"] >= 6 * timeout


def test_each_way_to_use_the_key_belongs_to_the_functions_that_need_it() -> None:
    held = {function: {action for action in _actions(function) if action.startswith("kms:")} for function in FUNCTIONS}
    models = (
        "ChatFunction", "ChatStreamFunction", "GenerateInterviewQuestionsFunction", "InterviewsFunction",
        "VerifyKeyFunction", "WireFunction", "WorkerFunction",
    )  # fmt: skip
    assert {function: actions for function, actions in held.items() if actions} == {
        "StoreKeyFunction": {"kms:Encrypt"},
        "RotateKeysFunction": {"kms:ReEncryptFrom", "kms:ReEncryptTo"},
        **{function: {"kms:Decrypt"} for function in models},
    }


def test_the_key_is_used_only_for_a_named_user_and_provider() -> None:
    bound = {"Null": {"kms:EncryptionContext:user_id": "false", "kms:EncryptionContext:provider": "false"}}
    granted = {name: resource for name, resource in RESOURCES.items() if resource["Type"] != "AWS::KMS::Key"}
    statements = [one for one in _statements(granted) if "kms:" in str(one["Action"])]
    assert len(statements) == 3
    assert all(one["Condition"] == bound for one in statements)


def test_a_key_that_is_given_takes_the_place_of_the_stacks_own() -> None:
    given = "arn:aws:kms:eu-north-1:123456789012:key/of-a-stack-before"
    stack = Resolver(TEMPLATE, {"UserKeysKeyArn": given}, {})
    granted = {name: resource for name, resource in RESOURCES.items() if resource["Type"] != "AWS::KMS::Key"}
    keys = [one["Resource"] for one in _statements(granted) if "kms:" in str(one["Action"])]
    keys += [TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["PARLEY_KMS_KEY_ID"]]
    keys += [TEMPLATE["Outputs"]["UserKeysKeyArn"]["Value"]]
    assert {stack.resolve(key) for key in keys} == {given}
    assert not stack.condition(RESOURCES["UserKeysKey"]["Condition"])
    assert Resolver(TEMPLATE, {}, {}).condition(RESOURCES["UserKeysKey"]["Condition"])


def test_statements_name_one_resource() -> None:
    granted = {name: resource for name, resource in RESOURCES.items() if resource["Type"] != "AWS::KMS::Key"}
    for statement in _statements(granted):
        assert statement.get("Resource") != "*"


def test_only_migrate_reads_the_owners_secret() -> None:
    holders = {name for name, properties in FUNCTIONS.items() if "OwnerDatabaseAccess" in str(properties["Policies"])}
    assert holders == {"MigrateFunction"}


def test_the_service_login_is_for_the_service_role_and_for_functions_without_a_caller() -> None:
    for name, properties in FUNCTIONS.items():
        if name != "MigrateFunction":
            serves = name == "AdminFunction" or not _events(name, "Api")
            assert ("ServiceDatabaseAccess" in str(properties["Policies"])) == serves
            assert ("ServiceSecretArn" in str(properties.get("Environment"))) == serves


def test_what_runs_without_a_caller_retries_and_then_leaves_a_message() -> None:
    for name in FUNCTIONS:
        for schedule in _events(name, "ScheduleV2"):
            assert schedule["ScheduleExpressionTimezone"] == {"Ref": "Timezone"}
            assert schedule["RetryPolicy"]["MaximumRetryAttempts"] > 0
            assert schedule["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": "FailedEvents.Arn"}}
            assert "OnFailure" in FUNCTIONS[name]["EventInvokeConfig"]["DestinationConfig"]
    assert RESOURCES["UsageQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] > 0


def test_all_routes_of_a_streaming_function_stream_and_it_takes_no_snapshot() -> None:
    wrapped = {name for name in FUNCTIONS if "AWS_LAMBDA_EXEC_WRAPPER" in str(FUNCTIONS[name].get("Environment"))}
    assert wrapped == {"ChatStreamFunction", "WireFunction"}
    for name in FUNCTIONS:
        for route in _events(name, "Api"):
            assert ("ResponseTransferMode" in route) == (name in wrapped)
    for name in wrapped:
        assert FUNCTIONS[name]["SnapStart"] == {"ApplyOn": "None"}


def test_access_logs_hold_nothing_of_the_query_and_not_the_callers_address() -> None:
    logged = set(re.findall(r"\$context\.([\w.]+)", RESOURCES["Api"]["Properties"]["AccessLogSetting"]["Format"]))
    assert logged.isdisjoint({"path", "identity.sourceIp", "requestOverride.querystring"})
    assert "resourcePath" in logged


def test_every_parameter_says_what_it_is_for_and_is_used() -> None:
    body = str({key: value for key, value in TEMPLATE.items() if key != "Parameters"})
    for name, parameter in TEMPLATE["Parameters"].items():
        assert parameter["Description"], name
        assert f"'Ref': '{name}'" in body or f"${{{name}}}" in body, name


def test_no_secret_is_in_the_template() -> None:
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    for name in variables:
        if name.endswith(("_API_KEY", "_JWT_SECRET", "DATABASE_URL")):
            assert variables[name] == ""


def test_nested_stacks_get_parameters_they_declare_and_give_outputs_that_are_read() -> None:
    for name, stack in _of("AWS::CloudFormation::Stack").items():
        nested = _load(stack["TemplateURL"])
        assert not [one for one in nested["Resources"].values() if one["Type"] == "AWS::Serverless::Function"]
        required = {key for key, value in nested["Parameters"].items() if "Default" not in value}
        assert required <= set(stack["Parameters"]) <= set(nested["Parameters"])
        read = set(re.findall(rf"{name}\.Outputs\.(\w+)", (CHECKOUT / "template.yaml").read_text()))
        assert read == set(nested.get("Outputs", {}))


GATEWAY_RESPONSES: dict[str, dict[str, Any]] = RESOURCES["Api"]["Properties"]["GatewayResponses"]


@pytest.mark.parametrize("kind", GATEWAY_RESPONSES)
def test_what_the_gateway_answers_is_the_problem_document_of_its_status(kind: str) -> None:
    response = GATEWAY_RESPONSES[kind]
    found = json.loads(response["ResponseTemplates"]["application/json"])
    status = int(response["StatusCode"])
    expected = problems.document(Problem(found["code"], found["detail"], status=status), "$context.requestId")
    assert found == expected | {"title": found["title"]}, "Python's versions word a title differently"
    assert response["ResponseParameters"]["Headers"]["Content-Type"] == f"'{problems.CONTENT_TYPE}'"


def test_code_changes_only_once_the_schema_that_it_needs_is_there() -> None:
    waiting = {name for name in FUNCTIONS if RESOURCES[name].get("DependsOn") == "Schema"}
    assert waiting == FUNCTIONS.keys() - {"MigrateFunction"}


def test_the_schema_is_applied_anew_for_each_version_of_what_applies_it_and_within_a_limit() -> None:
    properties = RESOURCES["Schema"]["Properties"]
    assert properties["Release"] == {"Ref": "MigrateFunction.Version"}
    # Whose service token changes, CloudFormation refuses to update.
    assert properties["ServiceToken"] == {"Fn::GetAtt": "MigrateFunction.Arn"}
    assert FUNCTIONS["MigrateFunction"]["Timeout"] < properties["ServiceTimeout"] < 3600

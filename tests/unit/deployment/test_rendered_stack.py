"""What CloudFormation gets: every function watched, bounded and allowed little, nothing public, every route served."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest

from local.checkout import CHECKOUT
from local.openapi import CONTRACT
from local.template import cloudformation
from local.template.rendered import SAM_PYTHON, rendered

pytestmark = pytest.mark.skipif(not SAM_PYTHON.exists(), reason="rendering needs .venv-sam (make build makes it)")

MOST_RESOURCES = 350
MOST_MANAGED_POLICIES = 10  # of a role, unless an account asks for more (IAM's quotas)
LAMBDA = {"Service": ["lambda.amazonaws.com"]}
# What SAM adds to a function's role: logs and traces for all, network interfaces in a VPC, polling for a queue's.
FROM_SAM = {
    "service-role/AWSLambdaBasicExecutionRole": "all",
    "AWSXrayWriteOnlyAccess": "all",
    "service-role/AWSLambdaVPCAccessExecutionRole": "all",
    "service-role/AWSLambdaSQSQueueExecutionRole": "queue",
}
# How long a REST API waits for a function that does not say more (API Gateway's quotas).
GATEWAY_SECONDS = 29
LONGEST_SECONDS = 901  # Lambda's own limit
NESTED = ("database", "observability")


def of(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of the stack's resources of a type."""
    return {name: one["Properties"] for name, one in rendered()["Resources"].items() if one["Type"] == kind}


def nested(kind: str) -> dict[str, dict[str, Any]]:
    """The same of the nested stacks, whose resources are sent as they are written."""
    stacks = [cloudformation.load(CHECKOUT / "templates" / f"{name}.yaml")["Resources"] for name in NESTED]
    return {name: one["Properties"] for stack in stacks for name, one in stack.items() if one["Type"] == kind}


def named(value: Any) -> str:
    """The resource that a Ref or Fn::GetAtt names."""
    target = value.get("Ref") or value["Fn::GetAtt"]
    return str(target if isinstance(target, str) else target[0]).partition(".")[0]


def functions() -> dict[str, dict[str, Any]]:
    return of("AWS::Lambda::Function")


def queues_of(function: str) -> list[str]:
    """The queues whose messages a function is given."""
    mappings = of("AWS::Lambda::EventSourceMapping").values()
    return [named(one["EventSourceArn"]) for one in mappings if function in json.dumps(one["FunctionName"])]


def schedules_of(function: str) -> list[dict[str, Any]]:
    return [one for one in of("AWS::Scheduler::Schedule").values() if function in json.dumps(one["Target"]["Arn"])]


def methods() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every method, path and integration of the API."""
    for path, on_path in of("AWS::ApiGateway::RestApi")["Api"]["Body"]["paths"].items():
        for method, one in on_path.items():
            if method != "options":  # the gateway answers those itself, for browsers
                yield method, path, one["x-amazon-apigateway-integration"]


def test_the_stack_is_far_from_cloudformations_limit_of_500_resources() -> None:
    assert len(rendered()["Resources"]) < MOST_RESOURCES


def test_each_function_has_a_role_of_its_own_that_lambda_alone_takes() -> None:
    roles = {name: named(one["Role"]) for name, one in functions().items()}
    assert len(set(roles.values())) == len(roles)
    for role in roles.values():
        document = of("AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]
        assert [(one["Effect"], one["Principal"]) for one in document["Statement"]] == [("Allow", LAMBDA)]


def test_beside_the_stacks_own_policies_a_role_has_those_that_its_trigger_needs() -> None:
    policies = set(of("AWS::IAM::ManagedPolicy"))
    for name, function in functions().items():
        role = of("AWS::IAM::Role")[named(function["Role"])]
        text = json.dumps(role["ManagedPolicyArns"])
        added = {found.partition("policy/")[2] for found in re.findall(r"policy/[\w/-]+", text)}
        allowed = {one for one, who in FROM_SAM.items() if who == "all" or queues_of(name)}
        assert added <= allowed, name
        assert set(re.findall(r'"Ref": "(\w+)"', text)) - {"AWS::Partition", "AWS::NoValue"} <= policies


def test_a_role_has_no_more_managed_policies_than_iam_attaches() -> None:
    for name, role in of("AWS::IAM::Role").items():
        assert len(role.get("ManagedPolicyArns", ())) <= MOST_MANAGED_POLICIES, name


def test_no_function_makes_a_log_group_that_outlives_the_stack() -> None:
    for function in functions().values():
        policies = of("AWS::IAM::Role")[named(function["Role"])]["Policies"]
        (denied,) = [
            one for policy in policies for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"
        ]
        assert denied["Action"] == "logs:CreateLogGroup"
        group = of("AWS::Logs::LogGroup")[named(function["LoggingConfig"]["LogGroup"])]["LogGroupName"]["Fn::Sub"]
        assert fnmatch(group, denied["Resource"]["Fn::Sub"].partition(":log-group:")[2])


def test_each_function_logs_to_a_group_that_forgets_and_has_an_alarm() -> None:
    groups = of("AWS::Logs::LogGroup")
    # Those of a gradual deployment tell CodeDeploy.
    alarms = [one for one in of("AWS::CloudWatch::Alarm").values() if one.get("MetricName") == "Errors"]
    assert sorted(named(one["Dimensions"][0]["Value"]) for one in alarms) == sorted(functions())
    for function in functions().values():
        assert groups[named(function["LoggingConfig"]["LogGroup"])]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    for alarm in [*alarms, *nested("AWS::CloudWatch::Alarm").values()]:
        assert {"Ref": "AlarmTopicArn"} in alarm["AlarmActions"]["Fn::If"][1]


def test_a_function_ends_before_whoever_waits_for_it() -> None:
    waits: dict[str, float] = {}
    for _, _, integration in methods():
        called = re.search(r"\$\{(\w+)Aliaslive\}", json.dumps(integration["uri"]))
        assert called is not None
        name = called[1]
        seconds = integration.get("timeoutInMillis", GATEWAY_SECONDS * 1000) / 1000
        waits[name] = min(waits.get(name, seconds), seconds)
    for name, function in functions().items():
        assert (name in waits) != bool(queues_of(name) or schedules_of(name) or name == "MigrateFunction")
        assert function["Timeout"] < waits.get(name, LONGEST_SECONDS), name
        for queue in queues_of(name):
            assert of("AWS::SQS::Queue")[queue]["VisibilityTimeout"] >= 6 * function["Timeout"], name


def test_what_nobody_waits_for_leaves_a_letter_where_it_fails_for_good() -> None:
    asynchronous = of("AWS::Lambda::EventInvokeConfig").values()
    letters = of("AWS::SQS::Queue")
    for name in functions():
        for schedule in schedules_of(name):
            assert named(schedule["Target"]["DeadLetterConfig"]["Arn"]) in letters
            assert schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] > 0
            mine = [one for one in asynchronous if named(one["FunctionName"]) == name]
            assert [named(one["DestinationConfig"]["OnFailure"]["Destination"]) for one in mine] == ["FailedEvents"]
        for queue in queues_of(name):
            assert named(letters[queue]["RedrivePolicy"]["deadLetterTargetArn"]) in letters


def test_what_is_kept_is_encrypted() -> None:
    for name, queue in of("AWS::SQS::Queue").items():
        assert queue["SqsManagedSseEnabled"] is True, name
    assert all(key["EnableKeyRotation"] for key in of("AWS::KMS::Key").values())
    assert all(cluster["StorageEncrypted"] for cluster in nested("AWS::RDS::DBCluster").values())
    assert nested("AWS::RDS::DBCluster")
    assert all(proxy["RequireTLS"] for proxy in nested("AWS::RDS::DBProxy").values())


def test_nothing_is_public_but_the_api() -> None:
    kinds = {one["Type"] for one in rendered()["Resources"].values()}
    assert kinds.isdisjoint({"AWS::Lambda::Url", "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"})
    for name, permission in of("AWS::Lambda::Permission").items():
        assert permission["Principal"] == "apigateway.amazonaws.com", name
        assert "SourceArn" in permission, name
    for instance in nested("AWS::RDS::DBInstance").values():
        assert instance["PubliclyAccessible"] is False
    for group in nested("AWS::EC2::SecurityGroup").values():
        assert not [rule for rule in group.get("SecurityGroupIngress", ()) if "CidrIp" in rule or "CidrIpv6" in rule]


def test_the_api_serves_the_routes_of_the_contract_and_no_others() -> None:
    promised = {
        (method, path) for path, on_path in json.loads(CONTRACT.read_text())["paths"].items() for method in on_path
    }
    assert {(method, path) for method, path, _ in methods()} == promised

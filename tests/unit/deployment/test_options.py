"""What template.yaml makes only where it is asked to, as SAM renders it; an emulated AWS lacks most of these."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.deployment.stack import publish_each_change
from local.template.cloudformation import Resolver
from local.template.rendered import SAM_PYTHON, rendered

pytestmark = pytest.mark.skipif(not SAM_PYTHON.exists(), reason="rendering needs .venv-sam (make build makes it)")


def made(**parameters: str) -> dict[str, Any]:
    """The resources that there are with these parameters: those whose condition holds, or that have none."""
    document = rendered(**parameters)
    resolver = Resolver(document, parameters, {})
    return {
        name: resource
        for name, resource in document["Resources"].items()
        if "Condition" not in resource or resolver.condition(resource["Condition"])
    }


def of(kind: str, resources: dict[str, Any]) -> dict[str, Any]:
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


def test_nothing_of_them_is_made_by_default() -> None:
    kinds = {resource["Type"] for resource in made().values()}
    assert not [kind for kind in kinds if kind.startswith(("AWS::CodeDeploy", "AWS::WAF", "AWS::Route53"))]
    assert "AWS::ApiGateway::DomainName" not in kinds
    assert not [name for name, resource in made().items() if "UpdatePolicy" in resource]


@pytest.mark.parametrize("kind", ["Canary10Percent5Minutes", "Linear10PercentEvery2Minutes"])
def test_a_gradual_deployment_moves_every_alias_and_its_alarms_roll_it_back(kind: str) -> None:
    resources = made(Deployment=kind)
    groups = of("AWS::CodeDeploy::DeploymentGroup", resources)
    functions = of("AWS::Lambda::Function", resources).keys() - {"MigrateFunction"}
    assert groups.keys() == {f"{function}DeploymentGroup" for function in functions}
    resolver = Resolver(rendered(Deployment=kind), {"Deployment": kind}, {})
    for group in groups.values():
        alarms = resolver.resolve(group["AlarmConfiguration"])
        assert alarms["Enabled"]
        assert {alarm["Name"].removeprefix("local:") for alarm in alarms["Alarms"]} <= resources.keys()
        assert len(alarms["Alarms"]) == 2
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        assert kind in json.dumps(group["DeploymentConfigName"])
    aliases = [
        alias for alias in resources.values() if alias["Type"] == "AWS::Lambda::Alias" and "UpdatePolicy" in alias
    ]
    assert len(aliases) == len(functions)


def test_a_domain_leads_to_the_stage_below_its_base_path() -> None:
    parameters = {
        "DomainName": "api.example.com",
        "CertificateArn": "arn:c",
        "BasePath": "parley",
        "HostedZoneId": "Z1",
    }
    resources = made(**parameters)
    resolver = Resolver(rendered(**parameters), parameters, {})
    (mapping,) = of("AWS::ApiGateway::BasePathMapping", resources).values()
    assert resolver.resolve(mapping)["BasePath"] == "parley"
    (domain,) = of("AWS::ApiGateway::DomainName", resources).values()
    assert domain["SecurityPolicy"] == "TLS_1_2"
    (record,) = of("AWS::Route53::RecordSet", resources).values()
    assert resolver.resolve(record["Name"]) == "api.example.com"
    assert resolver.resolve(rendered()["Outputs"]["ApiUrl"]["Value"]) == "https://api.example.com/parley"


def test_a_domain_without_a_zone_leaves_its_record_to_the_operator_who_is_told_the_target() -> None:
    parameters = {"DomainName": "api.example.com", "CertificateArn": "arn:c"}
    assert of("AWS::Route53::RecordSet", made(**parameters)) == {}
    document = rendered()
    assert (
        Resolver(document, parameters, {}).resolve(document["Outputs"]["ApiUrl"]["Value"]) == "https://api.example.com"
    )
    assert document["Outputs"]["DomainTarget"]["Value"] == {"Fn::GetAtt": ["Domain", "RegionalDomainName"]}


def test_an_address_that_asks_too_often_is_held_back_before_the_api() -> None:
    resources = made(AddressRate="300")
    (acl,) = of("AWS::WAFv2::WebACL", resources).values()
    (rule,) = acl["Rules"]
    limit = rule["Statement"]["RateBasedStatement"]
    assert Resolver(rendered(), {"AddressRate": "300"}, {}).resolve(limit) == {
        "AggregateKeyType": "IP",
        "EvaluationWindowSec": 60,
        "Limit": "300",
    }
    assert rule["Action"] == {"Block": {}}
    (association,) = of("AWS::WAFv2::WebACLAssociation", resources).values()
    assert association["WebACLArn"] == {"Fn::GetAtt": ["WebAcl", "Arn"]}


def test_whatever_changes_every_function_gets_a_version_that_callers_reach() -> None:
    def digests(layer: str, **parameters: str) -> set[str]:
        template: dict[str, Any] = {
            "Resources": {
                "Layer": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": layer}},
                "One": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "s3://bucket/one"}},
                "Other": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "s3://bucket/other"}},
            }
        }
        publish_each_change(template, parameters)
        return {template["Resources"][name]["Properties"]["AutoPublishCodeSha256"] for name in ("One", "Other")}

    releases = [digests("s3://bucket/a"), digests("s3://bucket/b"), digests("s3://bucket/b", Timezone="Europe/Berlin")]
    assert [len(release) for release in releases] == [1, 1, 1]
    assert len(set.union(*releases)) == 3
    assert digests("s3://bucket/a") == releases[0]


def test_migrating_by_hand_is_a_matter_of_one_parameter() -> None:
    (schema,) = of("Custom::ParleySchema", made()).values()
    assert schema["Apply"] == {"Ref": "Migrate"}

"""A stack's life: created, updated while it is asked, rolled back, deleted. In this order, on one stack."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.checkout import SCHEMA
from local.deployment.api import Answer, Api
from local.deployment.emulated import Deployed
from local.deployment.secrets import PARAMETERS
from local.deployment.stack import DeploymentFailed
from parley.migrations.files import digest
from testing.deployed import Load, add_resource, release, replace

USER = "loyal"


def chat(api: Api, number: int) -> Answer:
    """Every third request spends a unit, under a key of its own; the others read."""
    token = api.token(USER)
    if number % 3:
        return api.request("GET", "/api/ai-provider", token=token)
    body = {"message": f"What should I know about subject {number}?", "cache": False}
    return api.request("POST", "/api/chat", body, token, key=str(uuid.uuid4()))


@pytest.fixture(scope="module", autouse=True)
def unlimited(api: Api) -> None:
    """The user may ask as often as the load does."""
    operator = api.token("operator", role="service_role")
    api.request("GET", "/api/settings", token=api.token(USER))
    assert api.request("PUT", f"/api/admin/users/{USER}/tier", {"tier": "premium"}, operator).status == 200
    limits = {"daily_units": None, "monthly_units": None, "daily_embedding_tokens": None}
    assert api.request("PUT", "/api/admin/tiers/premium", limits, operator).status == 200


@pytest.fixture
def load(api: Api) -> Iterator[Load]:
    """Requests all the while; afterwards none was lost."""
    before = used(api)
    with Load(api, chat) as load:
        yield load
    assert load.failed == []
    assert len(load.answers) > 10
    answered = [number for number, (status, _) in enumerate(load.answers) if number % 3 == 0 and status == 200]
    assert used(api) - before == len(answered)


def used(api: Api) -> int:
    """The units that the user has spent today."""
    return int(api.request("GET", "/api/usage", token=api.token(USER)).json["daily"]["used"])


def title(api: Api) -> str:
    """What the health function of the release that answers calls its contract."""
    return str(api.request("GET", "/api/openapi.json").json["info"]["title"])


def versions(deployed: Deployed) -> set[int]:
    """The migrations that the database has."""
    with psycopg.connect(deployed.postgres.url()) as owner:
        return {row[0] for row in owner.execute("select version from app.schema_migrations").fetchall()}


def new_title(build: Path, text: str) -> None:
    contract = build / "HealthFunction" / "openapi.json"
    document = json.loads(contract.read_text(encoding="utf-8"))
    document["info"]["title"] = text
    contract.unlink()
    contract.write_text(json.dumps(document), encoding="utf-8")


def window(api: Api) -> int:
    """Something that callers see of the layer with Parley's package, where most of a release is."""
    providers = api.request("GET", "/api/ai-providers").json["data"]
    return int(providers[0]["models"][0]["context_window"])


def new_layer(build: Path) -> None:
    catalogue = build / "ParleyLayer" / "python" / "parley" / "providers" / "catalogue.json"
    replace(catalogue, '"context_window": 1050000', '"context_window": 1050001')


def new_schema(build: Path, name: str, sql: str) -> None:
    (build / "MigrateFunction" / "schema" / f"{name}.sql").write_text(sql, encoding="utf-8")


def test_it_is_created_and_says_where_it_is(deployed: Deployed, api: Api) -> None:
    assert deployed.stack.status() == "CREATE_COMPLETE"
    outputs = deployed.stack.outputs()
    assert outputs["ApiUrl"] == "https://api.example.com/parley"
    assert outputs["SchemaDigest"] == digest(SCHEMA)
    assert api.request("GET", "/api/health?ready=true").status == 200
    for function in deployed.stack.account.client("lambda").list_functions()["Functions"]:
        tags = deployed.stack.account.client("lambda").list_tags(Resource=function["FunctionArn"])["Tags"]
        assert deployed.stack.environment.tags.items() <= tags.items()


def test_it_answers_at_a_domain_of_its_own_below_a_base_path(deployed: Deployed, api: Api) -> None:
    body = json.dumps({"message": "Who is there?"}).encode()
    headers = {"Host": "api.example.com", "Authorization": f"Bearer {api.token(USER)}"}
    request = urllib.request.Request(f"{deployed.aws.url}/parley/api/chat", body, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        assert json.loads(response.read())["message"]["role"] == "assistant"


def test_a_parameter_that_is_changed_reaches_callers_whatever_stands_in_it(deployed: Deployed, api: Api) -> None:
    question = {"message": "What is a fjord?"}
    assert api.request("POST", "/api/chat", question).status == 200
    deployed.deploy(AnonymousCharacters="10", Models="one model, another", HostedZoneId="")
    assert api.request("POST", "/api/chat", question).json["code"] == "request_too_large"
    given = deployed.stack.parameters()
    assert (given["Models"], given["HostedZoneId"]) == ("one model, another", "")


def test_an_update_changes_the_schema_and_then_the_code_while_it_is_asked(
    deployed: Deployed, api: Api, load: Load, tmp_path: Path
) -> None:
    before = deployed.stack.outputs()["SchemaDigest"]
    assert window(api) == 1050000

    def change(build: Path) -> None:
        new_title(build, "second release")
        new_layer(build)
        new_schema(build, "9001_second", "create table app.second_release (id int); -- additive")

    deployed.deploy(release(tmp_path / "build", change))
    assert deployed.stack.status() == "UPDATE_COMPLETE"
    assert 9001 in versions(deployed)
    assert title(api) == "second release"
    assert window(api) == 1050001
    assert deployed.stack.outputs()["SchemaDigest"] != before


def test_an_update_whose_migration_fails_leaves_the_old_release_answering(
    deployed: Deployed, api: Api, load: Load, tmp_path: Path
) -> None:
    before, had = title(api), versions(deployed)

    def change(build: Path) -> None:
        new_title(build, "third release")
        new_schema(build, "9001_second", "create table app.second_release (id int); -- additive")
        new_schema(build, "9002_third", "create table app.third_release (id int);\nselect 1 / 0;")

    with pytest.raises(DeploymentFailed, match="division by zero"):
        deployed.deploy(release(tmp_path / "build", change))
    assert deployed.stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert versions(deployed) == had
    assert title(api) == before


def test_an_update_that_fails_after_its_migration_leaves_the_old_release_answering_on_the_new_schema(
    deployed: Deployed, api: Api, load: Load, tmp_path: Path
) -> None:
    before, had = title(api), versions(deployed)

    def change(build: Path) -> None:
        new_title(build, "fourth release")
        new_schema(build, "9001_second", "create table app.second_release (id int); -- additive")
        new_schema(build, "9004_fourth", "create table app.fourth_release (id int);")
        failing: dict[str, Any] = {
            "Type": "Custom::Failing",
            "DependsOn": ["Schema", "HealthFunction"],
            "Properties": {"ServiceToken": "arn:aws:lambda:eu-north-1:000000000000:function:nobody"},
        }
        add_resource(build, "Failing", failing)

    with pytest.raises(DeploymentFailed, match="Failing"):
        deployed.deploy(release(tmp_path / "build", change))
    assert deployed.stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert versions(deployed) == had | {9004}
    assert title(api) == before


def test_deleting_it_leaves_the_data_and_what_reads_it(deployed: Deployed, api: Api) -> None:
    key = deployed.stack.outputs()["UserKeysKeyArn"]
    had = versions(deployed)
    account, role = deployed.stack.account, deployed.stack.resource("ApiLogRole")
    deployed.stack.delete()
    assert deployed.stack.status() == ""
    assert account.client("lambda").list_functions()["Functions"] == []
    assert account.client("sqs").list_queues().get("QueueUrls", []) == []
    assert len(account.client("secretsmanager").list_secrets()["SecretList"]) == len(PARAMETERS)
    assert versions(deployed) == had
    with psycopg.connect(deployed.postgres.url()) as owner:
        assert owner.execute("select from user_ai_settings where user_id = %s", (USER,)).rowcount == 1
    assert account.client("iam").get_role(RoleName=role)
    assert account.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"

"""Environments and their secrets: found by name, made once, never overwritten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws
from psycopg.conninfo import conninfo_to_dict

from local.checkout import CHECKOUT
from local.deployment import environments
from local.deployment.account import Account
from local.deployment.command import main
from local.deployment.secrets import PROVIDER_VARIABLES, Secrets
from local.postgres.database import as_login
from local.template import cloudformation
from parley.core.config import Settings
from parley.core.secrets import login_passwords
from testing.aws import CREDENTIALS

REGION = CREDENTIALS["AWS_DEFAULT_REGION"]
URL = "postgresql://owner:pass%23word@db.example.com:5432/postgres?sslmode=require"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account with nothing in it, and a shell without providers' keys."""
    for name in PROVIDER_VARIABLES.values():
        monkeypatch.delenv(name, raising=False)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield Account(REGION)


def test_what_is_missing_is_made_and_what_is_there_stays(account: Account) -> None:
    secrets = Secrets(account, "dev")
    assert secrets.make(URL, {"openai": "sk-1"}) == [
        "parley/dev/jwt",
        "parley/dev/voice",
        "parley/dev/database-owner",
        "parley/dev/database-app",
        "parley/dev/database-service",
        "parley/dev/provider-keys",
    ]
    before = secrets.value("jwt")
    assert secrets.make(URL, {"openai": "sk-2"}) == []
    assert secrets.value("jwt") == before
    assert json.loads(secrets.value("provider-keys")) == {"openai": "sk-1"}


def test_a_secret_that_is_being_deleted_is_named_and_not_passed_on(account: Account) -> None:
    secrets = Secrets(account, "dev")
    secrets.make(URL, {})
    account.client("secretsmanager").delete_secret(SecretId="parley/dev/jwt", RecoveryWindowInDays=7)
    for ask in (secrets.parameters, lambda: secrets.make(URL, {})):
        with pytest.raises(ValueError, match="restore-secret --secret-id parley/dev/jwt"):
            ask()


def test_an_environment_has_secrets_of_its_own(account: Account) -> None:
    Secrets(account, "dev").make(URL, {})
    assert Secrets(account, "prod").parameters() == {}


def test_the_template_is_given_the_secrets_that_there_are(account: Account) -> None:
    secrets = Secrets(account, "dev")
    secrets.make("", {})
    assert secrets.parameters().keys() == {"JwtSecretArn", "VoiceSecretArn"}
    secrets.make(URL, {"google": "key"})
    assert secrets.parameters().keys() == {
        "JwtSecretArn", "DatabaseOwnerSecretArn", "DatabaseSecretArn", "DatabaseServiceSecretArn",
        "ProviderKeysSecretArn", "VoiceSecretArn",
    }  # fmt: skip


def test_a_login_keeps_what_supavisor_finds_its_database_by() -> None:
    url = "postgresql://postgres.abcproj:old@aws-0-eu-north-1.pooler.supabase.com:6543/postgres?sslmode=require"
    made = conninfo_to_dict(as_login(url, "parley_app", "first"))
    assert (made["user"], made["password"], made["port"], made["sslmode"]) == (
        "parley_app.abcproj", "first", "6543", "require",
    )  # fmt: skip
    changed = conninfo_to_dict(as_login(as_login(url, "parley_app", "first"), "parley_app", "second"))
    assert (changed["user"], changed["password"]) == ("parley_app.abcproj", "second")
    assert (
        conninfo_to_dict(as_login("postgresql://jane.doe@db.example.org/x", "parley_app", "p"))["user"] == "parley_app"
    )


def test_an_emulated_account_is_no_place_for_another_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert main(["secrets", "dev"]) == 1
    assert "unset it for ENV=dev" in capsys.readouterr().err


def test_the_logins_have_passwords_of_their_own_that_functions_can_read(account: Account) -> None:
    secrets = Secrets(account, "dev")
    secrets.make(URL, {})
    found = secrets.parameters()
    settings = Settings.from_environment(
        {
            "PARLEY_APP_SECRET_ARN": found["DatabaseSecretArn"],
            "PARLEY_SERVICE_SECRET_ARN": found["DatabaseServiceSecretArn"],
        }
    )
    app, service = login_passwords(settings)
    assert app
    assert service
    assert len({app, service, "pass#word"}) == 3
    assert "host=db.example.com" in secrets.value("database-app")


def test_every_environment_of_the_configuration_can_be_read() -> None:
    for name in ("dev", "staging", "prod", "local"):
        environment = environments.read(name)
        assert environment.stack
        assert environment.tags["environment"] == name
    assert len({environments.read(name).stack for name in ("dev", "staging", "prod", "local")}) == 4


def test_parameters_and_tags_are_pairs(tmp_path: Path) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(
        '[dev.deploy.parameters]\nstack_name = "s"\nregion = "eu-west-1"\ntags = ["a=b"]\n'
        'parameter_overrides = ["AllowedOrigin=https://example.com/?a=b"]\n'
    )
    environment = environments.read("dev", path)
    assert environment.parameters == {"AllowedOrigin": "https://example.com/?a=b"}
    assert environment.tags == {"a": "b"}


def test_what_is_built_is_for_the_processor_of_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(
        '[arm.deploy.parameters]\nstack_name = "a"\nregion = "r"\nparameter_overrides = ["Architecture=arm64"]\n'
        '[default-one.deploy.parameters]\nstack_name = "b"\nregion = "r"\n'
    )
    default = cloudformation.load(CHECKOUT / "template.yaml")["Parameters"]["Architecture"]["Default"]
    assert environments.read("arm", path).architecture == "arm64"
    assert environments.read("default-one", path).architecture == default


@pytest.mark.usefixtures("account")
def test_a_deployment_that_cannot_be_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "nowhere"]) == 1
    assert capsys.readouterr().err == (
        "parley: the environments of samconfig.toml are dev, staging, prod, local; ENV=nowhere is none\n"
    )
    assert main(["deploy", "dev"]) == 1
    assert capsys.readouterr().err.startswith("parley: there is no secret parley/dev/jwt, parley/dev/database-app")
    assert main(["redrive", "dev", "everything"]) == 1
    assert "QUEUE is usage or work" in capsys.readouterr().err
    assert main(["rotate", "dev", "all"]) == 1
    assert "SECRET is jwt, logins or provider-keys" in capsys.readouterr().err
    assert main(["rotate", "dev", "provider-keys"]) == 1
    assert "the new keys are expected in OPENAI_API_KEY" in capsys.readouterr().err
    assert main(["undeploy", "prod", "parley-dev"]) == 1
    assert capsys.readouterr().err == "parley: say which: make undeploy ENV=prod STACK=parley\n"

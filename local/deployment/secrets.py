"""The secrets of an environment in Secrets Manager, by name: `parley/ENV/jwt` and so on."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from local.deployment.account import Account
from local.postgres.database import as_login

# The template's parameter for each; the names are documented in docs/deployment.md.
PARAMETERS = {
    "database-app": "DatabaseSecretArn",
    "database-service": "DatabaseServiceSecretArn",
    "database-owner": "DatabaseOwnerSecretArn",
    "jwt": "JwtSecretArn",
    "provider-keys": "ProviderKeysSecretArn",
    "voice": "VoiceSecretArn",
}
LOGINS = {"database-app": "parley_app", "database-service": "parley_service"}
PROVIDER_VARIABLES = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "google": "GEMINI_API_KEY"}


class Secrets:
    """The secrets of one environment."""

    def __init__(self, account: Account, environment: str) -> None:
        self._client = account.client("secretsmanager")
        self._prefix = f"parley/{environment}/"

    def parameters(self) -> dict[str, str]:
        """The template's parameters that the secrets which exist give: ARNs. Raises ValueError for one that was deleted
        and is still kept, as Secrets Manager does for a while.
        """
        found = {name: self._arn(name) for name in PARAMETERS}
        return {PARAMETERS[name]: arn for name, arn in found.items() if arn}

    def make(self, database_url: str, provider_keys: Mapping[str, str]) -> list[str]:
        """Make what is missing; returns the names of what was made.

        Args:
            database_url: of the schema's owner; empty makes no secret of a database. The two logins get passwords of
                their own, which `migrate` gives them.
            provider_keys: the operator's, by provider; empty makes no secret of them.
        """
        # The key of the voice vendor's API, `api_key`, is the operator's to add (docs/voice.md).
        voice = {
            "webhook": [{"mode": "secret", "secret": secrets.token_hex(32)}],
            "call_token_key": secrets.token_hex(32),
        }
        values = {"jwt": secrets.token_hex(32), "voice": json.dumps(voice)}
        if database_url:
            values["database-owner"] = database_url
            values |= {name: as_login(database_url, login, secrets.token_hex(24)) for name, login in LOGINS.items()}
        if provider_keys:
            values["provider-keys"] = json.dumps(dict(provider_keys))
        missing = [name for name in values if not self._arn(name)]
        for name in missing:
            self._client.create_secret(Name=self._prefix + name, SecretString=values[name])
        return [self._prefix + name for name in missing]

    def full_name(self, name: str) -> str:
        """A secret's name in Secrets Manager."""
        return self._prefix + name

    def value(self, name: str) -> str:
        """What a secret holds. Raises ClientError."""
        return str(self._client.get_secret_value(SecretId=self._prefix + name)["SecretString"])

    def put(self, name: str, value: str) -> None:
        """Give a secret another value. Raises ClientError."""
        self._client.put_secret_value(SecretId=self._prefix + name, SecretString=value)

    def _arn(self, name: str) -> str:
        try:
            found: dict[str, Any] = self._client.describe_secret(SecretId=self._prefix + name)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return ""
            raise
        if "DeletedDate" in found:
            raise ValueError(
                f"{found['Name']} is being deleted, and nobody can read it: "
                f"aws secretsmanager restore-secret --secret-id {found['Name']}"
            )
        return str(found["ARN"])


def provider_keys(shell: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The operator's provider keys in a shell's environment."""
    return {name: shell[variable] for name, variable in PROVIDER_VARIABLES.items() if shell.get(variable)}

"""The one room where secrets become plain text: Secrets Manager values, resolved once per container."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from parley.core.config import ConfigurationError, Settings
from parley.core.observability import logger
from parley.core.provider_names import ProviderName, canonical_provider

# What may stand in a header.
_PROVIDER_KEY = re.compile(r"[\x21-\x7e]+")


def database_url(settings: Settings) -> str:
    """The connection URL. Raises ConfigurationError where none is configured."""
    if settings.database_url:
        return settings.database_url
    if not settings.database_secret_arn:
        raise ConfigurationError("set DATABASE_URL or PARLEY_DATABASE_SECRET_ARN")
    value = _secret(settings.database_secret_arn)
    if not value.startswith("{"):
        return value
    fields: dict[str, Any] = json.loads(value)
    user, password = (quote(str(fields[key]), safe="") for key in ("username", "password"))
    database = fields.get("dbname") or "postgres"
    return f"postgresql://{user}:{password}@{fields['host']}:{fields.get('port', 5432)}/{database}?sslmode=require"


def login_passwords(settings: Settings) -> tuple[str | None, str | None]:
    """The passwords of parley_app and parley_service; None where no secret is named (IAM authentication)."""
    return _password(settings.app_secret_arn), _password(settings.service_secret_arn)


def jwt_secret(settings: Settings) -> str:
    """The key that HS256 tokens are verified with. Raises ConfigurationError where none is configured."""
    if settings.jwt_secret:
        return settings.jwt_secret
    if not settings.jwt_secret_arn:
        raise ConfigurationError("set PARLEY_JWT_SECRET or PARLEY_JWT_SECRET_ARN, or another PARLEY_JWT_ALGORITHM")
    return _secret(settings.jwt_secret_arn)


def provider_keys(settings: Settings) -> dict[ProviderName, str]:
    """The operator's keys; what the environment holds wins over the secret.

    A key that cannot be one, and a secret that is no JSON object, is left out and logged: it makes its provider
    unavailable and stops nothing else.
    """
    found: dict[ProviderName, str] = {}
    if settings.provider_keys_secret_arn:
        try:
            named = json.loads(_secret(settings.provider_keys_secret_arn)).items()
        except (ValueError, AttributeError):
            logger.error("the secret with the providers' keys must be a JSON object of names and keys")
            named = ()
        for name, key in named:
            provider = canonical_provider(name.strip())
            if provider and key:
                found[provider] = str(key).strip()
    found |= settings.provider_keys
    for provider, key in found.items():
        if not _PROVIDER_KEY.fullmatch(key):
            logger.error("a provider is unavailable: its key has characters that no key has", provider=provider)
    return {provider: key for provider, key in found.items() if _PROVIDER_KEY.fullmatch(key)}


def _password(arn: str | None) -> str | None:
    if arn is None:
        return None
    value = _secret(arn)
    if value.startswith("{"):
        return str(json.loads(value)["password"])
    password = urlsplit(value).password
    return None if password is None else unquote(password)


@lru_cache(maxsize=16)
def _secret(arn: str) -> str:
    import boto3  # 250 ms of CPU: only where a secret really lives in AWS

    return str(boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])

"""Configuration: environment variables, read once by a handler's module into one frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from parley.core.provider_names import PROVIDERS, ProviderName, canonical_provider

_SHORTEST_HS256_KEY = 32  # bytes, the length of its hash: RFC 7518, 3.2
JwtAlgorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]


class ConfigurationError(Exception):
    """A setting is missing or unusable; the message names the variable and what it takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the deployment decides. Attributes named `*_arn` point to Secrets Manager; `secrets` resolves them.

    Attributes:
        database_url, database_secret_arn: one of them; the secret holds a URL or the JSON that RDS writes.
        app_secret_arn, service_secret_arn: the two logins' secrets, for `migrate`, which makes the logins.
        jwt_algorithm: the only algorithm that is accepted. HS256 needs `jwt_secret` or its ARN, the others `jwks_url`.
        default_provider, default_spelling: what answers where nobody chose (AI_PROVIDER), and how that was written.
        provider_keys: the operator's own keys from the environment; `provider_keys_secret_arn` holds the JSON object
            {"openai": ..., "anthropic": ..., "google": ...} that completes them.
        provider_urls: base URLs that replace the providers' own.
        request_seconds: how long one model request may take in all, from admission to settling.
        history_tokens: how much of a conversation a model is told at most, in tokens as estimated.
        degraded_allowance: model calls per caller and container-hour while the database is away.
        address_salt: mixed into the hash that stands for an anonymous caller's source address.
        cors_origin: the web origin that browsers may call from; None answers without CORS headers.
    """

    database_url: str | None
    database_secret_arn: str | None
    app_secret_arn: str | None
    service_secret_arn: str | None
    jwt_algorithm: JwtAlgorithm
    jwt_secret: str | None
    jwt_secret_arn: str | None
    jwks_url: str | None
    jwt_issuer: str | None
    jwt_audience: str | None
    organization_claim: str
    role_claim: str
    default_provider: ProviderName
    default_spelling: str
    provider_keys: Mapping[ProviderName, str]
    provider_keys_secret_arn: str | None
    provider_urls: Mapping[ProviderName, str]
    kms_key_id: str | None
    usage_queue_url: str | None
    timezone: str
    request_seconds: float
    history_tokens: int
    degraded_allowance: int
    address_salt: str
    cors_origin: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; an empty variable counts as absent. Raises ConfigurationError."""

        def text(name: str) -> str | None:
            return environment.get(name) or None

        def number(name: str, default: float, least: float) -> float:
            raw = text(name)
            try:
                value = default if raw is None else float(raw)
            except ValueError:
                raise ConfigurationError(f"{name} must be a number, not {raw!r}") from None
            if not value >= least:
                raise ConfigurationError(f"{name} must be at least {least:g}")
            return value

        algorithm = text("PARLEY_JWT_ALGORITHM") or "HS256"
        if algorithm not in get_args(JwtAlgorithm):
            raise ConfigurationError(f"PARLEY_JWT_ALGORITHM must be one of {', '.join(get_args(JwtAlgorithm))}")
        if algorithm == "HS256" and (secret := text("PARLEY_JWT_SECRET")):
            check_hs256_key(secret, "PARLEY_JWT_SECRET")
        spelling = (text("AI_PROVIDER") or "openai").strip().lower()
        provider = canonical_provider(spelling)
        if provider is None:
            raise ConfigurationError(f"AI_PROVIDER must be one of {', '.join(PROVIDERS)} (gemini means google)")
        return cls(
            database_url=text("DATABASE_URL"),
            database_secret_arn=text("PARLEY_DATABASE_SECRET_ARN"),
            app_secret_arn=text("PARLEY_APP_SECRET_ARN"),
            service_secret_arn=text("PARLEY_SERVICE_SECRET_ARN"),
            jwt_algorithm=cast("JwtAlgorithm", algorithm),
            jwt_secret=text("PARLEY_JWT_SECRET"),
            jwt_secret_arn=text("PARLEY_JWT_SECRET_ARN"),
            jwks_url=text("PARLEY_JWKS_URL"),
            jwt_issuer=text("PARLEY_JWT_ISSUER"),
            jwt_audience=text("PARLEY_JWT_AUDIENCE"),
            organization_claim=text("PARLEY_ORGANIZATION_CLAIM") or "organization_id",
            role_claim=text("PARLEY_ROLE_CLAIM") or "organization_role",
            default_provider=provider,
            default_spelling=spelling,
            provider_keys=_present(environment, "{}_API_KEY"),
            provider_keys_secret_arn=text("PARLEY_PROVIDER_KEYS_SECRET_ARN"),
            provider_urls=_present(environment, "{}_BASE_URL"),
            kms_key_id=text("PARLEY_KMS_KEY_ID"),
            usage_queue_url=text("PARLEY_USAGE_QUEUE_URL"),
            timezone=text("PARLEY_TIMEZONE") or "Europe/Stockholm",
            request_seconds=number("PARLEY_REQUEST_SECONDS", 25, 1),
            history_tokens=int(number("PARLEY_HISTORY_TOKENS", 6_000, 0)),
            degraded_allowance=int(number("PARLEY_DEGRADED_ALLOWANCE", 5, 0)),
            address_salt=text("PARLEY_ADDRESS_SALT") or "parley",
            cors_origin=text("PARLEY_ALLOWED_ORIGIN"),
        )


def check_hs256_key(key: str, name: str) -> None:
    """Raises ConfigurationError, which does not repeat it, for a key that could be guessed from any token."""
    length = len(key.encode())
    if length < _SHORTEST_HS256_KEY:
        raise ConfigurationError(f"{name} has {length} bytes; a key for HS256 has at least {_SHORTEST_HS256_KEY}")


def _present(environment: Mapping[str, str], pattern: str) -> dict[ProviderName, str]:
    prefixes: dict[ProviderName, str] = {"openai": "OPENAI", "anthropic": "ANTHROPIC", "google": "GEMINI"}
    found = {name: environment.get(pattern.format(prefix)) for name, prefix in prefixes.items()}
    return {name: value for name, value in found.items() if value}

"""Configuration: environment variables, read once by a handler's module into one frozen object."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, cast, get_args
from urllib.parse import urlsplit

from parley.core.observability import logger
from parley.core.provider_names import PROVIDERS, ProviderName, canonical_provider

_SHORTEST_HS256_KEY = 32  # bytes, the length of its hash: RFC 7518, 3.2
JwtAlgorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]

_PREFIXES: dict[ProviderName, str] = {"openai": "OPENAI", "anthropic": "ANTHROPIC", "google": "GEMINI"}
# What the SDK itself puts behind the base URL, the last part first; OpenAI's takes the version as part of it.
_ADDED_BY_SDK: dict[ProviderName, tuple[str, ...]] = {
    "openai": ("/chat/completions", "/embeddings"),
    "anthropic": ("/messages", "/v1"),
    "google": ("/models", "/v1beta", "/v1alpha", "/v1"),
}
_PROVIDER_KEY = re.compile(r"[!#-&(-~]+")  # what a header takes, without quotation marks
_URL = re.compile(r"[!$-;=@-~]+")  # printable, without space, quotes, ?, #, < and >


class ConfigurationError(Exception):
    """A setting is missing or unusable; the message names the variable and what it takes."""


class Settings(NamedTuple):
    """Everything the deployment decides. Attributes named `*_arn` point to Secrets Manager; `secrets` resolves them.

    Attributes:
        database_url, database_secret_arn: one of them; the secret holds a URL or the JSON that RDS writes.
        app_secret_arn, service_secret_arn: the two logins' secrets, for `migrate`, which makes the logins.
        jwt_algorithm: the only algorithm that is accepted. HS256 needs `jwt_secret` or its ARN, the others `jwks_url`.
        default_provider, default_spelling: what answers where nobody chose (AI_PROVIDER), and how that was written.
        provider_keys: the operator's own keys from the environment; `provider_keys_secret_arn` holds the JSON object
            {"openai": ..., "anthropic": ..., "google": ...} that completes them.
        provider_urls: base URLs that replace the providers' own; None where what is set is no base URL, which makes
            that provider unavailable.
        voice_secret, voice_secret_arn: JSON with what voice calls take (docs/voice.md); without one there are none.
        voice_url: the voice vendor's API.
        request_seconds: how long one model request may take in all, from admission to settling.
        history_tokens: how much of a conversation a model is told at most, in tokens as estimated.
        degraded_allowance: model calls per caller and container-hour while the database is away.
        models, anonymous_models: what callers may name on the operator's key, signed in and not; empty is the
            catalogue, or the default models alone.
        anonymous_characters, anonymous_tokens: the most of a prompt, and of an answer, without a token.
        daily_free_writes: interactions, searches, and answers without a model under idempotency keys, that are kept for
            one user in a day; they cost no unit.
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
    provider_urls: Mapping[ProviderName, str | None]
    kms_key_id: str | None
    voice_secret: str | None
    voice_secret_arn: str | None
    voice_url: str | None
    usage_queue_url: str | None
    work_queue_url: str | None
    timezone: str
    request_seconds: float
    history_tokens: int
    degraded_allowance: int
    models: tuple[str, ...]
    anonymous_models: tuple[str, ...]
    anonymous_characters: int
    anonymous_tokens: int
    daily_free_writes: int
    address_salt: str
    cors_origin: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings, without white space around them; an empty one counts as absent.

        Raises ConfigurationError.
        """

        def text(name: str) -> str | None:
            return environment.get(name, "").strip() or None

        def number(name: str, default: float, least: float) -> float:
            raw = text(name)
            try:
                value = default if raw is None else float(raw)
            except ValueError:
                raise ConfigurationError(f"{name} must be a number, not {raw!r}") from None
            if not least <= value < math.inf:
                raise ConfigurationError(f"{name} must be a number of at least {least:g}")
            return value

        def names(name: str) -> tuple[str, ...]:
            return tuple(part.strip() for part in (text(name) or "").split(",") if part.strip())

        algorithm = text("PARLEY_JWT_ALGORITHM") or "HS256"
        if algorithm not in get_args(JwtAlgorithm):
            raise ConfigurationError(f"PARLEY_JWT_ALGORITHM must be one of {', '.join(get_args(JwtAlgorithm))}")
        if algorithm == "HS256" and (secret := text("PARLEY_JWT_SECRET")):
            check_hs256_key(secret, "PARLEY_JWT_SECRET")
        if (url := text("DATABASE_URL")) and not url.startswith(("postgresql://", "postgres://")):
            raise ConfigurationError("DATABASE_URL must be a postgresql:// URL")
        spelling = (text("AI_PROVIDER") or "openai").lower()
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
            provider_keys={
                name: key
                for name, prefix in _PREFIXES.items()
                if (key := text(f"{prefix}_API_KEY")) and is_provider_key(name, key)
            },
            provider_keys_secret_arn=text("PARLEY_PROVIDER_KEYS_SECRET_ARN"),
            provider_urls={
                name: _base_url(f"{prefix}_BASE_URL", url, _ADDED_BY_SDK[name])
                for name, prefix in _PREFIXES.items()
                if (url := text(f"{prefix}_BASE_URL")) is not None
            },
            kms_key_id=text("PARLEY_KMS_KEY_ID"),
            voice_secret=text("PARLEY_VOICE_SECRET"),
            voice_secret_arn=text("PARLEY_VOICE_SECRET_ARN"),
            voice_url=_base_url("VAPI_BASE_URL", text("VAPI_BASE_URL") or "https://api.vapi.ai", ()),
            usage_queue_url=text("PARLEY_USAGE_QUEUE_URL"),
            work_queue_url=text("PARLEY_WORK_QUEUE_URL"),
            timezone=text("PARLEY_TIMEZONE") or "Europe/Stockholm",
            request_seconds=number("PARLEY_REQUEST_SECONDS", 25, 1),
            history_tokens=int(number("PARLEY_HISTORY_TOKENS", 6_000, 0)),
            degraded_allowance=int(number("PARLEY_DEGRADED_ALLOWANCE", 5, 0)),
            models=names("PARLEY_MODELS"),
            anonymous_models=names("PARLEY_ANONYMOUS_MODELS"),
            anonymous_characters=int(number("PARLEY_ANONYMOUS_CHARACTERS", 8_000, 1)),
            # Not less than what a chat gets that asks for no length.
            anonymous_tokens=int(number("PARLEY_ANONYMOUS_TOKENS", 2_048, 1_024)),
            daily_free_writes=int(number("PARLEY_DAILY_FREE_WRITES", 2_000, 0)),
            address_salt=text("PARLEY_ADDRESS_SALT") or "parley",
            cors_origin=text("PARLEY_ALLOWED_ORIGIN"),
        )


def check_hs256_key(key: str, name: str) -> None:
    """Raises ConfigurationError, which does not repeat it, for a key that could be guessed from any token."""
    length = len(key.encode())
    if length < _SHORTEST_HS256_KEY:
        raise ConfigurationError(f"{name} has {length} bytes; a key for HS256 has at least {_SHORTEST_HS256_KEY}")


def is_provider_key(provider: ProviderName, key: str) -> bool:
    """Whether it can be sent as a key; where not, a line in the log says that its provider is unavailable."""
    usable = _PROVIDER_KEY.fullmatch(key) is not None
    if not usable:
        logger.error("a provider is unavailable: its key has characters that no key has", provider=provider)
    return usable


def _base_url(variable: str, url: str, added_by_sdk: tuple[str, ...]) -> str | None:
    """A provider's base URL without what its SDK adds; None, and a line in the log, where it is none."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not _URL.fullmatch(url):
        logger.error(
            "a provider is unavailable: its base URL must read http(s)://host[:port][/path]", variable=variable
        )
        return None
    for part in added_by_sdk:
        url = url.rstrip("/").removesuffix(part)
    return url.rstrip("/")

"""The one module that reads secrets in plain text: Secrets Manager values, kept by a container as `Rotating` says.

What else its owner replaces while containers run, such as an issuer's published keys, is kept the same way.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, quote, unquote

from parley.core.clock import Clock, SystemClock
from parley.core.config import ConfigurationError, Settings, check_hs256_key, is_provider_key
from parley.core.errors import Problem
from parley.core.observability import log_fault, logger
from parley.core.provider_names import ProviderName, canonical_provider

# User and password end as libpq reads them: a # or ? may stand in a password.
_LOGIN_URL = re.compile(r"postgres(?:ql)?://(?:[^:@/]*(?::([^@/]*))?@)?")

_REFUSED_SECONDS = 60.0
_LONGEST_SECONDS = 300.0

_T = TypeVar("_T")


class Rotating(Generic[_T]):
    """A value that a container keeps, and when it reads it again.

    A value that was refused is read again at its next use, but at most once a minute, so that a caller who sends bad
    tokens cannot cause a reading for each. Every value is read again after five minutes: one that was replaced because
    it leaked must stop working. While the new value cannot be read, or is unusable, the old one stays.

    Args:
        read: gives the current value, and logs why it cannot: raises Problem where it cannot be had now,
            ConfigurationError where it is unusable.
        clock: its wall clock counts: the monotonic one may stand still while a container is frozen.
    """

    def __init__(self, read: Callable[[], _T], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._held: tuple[_T] | None = None
        self._read_at = 0.0
        self._refused = False

    def get(self) -> _T:
        """The value. Raises what `read` does while there was never one."""
        now = self._clock.now().timestamp()
        if self._held is None:
            self._held = (self._read(),)
            self._read_at = now
        elif now - self._read_at >= (_REFUSED_SECONDS if self._refused else _LONGEST_SECONDS):
            self._read_at = now
            self._refused = True  # until it could be read
            with contextlib.suppress(Problem, ConfigurationError):
                self._held = (self._read(),)
                self._refused = False
        return self._held[0]

    def refused(self) -> None:
        """Note that the value was refused where it was used: the next `get` may read it again."""
        self._refused = True


_values: dict[tuple[str, Callable[[str], Any]], Rotating[Any]] = {}


def database_url(settings: Settings) -> str:
    """The connection URL. Raises ConfigurationError where none is configured, Problem (503) where it cannot be read."""
    if settings.database_url:
        return settings.database_url
    if not settings.database_secret_arn:
        raise ConfigurationError("set DATABASE_URL or PARLEY_DATABASE_SECRET_ARN")
    return _kept(settings.database_secret_arn, _connection_url).get()


def renewed_database_url(settings: Settings) -> str:
    """The URL, read again because connecting with the kept one failed; the same one where it did not change."""
    if not settings.database_url and settings.database_secret_arn:
        _kept(settings.database_secret_arn, _connection_url).refused()
    return database_url(settings)


def login_passwords(settings: Settings) -> tuple[str | None, str | None]:
    """The passwords of parley_app and parley_service as they are now; None where no secret is named (IAM
    authentication). Raises as `database_url` does.
    """
    # Not what was kept: `migrate` gives them to the logins, and would undo a rotation.
    app, service = (
        _read(arn, _login_password) if arn else None for arn in (settings.app_secret_arn, settings.service_secret_arn)
    )
    return app, service


def jwt_secret(settings: Settings) -> str:
    """The key that HS256 tokens are verified with. Raises as `database_url` does."""
    if settings.jwt_secret:
        return settings.jwt_secret
    if not settings.jwt_secret_arn:
        raise ConfigurationError("set PARLEY_JWT_SECRET or PARLEY_JWT_SECRET_ARN, or another PARLEY_JWT_ALGORITHM")
    return _kept(settings.jwt_secret_arn, _hs256_key).get()


def renewed_jwt_secret(settings: Settings) -> str:
    """The key, read again because a signature did not fit the kept one; the same one where it did not change."""
    if not settings.jwt_secret and settings.jwt_secret_arn:
        _kept(settings.jwt_secret_arn, _hs256_key).refused()
    return jwt_secret(settings)


def provider_keys(settings: Settings) -> dict[ProviderName, str]:
    """The operator's keys; what the environment holds wins over the secret.

    Raises Problem (503) where the secret cannot be read. One that is no JSON object, which the log says, stops nothing
    else.
    """
    keys: dict[ProviderName, str] = {}
    if settings.provider_keys_secret_arn:
        with contextlib.suppress(ConfigurationError):
            keys = _kept(settings.provider_keys_secret_arn, _keys).get()
    return keys | dict(settings.provider_keys)


def renewed_provider_key(settings: Settings, provider: ProviderName, refused_key: str) -> str | None:
    """The operator's key that took the place of one that the provider refused; None where there is no other, and for a
    key that is not the operator's. Raises as `database_url` does.
    """
    arn = settings.provider_keys_secret_arn
    if not arn or provider in settings.provider_keys or provider_keys(settings).get(provider) != refused_key:
        return None
    _kept(arn, _keys).refused()
    key = provider_keys(settings).get(provider)
    return None if key == refused_key else key


def voice(settings: Settings) -> dict[str, Any]:
    """What voice calls take, as it is written (docs/voice.md). Raises as `database_url` does."""
    if settings.voice_secret:
        return _voice(settings.voice_secret)
    if not settings.voice_secret_arn:
        raise ConfigurationError("set PARLEY_VOICE_SECRET or PARLEY_VOICE_SECRET_ARN for interviews by voice")
    return _kept(settings.voice_secret_arn, _voice).get()


def _connection_url(value: str) -> str:
    if value.startswith(("postgresql://", "postgres://")):
        return value
    fields: dict[str, Any] = json.loads(value)
    user, password = (quote(str(fields[key]), safe="") for key in ("username", "password"))
    host, database = str(fields["host"]), quote(str(fields.get("dbname") or "postgres"), safe="")
    host = f"[{host}]" if ":" in host else host
    return f"postgresql://{user}:{password}@{host}:{fields.get('port') or 5432}/{database}?sslmode=require"


def _login_password(value: str) -> str | None:
    if value.startswith("{"):
        return str(json.loads(value)["password"])
    url = _LOGIN_URL.match(value)
    if url is None:
        raise ValueError("neither JSON nor a URL")
    if url[1] is not None:
        return unquote(url[1])
    return dict(parse_qsl(value.partition("?")[2])).get("password")


def _hs256_key(value: str) -> str:
    check_hs256_key(value, "the secret of PARLEY_JWT_SECRET_ARN")
    return value


def _voice(value: str) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigurationError("the secret of voice calls does not hold what docs/voice.md says")
    return found


def _keys(value: str) -> dict[ProviderName, str]:
    """The usable keys by provider. An unusable one is logged and makes its provider unavailable."""
    named = ((canonical_provider(name.strip()), str(key or "").strip()) for name, key in json.loads(value).items())
    return {provider: key for provider, key in named if provider and key and is_provider_key(provider, key)}


def _kept(arn: str, parse: Callable[[str], _T]) -> Rotating[_T]:
    if (arn, parse) not in _values:
        _values[arn, parse] = Rotating(lambda: _read(arn, parse), SystemClock())
    return _values[arn, parse]


def _read(arn: str, parse: Callable[[str], _T]) -> _T:
    """What the secret's current version holds. Raises Problem (503), ConfigurationError."""
    import boto3  # 250 ms of CPU: only where a secret really lives in AWS
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # botocore's own default is five tries of a minute each.
    patience = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2, "mode": "standard"})
    try:
        with contextlib.closing(boto3.client("secretsmanager", config=patience)) as client:
            value = client.get_secret_value(SecretId=arn).get("SecretString", "").strip()
    except (BotoCoreError, ClientError) as error:
        log_fault("a secret cannot be read", error)
        raise Problem(
            "secrets_unavailable", "The operator's secrets cannot be read right now; try again.", status=503,
            retry_after=5,
        ) from None  # fmt: skip
    try:
        return parse(value)
    except ConfigurationError as error:
        fault = error
    except (ValueError, LookupError, TypeError, AttributeError):
        fault = ConfigurationError(f"the secret {arn} does not hold what docs/deployment.md says")
    logger.error("a secret is unusable", detail=str(fault))
    raise fault

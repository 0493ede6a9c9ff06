"""Parley as `make run` serves it, over a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from local.checkout import SCHEMA
from local.deployment.api import Api
from local.postgres.database import Logins
from local.postgres.server import Server
from local.run.platform import Platform, running
from parley.migrations.logins import create_logins
from parley.migrations.runner import up
from testing.access_keys import ALL_SCOPES
from testing.access_keys import PATH as KEYS

_DATABASE = "platform"


@contextmanager
def platform_over(server: Server, folder: Path, **environment: str) -> Iterator[Platform]:
    """Serve on a free port, with more in the functions' environment; the providers are emulated."""
    with psycopg.connect(server.url(), autocommit=True) as owner:
        owner.execute("create database platform")
    logins = Logins(*(server.url(user, _DATABASE) for user in ("postgres", "parley_app", "parley_service")))
    up(logins.owner, SCHEMA)
    with psycopg.connect(logins.owner, autocommit=True) as owner:
        create_logins(owner, server.password("parley_app"), server.password("parley_service"))
    with running(Platform(folder, quiet=True, environment=environment), logins) as platform:
        yield platform


def client_key(platform: Platform, server: Server, user: str) -> str:
    """A machine key of a user who may ask often."""
    with psycopg.connect(server.url("postgres", _DATABASE), autocommit=True) as owner:
        owner.execute('insert into public."user" (id) values (%s)', (user,))
        owner.execute("insert into public.user_ai_settings (user_id, tier) values (%s, 'premium')", (user,))
    api = Api(platform.url, platform.token, platform.keys.webhook_secret)
    answer = api.request("POST", KEYS, {"name": "a client", "scopes": ALL_SCOPES}, platform.token(user))
    return str(answer.json["key"])

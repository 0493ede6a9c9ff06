"""A running Parley for the tests of whole requests."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from local.checkout import SCHEMA
from local.postgres.database import Logins
from local.postgres.server import Server
from local.run.platform import Platform, running
from parley.migrations.logins import create_logins
from parley.migrations.runner import up


@pytest.fixture(scope="session")
def platform(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Parley as `make run` serves it, on a free port and a database of its own; the providers are emulated."""
    with psycopg.connect(postgres.url(), autocommit=True) as owner:
        owner.execute("create database platform")
    logins = Logins(*(postgres.url(user, "platform") for user in ("postgres", "parley_app", "parley_service")))
    up(logins.owner, SCHEMA)
    with psycopg.connect(logins.owner, autocommit=True) as owner:
        create_logins(owner, postgres.password("parley_app"), postgres.password("parley_service"))
    with running(Platform(tmp_path_factory.mktemp("platform"), quiet=True), logins) as platform:
        yield platform

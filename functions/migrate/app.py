"""Invoked by hand after a deployment: applies schema/, makes both logins, and says what it did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from parley.container import Container
from parley.core import secrets
from parley.core.observability import logger
from parley.migrations.logins import create_logins
from parley.migrations.runner import status, up

services = Container.from_environment()
SCHEMA = Path(__file__).with_name("schema")


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """`{"command": "up"}` (the default) or `{"command": "status"}`."""
    url = secrets.database_url(services.settings)
    if event.get("command") == "status":
        return {"migrations": [{"label": row.label, "state": row.state} for row in status(url, SCHEMA)]}
    applied = up(url, SCHEMA)
    with psycopg.connect(url, autocommit=True) as owner:
        create_logins(owner, *secrets.login_passwords(services.settings))
        owner.execute("update app.settings set time_zone = %s where time_zone <> %s", [services.settings.timezone] * 2)
    return {"applied": [step.label for step in applied]}

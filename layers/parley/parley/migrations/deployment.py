"""What a deployment brings a database to: the schema, both logins, and the time zone in which quotas turn over."""

from __future__ import annotations

from pathlib import Path

import psycopg

from parley.migrations.files import MigrationError
from parley.migrations.logins import create_logins
from parley.migrations.runner import Progress, SecondsLeft, Step, up, without_end


def deploy(
    conninfo: str,
    folder: Path,
    app_password: str | None,
    service_password: str | None,
    time_zone: str,
    *,
    accept_newer: bool = False,
    progress: Progress | None = None,
    seconds_left: SecondsLeft = without_end,
) -> list[Step]:
    """Apply what is pending, let both logins in, and set the time zone. May be repeated.

    Args:
        conninfo: as for `up`.
        folder: the schema folder.
        app_password, service_password: as for `create_logins`.
        time_zone: a name of the IANA database, such as Europe/Stockholm.
        accept_newer, progress, seconds_left: as for `up`.

    Returns:
        The files that were applied.

    Raises:
        MigrationError: see `up`; also where the database does not know the time zone.
        psycopg.Error: the database cannot be reached.
    """
    steps = up(conninfo, folder, accept_newer=accept_newer, progress=progress, seconds_left=seconds_left)
    with psycopg.connect(conninfo, autocommit=True) as owner:
        create_logins(owner, app_password, service_password)
        try:
            owner.execute("update app.settings set time_zone = %s where time_zone <> %s", (time_zone, time_zone))
        except psycopg.errors.InvalidParameterValue:
            raise MigrationError(f"the database knows no time zone {time_zone!r} (parameter Timezone)") from None
    return steps

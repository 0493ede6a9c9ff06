"""How long a ledger row lives, whatever the date and wherever the server's clock is set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.integration.schema_core.calls import one, set_clock

# Two years with a 29th of February, clock changes, and every length of month.
FIRST, DAYS = datetime(2027, 6, 1, tzinfo=UTC), 2 * 366
MONTHS = "generate_series(timestamp '2027-06-01', timestamp '2029-02-01', interval '1 month') as m"


@pytest.mark.parametrize("zone", ["Europe/Stockholm", "America/New_York"])
def test_a_row_lives_90_to_121_days_whatever_the_date(zone: str, owner: psycopg.Connection[Any]) -> None:
    owner.execute("select set_config('timezone', %s, false)", (zone,))
    owner.execute(sql.SQL("update app.settings set time_zone = {}").format(zone))
    set_clock(owner, FIRST.isoformat())
    owner.execute("select app.ensure_usage_partitions(app.now(), 24)")
    # The first and the last row that a month can have; every other lives between the two.
    owner.execute(
        f"""
        insert into ai_usage (tier, provider, created_at)
        select 'free', 'openai', moment
        from {MONTHS},
          unnest(array[m at time zone 'UTC', (m + interval '1 month') at time zone 'UTC' - interval '1 us']) as moment
        """
    )
    lived: dict[str, int] = {}
    for day in range(DAYS):
        # The schedule runs once a day, and an operator may run it at any hour: here, shortly before UTC's day ends.
        now = FIRST + timedelta(days=day, hours=23, minutes=30)
        set_clock(owner, now.isoformat())
        if one(owner, "select app.archive_usage()"):
            moved = owner.execute("select id::text, created_at from app.usage_archive").fetchall()
            for row, created in moved:
                lived.setdefault(row, (now - created).days)
    assert len(lived) >= 2 * 20
    assert set(lived.values()) <= set(range(90, 122)), sorted(lived.values())
    # Both ends are reached, so the claim is no wider than the truth.
    assert (min(lived.values()), max(lived.values())) == (90, 121)

"""How long a ledger row lives, whatever the date and wherever the server's clock is set."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from testing.databases import ScratchDatabase
from tests.integration.schema.calls import one

# Two years with a 29th of February, clock changes, and every length of month.
FIRST, DAYS = datetime(2027, 6, 1, tzinfo=UTC), 2 * 366
MONTHS = "generate_series(timestamp '2027-06-01', timestamp '2029-02-01', interval '1 month') as m"


@pytest.mark.parametrize("zone", ["Europe/Stockholm", "America/New_York"])
def test_a_row_lives_90_to_121_days_whatever_the_date(zone: str, owner: psycopg.Connection[Any]) -> None:
    owner.execute("select set_config('timezone', %s, false)", (zone,))
    owner.execute(sql.SQL("update app.settings set time_zone = {}").format(zone))
    # The same clock through all of the days: to replace it each day would make every session plan everything anew.
    owner.execute(
        "create or replace function app.now() returns timestamptz language sql stable parallel safe "
        "return current_setting('test.now')::timestamptz"
    )
    owner.execute("select set_config('test.now', %s, false)", (FIRST.isoformat(),))
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
        if one(
            owner,
            f"with clock as materialized (select set_config('test.now', '{now.isoformat()}', false) as now) "
            "select app.archive_usage() from clock where now is not null",
        ):
            moved = owner.execute("select id::text, created_at from app.usage_archive").fetchall()
            for row, created in moved:
                lived.setdefault(row, (now - created).days)
    assert len(lived) >= 2 * 20
    assert set(lived.values()) <= set(range(90, 122)), sorted(lived.values())
    # Both ends are reached, so the claim is no wider than the truth.
    assert (min(lived.values()), max(lived.values())) == (90, 121)


@pytest.mark.parametrize("keep", [None, "-2 months"])
@pytest.mark.parametrize("function", ["archive_usage", "drop_archived_usage"])
def test_months_stay_where_nobody_says_how_old_they_may_be(
    function: str, keep: str | None, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("select app.ensure_usage_partitions(now() - interval '1 year')")
    owner.execute("select app.archive_usage('200 days')")
    months = "select array_agg(inhrelid order by 1) from pg_inherits group by inhparent order by inhparent"
    before = owner.execute(months).fetchall()
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        owner.execute(f"select app.{function}(%s)", (keep,))
    assert owner.execute(months).fetchall() == before


_READS_USER = """select from "user" where id = 'ada'"""
# What a deletion locks, and what its keys then do.
_DELETES = 'lock table "user" in row exclusive mode'
_FORGETS = "update ai_usage set user_id = null where user_id = 'bob'"
_INSERTS = "insert into ai_usage (user_id, tier, provider) values ('ada', 'free', 'openai')"


@pytest.mark.parametrize("maintenance", ["archive_usage()", "ensure_usage_partitions(p_ahead => 5)"])
@pytest.mark.parametrize("steps", [(_READS_USER, _INSERTS), (_INSERTS, _READS_USER), (_DELETES, _FORGETS)])
def test_no_month_is_made_or_moved_at_the_cost_of_a_request_that_has_begun(
    steps: tuple[str, str], maintenance: str, database: ScratchDatabase, owner: psycopg.Connection[Any]
) -> None:
    statement = f"select app.{maintenance}"
    owner.execute("""insert into "user" (id) values ('ada'), ('bob')""")
    owner.execute("select app.ensure_usage_partitions(now() - interval '1 year')")
    failures: list[psycopg.Error] = []

    def maintain() -> None:
        with database.connect() as connection:
            try:
                connection.execute(statement)
            except psycopg.Error as error:
                failures.append(error)

    with database.connect(autocommit=False) as request:
        request.execute(steps[0])
        maintaining = threading.Thread(target=maintain)
        maintaining.start()
        # Until the request is in its way: waiting for a lock, or pausing between two attempts.
        waits = (
            "select count(*) from pg_stat_activity where query = %s and wait_event_type in ('Lock', 'Timeout')"
            " and state = 'active'"
        )
        while maintaining.is_alive() and owner.execute(waits, (statement,)).fetchone() == (0,):
            pass
        request.execute(steps[1])
        request.commit()
    maintaining.join()
    assert failures == []

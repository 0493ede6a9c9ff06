"""What benchmarks/ledger.py proves about figures holds for the sums at any size; here it runs small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from benchmarks.ledger import BATCH, Ledger

if TYPE_CHECKING:
    from testing.databases import ScratchDatabase

ROWS = 4_000


@pytest.fixture
def ledger(database: ScratchDatabase) -> Iterator[Ledger]:
    """Months of usage, loaded."""
    with ExitStack() as stack:
        logins = [stack.enter_context(database.connect(role)) for role in ("owner", "app", "service")]
        loaded = Ledger(*logins, rows=ROWS)
        loaded.load()
        yield loaded


def test_reports_add_up_to_the_ledgers_rows_and_sums_outlive_their_months(ledger: Ledger) -> None:
    ledger.report()
    ledger.retire()
    assert ledger.wrong == []


def test_a_row_that_is_not_in_the_sums_is_noticed(ledger: Ledger, database: ScratchDatabase) -> None:
    ledger.report()
    with database.connect() as owner:
        owner.execute("delete from app.usage_by_day where all_organizations and day = app.today() - 10")
    ledger.report()
    assert [line.partition(":")[0] for line in ledger.wrong] == ["everybody's usage"]


def test_months_end_with_utcs_whatever_the_sessions_time_zone_is(ledger: Ledger, database: ScratchDatabase) -> None:
    with database.connect() as owner:
        owner.execute("set timezone = 'America/New_York'")
        owner.execute(
            "create or replace function app.now() returns timestamptz language sql stable parallel safe "
            "return now() + interval '1 month'"
        )
        owner.execute("select app.archive_usage('0 days')")
        assert owner.execute("select count(*) from app.usage_archive").fetchone() == (ROWS,)


def test_cleaning_deletes_what_has_expired_in_batches_and_nothing_else(ledger: Ledger) -> None:
    ledger.clean(expired=2 * BATCH + 7)
    assert ledger.wrong == []

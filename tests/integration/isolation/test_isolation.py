"""A small sample of benchmarks/isolation.py. Whoever removes a tenant condition from a query meets the second test."""

from __future__ import annotations

import pytest

from benchmarks.isolation import prove_fences, prove_stolen_logins, prove_trials
from local.checkout import CHECKOUT
from local.emulator.client import Emulator
from testing.databases import ScratchDatabase
from testing.figures import Verdict
from testing.stolen_login import POSSIBLE, REFUSED, SERVICE_ONLY, shadowed_calls


def test_random_attempts_read_nothing_of_another_tenant(database: ScratchDatabase, emulator: Emulator) -> None:
    verdict = Verdict()
    prove_trials(database, emulator, verdict, trials=400, processes=2)
    assert verdict.missed == []


def test_the_conditions_in_queries_hold_alone_and_row_level_security_holds_alone(database: ScratchDatabase) -> None:
    verdict = Verdict()
    prove_fences(database, verdict, sample=4)
    assert verdict.missed == []


def test_a_stolen_login_becomes_nobody_else(database: ScratchDatabase) -> None:
    verdict = Verdict()
    prove_stolen_logins(database, verdict)
    assert verdict.missed == []


def test_the_attack_is_seen_where_a_path_leaves_pg_temp_out(database: ScratchDatabase) -> None:
    with database.connect() as owner, database.connect("app") as thief:
        owner.execute("alter function app.read_quota(jsonb) set search_path = ''")
        assert shadowed_calls(owner, thief, "parley_app") == {"app.read_quota(jsonb)": "runs as parley_definer"}


@pytest.mark.parametrize("name", [*REFUSED, *SERVICE_ONLY, *POSSIBLE])
def test_what_a_stolen_login_can_do_is_written_down(name: str) -> None:
    page = (CHECKOUT / "docs/operations.md").read_text(encoding="utf-8")
    assert name in page.partition("## What a stolen login can do")[2]

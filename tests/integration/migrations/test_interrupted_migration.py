"""A sample of benchmarks/interrupted_migration.py: a migration that is killed leaves a seed's database as it was."""

from __future__ import annotations

import pytest

from benchmarks.interrupted_migration import ADOPTED, prove
from testing.databases import ScratchDatabase
from testing.figures import Verdict

# A seed's database has some 1,400 statements that change the catalog.
EVERY = 311


@pytest.mark.parametrize(("name", "first"), list(zip(ADOPTED, (1, 53, 97), strict=True)))
def test_a_migration_that_is_killed_leaves_everything_as_it_was(
    name: str, first: int, empty_database: ScratchDatabase
) -> None:
    verdict = Verdict()
    prove(empty_database, name, verdict, every=EVERY, first=first)
    assert verdict.missed == []

"""A sample of benchmarks/interrupted_migration.py: a migration that is killed leaves a seed's database as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.interrupted_migration import prove
from local.postgres.server import DEFAULT_MAJOR, Server
from testing.figures import Verdict
from testing.supabase import supabase_server

# Each has some 1,900 statements that change the catalog; the three together are killed after every 233rd.
EVERY = 700


@pytest.fixture(scope="module")
def supabase(postgres: Server) -> Iterator[Server]:
    if postgres.major != DEFAULT_MAJOR:
        pytest.skip("a transaction that is killed leaves nothing on any version; one shows that up is one")
    with supabase_server(postgres.major) as server:
        yield server


@pytest.mark.parametrize(("name", "first"), [("s1_published", 1), ("s2", 234), ("s3_published", 467)])
def test_a_migration_that_is_killed_leaves_everything_as_it_was(name: str, first: int, supabase: Server) -> None:
    verdict = Verdict()
    prove(supabase, name, verdict, every=EVERY, first=first)
    assert verdict.missed == []

"""Backup and restore as docs/operations.md prints them lose nothing, and migrating repairs what another way lost."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local.checkout import CHECKOUT, SCHEMA
from local.postgres.server import DEFAULT_MAJOR, Server
from parley.migrations.catalog import catalog_snapshot
from parley.migrations.logins import create_logins
from parley.migrations.runner import up
from testing.databases import ScratchDatabase, postgres_programs
from tests.integration.schema import matrix

PAGE = CHECKOUT / "docs/operations.md"


def restore_commands() -> str:
    """The shell block of the page's section on restoring."""
    section = PAGE.read_text(encoding="utf-8").partition("## Backup and restore")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block
    return block[1]


@pytest.fixture
def fresh_server(postgres: Server) -> Iterator[Server]:
    """A server that has never seen Parley."""
    with Server.throwaway(postgres.major, in_memory=True) as server:
        yield server


def snapshot(url: str) -> dict[str, str]:
    with psycopg.connect(url, autocommit=True) as owner:
        return catalog_snapshot(owner)


def test_a_restore_as_printed_ends_with_the_same_catalog_rows_and_isolation(
    database: ScratchDatabase, fresh_server: Server, tmp_path: Path
) -> None:
    with database.connect() as owner:
        owner.execute("""insert into "user" (id) values ('ada')""")
        owner.execute("insert into ai_conversations (user_id, title) values ('ada', 'kept')")
    environment = os.environ | {
        "DATABASE_URL": database.owner_url,
        "RESTORED_URL": fresh_server.url(),
        "PATH": f"{postgres_programs(fresh_server.major)}:{os.environ['PATH']}",
    }
    commands = restore_commands().replace("parley.dump", str(tmp_path / "parley.dump"))
    done = subprocess.run(["sh", "-e", "-c", commands], cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (said,) = [line for line in done.stdout.splitlines() if line.startswith("applied ")]
    assert said.startswith("applied every file again: rights, owners or policies were not as they left them (")
    with psycopg.connect(fresh_server.url(), autocommit=True) as owner:
        create_logins(owner, database.server.password("parley_app"), database.server.password("parley_service"))
        assert owner.execute("select user_id, title from ai_conversations").fetchall() == [("ada", "kept")]
    restored, original = snapshot(fresh_server.url()), snapshot(database.owner_url)
    assert {name for name in original if restored.get(name) != original[name]} == set()
    assert set(restored) == set(original)
    assert up(fresh_server.url(), SCHEMA) == []
    if fresh_server.major != DEFAULT_MAJOR:
        return  # The same catalog is as closed; the matrix of a new database runs on each version.
    with psycopg.connect(fresh_server.url(), autocommit=True) as owner:
        reached = [found for table in matrix.load(owner).values() for found in matrix.surprises(owner, table)]
    assert reached == []


@pytest.fixture(scope="module")
def whole(postgres: Server, migrated_template: str) -> dict[str, str]:
    """The catalog of every clone before something of it is lost."""
    return snapshot(postgres.url(database=migrated_template))


@pytest.mark.parametrize(
    "loss",
    [
        'drop policy "Users can view their own conversations" on ai_conversations',
        "alter function app.begin_request(jsonb, jsonb) owner to postgres",
        "revoke select on ai_usage from authenticated",
        "alter function app.read_quota(jsonb) set search_path = ''",
        "do $$ begin execute format('alter database %I reset search_path', current_database()); end $$",
        "do $$ begin execute format('grant temporary on database %I to public', current_database()); end $$",
    ],
)
def test_what_a_restore_lost_comes_back_with_the_next_migration(
    loss: str, database: ScratchDatabase, whole: dict[str, str]
) -> None:
    assert up(database.owner_url, SCHEMA) == []
    with database.connect() as owner:
        owner.execute(loss.encode())
        assert catalog_snapshot(owner) != whole
    steps = up(database.owner_url, SCHEMA)
    assert [step.label.partition(":")[0] for step in steps] == ["every file again"]
    assert snapshot(database.owner_url) == whole
    assert up(database.owner_url, SCHEMA) == []

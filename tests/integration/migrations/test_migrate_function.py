"""The migrate function: what it takes, what it refuses, and what CloudFormation is told."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from local.checkout import CHECKOUT, SCHEMA
from local.postgres.server import DEFAULT_MAJOR, Server
from parley.migrations import custom_resource
from parley.migrations.files import OtherFilesError, digest
from parley.migrations.runner import _LOCK
from testing.databases import ScratchDatabase
from testing.functions import Functions


@pytest.fixture(autouse=True)
def version(request: pytest.FixtureRequest, postgres: Server) -> None:
    """Another version than the usual one sees what reaches it: files that are applied, and a cancelled statement."""
    reaching = (test_up_applies_and_status_tells, test_a_migration_is_ended_in_time_to_say_so)
    if postgres.major != DEFAULT_MAJOR and request.node.originalname not in [test.__name__ for test in reaching]:
        pytest.skip("what the function takes, refuses and tells CloudFormation does not depend on the version")


class Migrate(Functions):
    """The function with the time that template.yaml gives it."""

    def invoke(self, name: str, event: Any, seconds: float = 900) -> Any:
        return super().invoke(name, event, seconds)


@pytest.fixture
def migrate(environment: dict[str, str], empty_database: ScratchDatabase, postgres: Server) -> Iterator[Functions]:
    """The function over an empty database, as its owner."""
    made = Migrate(environment | {"DATABASE_URL": empty_database.owner_url})
    yield made
    made.close()
    # Without secrets the logins lose their passwords, which belong to the whole server.
    with empty_database.connect() as owner:
        for role in ("parley_app", "parley_service"):
            owner.execute(f"alter role {role} password '{postgres.password(role)}'".encode())


def tables(database: ScratchDatabase) -> int:
    with database.connect() as owner:
        row = owner.execute("select count(*) from pg_tables where schemaname in ('app', 'public')").fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.parametrize(
    "event",
    [
        {},
        [],
        None,
        "up",
        {"command": None},
        {"command": ""},
        {"command": "down"},
        {"command": "UP"},
        {"command": ["up"]},
        {"command": "up", "count": 3},
        {"Command": "up"},
        {"requestType": "Create"},
        {"Records": []},
        {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
    ],
    ids=json.dumps,
)
def test_an_unknown_or_missing_command_is_refused_and_changes_nothing(
    migrate: Functions, empty_database: ScratchDatabase, event: Any
) -> None:
    with pytest.raises(ValueError, match="migrate takes"):
        migrate.invoke("migrate", event)
    assert tables(empty_database) == 0


def test_up_applies_and_status_tells(migrate: Functions, empty_database: ScratchDatabase) -> None:
    pending = migrate.invoke("migrate", {"command": "status"})["migrations"]
    assert {row["state"] for row in pending} == {"pending"}
    assert tables(empty_database) == 0
    assert migrate.invoke("migrate", {"command": "up"}) == {
        "applied": [row["label"] for row in pending],
        "said": [],
    }
    assert migrate.invoke("migrate", {"command": "up"}) == {"applied": [], "said": []}
    applied = migrate.invoke("migrate", {"command": "status"})["migrations"]
    assert {row["state"] for row in applied} == {"applied"}


class Stack:
    """The end of a ResponseURL: keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.refuses = 0
        stack, told = self, self.told

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                assert self.headers["Content-Type"] == ""
                answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stack.refuses -= 1
                if stack.refuses < 0:
                    told.append(answer)
                self.send_response(200 if stack.refuses < 0 else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def event(self, kind: str, **members: Any) -> dict[str, Any]:
        """A custom resource's event, as CloudFormation sends it."""
        return {
            "RequestType": kind,
            "ResponseURL": f"http://127.0.0.1:{self.server.server_address[1]}/answer?signature=x",
            "StackId": "arn:aws:cloudformation:eu-north-1:000000000000:stack/parley/1",
            "RequestId": f"request-{kind}",
            "ResourceType": "Custom::Schema",
            "LogicalResourceId": "Schema",
            "ResourceProperties": {"ServiceToken": "arn:aws:lambda:...", "Apply": "true", "Release": "1"},
        } | members


@pytest.fixture
def stack() -> Iterator[Stack]:
    made = Stack()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def test_cloudformations_events_are_answered_as_what_they_are_and_delete_keeps_the_data(
    migrate: Functions, empty_database: ScratchDatabase, stack: Stack
) -> None:
    migrate.invoke("migrate", stack.event("Create"))
    made = tables(empty_database)
    assert made > 0
    [told] = stack.told
    assert (told["Status"], told["RequestId"], told["LogicalResourceId"]) == ("SUCCESS", "request-Create", "Schema")
    assert told["Data"]["Applied"]
    for kind in ("Update", "Delete"):
        migrate.invoke("migrate", stack.event(kind, PhysicalResourceId=told["PhysicalResourceId"]))
        assert (stack.told[-1]["Status"], stack.told[-1]["RequestId"]) == ("SUCCESS", f"request-{kind}")
        assert stack.told[-1]["PhysicalResourceId"] == told["PhysicalResourceId"]
        assert stack.told[-1]["Data"] == ({"Digest": digest(SCHEMA), "Applied": ""} if kind == "Update" else {})
        assert tables(empty_database) == made


@pytest.mark.parametrize("kind", ["Delete", "Rollback", ""])
def test_only_create_and_update_migrate(
    migrate: Functions, empty_database: ScratchDatabase, stack: Stack, kind: str
) -> None:
    migrate.invoke("migrate", stack.event(kind, command="up"))
    assert [told["Status"] for told in stack.told] == ["SUCCESS" if kind == "Delete" else "FAILED"]
    assert tables(empty_database) == 0


def test_a_resource_that_is_not_to_migrate_changes_nothing(
    migrate: Functions, empty_database: ScratchDatabase, stack: Stack
) -> None:
    migrate.invoke("migrate", stack.event("Create", ResourceProperties={"Apply": "false"}))
    assert [told["Status"] for told in stack.told] == ["SUCCESS"]
    assert tables(empty_database) == 0


def test_a_newer_database_is_done_for_cloudformation_which_rolls_back_and_refused_by_hand(
    migrate: Functions, empty_database: ScratchDatabase, stack: Stack
) -> None:
    migrate.invoke("migrate", stack.event("Create"))
    with empty_database.connect() as owner:
        owner.execute("insert into app.schema_migrations (version, name, checksum) values (9999, 'newer', 'x')")
    migrate.invoke("migrate", stack.event("Update", PhysicalResourceId=stack.told[0]["PhysicalResourceId"]))
    assert [told["Status"] for told in stack.told] == ["SUCCESS", "SUCCESS"]
    with pytest.raises(OtherFilesError, match="9999_newer"):
        migrate.invoke("migrate", {"command": "up"})


def test_a_database_that_lacks_a_file_is_not_newer(
    migrate: Functions, empty_database: ScratchDatabase, stack: Stack
) -> None:
    migrate.invoke("migrate", stack.event("Create"))
    with empty_database.connect() as owner:
        owner.execute("update app.schema_migrations set version = 9999 where version = 98")
    migrate.invoke("migrate", stack.event("Update", PhysicalResourceId=stack.told[0]["PhysicalResourceId"]))
    assert [told["Status"] for told in stack.told] == ["SUCCESS", "FAILED"]
    assert "9999_" in stack.told[1]["Reason"]


def test_files_that_are_none_are_a_failure_to_migrate_and_no_obstacle_to_deleting(
    migrate: Functions, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "misnamed.sql").write_text("select 1")
    monkeypatch.setattr(migrate.module("migrate"), "SCHEMA", tmp_path)
    for kind in ("Create", "Delete"):
        migrate.invoke("migrate", stack.event(kind))
    assert [told["Status"] for told in stack.told] == ["FAILED", "SUCCESS"]
    assert "misnamed.sql is not named NN_name.sql" in stack.told[0]["Reason"]


def test_what_cloudformation_is_told_fits_however_long_the_reason_is(
    migrate: Functions, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "00_long.sql").write_text(f"select '{'ü' * 5000}'::integer;")
    monkeypatch.setattr(migrate.module("migrate"), "SCHEMA", tmp_path)
    migrate.invoke("migrate", stack.event("Create", PhysicalResourceId="x" * 100))
    [told] = stack.told
    assert told["Status"] == "FAILED"
    assert len(json.dumps(told)) < 4096


def test_an_answer_that_does_not_arrive_is_brought_again(
    migrate: Functions, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_resource, "_PAUSE_SECONDS", 0.0)
    stack.refuses = 2
    migrate.invoke("migrate", stack.event("Delete"))
    assert [told["Status"] for told in stack.told] == ["SUCCESS"]


def test_cloudformation_is_told_of_a_failure_and_no_secret_with_it(
    environment: dict[str, str], empty_database: ScratchDatabase, stack: Stack
) -> None:
    url = empty_database.owner_url.replace("//postgres:", "//postgres:not-the-password-")
    migrate = Functions(environment | {"DATABASE_URL": url})
    migrate.invoke("migrate", stack.event("Create"), seconds=11)
    [told] = stack.told
    assert told["Status"] == "FAILED"
    assert told["Reason"].startswith("the database does not let the owner in")
    assert "not-the-password" not in told["Reason"]
    migrate.close()


def test_a_time_zone_that_there_is_not_is_named(
    environment: dict[str, str], empty_database: ScratchDatabase, stack: Stack, tmp_path: Path
) -> None:
    variables = environment | {"DATABASE_URL": empty_database.owner_url, "PARLEY_TIMEZONE": "Europe/Stockholmm"}
    with closing(Migrate(variables)) as migrate:
        migrate.invoke("migrate", stack.event("Create"))
    [told] = stack.told
    assert (told["Status"], "'Europe/Stockholmm'" in told["Reason"]) == ("FAILED", True)


def test_a_migration_is_ended_in_time_to_say_so(
    migrate: Functions, empty_database: ScratchDatabase, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "00_long.sql").write_text("create table early (id int);\nselect pg_sleep(600)")
    monkeypatch.setattr(migrate.module("migrate"), "SCHEMA", tmp_path)
    migrate.invoke("migrate", stack.event("Create"), seconds=32)
    [told] = stack.told
    assert told["Status"] == "FAILED"
    assert "00_long.sql" in told["Reason"]
    assert "time is up" in told["Reason"]
    with empty_database.connect() as owner:
        asleep = owner.execute("select from pg_stat_activity where query like '%pg_sleep(600)' and state = 'active'")
        assert asleep.rowcount == 0
        assert owner.execute("select to_regclass('early')").fetchone() == (None,)


def test_a_migration_that_waits_for_another_one_is_ended_in_time_to_say_so(
    migrate: Functions, empty_database: ScratchDatabase, stack: Stack
) -> None:
    with empty_database.connect(autocommit=False) as other:
        other.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        migrate.invoke("migrate", stack.event("Update"), seconds=31)
    [told] = stack.told
    assert (told["Status"], "somebody else" in told["Reason"]) == ("FAILED", True)


def test_cloudformation_is_told_where_the_driver_does_not_load(environment: dict[str, str], stack: Stack) -> None:
    # As with layers for another processor: no function of such a build works, and the deletion is answered too.
    script = (
        "import app, json, sys\nfrom testing.functions import Context\n"
        "for event in json.load(sys.stdin): app.lambda_handler(event, Context())"
    )
    paths = (CHECKOUT / "functions" / "migrate", CHECKOUT / "layers" / "parley", CHECKOUT)
    variables = environment | {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(map(str, paths)), "PSYCOPG_IMPL": "c"}
    events = json.dumps([stack.event(kind) for kind in ("Create", "Delete")])
    subprocess.run(
        [sys.executable, "-c", script], input=events, env=variables, check=True, capture_output=True, text=True
    )
    assert [(told["Status"], told["Reason"]) for told in stack.told] == [
        ("FAILED", "ImportError: see the function's log"),
        ("SUCCESS", ""),
    ]

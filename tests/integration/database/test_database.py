"""The connection to Postgres, against a real server: through a proxy that counts and cuts, and across outages."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from local.postgres.server import Server
from parley.core.config import ConfigurationError
from parley.core.errors import Problem
from parley.database.connection import Database
from parley.database.errors import DatabaseError, DatabaseUnavailable, LoginRefused
from parley.database.values import Vector, jsonb
from testing.databases import ScratchDatabase
from testing.functions import Functions, make_token

ADA = {"sub": "ada", "role": "authenticated"}


class Proxy:
    """Stands between client and server; counts how often the client spoke after the server, and cuts on demand."""

    def __init__(self, port: int, listen: int = 0) -> None:
        self.turns = 0
        self.cut_before_reply = False
        self._target = port
        self._server_spoke_last = True
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", listen))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                for pair in ((client, server), (server, client)):
                    self._threads.append(threading.Thread(target=self._pump, args=(*pair, pair[0] is client)))
                    self._threads[-1].start()

    def _pump(self, source: socket.socket, target: socket.socket, from_client: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if from_client and self._server_spoke_last:
                    self.turns += 1
                self._server_spoke_last = not from_client
                if not from_client and self.cut_before_reply:
                    self.cut_before_reply = False
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for end in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join()


class StillClock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def notes(empty_database: ScratchDatabase) -> ScratchDatabase:
    """A database with a table to write to."""
    with empty_database.connect() as owner:
        owner.execute("create extension vector")
        owner.execute("create table notes (id integer generated always as identity, text text constraint once unique)")
        owner.execute(
            """
            create function write(p_text text) returns integer language sql
            as $$ insert into notes (text) values (p_text) returning id $$
            """
        )
    return empty_database


@pytest.fixture
def db(notes: ScratchDatabase) -> Iterator[Database]:
    database = Database(notes.owner_url)
    yield database
    database.close()


@pytest.fixture
def proxy(notes: ScratchDatabase) -> Iterator[Proxy]:
    proxy = Proxy(notes.server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def proxied(notes: ScratchDatabase, proxy: Proxy) -> Iterator[Database]:
    """A database behind the proxy that is connected already."""
    database = Database(make_conninfo(notes.owner_url, port=proxy.port))
    database.call("select 1")
    proxy.turns = database.round_trips = 0
    yield database
    database.close()


@pytest.fixture
def own_server(data_dir: Path) -> Iterator[Server]:
    """A server that a test may stop and start."""
    with Server(data_dir) as server:
        yield server


def written(database: ScratchDatabase) -> list[str]:
    with database.connect() as owner:
        return [row[0] for row in owner.execute("select text from notes order by id")]


def pid(db: Database) -> int:
    found: int = db.call("select pg_backend_pid()")
    return found


def test_nothing_connects_before_the_first_query() -> None:
    asked: list[str] = []

    def conninfo() -> str:
        asked.append("asked")
        return "postgresql://127.0.0.1:1/none"

    db = Database(conninfo)
    assert asked == []
    with pytest.raises(DatabaseUnavailable):
        db.call("select 1")
    assert asked == ["asked"]


def test_a_call_returns_the_first_value_and_takes_mappings_as_jsonb(db: Database) -> None:
    assert db.call("select %s || %s", ({"a": "ü"}, jsonb([1]))) == [{"a": "ü"}, 1]
    assert db.call("select 1 where false") is None
    assert db.call("create table made ()") is None


def test_a_query_gives_rows_as_dicts_and_identity_ends_with_it(db: Database) -> None:
    claims = "select current_setting('request.jwt.claims', true)::jsonb as claims, %s::integer as number"
    assert db.query(ADA, claims, (7,)) == [{"claims": ADA, "number": 7}]
    assert not db.call("select current_setting('request.jwt.claims', true)")


def test_a_call_a_query_and_a_batch_are_one_round_trip_each(proxied: Database, proxy: Proxy) -> None:
    proxied.call("select %s::integer", (1,))
    assert (proxy.turns, proxied.round_trips) == (1, 1)
    proxied.query(ADA, "select * from generate_series(1, %s)", (5000,))
    assert (proxy.turns, proxied.round_trips) == (2, 2)
    first, second, third = proxied.batch(
        ADA,
        [("select 1 as a", ()), ("insert into notes (text) values (%s)", ("x",)), ("select count(*) from notes", ())],
    )
    assert (first, second, third) == ([{"a": 1}], [], [{"count": 1}])
    assert (proxy.turns, proxied.round_trips) == (3, 3)


def test_a_batch_is_kept_whole_or_not_at_all(db: Database, notes: ScratchDatabase) -> None:
    with pytest.raises(DatabaseError):
        db.batch(ADA, [("select write(%s)", ("kept?",)), ("select 1 / 0", ()), ("select write(%s)", ("no",))])
    assert written(notes) == []
    assert db.call("select 1") == 1


def test_an_error_names_its_code_and_constraint_but_no_value_and_no_sql(db: Database) -> None:
    db.call("select write(%s)", ("sesame",))
    with pytest.raises(DatabaseError) as caught:
        db.call("select write(%s)", ("sesame",))
    error = caught.value
    assert str(error) == "UniqueViolation (23505) on once"
    assert error.sqlstate == "23505"
    assert error.constraint == "once"
    assert error.__cause__ is None
    assert error.__suppress_context__
    with pytest.raises(DatabaseError) as caught:
        db.call("select %s::integer", ("sesame",))
    assert str(caught.value) == "InvalidTextRepresentation (22P02)"


@pytest.mark.parametrize(
    "value", ["a\0b", "\ud800", {"a": "\0"}, {"\ud800": 1}, jsonb(["\\\0"]), {"a": float("nan")}], ids=repr
)
def test_text_that_postgres_cannot_hold_is_refused_before_it_is_sent(db: Database, value: Any) -> None:
    with pytest.raises(ValueError, match=r"NUL|surrogate|JSON compliant"):
        db.call("select %s", (value,))
    assert db.call("select 1") == 1


def test_an_escaped_backslash_before_u0000_is_ordinary_text(db: Database) -> None:
    assert db.call("select %s", ({"a": "\\u0000"},)) == {"a": "\\u0000"}


def test_vectors_are_bound_in_binary(db: Database) -> None:
    assert db.call("select %s::vector::text", (Vector([1, -0.5, 3e8]),)) == "[1,-0.5,3e+08]"
    assert db.call("select %s::vector::halfvec(2)::text", (Vector([1, 2]),)) == "[1,2]"
    assert len(Vector([0.1] * 1536).wire) == 1536 * 4 + 4
    with pytest.raises(DatabaseError):
        db.call("select %s::vector", (Vector([float("nan")]),))


def test_no_statement_is_prepared_by_name(db: Database) -> None:
    for _ in range(10):
        db.call("select %s::integer", (1,))
        db.query(ADA, "select %s::integer", (1,))
    assert db.call("select count(*) from pg_prepared_statements") == 0


def test_a_connection_lost_between_two_queries_is_replaced_without_a_word(db: Database, notes: ScratchDatabase) -> None:
    first = pid(db)
    with notes.connect() as owner:
        owner.execute("select pg_terminate_backend(%s, 5000)", (first,))
    assert db.call("select write(%s)", ("once",)) == 1
    assert pid(db) != first
    assert written(notes) == ["once"]


def test_a_statement_whose_answer_was_lost_is_not_sent_again(
    proxied: Database, proxy: Proxy, notes: ScratchDatabase
) -> None:
    proxy.cut_before_reply = True
    with pytest.raises(DatabaseUnavailable):
        proxied.call("select write(%s)", ("once",))
    assert written(notes) == ["once"]
    assert proxied.call("select 1") == 1
    proxy.cut_before_reply = True
    with pytest.raises(DatabaseUnavailable):
        proxied.query(ADA, "select write(%s)", ("twice",))
    assert written(notes) == ["once", "twice"]
    assert proxied.call("select 1") == 1


def test_an_idempotent_statement_whose_answer_was_lost_is_sent_once_more(
    proxied: Database, proxy: Proxy, notes: ScratchDatabase
) -> None:
    with notes.connect() as owner:
        owner.execute("alter table notes drop constraint once")
    proxy.cut_before_reply = True
    assert proxied.call("select write(%s)", ("again",), idempotent=True) == 2
    assert written(notes) == ["again", "again"]


def test_an_outage_is_told_and_ends_with_the_outage(own_server: Server) -> None:
    clock = StillClock()
    db = Database(own_server.url(), clock=clock)
    assert db.call("select 1") == 1
    own_server.stop()
    with pytest.raises(DatabaseUnavailable):
        db.call("select 1", idempotent=True)
    with pytest.raises(DatabaseUnavailable):
        db.query(ADA, "select 1")
    own_server.start()
    clock.sleep(0.5)
    assert db.call("select 1") == 1
    db.close()


def test_an_absent_database_is_not_asked_again_at_once() -> None:
    asked: list[str] = []
    clock = StillClock()

    def conninfo() -> str:
        asked.append("asked")
        return "postgresql://127.0.0.1:1/none"

    db = Database(conninfo, clock=clock)
    for _ in range(5):
        with pytest.raises(DatabaseUnavailable):
            db.call("select 1", idempotent=True)
    assert len(asked) == 1
    clock.sleep(0.5)
    with pytest.raises(DatabaseUnavailable):
        db.call("select 1")
    assert len(asked) == 2


def test_a_server_that_never_answers_is_given_up_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        db = Database(f"postgresql://127.0.0.1:{silent.getsockname()[1]}/none")
        with pytest.raises(DatabaseUnavailable, match="cannot connect"):
            db.call("select 1")


def test_what_nobody_waits_for_tries_to_connect_again_within_its_time(notes: ScratchDatabase) -> None:
    clock = StillClock()
    asked: list[float] = []

    def conninfo() -> str:
        asked.append(clock.seconds)
        return notes.owner_url if clock.seconds > 20 else "postgresql://127.0.0.1:1/none"

    connection = Database(conninfo, clock=clock)
    with pytest.raises(DatabaseUnavailable), connection.patient(lambda: 25 - clock.seconds):
        connection.call("select 1")
    assert 10 < clock.seconds <= 15  # ten seconds stay for what comes after
    with pytest.raises(DatabaseUnavailable):
        connection.call("select 1")  # somebody waits for this one
    asked.clear()
    clock.seconds = 0
    connection = Database(conninfo, clock=clock)
    with connection.patient(lambda: 60 - clock.seconds):
        assert connection.call("select 1") == 1
    assert asked[:4] == [0, 0.25, 0.75, 1.75]
    connection.close()


def test_so_does_what_cannot_even_read_its_secret_yet(notes: ScratchDatabase) -> None:
    clock = StillClock()

    def conninfo() -> str:
        if clock.seconds < 20:
            raise Problem("secrets_unavailable", "The operator's secrets cannot be read right now.", status=503)
        return notes.owner_url

    connection = Database(conninfo, clock=clock)
    with connection.patient(lambda: 60 - clock.seconds):
        assert connection.call("select 1") == 1
    assert clock.seconds >= 20
    connection.close()
    clock.seconds = 0
    with pytest.raises(Problem):
        Database(conninfo, clock=clock).call("select 1")  # somebody waits for this one
    assert clock.seconds == 0


def test_a_connection_lost_on_the_way_is_tried_again_too(own_server: Server) -> None:
    class Restarting(StillClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            own_server.start()

    clock = Restarting()
    connection = Database(own_server.url(), clock=clock)
    with connection.patient(lambda: 60 - clock.seconds):
        assert connection.call("select 1") == 1
        own_server.stop()
        assert connection.call("select 1", idempotent=True) == 1
    assert clock.seconds == 0.25
    connection.close()


@pytest.mark.parametrize(
    "name", ["usage_reset", "cache_cleanup", "rotate_keys", "usage_replay", "worker", "migrate", "account"]
)
def test_schedules_queues_and_migrate_wait_for_a_network_that_comes_late_and_http_does_not(
    environment: dict[str, str], database: ScratchDatabase, name: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = {"migrate": database.owner_url, "account": database.app_url}.get(name, database.service_url)
    late = environment | {
        "DATABASE_URL": url.replace(f":{database.server.port}/", f":{port}/"),
        "PARLEY_KMS_KEY_ID": "a-key",
    }
    functions = Functions(late)
    functions.module(name)
    opened: list[Proxy] = []
    network = threading.Timer(0.5, lambda: opened.append(Proxy(database.server.port, listen=port)))
    network.start()
    if name == "account":
        answer = functions.request(name, "GET", "/api/settings", token=make_token())
        assert (answer.status, opened) == (503, [])
    else:
        message = {
            "messageId": "m1",
            "body": json.dumps({"claims": {"sub": "ada"}, "outcome": {}, "admitted_offline": 1}),
        }
        task = {"task": "interview_feedback", "id": "00000000-0000-4000-8000-000000000000"}
        events: dict[str, Any] = {
            "usage_replay": {"Records": [message]},
            "worker": {"Records": [message | {"body": json.dumps(task)}]},
            "migrate": {"command": "status"},
        }
        functions.invoke(name, events.get(name, {}), 60)
        assert opened != []
    network.join()
    functions.close()
    opened[0].close()


def test_an_answer_that_does_not_come_is_given_up_on(notes: ScratchDatabase) -> None:
    db = Database(notes.owner_url, patience=0.2)
    with pytest.raises(DatabaseUnavailable, match="no answer from the server in time"):
        db.call("select pg_sleep(30)")
    with pytest.raises(DatabaseUnavailable):
        db.query(ADA, "select pg_sleep(30)")
    assert db.call("select 1") == 1
    db.close()


def test_being_too_busy_is_told_as_unavailable_and_keeps_the_connection(notes: ScratchDatabase) -> None:
    db = Database(notes.owner_url + "?options=-cstatement_timeout%3D50")
    first = pid(db)
    with pytest.raises(DatabaseUnavailable, match="QueryCanceled"):
        db.call("select pg_sleep(30)")
    assert pid(db) == first
    db.close()


def test_no_free_connection_is_told_as_unavailable(database: ScratchDatabase) -> None:
    with database.connect() as owner:
        owner.execute(f"alter database {database.name} connection limit 0".encode())
    with pytest.raises(DatabaseUnavailable):
        Database(database.app_url).call("select 1")


def test_a_writer_that_became_a_reader_is_left_for_the_new_one(notes: ScratchDatabase) -> None:
    db = Database(notes.owner_url)
    first = pid(db)
    db.call("select set_config('default_transaction_read_only', 'on', false)")
    with pytest.raises(DatabaseUnavailable):
        db.call("select write(%s)", ("no",))
    assert db.call("select write(%s)", ("yes",))
    assert pid(db) != first
    db.close()


def test_a_connection_that_slept_long_is_not_trusted_with_a_write(notes: ScratchDatabase) -> None:
    clock = StillClock()
    db = Database(notes.owner_url, clock=clock)
    first = pid(db)
    clock.sleep(200)
    assert pid(db) == first
    clock.sleep(300)
    assert pid(db) != first
    db.close()


def test_a_closed_room_opens_again(db: Database) -> None:
    first = pid(db)
    db.close()
    assert pid(db) != first


def test_threads_share_the_connection(db: Database) -> None:
    def double(number: int) -> Mapping[str, Any]:
        return db.query(ADA, "select %s::integer * 2 as number, pg_backend_pid() as pid", (number,))[0]

    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(double, range(50)))
    assert [row["number"] for row in rows] == [number * 2 for number in range(50)]
    assert len({row["pid"] for row in rows}) == 1


def test_a_malformed_connection_string_does_not_repeat_itself() -> None:
    with pytest.raises(ConfigurationError, match=r"^the database's address must be a postgresql:// URL$") as caught:
        Database("postgresql://user:secret@[broken/").call("select 1")
    assert caught.value.__suppress_context__


def test_limits_of_the_session_come_from_the_role_and_reach_the_app(database: ScratchDatabase) -> None:
    db = Database(database.app_url)
    assert db.call("select current_user::text || ' ' || current_setting('statement_timeout')") == "parley_app 5s"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database.app_url.replace("parley_app", "parley_definer"))
    db.close()


def _wrong_password(database: ScratchDatabase) -> str:
    return make_conninfo(database.app_url, password="wrong")


def _no_login(database: ScratchDatabase) -> str:
    return make_conninfo(database.app_url, user="parley_definer", password="none")


def _no_password(database: ScratchDatabase) -> str:
    return make_conninfo(database.app_url, password="")


def _no_database(database: ScratchDatabase) -> str:
    return make_conninfo(database.app_url, dbname="nowhere")


@pytest.mark.parametrize("address", [_wrong_password, _no_login, _no_password, _no_database])
def test_a_refused_login_is_told_from_an_outage_and_the_log_names_it(
    database: ScratchDatabase, caplog: pytest.LogCaptureFixture, address: Callable[[ScratchDatabase], str]
) -> None:
    conninfo = address(database)
    refused = Database(conninfo)
    for _ in range(2):  # the second one within the cool-down
        with pytest.raises(LoginRefused):
            refused.call("select 1")
    (line,) = caplog.messages
    assert line.startswith(f"the database refuses the login {conninfo_to_dict(conninfo)['user']}: ")
    assert "wrong" not in line
    with pytest.raises(DatabaseUnavailable) as away:
        Database("postgresql://parley_app:none@127.0.0.1:1/postgres").call("select 1")
    assert not isinstance(away.value, LoginRefused)

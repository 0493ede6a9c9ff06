"""`make run` as a developer meets it: what it prints, and how it starts, stops and refuses."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from local.__main__ import main as local_main
from local.checkout import CHECKOUT
from local.environment import ensure
from local.postgres.database import as_login
from local.postgres.server import Server
from local.prove import prove
from local.run import tokens
from local.run.keys import Keys
from local.run.terminal import Terminal
from parley.migrations.runner import up

SECONDS = 120


class Run:
    """One `make run`, with what it printed so far and every process it started."""

    def __init__(
        self, folder: Path, port: int, *, command: Sequence[str] = ("make", "run"), **environment: str
    ) -> None:
        own = {"PORT": str(port), "PARLEY_DATA_DIR": str(folder)} | environment
        self._child = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as stdout:
            for line in stdout:
                self.output += line

    def ready(self) -> str:
        """Wait for the last line of the banner; what was printed until then."""
        deadline = time.monotonic() + SECONDS
        while "Ctrl-C" not in self.output:
            assert self._child.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)
        return self.output

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to it by now."""
        children: list[psutil.Process] = psutil.Process(self._child.pid).children(recursive=True)
        return children

    def server(self) -> psutil.Process:
        """The Python process that serves."""
        return next(one for one in self.processes() if one.cmdline()[1:4] == ["-m", "local", "run"])

    def make(self) -> psutil.Process:
        """The make that started it."""
        return psutil.Process(self._child.pid)

    def hang_up(self) -> None:
        """Close its terminal."""
        os.killpg(self._child.pid, signal.SIGHUP)

    def interrupt(self) -> int:
        """Ctrl-C in its terminal; the exit status of make."""
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; the exit status of make."""
        status = self._child.wait(SECONDS)
        self._reader.join(SECONDS)
        return status


@contextlib.contextmanager
def make_run(folder: Path, port: int, *, command: Sequence[str] = ("make", "run"), **environment: str) -> Iterator[Run]:
    run = Run(folder, port, command=command, **environment)
    try:
        yield run
    finally:
        run.interrupt()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def curl(line: str) -> tuple[int, str]:
    """Paste a line into a shell; the status of the answer, and its body."""
    done = subprocess.run(["sh", "-c", f"{line} -w '\n%{{http_code}}'"], capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def gone(processes: list[psutil.Process]) -> list[psutil.Process]:
    """What of these still runs after a moment of patience."""
    alive: list[psutil.Process] = psutil.wait_procs(processes, timeout=10)[1]
    return alive


def test_the_lines_of_the_first_screen_work_when_pasted_and_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    with make_run(tmp_path, port := free_port()) as run:
        printed = run.ready()
        assert f"Parley is ready at http://127.0.0.1:{port}" in printed
        exports = re.findall(r"^export \w+=.*$", printed, re.MULTILINE)
        assert [line.partition("=")[0] for line in exports] == ["export TOKEN", "export SERVICE_TOKEN"]
        assert len(re.findall(r"\bey[\w-]+\.ey", printed)) == 2, "a token stands in its export line alone"
        lines = re.findall(r"^curl .*$", printed, re.MULTILINE)
        assert len(lines) == 3
        for line in lines:
            status, body = curl("\n".join([*exports, line]))
            assert status == 200, body
            assert body.endswith("}\n")
        service = f'curl -s http://127.0.0.1:{port}/api/admin/tiers -H "Authorization: Bearer $SERVICE_TOKEN"'
        status, body = curl("\n".join([*exports, service]))
        assert status == 200, body
        processes = run.processes()
        assert len(processes) > 5
        run.interrupt()
        assert gone(processes) == []
        assert "Traceback" not in run.output


def test_a_running_stack_marks_its_checkout_as_in_use(tmp_path: Path) -> None:
    with make_run(tmp_path, free_port()) as run:
        run.ready()
        refused = subprocess.run(["python3", "local/in_use.py"], cwd=CHECKOUT, capture_output=True, text=True)
        assert refused.returncode == 1


def test_the_terminal_names_the_problem_that_a_request_ended_in(tmp_path: Path) -> None:
    with make_run(tmp_path, port := free_port()) as run:
        run.ready()
        address = f"curl -s http://127.0.0.1:{port}"
        assert curl(f"{address}/api/usage")[0] == 401
        assert curl(f"{address}/nowhere")[0] == 403
        post = "-H 'Content-Type: application/json' -d"
        assert curl(f"{address}/api/chat/stream {post} '[]'")[0] == 400
        assert curl(f"""{address}/api/chat/stream {post} '{{"message": "[[fault:mid_stream_error]]"}}'""")[0] == 200
        run.interrupt()
    assert "stopping (SIGINT)" in run.output
    shown = re.findall(r"(/\S+)  (\d+ ?\w*)  \d+ ms", run.output)
    assert shown == [
        ("/api/usage", "401 token_missing"),
        ("/nowhere", "403 unknown_route"),
        ("/api/chat/stream", "400 invalid_request"),
        ("/api/chat/stream", "200 upstream_error"),
    ]


def test_the_terminal_tells_unused_addresses_invocations_and_the_end_of_what_stands_beside_the_functions(
    tmp_path: Path,
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/v1"
    with make_run(tmp_path, port := free_port(), OPENAI_BASE_URL=nobody) as run:
        assert "\nOPENAI_BASE_URL is not used without OPENAI_API_KEY; " in run.ready()
        assert curl(f"""curl -s http://127.0.0.1:{port}/api/chat -d '{{"message": "hi"}}'""")[0] == 200
        lambda_api = f"http://127.0.0.1:{port}/2015-03-31/functions"
        assert curl(f"curl -s -X POST {lambda_api}/health/invocations -d '{{}}'")[0] == 200
        assert curl(f"curl -s -X POST {lambda_api}/nobody/invocations -d '{{}}'")[0] == 404
        for one in run.processes():
            with contextlib.suppress(psutil.NoSuchProcess):  # Postgres' own come and go
                if "local.emulator" in one.cmdline():
                    one.kill()
                elif one.name() == "postgres" and "-D" in one.cmdline():
                    one.send_signal(signal.SIGQUIT)
        deadline = time.monotonic() + SECONDS
        for told in ("the embedded Postgres ended (", "local.emulator  ended (signal: SIGKILL); start again"):
            while told not in run.output:
                assert time.monotonic() < deadline, run.output
                time.sleep(0.05)
        run.interrupt()
    assert re.search(r"functions/health/invocations  200 function_failed  \d+ ms  health\n", run.output)
    assert re.search(r"functions/nobody/invocations  404 ResourceNotFoundException  \d+ ms\n", run.output)


def test_make_clean_is_refused_while_a_stack_runs(tmp_path: Path) -> None:
    """In a copy: what it deletes afterwards must not be this checkout's."""
    copy = tmp_path / "checkout"
    shutil.copytree(CHECKOUT / "local", copy / "local", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "Makefile", copy)
    data = copy / ".parley" / "keys.json"
    data.parent.mkdir()
    data.touch()
    clean = ["make", "clean"]
    runs = [sys.executable, "-c", "from local.in_use import hold; held = hold(); print('held', flush=True); input()"]
    for signalled in (signal.SIGTERM, signal.SIGKILL):
        with subprocess.Popen(runs, cwd=copy, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stack:
            assert stack.stdout is not None
            stack.stdout.readline()
            refused = subprocess.run(clean, cwd=copy, capture_output=True, text=True)
            assert refused.returncode != 0
            assert refused.stderr.startswith("parley: this checkout is in use; ")
            assert data.exists()
            stack.send_signal(signalled)
    assert subprocess.run(clean, cwd=copy, capture_output=True).returncode == 0
    assert not data.exists()


def test_it_works_again_after_kill_9(tmp_path: Path) -> None:
    port = free_port()
    with make_run(tmp_path, port) as run:
        run.ready()
        curl(f"curl -s http://127.0.0.1:{port}/api/ai-provider")
        processes = run.processes()
        run.server().kill()
        run.wait()
        assert gone(processes) == []
    with make_run(tmp_path, port) as again:
        again.ready()
        assert curl(f"curl -s http://127.0.0.1:{port}/api/ai-provider")[0] == 200


def test_nothing_outlives_a_make_that_was_killed(tmp_path: Path) -> None:
    with make_run(tmp_path, free_port()) as run:
        run.ready()
        processes, server = run.processes(), run.server()
        run.make().kill()
        left = gone(processes)
        if server in left:
            server.terminate()
        assert left == []
        run.wait()
    assert "stopping (make is gone)" in run.output


def test_a_run_under_nohup_outlives_its_terminal_and_the_shell_that_started_it(tmp_path: Path) -> None:
    port = free_port()
    with make_run(tmp_path, port, command=("sh", "-c", "nohup make run & wait")) as run:
        run.ready()
        processes, server = run.processes(), run.server()
        run.hang_up()
        try:
            with pytest.raises(psutil.TimeoutExpired):
                server.wait(timeout=3)
            assert curl(f"curl -s http://127.0.0.1:{port}/api/ai-provider")[0] == 200
        finally:
            server.terminate()
        assert gone(processes) == []


def test_two_run_side_by_side(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    with make_run(tmp_path, ports[0]) as one, make_run(tmp_path, ports[1]) as other:
        for run, port in zip((one, other), ports, strict=True):
            run.ready()
            assert curl(f"curl -s http://127.0.0.1:{port}/api/ai-provider")[0] == 200
        with psycopg.connect(owner_of(tmp_path)) as connection:
            opened = connection.execute("select current_setting('data_directory')").fetchone()
        assert opened is not None
        assert opened[0].endswith("/postgres-18"), "psql and migrate open the usual data"


def owner_of(folder: Path) -> str:
    """The owner's URL of the server that runs from a data folder."""
    command = [sys.executable, "-m", "local.postgres", "url"]
    environment = os.environ | {"PARLEY_DATA_DIR": str(folder)}
    found = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def test_the_migrate_function_leaves_the_logins_the_passwords_of_the_run(tmp_path: Path) -> None:
    environment = os.environ | {"PORT": str(port := free_port()), "PARLEY_DATA_DIR": str(tmp_path)}
    with make_run(tmp_path, port, PARLEY_TIMEZONE="Asia/Tokyo") as run:
        run.ready()
        invoked = [sys.executable, "-m", "local", "invoke", "migrate", "events/migrate.json"]
        done = subprocess.run(invoked, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
        assert json.loads(done.stdout) == {"applied": [], "said": []}, done.stderr
        for login in ("parley_app", "parley_service"):
            url = as_login(owner_of(tmp_path), login, Keys.of(tmp_path).password(login))
            with psycopg.connect(url) as connection:
                assert connection.execute("select current_user").fetchone() == (login,)
        with psycopg.connect(owner_of(tmp_path)) as owner:
            assert owner.execute("select time_zone from app.settings").fetchone() == ("Asia/Tokyo",)


def complaint(folder: Path, port: int, **environment: str) -> str:
    """The one line that a refused start ends with, make's own about the failed target aside."""
    run = Run(folder, port, **environment)
    assert run.wait() != 0
    lines = [line for line in run.output.splitlines() if not re.match(r"make|\[\d/4\]| {6}", line)]
    assert len(lines) == 1, run.output
    return lines[0]


def test_a_second_stack_on_one_postgres_server_is_refused_and_the_first_one_works_on(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    with Server.throwaway() as server:
        with psycopg.connect(server.url(), autocommit=True) as owner:
            owner.execute("create database first")
            owner.execute("create database second")
        first, second = server.url(database="first"), server.url(database="second")
        with make_run(one, port := free_port(), DATABASE_URL=first) as run:
            run.ready()
            line = complaint(other, free_port(), DATABASE_URL=second)
            assert line.startswith("parley: another stack uses the login parley_")
            with psycopg.connect(second) as owner:
                assert owner.execute("select to_regclass('app.schema_migrations')").fetchone() == (None,)
            with make_run(one, beside := free_port(), DATABASE_URL=second) as same_data:
                same_data.ready()
                for served in (port, beside):
                    assert curl(f"curl -s http://127.0.0.1:{served}/api/faqs")[0] == 200
            # What the message says to do where the other stack is gone.
            remedy = re.search(r"`(alter role .*)`", line)
            assert remedy is not None
            with psycopg.connect(server.url(), autocommit=True) as owner:
                owner.execute(remedy[1])
            with make_run(other, free_port(), DATABASE_URL=second) as alone:
                alone.ready()
            # Now the first one's passwords are wrong, which it says.
            token = tokens.make(Keys.of(one).jwt_secret, "user_1")
            status, body = curl(f"curl -s http://127.0.0.1:{port}/api/search -H 'Authorization: Bearer {token}' "
                                """-d '{"query": "x", "mode": "keyword"}'""")  # fmt: skip
            assert (status, json.loads(body)["code"]) == (503, "database_login_refused")
            run.interrupt()
        assert "the database refuses the login parley_app: " in run.output
        assert "503 database_login_refused" in run.output


def test_a_database_url_that_names_no_postgres_gets_one_line_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = complaint(tmp_path, free_port(), DATABASE_URL="mysql://root:secret@h/d")
    assert line.startswith("parley: DATABASE_URL is not the address of a Postgres database; write postgresql://")
    assert "secret" not in line
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path))
    for url in ("jdbc:postgresql://h/d?password=secret", "secret", "host=h dbname=d password=secret"):
        monkeypatch.setenv("DATABASE_URL", url)
        for command in ("migrate", "psql"):
            assert local_main([command]) == 1
            assert capsys.readouterr().err.splitlines()[-1] == line


def test_a_logins_url_keeps_what_the_owners_url_says_besides() -> None:
    owner = "postgresql://postgres:p#s?w@[::1]:6432,other/my%20db?sslmode=require"
    assert conninfo_to_dict(as_login(owner, "parley_app", "a b/@")) == conninfo_to_dict(owner) | {
        "user": "parley_app",
        "password": "a b/@",
    }


def test_a_port_in_use_gets_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = complaint(tmp_path, port)
    assert line == f"parley: port {port} is in use; choose another: make run PORT={port + 1}"


def test_an_unwritable_folder_gets_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = complaint(tmp_path / "file" / "data", free_port())
    assert line.startswith(f"parley: cannot write to {tmp_path}/file/data: ")


def test_a_database_that_is_not_there_gets_one_line(tmp_path: Path) -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/parley"
    assert complaint(tmp_path, free_port(), DATABASE_URL=url).startswith("parley: the database refuses: ")


def test_an_embedded_database_of_other_schema_files_gets_one_line_and_keeps_its_data(tmp_path: Path) -> None:
    with Server.ensure(tmp_path) as server, psycopg.connect(server.url(), autocommit=True) as owner:
        up(server.url(), CHECKOUT / "schema")
        owner.execute("update app.schema_migrations set version = 93, name = 'other' where name = 'own_keys'")
    line = complaint(tmp_path, free_port())
    assert line == (
        f"parley: the embedded database was made by other schema files; `rm -r {tmp_path}` deletes it with its data, "
        "the next `make run` makes a new one"
    )
    with Server.ensure(tmp_path) as server, psycopg.connect(server.url()) as owner:
        assert owner.execute("select count(*) from app.schema_migrations where name = 'other'").fetchone() == (1,)


def test_migrate_says_in_one_line_that_the_database_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", f"postgresql://nobody@127.0.0.1:{free_port()}/parley")
    assert local_main(["migrate"]) == 1
    which, line = capsys.readouterr().err.splitlines()
    assert which == "database: DATABASE_URL"
    assert line.startswith("parley: the database refuses: ")


def test_ctrl_c_before_anything_runs_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(parent: int | None) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("local.run.command.main", interrupted)
    assert local_main(["run"]) == 130


@pytest.mark.parametrize(
    ("claims", "line"),
    [
        (["", "", ""], "say whose token: make token USER=ada"),
        (["ada", "", "king"], "the roles are admin, owner, member (of an ORG) and service_role, not 'king'"),
        (["ada", "", "admin"], "say whose admin: make token USER=ada ORG=acme ROLE=admin"),
    ],
)
def test_a_token_that_would_open_nothing_is_refused(
    claims: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert local_main(["token", *claims]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"parley: {line}\n")


def find_python(tmp_path: Path, **commands: str) -> subprocess.CompletedProcess[str]:
    """Run python.sh where only these commands can be found."""
    for name, script in commands.items():
        path = tmp_path / name.replace("_", ".")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path / "pyenv")}
    return subprocess.run(
        ["/bin/sh", str(CHECKOUT / "local/python.sh")], env=environment, capture_output=True, text=True
    )


def test_a_missing_python_gets_one_line(tmp_path: Path) -> None:
    found = find_python(tmp_path)
    assert found.returncode == 1
    assert found.stdout == ""
    assert len(found.stderr.splitlines()) == 1


def test_a_shim_that_only_fails_is_passed_over(tmp_path: Path) -> None:
    found = find_python(tmp_path, python3_13="exit 127", python3=f'exec {sys.executable} "$@"')
    assert found.stdout.strip() == str(tmp_path / "python3")


def test_a_half_made_environment_is_completed_and_a_made_one_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").write_text("cut off")
    nothing = tmp_path / "nothing.txt"
    nothing.write_text("# no packages\n")
    assert ensure(folder, nothing)
    assert subprocess.run([str(folder / "bin/python"), "-c", ""]).returncode == 0
    assert not ensure(folder, nothing)
    more = tmp_path / "more.txt"
    more.write_text("# no packages\n# and more of them\n")
    assert ensure(folder, more)
    assert not ensure(folder, nothing), "more.txt holds all of nothing.txt"


def test_prove_writes_every_figure_and_marks_the_missed_ones(tmp_path: Path) -> None:
    page = tmp_path / "proofs.md"
    (tmp_path / "chat_overhead.py").write_text("print('p50 3.2 ms')")
    assert prove((), tmp_path, page) == 0
    assert "## chat_overhead" in page.read_text()
    assert "p50 3.2 ms" in page.read_text()
    assert "Missed" not in page.read_text()
    (tmp_path / "search.py").write_text("print('p50 31 ms')\nraise SystemExit('too slow')")
    assert prove((), tmp_path, page) == 1
    first, search = page.read_text().split("## search")
    assert "Missed" not in first
    assert "Missed" in search
    assert "p50 31 ms" in search


def test_prove_runs_only_what_is_named_and_keeps_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "proofs.md"
    for name in ("ledger", "quota"):
        (tmp_path / f"{name}.py").write_text(f"print('{name} once')")
    assert prove((), tmp_path, page) == 0
    kept = page.read_text().split("## ")[1]
    for name in ("ledger", "quota"):
        (tmp_path / f"{name}.py").write_text(f"print('{name} again')")
    assert prove(["quota"], tmp_path, page) == 0
    assert page.read_text().split("## ")[1] == kept
    assert "quota again" in page.read_text()
    assert "quota once" not in page.read_text()
    assert prove(["quotas"], tmp_path, page) == 1
    assert "no benchmark quotas" in capsys.readouterr().err


def test_the_terminal_shows_warnings_and_prints_and_the_log_everything(tmp_path: Path) -> None:
    shown = io.StringIO()
    terminal = Terminal(tmp_path, shown)
    for line in (
        '{"level": "INFO", "message": "routine"}',
        '{"level": "ERROR", "message": "broken", "code": 7}',
        "print",
    ):
        terminal.line("chat", line)
    terminal.access("GET", "/api/health", 200, 0.0042, "health")
    terminal.access("POST", "/api/chat", 429, 0.0042, "chat", "quota_exceeded")
    terminal.close()
    lines = [line.split(None, 1)[1] for line in shown.getvalue().splitlines()]
    assert lines == ["chat  ERROR broken  code=7", "chat  print", "GET    /api/health  200  4 ms  health",
                     "POST   /api/chat  429 quota_exceeded  4 ms  chat"]  # fmt: skip
    assert len((tmp_path / "chat.log").read_text().splitlines()) == 3


def test_an_event_that_is_not_there_gets_one_line_that_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert local_main(["invoke", "chat", "wrong/path"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("parley: cannot read the event wrong/path (No such file or directory); ")
    assert "make invoke NAME=" in line


def test_two_first_starts_agree_on_their_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: Keys.of(tmp_path / "data"), range(8)))
    assert len(keys) == 1
    path = tmp_path / "data/keys.json"
    assert path.stat().st_mode & 0o077 == 0
    assert list(path.parent.iterdir()) == [path]

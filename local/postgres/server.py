"""The embedded Postgres: PostgreSQL 16 or 18 with pgvector out of a wheel; nothing to install.

The server listens on loopback TCP only and every login needs a password (scram-sha-256). Its secret, its port and,
where possible, its data live in the ignored data folder (`.parley`, or PARLEY_DATA_DIR). One process owns a cluster at
a time, held by a file lock; a second owner beside it gets a cluster of its own.

A small shell stands between us and the postmaster. It reads a pipe that only we hold: when this process ends, however
it ends, the pipe closes and the shell shuts the server down.

    python -m local.postgres url [user] [database]     prints the address of the running server
    python -m local.postgres psql [psql's arguments]   opens its console
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self
from urllib.parse import quote

from local.postgres.home import (
    PostgresError,
    as_owner,
    binaries,
    cluster_home,
    command_line,
    default_data_dir,
    give_to_owner,
    memory_root,
    run_as_owner,
    temporary_root,
)

DEFAULT_MAJOR = 18
_SUPERUSER = "postgres"
_OWNERS = 16  # clusters side by side in one data folder
_NEEDED_BYTES = 200 * 2**20  # a fresh cluster takes 40 MB; the rest is room to work in
_YIELD_SECONDS = 0.5  # who restarts wants the old data: an owner that is just ending gets this long to let go
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0

# $1: folder to remove at the end, or nothing; the rest: the postmaster's command line. Only the server keeps our
# stdout, so its end can be seen there. The shell reaps no child while it reads, so $! stays the server's.
_KEEPER = """
temporary=$1; shift
"$@" </dev/null &
exec >&-
read -r _
if [ -n "$temporary" ]; then kill -QUIT $!; else kill -INT $!; fi
wait $!
if [ -n "$temporary" ]; then rm -rf "$temporary"; fi
"""

# $1: the cluster; the rest: initdb's command line. The password comes on stdin and stays in no file; the cluster is
# made under another name first, so that one with the right name is complete.
_CREATOR = """
set -e
cluster=$1; shift
umask 077
rm -rf "$cluster.new"
trap 'rm -f "$cluster.password"' EXIT
cat > "$cluster.password"
"$@" --pgdata="$cluster.new" --pwfile="$cluster.password"
cat > "$cluster.new/pg_hba.conf" <<END
# listen_addresses decides who may come: loopback, unless more was asked for.
host all all 127.0.0.1/32 scram-sha-256
host all all samenet scram-sha-256
END
mv "$cluster.new" "$cluster"
"""


class Server:
    """One PostgreSQL server, owned by this process from `start()` to `stop()`.

    Args:
        data_dir: holds lock, secret, log and, where its parents let the server's user in, the data.
        major: 16 or 18.
        extra_addresses: further addresses to listen on, such as a docker bridge; hosts of the networks that this
            machine is directly on may then log in too, with their password.
        temporary: gives up every guarantee against power loss for speed, and removes `data_dir` at the end.

    `start()` may follow `stop()`, with the same data (unless temporary) and, if it is still free, on the same port.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        major: int = DEFAULT_MAJOR,
        extra_addresses: Sequence[str] = (),
        temporary: bool = False,
    ) -> None:
        self.major = major
        self.port = 0
        self._data_dir = data_dir.absolute()
        self._addresses = ("127.0.0.1", *extra_addresses)
        self._temporary = temporary
        self._quick_logins = False
        self._state: _State | None = None
        self._lock: IO[str] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    @classmethod
    def ensure(
        cls, data_dir: Path | None = None, major: int = DEFAULT_MAJOR, extra_addresses: Sequence[str] = ()
    ) -> Self:
        """A started server whose data lasts, in `data_dir` (by default `default_data_dir()`).

        Works after any end of an earlier owner, whose left-over server is stopped first; beside a living owner it is a
        second server with data of its own.

        Raises:
            PostgresError: binaries missing, folder not writable, disk full, or the server does not start.
        """
        server = cls(data_dir or default_data_dir(), major=major, extra_addresses=extra_addresses)
        server.start()
        return server

    @classmethod
    def throwaway(cls, major: int = DEFAULT_MAJOR, *, in_memory: bool = False) -> Self:
        """A started server for tests, in a temporary folder that goes with it.

        Args:
            in_memory: for many small databases, which are copied ten times as fast there, where there is room; with
                passwords hashed once, since to log in would be a third of what a small test costs.

        Raises:
            PostgresError: as for `ensure`.
        """
        root = memory_root() if in_memory else temporary_root()
        folder = Path(tempfile.mkdtemp(prefix="parley-postgres-", dir=root))
        server = cls(folder, major=major, temporary=True)
        server._quick_logins = in_memory
        server.start()
        return server

    def start(self) -> None:
        """Start, and return when connections are accepted; does nothing while it runs.

        Raises:
            PostgresError: as for `ensure`.
        """
        if self.running:
            return
        self.stop()
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            if self._temporary:
                give_to_owner(self._data_dir)
            self._lock, self._state = _claim(self._data_dir, self.major)
            _create(self._state, self.major, quick_logins=self._quick_logins)
            _stop_orphan(self._state.cluster)
            self._launch(self._state)
        except OSError as error:
            self.stop()
            raise PostgresError(
                f"cannot keep Postgres in {self._data_dir}: {error.strerror or error}; "
                "make room or permission there, or set PARLEY_DATA_DIR"
            ) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Shut down and wait for the end; does nothing when it does not run."""
        self._end()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if self._temporary:
            shutil.rmtree(self._data_dir, ignore_errors=True)

    @property
    def running(self) -> bool:
        """Whether the server started here still runs."""
        if self._keeper is None or self._keeper.stdout is None:
            return False
        readable, _, _ = select.select([self._keeper.stdout], [], [], 0)
        return not readable

    @property
    def beside(self) -> bool:
        """Whether somebody else had the data folder's first cluster, so that this is another one."""
        return self._state is not None and self._state.log.stem != f"postgres-{self.major}"

    def last_words(self) -> str:
        """What the server's log ends with, or why it gave up; and where all of it is."""
        if self._state is None:
            raise PostgresError("the server was not started yet")
        return f"{_last_words(self._state.log)}; see {self._state.log}"

    def password(self, user: str = _SUPERUSER) -> str:
        """The password this cluster keeps for `user`; the same one as long as the cluster lives."""
        if self._state is None:
            raise PostgresError("the server was not started yet")
        return self._state.password(user)

    def url(self, user: str = _SUPERUSER, database: str = "postgres", *, host: str = "127.0.0.1") -> str:
        """The libpq URI for `user` with its `password()`; `host` may name one of the extra addresses."""
        return _url(host, self.port, user, self.password(user), database)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, state: _State) -> None:
        """Run the postmaster; tried again where the port went to somebody else or an orphan's backends still end."""
        deadline = time.monotonic() + _START_SECONDS
        port = state.port
        while True:
            port = port if port and _is_free(port, self._addresses) else _free_port(self._addresses)
            self._spawn(state, port)
            while self.running and not _is_ready(state.cluster, port):
                if time.monotonic() > deadline:
                    raise PostgresError(f"Postgres was not ready after {_START_SECONDS:.0f} s; see {state.log}")
                time.sleep(0.005)
            if self.running:
                break
            reason = _last_words(state.log)
            retryable = "could not create any TCP/IP sockets" in reason or "shared memory block" in reason
            if not retryable or time.monotonic() > deadline:
                raise PostgresError(f"Postgres {self.major} does not start: {reason}; see {state.log}")
            self._end()
            port = 0
            time.sleep(0.1)
        self.port = port
        if port != state.port:
            state.port = port
            state.save()

    def _spawn(self, state: _State, port: int) -> None:
        settings = {
            "port": str(port),
            "listen_addresses": ",".join(self._addresses),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "200",
        }
        if self._temporary:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "jit": "off"}
            settings |= {"wal_level": "minimal", "max_wal_senders": "0", "autovacuum_naptime": "10min"}
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        postgres = binaries(self.major, state.cluster.parent) / "postgres"
        with state.log.open("wb") as log:
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, "sh", str(self._data_dir) if self._temporary else "",
                 str(postgres), "-D", str(state.cluster), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=state.cluster,
                start_new_session=True,  # Ctrl-C is ours to handle, not the server's
                **as_owner(),
            )  # fmt: skip

    def _end(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is None or keeper.stdin is None or keeper.stdout is None:
            return
        with contextlib.suppress(BrokenPipeError):
            keeper.stdin.close()
        try:
            keeper.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(keeper.pid, signal.SIGKILL)
            keeper.wait()
        keeper.stdout.close()


class _State:
    """What the data folder remembers about one cluster; readable by its user alone."""

    def __init__(self, folder: Path, name: str) -> None:
        self.log = folder / f"{name}.log"
        self._path = folder / f"{name}.json"
        known: dict[str, Any] = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._secret: str = known.get("secret") or secrets.token_hex(32)
        self.port: int = known.get("port", 0)
        if "cluster" in known:
            self.cluster = Path(known["cluster"])
        else:
            self.cluster = cluster_home(folder) / name
            # A removed data folder leaves root's cluster beside it, whose password nobody knows any more.
            if self.cluster.exists():
                self.cluster = self.cluster.with_name(f"{name}-{secrets.token_hex(4)}")
            self.save()

    def save(self) -> None:
        draft = self._path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"cluster": str(self.cluster), "port": self.port, "secret": self._secret}, file)
        draft.replace(self._path)

    def password(self, user: str) -> str:
        return hmac.new(self._secret.encode(), user.encode(), hashlib.sha256).hexdigest()


class _Postmaster(NamedTuple):
    pid: int
    port: int
    status: str


def _claim(folder: Path, major: int) -> tuple[IO[str], _State]:
    """Lock and state of the first cluster in `folder` that no living process owns."""
    yielding = time.monotonic() + _YIELD_SECONDS
    number = 1
    while number <= _OWNERS:
        name = f"postgres-{major}" if number == 1 else f"postgres-{major}-{number}"
        lock = (folder / f"{name}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock, _State(folder, name)
        except BaseException as error:
            lock.close()
            if not isinstance(error, BlockingIOError):
                raise
        if time.monotonic() < yielding:
            time.sleep(0.02)
        else:
            number += 1
    raise PostgresError(f"{_OWNERS} servers already run from {folder}; stop one or set PARLEY_DATA_DIR")


def _create(state: _State, major: int, *, quick_logins: bool) -> None:
    """Make the cluster where there is none yet."""
    if run_as_owner("test", "-f", str(state.cluster / "PG_VERSION")).returncode == 0:
        return
    home = state.cluster.parent
    free = shutil.disk_usage(home).free
    if free < _NEEDED_BYTES:
        raise PostgresError(f"only {free // 2**20} MB free in {home}; Postgres needs {_NEEDED_BYTES // 2**20} MB")
    # Version 17 brought its own C.UTF-8, the same on every system; before it, the system's is what there is.
    utf8 = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
    locale = (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"] if major > 16 else [f"--locale={utf8}"]
    )
    initdb = binaries(major, home) / "initdb"
    made = run_as_owner(
        "/bin/sh", "-c", _CREATOR, "sh", str(state.cluster), str(initdb), f"--username={_SUPERUSER}",
        "--auth=scram-sha-256", "--encoding=UTF8", *locale, "--no-sync", "--no-instructions",
        *(["--set=scram_iterations=1"] if quick_logins else []),
        text=state.password(_SUPERUSER),
    )  # fmt: skip
    if made.returncode != 0:
        lines = [line for line in made.stderr.splitlines() if "error" in line.lower()] or made.stderr.splitlines()
        raise PostgresError(f"initdb could not make {state.cluster}: {lines[-1] if lines else 'no reason given'}")


def _stop_orphan(cluster: Path) -> None:
    """Stop the server that a gone owner left behind; a pid file whose pid is another process's by now goes too."""
    pid_file = cluster / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    patience = time.monotonic() + _STOP_SECONDS
    asked = False
    while str(cluster) in command_line(pid):
        if not asked or time.monotonic() > patience:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT if asked else signal.SIGINT)
            asked = True
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        pid_file.unlink(missing_ok=True)


def _postmaster(cluster: Path) -> _Postmaster | None:
    """What the pid file says of the server on `cluster`; None without one, or while it is written."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        return _Postmaster(int(lines[0]), int(lines[3]), lines[7].strip())
    except (FileNotFoundError, IndexError, ValueError):
        return None


def _is_ready(cluster: Path, port: int) -> bool:
    server = _postmaster(cluster)
    return server is not None and server.port == port and server.status == "ready"


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
    return (fatal or lines or ["no reason given"])[-1]


def _free_port(addresses: Sequence[str]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if _is_free(port, addresses):
            return port


def _is_free(port: int, addresses: Sequence[str]) -> bool:
    for address in addresses:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
                raise PostgresError(f"cannot listen on {address}: {error.strerror}") from error
    return True


def _url(host: str, port: int, user: str, password: str, database: str) -> str:
    return f"postgresql://{quote(user, safe='')}:{password}@{host}:{port}/{quote(database, safe='')}"


def main(arguments: Sequence[str]) -> int:
    """The console for the data folder's first server, never one beside it; returns the exit status."""
    folder = default_data_dir()
    name = f"postgres-{DEFAULT_MAJOR}"
    state = _State(folder, name) if (folder / f"{name}.json").exists() else None
    server = _postmaster(state.cluster) if state else None
    if state is None or server is None or str(state.cluster) not in command_line(server.pid):
        print(f"no server runs from {folder}", file=sys.stderr)
        return 1
    match list(arguments):
        case ["url", *rest] if len(rest) <= 2:
            user, database = [*rest, *(_SUPERUSER, "postgres")[len(rest) :]]
            print(_url("127.0.0.1", server.port, user, state.password(user), database))
            return 0
        case ["psql", *rest]:
            psql = binaries(DEFAULT_MAJOR, state.cluster.parent) / "psql"
            os.execve(
                psql,
                [str(psql), _url("127.0.0.1", server.port, _SUPERUSER, "", "postgres"), *rest],
                os.environ | {"PGPASSWORD": state.password(_SUPERUSER)},
            )
    print("usage: python -m local.postgres url [user] [database] | psql [arguments]", file=sys.stderr)
    return 2

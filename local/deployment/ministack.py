"""MiniStack: AWS emulated on this machine without containers, from CloudFormation to the functions.

It runs in an environment of its own (`requirements/ministack.txt`), whose Python also runs the functions.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from local.checkout import CHECKOUT
from local.template.definitions import REGION

PYTHON = CHECKOUT / ".venv-ministack" / "bin" / "python"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
_PROGRAM = Path(__file__).with_name("ministack_program.py")
_START_SECONDS = 60.0

# $1: the folder of its files; the rest: its command line. It ends with our end of standard input, however we end.
_KEEPER = """
folder=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
served=$!
(read -r _ <&3; kill -KILL $served 2>/dev/null) &
wait $served
rm -rf "$folder"
"""


def api_url(url: str, api: str) -> str:
    """The address of the stage `live` of a REST API in the emulated account that answers at `url`."""
    return f"{url}/_aws/execute-api/{api}/live"


class MiniStackError(RuntimeError):
    """MiniStack did not start; the message says where its log is."""


class MiniStack:
    """A running MiniStack on a loopback port, with nothing in it at first; its processes and files go with it.

    Args:
        log: the file that it and the functions write to.
        port: 0 for a free one.

    Raises MiniStackError where somebody has the port, and on entering where it does not start.

    Attributes:
        files: the folder of everything that it writes.
    """

    def __init__(self, log: Path, port: int = 0) -> None:
        self._log = log
        self._port = _free_port(port)
        self.files = ""
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where every service of AWS answers: the value of AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes boto3 and the SAM CLI work with it."""
        return {"AWS_ENDPOINT_URL": self.url, **CREDENTIALS}

    def api_url(self, api: str) -> str:
        """The address of the stage `live` of a REST API."""
        return api_url(self.url, api)

    def __enter__(self) -> Self:
        # Functions unpack their code and layers in here: 150 MB for each environment of each function.
        self.files = tempfile.mkdtemp(prefix="parley-ministack-")
        environment = {
            # Functions inherit it, as far as it is not theirs: nothing of the shell is to reach them.
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "TMPDIR": self.files,
            "STATE_DIR": self.files,
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "IOT_MTLS_ENABLED": "0",  # it would listen on every address
            "LAMBDA_EXECUTOR": "local",
            **CREDENTIALS,
        }
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, "sh", self.files, str(PYTHON), "-P", str(_PROGRAM)],
                cwd=self.files,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        try:
            self._wait()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._keeper is not None and self._keeper.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=1).close()
                return
            time.sleep(0.05)
        said = self._log.read_text(errors="replace").strip().splitlines()
        reason = next((line for line in said if "ERROR" in line), "it does not answer")
        raise MiniStackError(f"MiniStack does not start: {reason}; see {self._log}")

    def _stop(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None and keeper.stdin is not None:
            keeper.stdin.close()
            keeper.wait()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(keeper.pid, signal.SIGKILL)  # functions that are in the middle of something
        shutil.rmtree(self.files, ignore_errors=True)


def _free_port(wanted: int) -> int:
    """A port that nobody has, the wanted one unless that is 0. Raises MiniStackError."""
    try:
        with socket.create_server(("127.0.0.1", wanted)) as probe:
            port: int = probe.getsockname()[1]
            return port
    except OSError as error:
        raise MiniStackError(f"port {wanted} is in use; choose another: make deploy-local PORT={wanted + 1}") from error

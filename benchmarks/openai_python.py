"""openai-python's own tests of the resources that /v1 has, run out of its source distribution against it.

    python benchmarks/openai_python.py

The distribution of the version in `.venv-clients` is downloaded, and nothing of it kept. Its tests have a key of their
own in them: a proxy puts a real machine key in its place. They name models that the operator offers here. What is not
ours to answer is in `NOT_OURS`, with the reason. Exits 1 when one of the others fails.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

from local.checkout import CHECKOUT
from local.postgres.server import Server
from testing.figures import Verdict
from testing.platforms import client_key, platform_over

PYTHON = CHECKOUT / ".venv-clients" / "bin" / "python"
FILES = (
    "tests/api_resources/chat/test_completions.py",
    "tests/api_resources/test_embeddings.py",
    "tests/api_resources/test_models.py",
)
MODELS = "gpt-6-astra,ft:gpt-4o-mini:acme:suffix:abc123"
# Tests by a part of their name.
NOT_OURS = {
    "test_completions.py.*_(retrieve|update|list)": "answers are not stored for OpenAI's dashboard",
    "test_(completions|models).py.*_delete": "neither stored answers nor models can be deleted",
    "test_completions.py.*_with_all_params": "asks for an answer of no tokens (max_tokens of 0), which is 400",
    "test_embeddings.py.*_(method|raw_response|streaming_response)_create.strict": (
        "asks for base64, and takes numbers alone to be valid"
    ),
    "aiohttp": "another transport of the same SDK, which is not installed",
}


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = key = ""

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        sent = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length")}
        sent |= {"Authorization": f"Bearer {self.key}", "Accept-Encoding": "identity"}
        body = self.rfile.read(length) if length else None
        request = urllib.request.Request(self.upstream + self.path, body, sent, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                self._answer(answer.status, answer.headers.get("Content-Type", ""), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                self._answer(error.code, error.headers.get("Content-Type", ""), error.read())

    def _answer(self, status: int, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = _pass_on

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@contextmanager
def proxy(upstream: str, key: str) -> Iterator[str]:
    """The address of a proxy to `upstream` that calls with this key."""
    handler = type("Proxy", (_Proxy,), {"upstream": upstream, "key": key})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def source_of_openai(folder: Path) -> Path:
    """The unpacked source distribution of the SDK that is installed in `.venv-clients`."""
    version = subprocess.run(
        [str(PYTHON), "-c", "import importlib.metadata as m; print(m.version('openai'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    subprocess.run(
        [str(PYTHON), "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "openai", f"openai=={version}"],
        cwd=folder, check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with tarfile.open(folder / f"openai-{version}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / f"openai-{version}"


def main() -> int:
    """Run them; 1 when one fails."""
    verdict = Verdict()
    if not PYTHON.exists():
        print("parley: `make .clients` makes the environment that this needs", file=sys.stderr)
        return 1
    server = Server.throwaway()
    with tempfile.TemporaryDirectory() as folder:
        source = source_of_openai(Path(folder))
        with platform_over(server, Path(folder), PARLEY_MODELS=MODELS) as platform:
            key = client_key(platform, server, "openai-python")
            with proxy(f"{platform.url}/v1", key) as url:
                command = [str(PYTHON), "-m", "pytest", "-p", "no:cacheprovider", "-o", "addopts=", "-o",
                           "filterwarnings=", "-o", "asyncio_mode=auto", "--tb=short", "-rA", *FILES]  # fmt: skip
                ran = subprocess.run(
                    command,
                    cwd=source,
                    env={"PATH": os.environ["PATH"], "TEST_API_BASE_URL": url, "HOME": folder, "PYTHONPATH": "src:."},
                    capture_output=True,
                    text=True,
                    timeout=900,
                )
    server.stop()
    results = re.findall(r"^(PASSED|FAILED|ERROR) (\S+)", ran.stdout, re.MULTILINE)
    left = {name: reason for _, name in results for part, reason in NOT_OURS.items() if re.search(part, name)}
    failed = [name for result, name in results if result != "PASSED" and name not in left]
    passed = [name for result, name in results if result == "PASSED" and name not in left]
    verdict(f"openai-python's tests of {', '.join(FILES)}: passed", bool(passed) and not failed, len(passed))
    for name in failed:
        print(f"        {name}")
    for reason in dict.fromkeys(left.values()):
        print(f"        not asked of us: {sum(why == reason for why in left.values())} tests: {reason}")
    if failed or not passed:
        print("\n".join(line for line in ran.stdout.splitlines() if line.startswith("E   ")))
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())

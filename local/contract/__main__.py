"""`python -m local.contract ENVIRONMENT`: what `make contract` runs, against a `make run` of its own.

schemathesis sends what the contract allows and what it forbids, as a user and as the service role; a client is
generated from the contract and used. All of it on 127.0.0.1, with a database and files that are gone afterwards.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local.checkout import CHECKOUT, LAYER
from local.openapi import CONTRACT
from local.run import tokens
from local.run.keys import Keys

_HERE = Path(__file__).parent
_START_SECONDS, _RUN_SECONDS = 60, 300
# The providers are emulated and the database is the embedded one, whatever the shell says.
_NOT_INHERITED = ("DATABASE_URL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")


def main(environment: str) -> int:
    """Check the contract with the tools in `environment`; the exit status says whether it holds."""
    tools = (CHECKOUT / environment / "bin").resolve()
    with tempfile.TemporaryDirectory(prefix="parley-contract-") as folder:
        work = Path(folder)
        with _running(work / "data") as url:
            secret = Keys.of(work / "data").jwt_secret
            user = tokens.make(secret, "ada", "acme", "admin")
            operator = tokens.make(secret, "operator", role="service_role")
            # A limit would soon answer in the place of what is to be tried.
            _put(f"{url}/api/admin/tiers/premium", operator, {"daily_units": None, "daily_embedding_tokens": None})
            _put(f"{url}/api/admin/users/ada/tier", operator, {"tier": "premium"})
            # The operator's requests come last: they change limits and delete users.
            passed = (
                _client(tools, work, url, user)
                # What a vendor sends is signed: the tests of voice calls try it, signed and not.
                and _schemathesis(tools, work, url, user, "--exclude-path-regex", "^/api/(admin|webhooks)")
                and _schemathesis(tools, work, url, operator, "--include-path-regex", "^/api/admin")
            )
    return 0 if passed else 1


@contextmanager
def _running(data: Path) -> Iterator[str]:
    """A `make run` with an empty database; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    environment |= {"PORT": str(port), "PARLEY_DATA_DIR": str(data), "PYTHONPATH": f"{LAYER}{os.pathsep}{CHECKOUT}"}
    url = f"http://127.0.0.1:{port}"
    data.parent.chmod(0o755)  # the database runs as another user
    with (data.parent / "run.log").open("w") as log:
        command = [sys.executable, "-m", "local", "run", "--parent", str(os.getpid())]
        served = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(f"{url}/api/health?ready=true", served)
            yield url
        finally:
            served.terminate()
            served.wait(30)


def _wait(url: str, served: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while served.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("make contract: what is to be tried did not start")


def _put(url: str, token: str, body: object) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="PUT")
    urllib.request.urlopen(request, timeout=30).close()


def _client(tools: Path, work: Path, url: str, token: str) -> bool:
    """Generate a client and use it. A warning of the generator is a failure: it leaves out what it warns of."""
    client = work / "parley_client"
    generate = [tools / "openapi-python-client", "generate", "--path", CONTRACT, "--output-path", client]
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    generated = _run([*generate, "--meta", "none", "--fail-on-warning"], work, environment)
    return generated and _run([tools / "python", _HERE / "client.py", client, url, token], work, environment)


def _schemathesis(tools: Path, work: Path, url: str, token: str, which: str, paths: str) -> bool:
    """Try the routes that an option takes or leaves out by their paths, with every check."""
    command: list[object] = [tools / "schemathesis", "--config-file", _HERE / "schemathesis.toml", "run", CONTRACT]
    command += ["--url", url, "--header", f"Authorization: Bearer {token}", which, paths]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(_HERE / "hooks.py")}
    return _run([*command, "--workers", "2", "--no-color"], work, environment)


def _run(command: Sequence[object], work: Path, environment: dict[str, str]) -> bool:
    """Run a tool; what it says is printed where it fails."""
    began, words = time.monotonic(), [str(word) for word in command]
    name = Path(words[0]).name
    try:
        ran = subprocess.run(
            words, cwd=work, env=environment, capture_output=True, text=True, timeout=_RUN_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"{name} took more than {_RUN_SECONDS} s", file=sys.stderr)
        return False
    print(f"{name}: {'ok' if ran.returncode == 0 else 'failed'} in {time.monotonic() - began:.0f} s", flush=True)
    if ran.returncode:
        print(ran.stdout + ran.stderr, file=sys.stderr)
    return ran.returncode == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

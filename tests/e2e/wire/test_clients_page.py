"""docs/clients.md: what it prints runs, against a running Parley."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from local.checkout import CHECKOUT
from local.run.platform import Platform

PAGE = (CHECKOUT / "docs" / "clients.md").read_text()
# One under each heading.
BLOCKS = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SAYS = {name: [(title, text) for title, one, text in BLOCKS if one == name] for name in ("sh", "python", "js")}
CLIENTS = CHECKOUT / ".venv-clients" / "bin" / "python"
PACKAGES = CHECKOUT / "requirements" / "node" / "node_modules"


@pytest.fixture
def shell(platform: Platform, request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment that the page asks for, with a machine key of a user of the test's own."""
    token = platform.token(f"reader-{request.node.name}")
    body = json.dumps({"name": "clients.md", "scopes": ["chat", "embeddings"]}).encode()
    asked = urllib.request.Request(
        f"{platform.url}/api/settings/access-keys", body, {"Authorization": f"Bearer {token}"}, method="POST"
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        key = json.loads(answer.read())["key"]
    names = {"PARLEY_URL": f"{platform.url}/v1", "PARLEY_KEY": key, "TOKEN": token}
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | names


def run(command: list[str], shell: dict[str, str], folder: Path | None = None) -> str:
    """What a program prints. Fails where it does."""
    done = subprocess.run(command, env=shell, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    return done.stdout


@pytest.mark.parametrize("title", [title for title, _ in SAYS["sh"]])
def test_the_lines_of_a_shell_are_answered(platform: Platform, shell: dict[str, str], title: str) -> None:
    text = dict(SAYS["sh"])[title].replace("http://127.0.0.1:3000", platform.url)
    for call in re.findall(r"^curl (?:.*\\\n)*.*$", text, re.MULTILINE):
        printed = run(["sh", "-c", f"{call} -w '%{{http_code}}'"], shell)
        assert printed[-3:] in ("200", "201"), printed


@pytest.mark.parametrize("title", [title for title, _ in SAYS["python"]])
def test_python_runs(shell: dict[str, str], title: str, tmp_path: Path) -> None:
    program = tmp_path / "example.py"
    program.write_text(dict(SAYS["python"])[title])
    python = str(CLIENTS) if "langchain" in program.read_text() else sys.executable
    if not Path(python).is_file():
        pytest.skip(f"{title} is not installed here; `make .clients` installs it")
    assert "fjord" in run([python, str(program)], shell)


@pytest.mark.parametrize("title", [title for title, _ in SAYS["js"]])
def test_node_runs(shell: dict[str, str], title: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip(f"{title} needs Node, which is not installed here")
    if not PACKAGES.is_dir():
        pytest.skip(f"{title} is not installed here; `make .clients` installs it")
    (tmp_path / "node_modules").symlink_to(PACKAGES)
    program = tmp_path / "example.mjs"
    program.write_text(dict(SAYS["js"])[title])
    assert "fjord" in run([node, str(program)], shell, tmp_path)


def test_the_page_has_every_client() -> None:
    found = {language: [title for title, _ in blocks] for language, blocks in SAYS.items()}
    assert found == {
        "sh": ["Base URL and key", "curl"],
        "python": ["OpenAI, Python", "LangChain"],
        "js": ["OpenAI, Node", "Vercel's AI SDK"],
    }

"""Every block of README.md, CONTRIBUTING.md and docs/ runs as it is printed, or is named with its reason."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.checkout import CHECKOUT
from local.postgres.server import Server
from testing.databases import ScratchDatabase, postgres_programs, psql
from testing.functions import Functions

PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md"), *CHECKOUT.glob("docs/decisions/*.md")])
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
# What is shown, and not run.
SHOWN = {"text", "json"}
CLIENTS = "tests/e2e/wire/test_clients_page.py"
# Page and first words -> the test that runs the block, or why none can.
ELSEWHERE = {
    "README.md: make run": "tests/e2e/local/test_make_run.py starts the same, in an environment that is there already",
    "README.md: AWS_ACCESS_KEY_ID=local": "the AWS CLI is not part of the development environment; "
    "tests/e2e/local/test_local_gateway.py sends what it sends",
    "README.md: # As an operator:": "tests/e2e/local/test_readme.py",
    "README.md: ID=$(curl": "tests/e2e/local/test_readme.py",
    "README.md: KEY=$(curl": "tests/e2e/local/test_readme.py",
    "README.md: curl -s http://127.0.0.1:3000/api/documents": "tests/e2e/local/test_readme.py",
    "README.md: curl -s http://127.0.0.1:3000/api/chat -H": "tests/e2e/local/test_readme.py",
    "docs/clients.md: curl -s http://127.0.0.1:3000/api/settings/access-keys": CLIENTS,
    'docs/clients.md: curl -s "$PARLEY_URL/chat/completions': CLIENTS,
    "docs/clients.md: import os": CLIENTS,
    "docs/clients.md: import OpenAI": CLIENTS,
    "docs/clients.md: import { createOpenAI": CLIENTS,
    "docs/deployment.md: export OPENAI_API_KEY": "it makes secrets in an AWS account; "
    "tests/unit/deployment/test_secrets.py makes them in an emulated one",
    "docs/operations.md: pg_dump": "tests/integration/migrations/test_restore.py",
    "docs/seeds.md: createdb": "tests/integration/schema/test_real_databases.py",
    "docs/seeds.md: psql -qc": "tests/integration/schema/test_real_databases.py",
    "docs/testing.md: make test": "a suite cannot run the suite",
    "docs/voice.md: const interview": "it runs in a page, with a microphone and the voice service's SDK",
}


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, and what it holds."""

    page: Path
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(CHECKOUT)}: {self.text.splitlines()[0]}"

    @property
    def elsewhere(self) -> str | None:
        return next((entry for entry in ELSEWHERE if self.name.startswith(entry)), None)


def _blocks() -> Iterator[Block]:
    for page in PAGES:
        for found in _FENCE.finditer(page.read_text(encoding="utf-8")):
            if found["language"] not in SHOWN:
                yield Block(page, found["language"], textwrap.dedent(found["text"]))


BLOCKS = list(_blocks())
Token = Callable[..., str]


def _of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language and block.elsewhere is None]


@pytest.mark.parametrize("block", _of("sh"), ids=lambda block: block.name)
def test_a_block_of_commands_runs_as_printed(block: Block, postgres: Server, tmp_path: Path) -> None:
    # A server of its own: logins, whose passwords `make migrate` sets, belong to the whole server.
    with Server.throwaway(postgres.major) as server:
        environment = os.environ | {
            "DATABASE_URL": server.url(),
            "PARLEY_DATA_DIR": str(tmp_path),
            "PATH": f"{postgres_programs(server.major)}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["sh", "-e", "-c", block.text], cwd=CHECKOUT, env=environment, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", _of("sql"), ids=lambda block: block.name)
def test_a_block_of_statements_runs_as_printed(block: Block, database: ScratchDatabase, tmp_path: Path) -> None:
    path = tmp_path / "block.sql"
    path.write_text(block.text)
    done = psql(database.owner_url, path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", _of("python"), ids=lambda block: block.name)
def test_a_test_that_a_page_shows_passes(block: Block, functions: Functions, token: Token) -> None:
    shown: dict[str, Callable[..., None]] = {}
    exec(compile(block.text, block.name, "exec"), globals(), shown)
    for test in shown.values():
        test(functions, token)


def test_every_block_is_run_or_has_its_reason() -> None:
    assert {block.language for block in BLOCKS} == {"sh", "sql", "python", "js"}
    assert not _of("js")
    assert {block.elsewhere for block in BLOCKS} - {None} == set(ELSEWHERE), "an entry of no block"
    for reason in ELSEWHERE.values():
        assert all((CHECKOUT / name).is_file() for name in re.findall(r"tests/\S+\.py", reason)), reason


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_target_of_make_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:\w+=\S+ )*make ([a-z-]+)", text)) | set(
        re.findall(r"^ *make ([a-z-]+)", text, re.MULTILINE)
    )
    assert named <= targets

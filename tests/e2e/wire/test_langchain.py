"""langchain-tests judge /v1 through langchain-openai, with a machine key, at each provider."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from local.checkout import CHECKOUT
from local.postgres.server import Server
from local.run.platform import Platform
from testing.platforms import client_key

SUITE = CHECKOUT / "testing" / "clients" / "langchain_suite.py"
PYTHON = CHECKOUT / ".venv-clients" / "bin" / "python"


@pytest.mark.skipif(not PYTHON.exists(), reason="`make .clients` makes the environment of other vendors' clients")
@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"])
def test_langchains_own_tests_pass(platform: Platform, postgres: Server, tmp_path: Path, model: str) -> None:
    key = client_key(platform, postgres, f"langchain-{model}")
    # One event loop for all: langchain-openai keeps its connections.
    options = [
        "asyncio_mode=auto",
        "asyncio_default_fixture_loop_scope=session",
        "asyncio_default_test_loop_scope=session",
    ]
    (tmp_path / "pytest.ini").write_text("\n".join(["[pytest]", *options]))
    ran = subprocess.run(
        [str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "-rs", "-c",
         str(tmp_path / "pytest.ini"), str(SUITE)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PARLEY_URL": platform.url, "PARLEY_KEY": key, "PARLEY_MODEL": model,
             "HOME": str(tmp_path), "LANGSMITH_TRACING": "false"},
        capture_output=True,
        text=True,
        timeout=280,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-6_000:] + ran.stderr[-2_000:]
    assert " passed" in ran.stdout

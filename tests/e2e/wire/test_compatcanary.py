"""CompatCanary's profile `chat` finds nothing missing, whichever provider is behind /v1."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from local.checkout import CHECKOUT
from local.run.platform import Platform

COMMAND = CHECKOUT / "requirements" / "node" / "node_modules" / "compatcanary" / "src" / "cli.js"
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="CompatCanary needs Node, which is not installed")
@pytest.mark.skipif(not COMMAND.exists(), reason="`make .clients` installs CompatCanary")
@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash", "auto"])
def test_a_scan_of_the_chat_profile_has_no_failure_and_no_warning(platform: Platform, model: str) -> None:
    ran = subprocess.run(
        [str(NODE), str(COMMAND), "scan", "--base-url", f"{platform.url}/v1", "--model", model, "--profile", "chat",
         "--format", "json"],
        env={"PATH": os.environ["PATH"], "OPENAI_API_KEY": platform.token(f"canary-{model}")},
        capture_output=True,
        text=True,
        timeout=200,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report = json.loads(ran.stdout)
    assert {check["status"] for check in report["results"]} == {"pass"}, ran.stdout

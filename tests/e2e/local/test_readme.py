"""The lines of README.md that a reader pastes, against a running Parley."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from local.checkout import CHECKOUT
from local.run.platform import Platform

README = (CHECKOUT / "README.md").read_text()
BLOCKS = [block for block in re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL) if "curl " in block]
# A block that keeps something of an answer is one script; in the others each call stands alone.
SCRIPTS = [block for block in BLOCKS if "=$(curl" in block]
CALLS = [
    call
    for block in BLOCKS
    if block not in SCRIPTS
    for call in re.findall(r"^curl (?:.*\\\n)*.*$", block, re.MULTILINE)
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: re.findall(r"/api/\S+", call)[0])
def test_a_call_of_the_readme_works_when_it_is_pasted(platform: Platform, call: str) -> None:
    tokens = {"TOKEN": platform.token("user_1"), "SERVICE_TOKEN": platform.token("operator", role="service_role")}
    line = call.replace("http://127.0.0.1:3000", platform.url) + " -w '%{http_code}'"
    done = subprocess.run(["sh", "-c", line], env=os.environ | tokens, capture_output=True, text=True, check=True)
    body, status = done.stdout[:-3], done.stdout[-3:]
    assert status in ("200", "201") if "[[fault:" not in call else status < "500", done.stdout
    assert body.endswith("\n"), "a prompt would stand behind the answer"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: re.findall(r"/api/[\w-]+", script)[0])
def test_a_script_of_the_readme_works_when_it_is_pasted(platform: Platform, script: str, tmp_path: Path) -> None:
    (tmp_path / ".curlrc").write_text('write-out = "%{stderr}%{http_code}\\n"\n')
    environment = os.environ | {"TOKEN": platform.token("user_1"), "CURL_HOME": str(tmp_path)}
    lines = script.replace("http://127.0.0.1:3000", platform.url)
    done = subprocess.run(["sh", "-e", "-c", lines], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    statuses = done.stderr.split()
    assert len(statuses) == len(re.findall(r"^(?:\w+=\$\()?curl ", script, re.MULTILINE)), done.stdout
    assert set(statuses) <= {"200", "201", "202", "204"}, done.stdout


def test_the_readme_shows_one_call_of_each_kind() -> None:
    shown = "\n".join(CALLS)
    for path in ("/api/chat ", "/api/chat/stream", "/api/conversations", "/api/documents", "/api/search", "/api/faqs"):
        assert path in shown
    assert '"conversation_id": "new"' in shown
    assert "Bearer $TOKEN" in shown
    assert "Bearer $SERVICE_TOKEN" in shown
    assert "Bearer ey" not in README

"""The sample events of events/, as `make invoke` sends them to a running stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.__main__ import main as local_main
from local.checkout import EVENTS
from local.postgres.database import prepare
from local.postgres.server import Server
from local.run.platform import Platform, running

NAMES = sorted(path.stem for path in EVENTS.glob("*.json"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A stack over a server of its own, whose logins `migrate` may change, with no rows but the schema's."""
    folder = tmp_path_factory.mktemp("fresh")
    platform = Platform(folder, quiet=True)
    with Server.throwaway() as server, running(platform, prepare(server.url(), platform.keys)):
        yield platform


@pytest.fixture(autouse=True)
def shell(fresh: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that reaches the stack: its port, the key of its tokens, and its webhook's secret."""
    monkeypatch.setenv("PORT", fresh.url.rpartition(":")[2])
    monkeypatch.setenv("PARLEY_JWT_SECRET", fresh.keys.jwt_secret)
    monkeypatch.setenv("PARLEY_WEBHOOK_SECRET", fresh.keys.webhook_secret)


def test_every_event_is_answered_in_any_order_twice_on_a_fresh_database(capsys: pytest.CaptureFixture[str]) -> None:
    for name in [*reversed(NAMES), *NAMES]:
        status = local_main(["invoke", name])
        said = capsys.readouterr()
        assert status == 0, f"{name}: {said.out}{said.err}"
        if name == "chat_stream":
            assert '"statusCode":200' in said.out.partition("\0")[0].replace(" ", ""), said.out
            continue
        # What a streaming function sends begins with the head of its answer.
        answer = json.loads(said.out.partition("\0")[0])
        if answer is not None and "statusCode" in answer:
            assert 200 <= answer["statusCode"] < 300, f"{name}: {answer}"
        if name in ("usage_replay", "worker"):
            assert answer == {"batchItemFailures": []}


def test_an_invocation_says_what_is_wrong_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"message": }')
    for arguments, line in (
        (["nobody", str(EVENTS / "chat.json")], "parley: Function not found: nobody"),
        (["chat", str(broken)], f"parley: the event {broken} is not JSON: Expecting value: line 1 column 13 (char 12)"),
    ):
        assert local_main(["invoke", *arguments]) == 1
        assert capsys.readouterr().err == f"{line}\n"

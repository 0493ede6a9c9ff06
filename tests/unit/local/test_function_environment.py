"""What testing/functions.py leaves of a function's environment behind it: nothing."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from testing import functions
from testing.functions import Functions


def test_overlapping_calls_leave_the_environment_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "waiting"
    folder.mkdir()
    (folder / "app.py").write_text("def lambda_handler(event, context):\n    return event()\n")
    monkeypatch.setattr(functions, "FUNCTIONS", tmp_path)
    before = dict(os.environ)
    first_is_in, first_may_leave = threading.Event(), threading.Event()

    def first() -> None:
        first_is_in.set()
        first_may_leave.wait(10)

    one, other = Functions({"DATABASE_URL": "one"}), Functions({"PARLEY_KMS_KEY_ID": "other"})
    thread = threading.Thread(target=one.invoke, args=("waiting", first))
    thread.start()
    first_is_in.wait(10)

    def second() -> None:  # the first to come leaves first
        first_may_leave.set()
        thread.join(10)
        assert os.environ["PARLEY_KMS_KEY_ID"] == "other"

    other.invoke("waiting", second)  # type: ignore[arg-type]
    assert dict(os.environ) == before

"""What a stack is updated with, and the requests that an update must not disturb."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from local.deployment.api import Answer, Api
from local.deployment.stack import BUILD


class Load:
    """Requests to an API, one after the other, in a thread, until the block ends.

    Attributes:
        answers: status and body of each; 0 where nobody answered.
    """

    def __init__(self, api: Api, request: Callable[[Api, int], Answer]) -> None:
        self.answers: list[tuple[int, str]] = []
        self._api = api
        self._request = request
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def failed(self) -> list[tuple[int, str]]:
        """The answers that an update must not cause."""
        return [answer for answer in self.answers if answer[0] == 0 or answer[0] >= 500]

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            try:
                answer = self._request(self._api, len(self.answers))
                self.answers.append((answer.status, answer.text))
            except OSError as error:
                self.answers.append((0, str(error)))


def release(folder: Path, change: Callable[[Path], None]) -> Path:
    """A build that differs from the one of `sam build` by what `change` does to it.

    Args:
        folder: where it is laid; the files are links, so `change` may write new files and replace, not edit.
        change: given the folder.
    """
    shutil.copytree(BUILD, folder, copy_function=os.link)
    change(folder)
    return folder


def replace(path: Path, old: str, new: str) -> None:
    """Put a changed file in the place of one that may be a link."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.unlink()
    path.write_text(text.replace(old, new), encoding="utf-8")


def add_resource(build: Path, name: str, resource: dict[str, Any]) -> None:
    """YAML takes JSON as it is."""
    replace(build / "template.yaml", "\nResources:\n", f"\nResources:\n  {name}: {json.dumps(resource)}\n")

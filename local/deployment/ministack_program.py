"""MiniStack as this checkout runs it, by MiniStack's own Python: with two things as they are on AWS.

A REST API's path reaches the function percent-encoded, as it was sent: MiniStack decodes it, which hides a function
that does not. And a layer is unpacked once, not for each environment of each function: that takes seconds, and 150 MB.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import ministack.app
from ministack.core import lambda_runtime

_served = ministack.app.app
_unpacked = Path(tempfile.gettempdir()) / "unpacked"


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """MiniStack's ASGI application, with encoded paths."""
    if scope["type"] == "http" and scope["path"].startswith("/_aws/execute-api/"):
        scope["path"] = scope["raw_path"].decode("ascii")
    await _served(scope, receive, send)


class UnpackedOnce(zipfile.ZipFile):
    """A zip file whose `extractall` links to what was unpacked of the same content before."""

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        """Put links to the file's top folders and files into `path`."""
        with Path(str(self.filename)).open("rb") as file:
            shared = _unpacked / hashlib.file_digest(file, "sha256").hexdigest()
        if not shared.exists():
            own = Path(tempfile.mkdtemp(dir=_unpacked))
            super().extractall(own)
            with contextlib.suppress(OSError):  # somebody else was first
                own.rename(shared)
        for entry in shared.iterdir():
            os.symlink(entry, Path(path) / entry.name)
        os.unlink(str(self.filename))  # a copy of a copy, which nobody reads again


if __name__ == "__main__":
    _unpacked.mkdir()
    lambda_runtime.zipfile = type(lambda_runtime)("zipfile")  # the module's own view of it
    vars(lambda_runtime.zipfile).update(vars(zipfile) | {"ZipFile": UnpackedOnce})
    ministack.app.app = app
    ministack.app.main()

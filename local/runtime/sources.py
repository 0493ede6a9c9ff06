"""Whether source files changed since the last look."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from importlib.util import cache_from_source
from pathlib import Path


class Sources:
    """Folders of source files, compared by modification time and size."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._seen = dict(self._scan())

    def changed(self) -> bool:
        """Whether a file came, went or changed since the last call; the bytecode of changed ones is removed.

        Python trusts bytecode whose source has the same size and the same second of modification, which two quick edits
        can have.
        """
        now = dict(self._scan())
        before, self._seen = self._seen, now
        if now == before:
            return False
        for path in now.keys() & before.keys():
            if now[path] != before[path] and path.endswith(".py"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(cache_from_source(path))
        return True

    def _scan(self) -> Iterator[tuple[str, tuple[int, int]]]:
        folders = [str(folder) for folder in self._folders]
        while folders:
            try:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        if entry.name.startswith((".", "__pycache__")):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
                        else:
                            status = entry.stat()
                            yield entry.path, (status.st_mtime_ns, status.st_size)
            except FileNotFoundError:
                continue

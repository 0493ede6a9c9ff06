"""Whether a command of this checkout runs, such as `make run`: `make clean` must not delete what it works with.

`python local/in_use.py` says so and fails. Standard library only: it may run before anything is installed.
"""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path
from typing import IO

# What is locked is this file itself: it is there however little of the checkout has been made.
_FILE = Path(__file__)


def hold() -> IO[bytes]:
    """Mark the checkout as in use until the returned file is closed; several may at a time."""
    file = _FILE.open("rb")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def main() -> int:
    """1 with one line on stderr where somebody holds the checkout."""
    with _FILE.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                "parley: this checkout is in use; stop its `make run` first, whose data this deletes", file=sys.stderr
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

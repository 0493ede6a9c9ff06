"""Write down the versions that packages look up of themselves: `python versions.py FOLDER`, for a layer that is built.

Four packages ask importlib.metadata when they are imported. It brings `email`, `zipfile` and `csv` with it and reads
the package's METADATA, in every cold start, while what is in a layer never changes: a sixth of what a schedule's takes.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

# The file in which each does so.
ASKING = {
    "psycopg": "psycopg/version.py",
    "psycopg-binary": "psycopg_binary/version.py",
    "httpx2": "httpx2/__version__.py",
    "httpcore2": "httpcore2/__init__.py",
}
_IMPORT = re.compile(r"^from (importlib import metadata|importlib\.metadata import version)$", re.M)


def main(folder: str) -> None:
    """Change these files in a folder of installed packages. Raises ValueError where one asks in another way."""
    versions = {found.metadata["Name"]: found.version for found in metadata.distributions(path=[folder])}
    for name, file in ASKING.items():
        path = Path(folder) / file
        source, asked = re.subn(rf'[\w.]*\bversion\("{name}"\)', repr(versions[name]), path.read_text())
        source, imported = _IMPORT.subn("", source)
        if (asked, imported) != (1, 1):
            raise ValueError(f"{file} asks for its version in another way; see {__file__}")
        path.write_text(source)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Builds the layers as `sam build` does and measures them against their budget.

    python benchmarks/layer_size.py [FOLDER]     FOLDER: a finished build (.aws-sam/build); without it, a fresh one

Prints packages, unzipped and zipped size (decimal MB); exits with 1 where a budget is broken.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LAYERS = Path(__file__).resolve().parents[1] / "layers"
NAMES = {"DependenciesLayer": "dependencies", "ParleyLayer": "parley"}
# Lambda takes 262 MB unzipped, but every byte is fetched and unpacked in a cold start.
MAX_PACKAGES, MAX_UNZIPPED, MAX_ZIPPED = 45, 125_000_000, 45_000_000


class BuildFailed(Exception):
    """A layer's Makefile failed; the message is what it wrote."""


@dataclass(frozen=True, slots=True)
class Size:
    """What layers weigh together: distributions, and bytes before and after zipping."""

    packages: int
    unzipped: int
    zipped: int

    @property
    def fits(self) -> bool:
        """Whether every budget is kept."""
        return self.packages <= MAX_PACKAGES and self.unzipped <= MAX_UNZIPPED and self.zipped <= MAX_ZIPPED


def build(folder: Path) -> Path:
    """Build both layers into `folder`/NAME and return `folder`. Raises BuildFailed."""
    for name, source in NAMES.items():
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        command = ["make", "--makefile", str(LAYERS / source / "Makefile"), f"build-{name}"]
        environment = os.environ | {"ARTIFACTS_DIR": str(target)}
        made = subprocess.run(command, cwd=LAYERS / source, env=environment, capture_output=True, text=True)
        if made.returncode:
            raise BuildFailed(made.stdout + made.stderr)
    return folder


def measure(layers: Iterable[Path]) -> Size:
    """The size of built layers together, zipped as SAM zips them (deflate, default level)."""
    packages = unzipped = zipped = 0
    for layer in layers:
        files = sorted(path for path in layer.rglob("*") if path.is_file())
        packages += len(list(layer.glob("python/*.dist-info")))
        unzipped += sum(path.stat().st_size for path in files)
        with tempfile.TemporaryFile() as target:
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in files:
                    archive.write(path, path.relative_to(layer))
            zipped += target.tell()
    return Size(packages, unzipped, zipped)


def main(folder: str | None = None) -> int:
    """Print the sizes; the exit status says whether they fit."""
    with tempfile.TemporaryDirectory() as scratch:
        built = Path(folder) if folder else build(Path(scratch))
        for name in NAMES:
            _print(name, measure([built / name]))
        together = measure(built / name for name in NAMES)
    _print("together", together)
    print(f"{'budget':20} {MAX_PACKAGES:3} packages {MAX_UNZIPPED / 1e6:6.1f} MB {MAX_ZIPPED / 1e6:6.1f} MB zipped")
    return 0 if together.fits else 1


def _print(name: str, size: Size) -> None:
    print(f"{name:20} {size.packages:3} packages {size.unzipped / 1e6:6.1f} MB {size.zipped / 1e6:6.1f} MB zipped")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

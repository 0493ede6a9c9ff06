"""Makes a virtual environment from hashed requirements: `python local/environment.py FOLDER REQUIREMENTS...`.

Standard library only: it runs before anything is installed. A stamp with the requirements' hash is written last, so an
interrupted run is completed by the next one, and an up-to-date environment costs a few milliseconds.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
_STAMPS = ".parley-stamps"


class EnvironmentProblem(RuntimeError):
    """The environment cannot be made; the message is one line."""


def ensure(folder: Path, requirements: Path) -> bool:
    """Have everything of `requirements` in the environment at `folder`; returns whether anything was to be done.

    Raises EnvironmentProblem.
    """
    stamp = folder / _STAMPS / requirements.stem
    if any(_covers(other, requirements) for other in stamp.parent.glob("*")):
        return False
    try:
        if not _works(folder):
            _say(f"python environment in {folder.name} (Python {sys.version_info.major}.{sys.version_info.minor})")
            shutil.rmtree(folder, ignore_errors=True)
            made = subprocess.run([sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True)
            if made.returncode:
                raise EnvironmentProblem(f"cannot make {folder}: {_last_line(made.stdout + made.stderr)}")
        _install(folder, requirements)
        stamp.parent.mkdir(exist_ok=True)
        # What another requirements file put here may have been replaced by this one.
        for other in stamp.parent.iterdir():
            other.unlink()
        stamp.write_text(_digest(requirements))
    except OSError as error:
        raise EnvironmentProblem(f"cannot write to {folder}: {error.strerror or error}") from error
    return True


def _covers(stamp: Path, requirements: Path) -> bool:
    """Whether what a stamp stands for is installed as it is written now, and holds all of `requirements`."""
    installed = requirements.with_name(f"{stamp.name}.txt")
    if not installed.is_file() or stamp.read_text() != _digest(installed):
        return False
    return set(requirements.read_text().splitlines()) <= set(installed.read_text().splitlines())


def _digest(requirements: Path) -> str:
    return hashlib.sha256(requirements.read_bytes()).hexdigest()


def _works(folder: Path) -> bool:
    """Whether there is an environment whose Python runs and has pip."""
    try:
        asked = subprocess.run([str(folder / "bin/python"), "-m", "pip", "--version"], capture_output=True)
        return asked.returncode == 0
    except OSError:
        return False


def _install(folder: Path, requirements: Path) -> None:
    """Run pip and tell how far it is."""
    began = time.monotonic()
    total = sum(line[:1].isalnum() for line in requirements.read_text().splitlines())
    command = [str(folder / "bin/python"), "-m", "pip", "install", "--require-hashes", "--no-deps", "--no-input",
               "--disable-pip-version-check", "--progress-bar=off", "-r", str(requirements)]  # fmt: skip
    log = folder / "pip.log"
    done = 0
    with (
        log.open("w") as kept,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip,
    ):
        assert pip.stdout is not None
        _say(f"{requirements.name}: {total} packages")
        for line in pip.stdout:
            kept.write(line)
            if line.startswith(("Collecting ", "Processing ", "Requirement already satisfied")):
                done += 1
                if done % 20 == 0:
                    _say(f"{requirements.name}: {done} of {total}")
            elif line.startswith("Installing collected packages"):
                _say(f"{requirements.name}: installing")
    if pip.returncode:
        errors = [line for line in log.read_text().splitlines() if line.startswith("ERROR")]
        reason = errors[-1].removeprefix("ERROR: ") if errors else f"pip ended with status {pip.returncode}"
        raise EnvironmentProblem(f"cannot install {requirements.name}: {reason} (all of it: {log})")
    _say(f"{requirements.name}: done in {time.monotonic() - began:.0f} s")


def _say(text: str) -> None:
    print(f"      {text}", file=sys.stderr, flush=True)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"


def main(folder: str, *names: str) -> int:
    """Bring the environment up to date; 1 with one line on stderr where that fails."""
    try:
        for name in names:
            ensure(CHECKOUT / folder, CHECKOUT / "requirements" / f"{name}.txt")
    except EnvironmentProblem as problem:
        print(f"parley: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("parley: interrupted; the next run completes it", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

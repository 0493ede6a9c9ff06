"""`make prove`: runs every benchmark at full size and writes docs/proofs.md."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from local import CHECKOUT

_HEAD = """# Proofs

Every figure that Parley claims, taken by `make prove` on {date} UTC.

Machine: {machine}; load average at the start {load:.1f}.

Each section is the output of one program of `benchmarks/`; a program that finds its figure missed ends with an error,
is marked here, and makes `make prove` fail.
"""


def prove(folder: Path = CHECKOUT / "benchmarks", page: Path = CHECKOUT / "docs" / "proofs.md") -> int:
    """Run each `NAME.py` of the folder, in the order of their names; 1 when one fails.

    A leading underscore marks what programs share. The page is written after each program: an interrupted run keeps
    what it has measured.
    """
    programs = sorted(folder.glob("[!_]*.py"))
    if not programs:
        print(f"parley: no benchmarks in {folder}", file=sys.stderr)
        return 1
    text = _HEAD.format(date=f"{datetime.now(UTC):%Y-%m-%d %H:%M}", machine=_machine(), load=os.getloadavg()[0])
    missed = []
    for program in programs:
        print(f"== {program.stem}", flush=True)
        began = time.monotonic()
        output, succeeded = _run(program)
        how = f"`python benchmarks/{program.name}`, {time.monotonic() - began:.0f} s"
        if not succeeded:
            missed.append(program.stem)
            how += ". **Missed in this run.**"
        text += f"\n## {program.stem.replace('_', ' ')}\n\n{how}\n\n```text\n{output.rstrip()}\n```\n"
        page.write_text(text, encoding="utf-8")
    print(f"wrote {page.relative_to(CHECKOUT) if page.is_relative_to(CHECKOUT) else page}")
    if missed:
        print(f"parley: missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def _run(program: Path) -> tuple[str, bool]:
    """What a program printed, shown as it comes, and whether it succeeded."""
    output = ""
    paths = [str(CHECKOUT / "layers/parley"), str(CHECKOUT)]
    with subprocess.Popen(
        [sys.executable, str(program)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            print(line, end="", flush=True)
            output += line
    return output, child.returncode == 0


def _machine() -> str:
    """Processor, cores, memory, system and Python, in one line."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = information.read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )

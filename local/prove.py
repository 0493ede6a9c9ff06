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

Machine: {machine}.

Each section is the output of one program of `benchmarks/`; a program that finds its figure missed ends with an error,
and so does `make prove`.
"""


def prove(folder: Path = CHECKOUT / "benchmarks", page: Path = CHECKOUT / "docs" / "proofs.md") -> int:
    """Run each `NAME.py` of the folder, in the order of their names; 1 when one fails.

    A leading underscore marks what programs share. Nothing is written unless all succeed.
    """
    sections = []
    missed = []
    for program in sorted(folder.glob("[!_]*.py")):
        print(f"== {program.stem}", flush=True)
        began = time.monotonic()
        output = _run(program)
        seconds = time.monotonic() - began
        if output is None:
            missed.append(program.stem)
            continue
        how = f"`python benchmarks/{program.name}`, {seconds:.0f} s"
        sections.append(f"\n## {program.stem.replace('_', ' ')}\n\n{how}\n\n```text\n{output.rstrip()}\n```\n")
    if missed:
        print(f"parley: missed: {', '.join(missed)}", file=sys.stderr)
        return 1
    if not sections:
        print(f"parley: no benchmarks in {folder}", file=sys.stderr)
        return 1
    date = f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
    page.write_text(_HEAD.format(date=date, machine=_machine()) + "".join(sections), encoding="utf-8")
    print(f"wrote {page.relative_to(CHECKOUT) if page.is_relative_to(CHECKOUT) else page}")
    return 0


def _run(program: Path) -> str | None:
    """What a program printed, shown as it comes; None when it failed."""
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
    return output if child.returncode == 0 else None


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

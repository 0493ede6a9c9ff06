"""`make prove`: runs the benchmarks at full size and writes docs/proofs.md."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from local.checkout import CHECKOUT

_HEAD = """# Proofs

Every figure that Parley claims, taken by `make prove`.

Machine: {machine}.

Each section is the output of one program of `benchmarks/`; a program that finds its figure missed ends with an error,
is marked here, and makes `make prove` fail.
"""
_SECTION = "\n## "


def prove(
    names: Sequence[str] = (), folder: Path = CHECKOUT / "benchmarks", page: Path = CHECKOUT / "docs" / "proofs.md"
) -> int:
    """Run each `NAME.py` of the folder, or those named, in the order of their names; 1 when one fails.

    The page is written after each program: an interrupted run keeps
    what it has measured, and of what is not run the page keeps what it says.
    """
    programs = {program.stem: program for program in sorted(folder.glob("*.py"))}
    unknown = set(names) - programs.keys()
    if unknown or not programs:
        print(f"parley: no benchmark {', '.join(sorted(unknown)) or 'at all'} in {folder}", file=sys.stderr)
        return 1
    sections = _sections(page)
    missed = []
    for name, program in programs.items():
        if names and name not in names:
            continue
        print(f"== {name}", flush=True)
        now, load, began = datetime.now(UTC), os.getloadavg()[0], time.monotonic()
        output, succeeded = _run(program)
        seconds = time.monotonic() - began
        how = f"`python benchmarks/{program.name}`, {now:%Y-%m-%d %H:%M} UTC, {seconds:.0f} s, load before {load:.1f}"
        if not succeeded:
            missed.append(name)
            how += ". **Missed in this run.**"
        sections[name] = f"{how}\n\n```text\n{output.rstrip()}\n```\n"
        kept = [f"{_SECTION}{each}\n\n{sections[each]}" for each in programs if each in sections]
        page.write_text(_HEAD.format(machine=_machine()) + "".join(kept), encoding="utf-8")
    print(f"wrote {page.relative_to(CHECKOUT) if page.is_relative_to(CHECKOUT) else page}")
    if missed:
        print(f"parley: missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def _sections(page: Path) -> dict[str, str]:
    """What the page says of each program, by its name."""
    if not page.is_file():
        return {}
    parts = (section.partition("\n\n") for section in page.read_text(encoding="utf-8").split(_SECTION)[1:])
    return {name: f"{text.rstrip()}\n" for name, _, text in parts}


def _run(program: Path) -> tuple[str, bool]:
    """What a program printed, shown as it comes, and whether it succeeded. Its functions log errors alone."""
    output = ""
    paths = [str(CHECKOUT / "layers/parley"), str(CHECKOUT)]
    with subprocess.Popen(
        [sys.executable, str(program)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "POWERTOOLS_LOG_LEVEL": "ERROR"},
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

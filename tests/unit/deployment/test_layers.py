"""The layers as Lambda gets them: what is inside, what they weigh, and that nothing is left to compile."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.layer_size import MAX_PACKAGES, MAX_UNZIPPED, MAX_ZIPPED, NAMES, build, measure
from local.checkout import CHECKOUT

UNCHECKED_HASH = 1

# Runs as Lambda does, with nothing on the path but the layers, and notes each module that had to be compiled.
PROBE = """
import importlib, json, sys
from importlib.machinery import SourceFileLoader
from importlib.metadata import version
sys.path[:0] = sys.argv[1].split(":")
compiled = []
original = SourceFileLoader.source_to_code
def source_to_code(self, data, path, **options):
    compiled.append(path)
    return original(self, data, path, **options)
SourceFileLoader.source_to_code = source_to_code
for module in sys.argv[2:]:
    importlib.import_module(module)
print(json.dumps({"compiled": compiled, "versions": [version("psycopg"), version("opentelemetry-api")]}))
"""


def _sources() -> Iterator[Path]:
    yield CHECKOUT / "requirements" / "runtime.txt"
    yield CHECKOUT / "benchmarks" / "layer_size.py"
    yield from (path for path in (CHECKOUT / "layers").rglob("*") if path.is_file() and "__pycache__" not in path.parts)


@pytest.fixture(scope="session")
def layers() -> Path:
    """Freshly built layers; kept in .aws-sam until one of their sources changes."""
    if importlib.util.find_spec("pip") is None or sys.version_info[:2] != (3, 13):
        pytest.skip("the layers are built with the functions' Python, 3.13, and pip")
    digest = hashlib.sha256()
    for path in sorted(_sources()):
        digest.update(str(path.relative_to(CHECKOUT)).encode() + b"\0" + path.read_bytes())
    folder = CHECKOUT / ".aws-sam" / "tests" / digest.hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the suite's workers share one build
        if not folder.exists():
            for old in folder.parent.glob("????????????????*"):
                shutil.rmtree(old)
            build(folder.with_suffix(".new")).rename(folder)
    return folder


def test_together_they_keep_their_budget(layers: Path) -> None:
    size = measure(layers / name for name in NAMES)
    assert size.packages <= MAX_PACKAGES
    assert size.unzipped <= MAX_UNZIPPED
    assert size.zipped <= MAX_ZIPPED


def test_nothing_is_in_them_that_no_function_needs(layers: Path) -> None:
    packages = {path.name.split("-")[0] for path in layers.glob("*/python/*")}
    assert packages.isdisjoint({"boto3", "botocore", "pip", "pytest", "moto", "local", "bin", "aws_xray_sdk", "numpy"})
    assert not list(layers.rglob("*.pyi"))
    assert not list(layers.glob("*/python/*/tests"))


def test_every_module_has_bytecode_that_is_never_checked_against_its_source(layers: Path) -> None:
    for source in layers.rglob("*.py"):
        bytecode = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        assert int.from_bytes(bytecode.read_bytes()[4:8], "little") == UNCHECKED_HASH, source


def test_bytecode_names_the_paths_of_lambda(layers: Path) -> None:
    bytecode = layers / "ParleyLayer" / "python" / "parley" / "core" / "__pycache__" / "config.cpython-313.pyc"
    assert b"/opt/python/parley/core/config.py" in bytecode.read_bytes()


def test_all_packages_load_from_the_layers_alone_and_nothing_is_compiled(layers: Path) -> None:
    path = ":".join(str(layers / name / "python") for name in NAMES)
    modules = ["openai", "anthropic", "google.genai", "psycopg", "psycopg_binary", "pgvector.psycopg", "jwt.algorithms",
               "pydantic", "aws_lambda_powertools", "parley.container", "parley.runtime.loop"]  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-I", "-S", "-c", PROBE, path, *modules]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["compiled"] == []


def test_no_package_looks_its_own_version_up_and_all_know_it(layers: Path) -> None:
    script = """
import sys
sys.path[:0] = sys.argv[1].split(":")
import httpcore2, httpx2, psycopg, psycopg_binary
print("importlib.metadata" in sys.modules)
from importlib.metadata import version
for package in (httpcore2, httpx2, psycopg, psycopg_binary):
    print(package.__version__ == version(package.__name__.replace("_", "-")))
"""
    path = ":".join(str(layers / name / "python") for name in NAMES)
    command = [sys.executable, "-I", "-S", "-c", script, path]
    said = subprocess.run(command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", *["True"] * 4]


def test_the_streaming_wrapper_is_where_lambda_looks_and_may_be_run(layers: Path) -> None:
    assert os.access(layers / "ParleyLayer" / "parley-stream", os.X_OK)

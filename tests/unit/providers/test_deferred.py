"""Packages that are loaded at the first use of one of their names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from parley.providers.deferred import defer

OUTER, INNER = "deferred_sdk.types", "deferred_sdk.types.inner"


@pytest.fixture(autouse=True)
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with types in it, each of which counts how often it is run."""
    for name, source in {
        "": "runs = []\nfrom . import types\nfrom .types.beside import BESIDE",
        "types": "import deferred_sdk; deferred_sdk.runs.append('types')\nfrom .one import ONE\nfrom . import inner",
        "types/inner": "import deferred_sdk; deferred_sdk.runs.append('inner')\nTWO = 2",
    }.items():
        folder = tmp_path / "deferred_sdk" / name
        folder.mkdir()
        (folder / "__init__.py").write_text(source)
    (tmp_path / "deferred_sdk" / "types" / "one.py").write_text("ONE = 1")
    (tmp_path / "deferred_sdk" / "types" / "beside.py").write_text("BESIDE = 3")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "deferred_sdk"
    for name in [name for name in sys.modules if name.partition(".")[0] == "deferred_sdk"]:
        del sys.modules[name]


def load() -> Any:
    return importlib.import_module("deferred_sdk")


def test_a_module_inside_is_loaded_without_the_package_around_it() -> None:
    defer(OUTER, INNER)
    assert load().BESIDE == 3
    assert load().runs == []


def test_a_name_is_there_for_whoever_asks_for_it_and_the_package_is_run_once() -> None:
    defer(OUTER, INNER)
    types = load().types
    assert (types.ONE, types.ONE, types.inner.TWO) == (1, 1, 2)
    assert importlib.import_module(INNER).TWO == 2
    assert load().runs == ["types", "inner"]


def test_a_name_that_is_missing_is_missing() -> None:
    defer(OUTER)
    with pytest.raises(AttributeError, match=r"deferred_sdk\.types.*has no attribute 'THREE'"):
        _ = load().types.THREE


def test_threads_that_ask_at_once_get_the_same() -> None:
    defer(OUTER, INNER)
    types, together = load().types, Barrier(8)

    def ask(_: int) -> int:
        together.wait()
        return int(types.ONE)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))) == [1] * 8
    assert load().runs == ["types"]


def test_a_package_that_fails_says_so_each_time(sdk: Path) -> None:
    (sdk / "types" / "__init__.py").write_text("1 / 0")
    defer(OUTER)
    types = load().types
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            _ = types.ONE


def test_what_is_loaded_already_stays_as_it_is() -> None:
    before = load().types
    defer(OUTER)
    assert load().types is before
    assert load().runs == ["types", "inner"]


def test_a_package_that_there_is_not_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"deferred_sdk\.typos"):
        defer("deferred_sdk.typos")

"""The layer is what docs/architecture.md says: its rooms, their floors, and nothing beside them."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
LAYER = CHECKOUT / "layers/parley/parley"


def floors_on_the_page() -> list[set[str]]:
    """The table of rooms, from the top: what stands on each floor."""
    page = (CHECKOUT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| \S.*\|$", page, re.MULTILINE)
    floors: dict[int, list[str]] = {}
    for floor, room in rows:
        floors.setdefault(int(floor), []).append(room)
    assert len(rows) == len({room for _, room in rows}), "a room stands in the table twice"
    return [set(floors[number]) for number in sorted(floors)]


def floors_in_the_contract() -> list[set[str]]:
    """The layers that import-linter holds, from the top."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (rooms,) = (contract for contract in contracts if contract.get("containers") == ["parley"])
    return [set(layer.split(" | ")) for layer in rooms["layers"]]


def packages() -> list[Path]:
    """The folders of the layer that hold modules."""
    return sorted(path.parent for path in LAYER.glob("*/*.py") if path.name == "__init__.py")


def test_the_table_of_rooms_is_what_lies_on_disk() -> None:
    files = {path.stem for path in LAYER.glob("*.py")} - {"__init__"}  # rooms of one file
    assert set.union(*floors_on_the_page()) == {package.name for package in packages()} | files


def test_the_rooms_of_local_are_what_lies_on_disk() -> None:
    page = (CHECKOUT / "docs/architecture.md").read_text(encoding="utf-8")
    section = page.split("The rooms of `local/`:")[1].split("\n## ")[0]
    named = {name.rstrip("/") for name in re.findall(r"`(\w+(?:/|\.py))`", section)}
    local = CHECKOUT / "local"
    on_disk = {path.name for path in local.glob("[!_]*.py")} | {
        path.parent.name for path in local.glob("*/__init__.py")
    }
    assert named == on_disk


def test_the_table_of_rooms_has_the_floors_that_are_linted() -> None:
    assert floors_on_the_page() == floors_in_the_contract()


def test_no_module_lies_outside_a_room() -> None:
    rooms = set.union(*floors_on_the_page())
    modules = {path.relative_to(LAYER).with_suffix("").parts for path in LAYER.rglob("*.py")}
    assert {parts for parts in modules if parts[0] not in rooms} == {("__init__",)}


@pytest.mark.parametrize("package", packages(), ids=lambda package: package.name)
def test_a_package_holds_a_docstring_and_nothing_that_a_cold_start_would_run(package: Path) -> None:
    tree = ast.parse((package / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1

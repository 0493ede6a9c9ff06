"""Handlers parse, call a service and answer: no SQL, no driver and no SDK stands in functions/."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.checkout import FUNCTIONS

HANDLERS = sorted(FUNCTIONS.glob("*/*.py"))
SQL = re.compile(
    r"\s*(select|insert|update|delete|with|call|set|create|alter|drop|grant|begin|truncate)\s+\S", re.ASCII
)
# What a handler asks of the connection itself; statements are the services'.
OF_THE_CONNECTION = {"check", "close", "patient"}

each_handler = pytest.mark.parametrize("handler", HANDLERS, ids=lambda path: path.parent.name)


def nodes(handler: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(handler.read_text(encoding="utf-8")))


def test_every_function_has_a_handler() -> None:
    assert {path.parent.name for path in HANDLERS} == {path.name for path in FUNCTIONS.iterdir() if path.is_dir()}


@each_handler
def test_a_handler_imports_parley_and_the_standard_library_only(handler: Path) -> None:
    imported = set()
    for node in nodes(handler):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").partition(".")[0])
    assert imported - {"parley"} <= sys.stdlib_module_names


@each_handler
def test_a_handler_holds_no_sql(handler: Path) -> None:
    texts = [node.value for node in nodes(handler) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert [text for text in texts if SQL.match(text)] == []


@each_handler
def test_a_handler_sends_no_statement(handler: Path) -> None:
    asked = {
        node.attr
        for node in nodes(handler)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "database"
    }
    assert asked <= OF_THE_CONNECTION

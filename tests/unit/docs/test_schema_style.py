"""How the SQL reads, as far as schema/CONVENTIONS.md can be asked by a program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SCHEMA = Path(__file__).resolve().parents[3] / "schema"
FILES = sorted(SCHEMA.glob("[0-9]*.sql"))
LONG = 30
MANY = 4

_FUNCTION = re.compile(
    r"^(?P<header>(?:--[^\n]*\n)*)create or replace function (?P<name>[\w.]+)\("
    r"(?P<text>.*?(?:\$\$;|^end \$\$;|^end;|^  return [^;]*;))",
    re.DOTALL | re.MULTILINE,
)
_CALL = re.compile(r"\b(?:perform|:=|select|\+|,|\(|then|else)\s+(?P<name>app\.\w+)\(")


def functions(sql: str) -> Iterator[tuple[str, str, str]]:
    """Name, block before it and text of each function."""
    for found in _FUNCTION.finditer(sql):
        yield found["name"], found["header"], found["text"]


def steps(comment_lines: str) -> list[str]:
    """The numbers that steps begin with."""
    return re.findall(r"^\s*--\s+(\d+)\.(?=\s|$)", comment_lines, re.MULTILINE)


def long_calls(sql: str) -> Iterator[tuple[str, str]]:
    """Name and arguments of each call of ours with more than four arguments."""
    code = re.sub(r"--[^\n]*", "", sql)
    for found in _CALL.finditer(code):
        depth, commas, position, quoted = 1, 0, found.end(), False
        while depth and position < len(code):
            character = code[position]
            quoted ^= character == "'"
            if not quoted:
                depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
                commas += character == "," and depth == 1
            position += 1
        if commas >= MANY:
            yield found["name"], code[found.end() : position - 1]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_long_function_says_its_steps_before_and_inside(file: Path) -> None:
    missing = []
    for name, header, text in functions(file.read_text(encoding="utf-8")):
        if text.count("\n") >= LONG:
            told = steps(header)
            numbers = [str(number) for number in range(1, len(told) + 1)]
            if not told or told != numbers or steps(text) != numbers:
                missing.append(f"{name}: {told} before, {steps(text)} inside")
    assert missing == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_call_with_more_than_four_arguments_names_them(file: Path) -> None:
    assert [
        name
        for name, arguments in long_calls(file.read_text(encoding="utf-8"))
        if arguments.count("=>") <= MANY and name not in ("app.give_to", "app.own_tables")
    ] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_that_makes_functions_closes_them_with_its_last_line(file: Path) -> None:
    sql = file.read_text(encoding="utf-8")
    if "create or replace function app." in sql:
        assert sql.splitlines()[-1] == "revoke all on all functions in schema app from public;"

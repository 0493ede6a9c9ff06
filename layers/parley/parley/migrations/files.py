"""The migration files as they lie on disk, and the statements in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FILE_NAME = re.compile(r"(?P<version>\d+)_(?P<name>\w+)\.sql")
_NO_TRANSACTION = re.compile(r"--\s*no-transaction\s*", re.IGNORECASE)
_TOKEN = re.compile(
    r"""
    (?P<space>    \s+ | --[^\n]* | /\*.*?\*/ )
  | (?P<text>     [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
  | (?P<word>     [^\W\d][\w$]* )
  | (?P<end>      ; )
  | (?P<other>    . )
    """,
    re.VERBOSE | re.DOTALL,
)


class MigrationError(RuntimeError):
    """The schema cannot be brought where it was asked to be; the message says where it stopped and what helps."""


class OtherFilesError(MigrationError):
    """The database was migrated with other files than the folder's; nothing was changed."""


@dataclass(frozen=True)
class Script:
    """One SQL file: where it lies and what it says."""

    path: Path
    sql: str

    @property
    def transactional(self) -> bool:
        """False where a line `-- no-transaction` stands among the comments that open the file."""
        for line in self.sql.splitlines():
            if line.strip() and not line.startswith("--"):
                break
            if _NO_TRANSACTION.fullmatch(line.strip()):
                return False
        return True


@dataclass(frozen=True)
class Statement:
    """One statement of a script, with where it begins: characters from 0, lines from 1."""

    offset: int
    line: int
    sql: str


@dataclass(frozen=True)
class Migration:
    """One `NN_name.sql` with its rollback, which may be missing."""

    version: int
    name: str
    script: Script
    rollback_path: Path

    @property
    def label(self) -> str:
        """The file's name without its ending, as shown to people."""
        return self.script.path.stem

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, with any line endings taken as newlines."""
        return hashlib.sha256(self.script.sql.encode()).hexdigest()

    def rollback(self) -> Script:
        """The file that undoes this one.

        Raises:
            MigrationError: there is none.
        """
        return read_script(self.rollback_path)


def read_script(path: Path) -> Script:
    """Read one file.

    Raises:
        MigrationError: it does not exist, or is not UTF-8.
    """
    try:
        return Script(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise MigrationError(f"cannot read {path}: {reason}") from error


def read_migrations(folder: Path) -> list[Migration]:
    """The migrations of a schema folder, in order.

    Raises:
        MigrationError: no files, a file whose name is not NN_name.sql, or a number used twice.
    """
    migrations: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path} is not named NN_name.sql")
        version = int(match["version"])
        if version in migrations:
            raise MigrationError(f"{path} and {migrations[version].script.path} have the same number")
        migrations[version] = Migration(version, match["name"], read_script(path), folder / "rollback" / path.name)
    if not migrations:
        raise MigrationError(f"no migrations in {folder}")
    return [migrations[version] for version in sorted(migrations)]


def digest(folder: Path) -> str:
    """SHA-256 of a schema folder's migrations, names and contents; rollbacks and documents beside them do not count.

    Raises MigrationError as `read_migrations` does.
    """
    facts = "".join(f"{migration.label} {migration.checksum}\n" for migration in read_migrations(folder))
    return hashlib.sha256(facts.encode()).hexdigest()


def statements(sql: str) -> Iterator[Statement]:
    """Split a script at the semicolons that end statements, as psql does: not those in quotes, parentheses, comments or
    the body of a `begin atomic` function. Empty statements are left out, leading comments too."""
    start = depth = 0
    started = False
    previous = ""
    for token in _TOKEN.finditer(sql):
        kind, text = token.lastgroup, token.group().lower()
        if kind == "tag":
            kind = "text"
        if kind == "space":
            continue
        if not started and kind != "end":
            start, started = token.start(), True
        if kind == "end" and depth == 0:
            if started:
                yield _statement(sql, start, token.start())
            started = False
        elif text == "(" or (kind == "word" and (text == "atomic" and previous == "begin")):
            depth += 1
        elif text == ")" or (kind == "word" and text == "end" and depth):
            depth -= 1
        elif kind == "word" and text == "case" and depth:
            depth += 1
        previous = text
    if started:
        yield _statement(sql, start, len(sql))


def _statement(sql: str, start: int, end: int) -> Statement:
    return Statement(start, sql.count("\n", 0, start) + 1, sql[start:end].rstrip())

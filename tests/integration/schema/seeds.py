"""The runnable SQL of the five seeds: read from their documents, or from `schema/checks` where those are absent.

A seed is a Markdown document. Its fenced `sql` blocks become `Block`s, without comments; a block that only a comment
holds (sample data, a later phase) becomes one of its own. What is no SQL at all, or creates what Parley's own
migrations create, is listed in SKIPPED with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.checkout import CHECKOUT
from parley.migrations.files import statements

CHECKS = CHECKOUT / "schema" / "checks"
ORIGINALS = Path(__file__).with_name("originals")
DOCUMENTS = CHECKOUT.parent / "shared" / "seeds"

NAMES: Mapping[str, str] = {
    "S1": "s1_provider_preferences",
    "S2": "s2_assistant",
    "S3": "s3_vector_store",
    "S4": "s4_cache_and_context",
    "S5": "s5_interviews",
}

_REPLACED = "Parley's migrations create it, with the seed's columns and names"
_PSEUDO_CODE = "a list of column names, no SQL"
# The beginning of a statement -> why it is not run.
SKIPPED: Mapping[str, Mapping[str, str]] = {
    "S1": {
        "CREATE TYPE ai_provider ": _REPLACED,
        "CREATE TABLE ai_provider_preferences ": _REPLACED,
    },
    "S2": {
        "CREATE TABLE user_ai_settings ": _REPLACED,
        "CREATE TABLE ai_conversations ": _REPLACED,
        "CREATE TABLE ai_usage_logs ": _REPLACED,
        "CREATE TABLE ai_content_searches ": _REPLACED,
        "CREATE INDEX idx_user_ai_settings_": _REPLACED,
        "CREATE INDEX idx_ai_conversations_": _REPLACED,
        "CREATE INDEX idx_ai_usage_logs_": _REPLACED,
        "CREATE INDEX idx_ai_searches_": _REPLACED,
        "CREATE POLICY ": "Parley's policies have the same names, and test what the seed's do not",
        "CREATE OR REPLACE FUNCTION reset_daily_ai_usage(": "replaced: the seed's resets by the session's time zone",
        "CREATE OR REPLACE FUNCTION reset_monthly_ai_usage(": "replaced: the seed's wipes a day's usage on the first",
    },
    "S3": {},
    "S4": {},
    "S5": {
        "- id (TEXT, PRIMARY KEY)": _PSEUDO_CODE,
        "- id (UUID, PRIMARY KEY)": _PSEUDO_CODE,
        "pg_dump ": "a shell command in an SQL block; docs/operations.md says how to back up",
    },
}
# Names columns that no PostgreSQL has; schema/checks/s5_interviews.sql has the query as it was meant.
WRONG_IN_EVERY_POSTGRES = "SELECT schemaname, tablename, indexname, idx_scan as index_scans FROM pg_stat_user_indexes"
# Beginnings of statements that schema/checks holds in another form, each with its correction beside it.
CORRECTED: Mapping[str, Sequence[str]] = {
    "S1": (),
    "S2": ("SELECT table_name FROM information_schema.tables", "INSERT INTO user_ai_settings "),
    "S3": ("CREATE INDEX idx_embeddings_vector ON embeddings",),
    "S4": (),
    "S5": (WRONG_IN_EVERY_POSTGRES,),
}

_FENCE = re.compile(r"^\s*```(?P<language>\w*)\s*$")
_HEADING = re.compile(r"^#{1,6}\s+(?P<title>.*)$")
_COMMENTED_OUT = re.compile(r"/\*(?P<sql>.*?)\*/", re.DOTALL)
_DESTRUCTIVE = re.compile(r"\b(drop|delete|disable)\b", re.IGNORECASE)

_VECTOR = "array_fill(0.1, ARRAY[1536])::vector"
# Placeholder -> what stands for it.
FILLED: Mapping[str, str] = {
    "'YOUR_USER_ID'": "'user_1'",
    "query_embedding,": f"{_VECTOR},",
    "ALTER TABLE table_name ": "ALTER TABLE interview_sessions ",
    "VALUES (...)": "VALUES ('user-id-here', 'user@example.com')",
    "SET ...": "SET email = excluded.email",
}
# Whom the seeds take for granted.
USERS = (
    "user_1",
    "user_456",
    "user-id-here",
    "00000000-0000-0000-0000-000000000001",
    "00000000-0000-0000-0000-000000000002",
    "00000000-0000-0000-0000-000000000003",
)
ORGANIZATIONS = ("org_123",)


@dataclass(frozen=True)
class Block:
    """Statements that belong together, in order, under the seed's heading."""

    seed: str
    heading: str
    statements: tuple[str, ...]

    @property
    def destructive(self) -> bool:
        """Whether it takes something away, so that it has to run in a transaction that is rolled back."""
        return any(_DESTRUCTIVE.search(statement) for statement in self.statements)


def documents_are_here() -> bool:
    """Whether the seeds' own documents can be read."""
    return DOCUMENTS.is_dir()


def tables(seed: str) -> set[str]:
    """The names of a seed's tables, as the migration that adopts them lists them."""
    platform = (CHECKOUT / "schema" / "00_platform.sql").read_text(encoding="utf-8")
    return set(re.findall(rf"^ *\('{seed}(?: as published)?', '(\w+)',$", platform, re.MULTILINE))


def runnable_blocks(seed: str) -> list[Block]:
    """What of a seed can be run, placeholders filled: from its document, or as `schema/checks` holds it."""
    if not documents_are_here():
        return [Block(seed, path.name, tuple(check_statements(path))) for path in [check_path(seed)]]
    blocks = []
    for block in document_blocks(seed):
        kept = tuple(_filled(statement) for statement in block.statements if skip_reason(seed, statement) is None)
        if kept:
            blocks.append(Block(seed, block.heading, kept))
    return blocks


def document_path(seed: str) -> Path:
    """Where a seed's document lies."""
    (path,) = DOCUMENTS.glob(f"{int(seed[1:]) - 1:03d}_*.txt")
    return path


def document_blocks(seed: str) -> list[Block]:
    """Every statement of a seed's document, without comments, runnable or not."""
    blocks = []
    for heading, text in _fenced(document_path(seed).read_text(encoding="utf-8")):
        commented_out = [match["sql"] for match in _COMMENTED_OUT.finditer(text)]
        for title, body in [
            (heading, _COMMENTED_OUT.sub("", text)),
            *((f"{heading} (commented out)", sql) for sql in commented_out),
        ]:
            plain = re.sub(r"--[^\n]*", "", body)
            found = [plain] if plain.lstrip().startswith("- ") else [part.sql for part in statements(plain)]
            tidy = tuple(re.sub(r"[ \t]+\n", "\n", statement).strip() for statement in found if statement.strip())
            if tidy:
                blocks.append(Block(seed, title, tidy))
    return blocks


def skip_reason(seed: str, statement: str) -> str | None:
    """Why a statement of a document is not run; None where it is."""
    flat = " ".join(statement.split())
    return next((reason for start, reason in SKIPPED[seed].items() if flat.startswith(start)), None)


def check_path(seed: str) -> Path:
    """The file of `schema/checks` that holds a seed's queries."""
    return CHECKS / f"{NAMES[seed]}.sql"


def check_statements(path: Path) -> list[str]:
    """The statements of one file of `schema/checks`, in order, its `begin` and `rollback` among them."""
    return [statement.sql for statement in statements(path.read_text(encoding="utf-8"))]


def normalized(statement: str) -> str:
    """A statement without comments, spaces, and case outside of quotes: what two ways of writing it have in common."""
    plain = re.sub(r"--[^\n]*", "", statement)
    parts = re.split(r"('(?:[^']|'')*')", plain)
    return "".join(part if part.startswith("'") else re.sub(r"\s+", "", part).lower() for part in parts)


def _filled(statement: str) -> str:
    for placeholder, value in FILLED.items():
        statement = statement.replace(placeholder, value)
    return statement


def _fenced(document: str) -> Iterator[tuple[str, str]]:
    """The `sql` blocks of a document with the heading above each."""
    heading = ""
    language: str | None = None
    lines: list[str] = []
    for line in document.splitlines():
        fence = _FENCE.match(line)
        if fence and language is None:
            language, lines = fence["language"], []
        elif fence:
            if language == "sql":
                yield heading, "\n".join(lines)
            language = None
        elif language is not None:
            lines.append(line)
        elif match := _HEADING.match(line):
            heading = match["title"].encode("ascii", "ignore").decode().strip(" *:")


needs_documents = pytest.mark.skipif(not documents_are_here(), reason="the seeds' documents are not in ../shared/seeds")

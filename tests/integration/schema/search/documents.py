"""Documents with vectors around a topic, and a search for them as the backend makes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg.types.json import Jsonb

from testing.claims import set_claims
from testing.claims import user as claims_of

DIMENSIONS = 1536
ALICE, BOB = "alice", "bob"
SEARCH = """
    select id, similarity, score, is_public
    from app.search(
      %(user)s, %(mode)s, %(types)s, %(query)s, %(embedding)s::vector, %(model)s, %(limit)s, %(threshold)s, %(filter)s,
      p_phrases => %(phrases)s, p_excluded => %(excluded)s)
"""


def vector(values: Any) -> str:
    return Vector(values).to_text()


def around(center: np.ndarray, count: int, seed: int, spread: float = 0.5) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((count, DIMENSIONS)) / np.sqrt(DIMENSIONS)
    rows = center + spread * noise
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def topic(seed: int) -> np.ndarray:
    center = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return center / np.linalg.norm(center)


def store(
    owner: psycopg.Connection,
    prefix: str,
    user: str | None,
    rows: np.ndarray,
    content: str = "text",
    model: str | None = None,
) -> list[str]:
    """Write so many documents, in one statement; returns their ids.

    Many public ones get their index anew, which takes a sixth of the time; fewer are added to it one by one.
    """
    ids = [f"{prefix}-{number:05}" for number in range(len(rows))]
    register_vector(owner)
    index = None
    if user is None and len(rows) >= 200:
        index = owner.execute("select pg_get_indexdef(to_regclass('public.idx_embeddings_vector'))").fetchone()
        owner.execute("drop index public.idx_embeddings_vector")
    with (
        owner.cursor() as cursor,
        cursor.copy(
            "copy public.embeddings (id, user_id, content, embedding, metadata, model) from stdin with (format binary)"
        ) as copy,
    ):
        copy.set_types(["text", "text", "text", "vector", "jsonb", "text"])
        for id_, row in zip(ids, rows, strict=True):
            copy.write_row((id_, user, content, Vector(row), Jsonb({"set": prefix}), model or "text-embedding-3-small"))
    if index:
        owner.execute(index[0])
    owner.execute("analyze public.embeddings")
    return ids


def sign_in(connection: psycopg.Connection, user: str) -> None:
    set_claims(connection, claims_of(user))


def search(connection: psycopg.Connection, user: str, **arguments: Any) -> list[tuple[Any, ...]]:
    sign_in(connection, user)
    defaults = {
        "user": user, "embedding": None, "query": None, "mode": "semantic", "limit": 10, "threshold": None,
        "filter": "{}", "model": "text-embedding-3-small", "types": ["document"], "phrases": [], "excluded": [],
    }  # fmt: skip
    rows = connection.execute(SEARCH, defaults | arguments).fetchall()
    connection.rollback()
    return rows


def exact(rows: dict[str, np.ndarray], query: np.ndarray, limit: int) -> list[str]:
    return sorted(rows, key=lambda id_: (-float(rows[id_] @ query), id_))[:limit]

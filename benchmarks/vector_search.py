"""Search under row-level security: rows found, recall, latency, plans, and what foreign vectors can change.

Loads synthetic clustered vectors (400 Pareto-sized topics in a 96-dimensional latent space, 1536 dimensions,
normalised): 20 % public, tenants of 10 %, 1 % and 0.1 %, the rest spread over others. Every query is one call of
app.search as parley_app with claims; the truth is an exact search over what the tenant may see.

    python -m benchmarks.vector_search [--rows 50000] [--queries 200]

Exit status 1 when a target is missed. Latency and plans, which depend on the size, are judged at full size only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg import sql

from local.checkout import SCHEMA
from local.postgres.home import temporary_root
from local.postgres.server import Server
from parley.migrations.logins import create_logins
from parley.migrations.runner import up

DIMENSIONS = 1536
LATENT = 96
TOPICS = 400
K = 10
FULL_SIZE = 50_000
TENANTS = {"tenant_0.1%": 0.001, "tenant_1%": 0.01, "tenant_10%": 0.10}
PUBLIC = 0.20
RECALL_BEFORE, RECALL_AFTER = 0.95, 0.97
P50_MS, P95_MS = 12.0, 25.0

_SETTINGS = {"shared_buffers": "2GB", "maintenance_work_mem": "512MB", "max_wal_size": "8GB"}

Vectors = NDArray[np.float32]


class Corpus:
    """Clustered vectors: a topic's centre in the latent space, noise around it, projected into all dimensions."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._projection = self._random.standard_normal((LATENT, DIMENSIONS)).astype(np.float32)
        self._centres = self._random.standard_normal((TOPICS, LATENT)).astype(np.float32)
        weights = self._random.pareto(1.2, TOPICS) + 0.05
        self._weights = weights / weights.sum()

    def draw(self, count: int) -> Vectors:
        """`count` unit vectors of topics drawn by their size."""
        topics = self._random.choice(TOPICS, count, p=self._weights)
        latent = self._centres[topics] + 0.6 * self._random.standard_normal((count, LATENT)).astype(np.float32)
        return self._normalise(latent @ self._projection)

    def near(self, query: Vectors, count: int) -> Vectors:
        """`count` unit vectors close to `query`."""
        noise = self._random.standard_normal((count, DIMENSIONS)).astype(np.float32) / np.sqrt(DIMENSIONS)
        return self._normalise(query + np.float32(0.1) * noise)

    @staticmethod
    def _normalise(rows: Vectors) -> Vectors:
        unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


@dataclass(frozen=True)
class Measured:
    """What one tenant's queries came to."""

    tenant: str
    fewest: int
    recall: float
    p50: float
    p95: float

    def __str__(self) -> str:
        return (
            f"{self.tenant:<12} rows >= {self.fewest:>2}  recall@{K} {self.recall:.3f}  "
            f"p50 {self.p50:5.1f} ms  p95 {self.p95:5.1f} ms"
        )


@contextlib.contextmanager
def roomy_server() -> Iterator[Server]:
    """A throwaway server whose memory holds the table and the building of its indexes."""
    with tempfile.TemporaryDirectory(prefix="parley-benchmark-", dir=temporary_root()) as folder:
        Path(folder).chmod(0o755)  # The server runs as another user where this is root's.
        with Server(Path(folder)) as server:
            with psycopg.connect(server.url(), autocommit=True) as owner:
                for setting, value in _SETTINGS.items():
                    owner.execute(sql.SQL("alter system set {} = {}").format(sql.Identifier(setting), value))
            server.stop()
            server.start()
            yield server


def load(owner: psycopg.Connection, owners: list[str | None], vectors: Vectors, prefix: str) -> list[str]:
    """Copy the vectors in; the index on public rows is kept, so the load pays for it. Returns the ids."""
    ids = [f"{prefix}{number}" for number in range(len(owners))]
    statement = "copy public.embeddings (id, user_id, content, embedding) from stdin with (format binary)"
    with owner.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["text", "text", "text", "vector"])
        for id_, user, vector in zip(ids, owners, vectors, strict=True):
            copy.write_row((id_, user, "document", Vector(vector)))
    return ids


def search(app: psycopg.Connection, user: str, query: Vectors, limit: int = K) -> tuple[list[str], float]:
    """One search as the backend makes it: claims and call in one pipeline. Returns the ids and the milliseconds."""
    claims = json.dumps({"sub": user, "role": "authenticated"})
    start = time.perf_counter()
    with app.pipeline():
        app.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
        cursor = app.execute(
            "select id from app.search(%s, 'semantic', '{document}', null, %b, 'text-embedding-3-small', %s)",
            (user, Vector(query), limit),
        )
    rows = cursor.fetchall()
    return [row[0] for row in rows], (time.perf_counter() - start) * 1000


def measure(
    app: psycopg.Connection, tenant: str, ids: list[str], visible: NDArray[np.intp], vectors: Vectors, queries: Vectors
) -> Measured:
    """Run every query once (after a warm-up) and compare with the exact answer."""
    for query in queries[:10]:
        search(app, tenant, query)
    fewest, hits, times = K, 0, []
    scores = queries @ vectors[visible].T
    for query, score in zip(queries, scores, strict=True):
        found, elapsed = search(app, tenant, query)
        truth = {ids[visible[position]] for position in np.argpartition(-score, K)[:K]}
        fewest = min(fewest, len(found))
        hits += len(truth & set(found))
        times.append(elapsed)
    p50, p95 = np.percentile(times, [50, 95])
    return Measured(tenant, fewest, hits / (K * len(queries)), float(p50), float(p95))


def plan(owner: psycopg.Connection, relation: str, where: str, order: sql.Composable) -> str:
    """The scan that the planner chooses for one branch; its values are constants, as in the function's plans."""
    statement = sql.SQL(
        "explain select chunk_number from {} where model = 'text-embedding-3-small' and {} order by {}"
    ).format(sql.SQL(relation), sql.SQL(where), order)
    lines: list[str] = [row[0].strip() for row in owner.execute(statement).fetchall()]
    return next(line.split("  (")[0].removeprefix("->  ") for line in lines if "Scan" in line)


def report_plans(owner: psycopg.Connection, query: Vectors, promoted: str | None) -> list[str]:
    """Print each branch's plan; returns what is wrong with them."""
    faults = []
    vector = sql.Literal(Vector(query).to_text())
    by_index = sql.SQL("app.indexed_distance(embedding, {}::vector) limit 10").format(vector)
    by_bits = sql.SQL("app.bit_distance(embedding_bits, {}::vector), chunk_number limit 400").format(vector)
    public = plan(owner, "app.public_embeddings", "true", by_index)
    print(f"plan  public        {public}")
    if "idx_embeddings_vector" not in public:
        faults.append("public rows are not read through idx_embeddings_vector")
    for tenant in TENANTS:
        own = plan(owner, "public.embeddings", f"user_id = '{tenant}'", by_index if tenant == promoted else by_bits)
        print(f"plan  {tenant:<12}  {own}")
        wanted = "idx_embeddings_tenant_" if tenant == promoted else "Index Only Scan using idx_embeddings_bits"
        if wanted not in own:
            faults.append(f"{tenant}'s own rows are not read through {wanted}")
    return faults


def check(results: list[Measured], recall: float, timed: bool) -> list[str]:
    """Print the results; returns the missed targets, of latency only where `timed`."""
    faults = []
    for result in results:
        print(result)
        if result.fewest < K:
            faults.append(f"{result.tenant}: only {result.fewest} of {K} rows")
        if result.recall < recall:
            faults.append(f"{result.tenant}: recall {result.recall:.3f} < {recall}")
        if timed and (result.p50 > P50_MS or result.p95 > P95_MS):
            faults.append(f"{result.tenant}: p50 {result.p50:.1f} (<= {P50_MS}), p95 {result.p95:.1f} (<= {P95_MS}) ms")
    return faults


def run(rows: int, queries: int) -> int:
    """Load, measure before and after promotion, and add foreign vectors; returns the exit status."""
    corpus = Corpus(seed=20260214)
    vectors = corpus.draw(rows)
    owners: list[str | None] = [None] * int(rows * PUBLIC)
    for tenant, share in TENANTS.items():
        owners += [tenant] * max(1, int(rows * share))
    owners += [f"other_{number % 200}" for number in range(rows - len(owners))]
    owners = [owners[position] for position in np.random.default_rng(1).permutation(rows)]
    asked = corpus.draw(queries)

    with roomy_server() as server:
        up(server.url(), SCHEMA)
        with psycopg.connect(server.url(), autocommit=True) as owner:
            create_logins(owner, server.password("parley_app"), server.password("parley_service"))
            register_vector(owner)
            users = sorted({user for user in owners if user})
            owner.execute('insert into "user" (id) select unnest(%s::text[])', (users,))
            start = time.perf_counter()
            ids = load(owner, owners, vectors, "document-")
            owner.execute("vacuum (analyze) public.embeddings")
            elapsed = time.perf_counter() - start
            print(f"{rows} rows of {DIMENSIONS} dimensions loaded in {elapsed:.1f} s, {queries} queries each")
            with psycopg.connect(server.url("parley_app"), autocommit=True, prepare_threshold=None) as app:
                register_vector(app)
                return _judge(owner, app, corpus, ids, owners, vectors, asked)


def _judge(
    owner: psycopg.Connection,
    app: psycopg.Connection,
    corpus: Corpus,
    ids: list[str],
    owners: list[str | None],
    vectors: Vectors,
    asked: Vectors,
) -> int:
    full = len(ids) >= FULL_SIZE
    visible = {tenant: np.array([i for i, user in enumerate(owners) if user in (None, tenant)]) for tenant in TENANTS}

    def measure_all() -> list[Measured]:
        return [measure(app, tenant, ids, visible[tenant], vectors, asked) for tenant in TENANTS]

    print("-- before promotion")
    faults = report_plans(owner, asked[0], promoted=None) if full else []
    faults += check(measure_all(), RECALL_BEFORE, timed=full)

    print("-- after promotion of tenant_10%")
    minimum = sum(user == "tenant_10%" for user in owners)
    start = time.perf_counter()
    for (statement,) in owner.execute("select statement from app.tenant_index_statements(%s)", (minimum,)).fetchall():
        owner.execute(statement)
    print(f"built in {time.perf_counter() - start:.1f} s")
    faults += report_plans(owner, asked[0], promoted="tenant_10%") if full else []
    faults += check(measure_all(), RECALL_AFTER, timed=full)

    foreign = max(10, len(ids) // 5)
    watched = asked[:20]
    before = [search(app, tenant, query)[0] for tenant in TENANTS for query in watched]
    owner.execute('insert into "user" (id) values (%s)', ("neighbour",))
    load(owner, ["neighbour"] * foreign, corpus.near(watched[np.arange(foreign) % len(watched)], foreign), "foreign-")
    owner.execute("analyze public.embeddings")
    after = [search(app, tenant, query)[0] for tenant in TENANTS for query in watched]
    changed = sum(one != other for one, other in zip(before, after, strict=True))
    print(f"-- {foreign} foreign vectors near the queries: {changed} of {len(before)} answers changed")
    if changed:
        faults.append(f"foreign vectors changed {changed} answers")

    for fault in faults:
        print(f"MISSED {fault}")
    return 1 if faults else 0


def main(words: Sequence[str] | None = None) -> int:
    """Read the arguments, by default the command line's, and run; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=FULL_SIZE)
    parser.add_argument("--queries", type=int, default=200)
    arguments = parser.parse_args(words)
    return run(arguments.rows, arguments.queries)


if __name__ == "__main__":
    sys.exit(main())

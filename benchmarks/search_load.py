"""Search at size: how long it takes, what writing costs, and what eight writers or a neighbour change.

    python benchmarks/search_load.py [--chunks 50000] [--queries 100]

One user has so many chunks of 80 to 220 words, beside as many public ones, all with vectors of 1536 dimensions. Words
are drawn by Zipf's law; one stands in every chunk. Every search is a request to the handler of POST /api/search; the
vendor of the embeddings answers at once, in a process of its own. Times are judged at full size, where the user has an
index of its own, as an operator gives it to users of that size; what a hybrid search takes before that is printed. The
CPU beside each time is the handler's and that of Postgres, which another load on the machine changes less. Exits 1 when
a target is missed.
"""

from __future__ import annotations

import argparse
import base64
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

import numpy as np
import psycopg
from pgvector import Vector
from pgvector.psycopg import register_vector

from benchmarks.vector_search import Corpus, roomy_server
from local.checkout import SCHEMA
from parley.migrations.logins import create_logins
from parley.migrations.runner import up
from testing.databases import ScratchDatabase
from testing.embeddings import embeddings_server
from testing.figures import Figures, Verdict, cpu_ms, percentile, show_load
from testing.functions import Functions, function_environment, make_token

USER, NEIGHBOUR, IMPORTER, COPIER = "reader", "neighbour", "importer", "copier"
FULL_SIZE = 50_000
EVERYWHERE = "everywhere"
HYBRID_P50_MS, HYBRID_P95_MS, KEYWORD_P95_MS = 25.0, 60.0, 30.0
WRITERS, LEAST_SPEED_UP = 8, 3.0
VENDOR_SECONDS = 0.3  # an embedding of a hundred texts takes about so long
IMPORTED, ROUNDS, MOST_CPU = 1_000, 4, 2.5
FOREIGN = 10_000
_BATCH = 1_000  # chunks of one COPY
_NEAREST = """
(select id from public.embeddings where user_id = 'reader'
 order by app.indexed_distance(embedding, %(vector)s) limit 10)
union all
(select id from public.embeddings where user_id is null
 order by app.indexed_distance(embedding, %(vector)s) limit 10)
"""
_COPY = "copy public.embeddings (user_id, content, language, embedding) from stdin with (format binary)"
_SIZE = "select pg_total_relation_size('app.word_postings') + pg_total_relation_size('app.word_segments')"


class Texts:
    """Texts of words that are drawn by Zipf's law."""

    def __init__(self, seed: int, words: int = 30_000) -> None:
        self._random = np.random.default_rng(seed)
        self.words = [f"word{number}x" for number in range(words)]
        shares = 1 / np.arange(1, words + 1)
        self._bounds = np.cumsum(shares / shares.sum())

    def draw(self, count: int) -> str:
        """So many words."""
        return " ".join(self.words[at] for at in np.searchsorted(self._bounds, self._random.random(count)))

    def chunk(self) -> str:
        """80 to 220 words, and the one that stands in every chunk."""
        return f"{EVERYWHERE} {self.draw(int(self._random.integers(80, 221)))}"


def _answer_embeddings(connection: Connection, seconds: float) -> None:
    """A process: a vendor that knows 256 vectors and takes its time."""
    vectors = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in Corpus(seed=3).draw(256)]

    server = embeddings_server(lambda text, _: vectors[hash(text) % 256], seconds)
    connection.send(server.server_address[1])
    server.serve_forever()


@contextmanager
def vendor(seconds: float = 0.0) -> Iterator[str]:
    """The address of a vendor of embeddings in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_answer_embeddings, args=(there, seconds), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.kill()
        process.join()


def functions_of(database: ScratchDatabase, url: str) -> Functions:
    """The search function, over this vendor."""
    return Functions(function_environment(database.app_url, url) | {"OPENAI_BASE_URL": f"{url}/v1"})


def load(owner: psycopg.Connection, user: str | None, chunks: int, texts: Texts, corpus: Corpus) -> None:
    """Copy chunks in."""
    for start in range(0, chunks, _BATCH):
        vectors = corpus.draw(min(_BATCH, chunks - start))
        with owner.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(["text", "text", "text", "vector"])
            for vector in vectors:
                copy.write_row((user, texts.chunk(), "en", Vector(vector)))


def search_times(
    functions: Functions, postmaster: int, mode: str, ask: Callable[[], str], queries: int
) -> tuple[list[float], float]:
    """What searches take in milliseconds, each, and their CPU on average."""
    token, taken, cpu = make_token(USER), [], 0.0
    for number in range(queries + 5):
        if number == 5:  # the first ones are not counted
            cpu = time.process_time() * 1000 + cpu_ms(postmaster)
        body = {"query": ask(), "mode": mode}
        began = time.perf_counter()
        answer = functions.request("search", "POST", "/api/search", body, token=token)
        taken.append((time.perf_counter() - began) * 1000)
        assert answer.status == 200, answer.text
    return taken[5:], (time.process_time() * 1000 + cpu_ms(postmaster) - cpu) / queries


def measure_searches(
    functions: Functions, postmaster: int, texts: Texts, queries: int, verdict: Verdict, timed: bool
) -> None:
    """The time of searches by what they ask for."""
    for name, ask in {
        "a question of 8 words": lambda: texts.draw(8),
        "one word of every chunk": lambda: EVERYWHERE,
        "400 words": lambda: texts.draw(400),
    }.items():
        for mode in ("keyword", "hybrid"):
            taken, cpu = search_times(functions, postmaster, mode, ask, queries)
            p50, p95 = percentile(taken, 50), percentile(taken, 95)
            late = p95 > (KEYWORD_P95_MS if mode == "keyword" else HYBRID_P95_MS)
            late |= mode == "hybrid" and p50 > HYBRID_P50_MS
            verdict(
                f"{mode}, {name}, handler included",
                not (timed and late),
                f"p50 {p50:.1f}, p95 {p95:.1f} ms, CPU {cpu:.1f}",
            )


def measure_round_trips(functions: Functions, texts: Texts, verdict: Verdict) -> None:
    """How often a search waits for the database."""
    database, token = functions.module("search").services.database, make_token(USER)
    for mode, most in (("keyword", 1), ("semantic", 3), ("hybrid", 3)):
        before = database.round_trips
        functions.request("search", "POST", "/api/search", {"query": texts.draw(8), "mode": mode}, token=token)
        trips = database.round_trips - before
        verdict(f"{mode}, round trips <= {most}", trips <= most, trips)


def measure_bare(owner: psycopg.Connection, queries: int, figures: Figures) -> None:
    """pgvector alone: the nearest ten of the user's by its own index, and of the public ones by theirs."""
    taken = []
    for vector in Corpus(seed=5).draw(queries):
        began = time.perf_counter()
        for condition in (b"user_id = 'reader'", b"user_id is null"):
            owner.execute(
                b"select id from public.embeddings where "
                + condition
                + b" order by app.indexed_distance(embedding, %s)"
                b" limit 10",
                (Vector(vector),),
            ).fetchall()
        taken.append((time.perf_counter() - began) * 1000)
    figures.show("pgvector alone, p50", percentile(taken, 50), "ms", "the nearest ten, own and public")


def measure_writers(database: ScratchDatabase, texts: Texts, verdict: Verdict) -> None:
    """Imports of one user, by one writer and by eight, with a vendor that takes its time."""

    def rate(writers: int, batches: int) -> float:
        bodies = [
            {"documents": [{"content": texts.chunk(), "language": "en"} for _ in range(20)]} for _ in range(batches)
        ]
        with vendor(VENDOR_SECONDS) as url:
            containers = [functions_of(database, url) for _ in range(writers)]
            for functions in containers:
                functions.request("search", "GET", "/api/documents?limit=1", token=make_token(IMPORTER))

            def work(number: int) -> list[int]:
                mine = bodies[number::writers]
                return [
                    containers[number]
                    .request("search", "POST", "/api/documents", body, token=make_token(IMPORTER))
                    .status
                    for body in mine
                ]

            began = time.perf_counter()
            with ThreadPoolExecutor(writers) as pool:
                statuses = [status for each in pool.map(work, range(writers)) for status in each]
            seconds = time.perf_counter() - began
            for functions in containers:
                functions.close()
        accepted = statuses.count(201)
        verdict(f"{writers} writers of one user: imports accepted, of {batches}", accepted == batches, accepted)
        return batches / seconds

    one, eight = rate(1, 12), rate(WRITERS, 64)
    verdict(f"{WRITERS} writers against one", eight >= LEAST_SPEED_UP * one, f"{eight / one:.1f} times as fast")


def postmaster_of(owner: psycopg.Connection) -> int:
    """The process that all of a server's processes descend from."""
    found = owner.execute("select pg_backend_pid()").fetchone()
    assert found is not None
    return int(Path(f"/proc/{found[0]}/stat").read_text().rpartition(")")[2].split()[1])


def measure_cpu(database: ScratchDatabase, texts: Texts, verdict: Verdict) -> None:
    """CPU of importing a thousand documents, against the bare SDK and one COPY without the word index."""
    from openai import OpenAI

    with database.connect() as owner:
        postmaster = postmaster_of(owner)
        owner.execute('insert into "user" (id) values (%s)', (COPIER,))
    with vendor() as url:
        functions, token = functions_of(database, url), make_token(IMPORTER)
        client = OpenAI(api_key="sk-any", base_url=f"{url}/v1")

        def ours(contents: Sequence[str]) -> None:
            for start in range(0, len(contents), 100):
                documents = [{"content": content, "language": "en"} for content in contents[start : start + 100]]
                answer = functions.request("search", "POST", "/api/documents", {"documents": documents}, token=token)
                assert answer.status == 201, answer.text

        def bare(contents: Sequence[str]) -> None:
            vectors: list[list[float]] = []
            for start in range(0, len(contents), 100):
                made = client.embeddings.create(
                    model="text-embedding-3-small", input=list(contents[start : start + 100]), dimensions=1536
                )
                vectors += [each.embedding for each in made.data]
            with database.connect() as owner:
                register_vector(owner)
                owner.execute("alter table embeddings disable trigger user")
                with owner.cursor() as cursor, cursor.copy(_COPY) as copy:
                    copy.set_types(["text", "text", "text", "vector"])
                    for content, vector in zip(contents, vectors, strict=True):
                        copy.write_row((COPIER, content, "en", Vector(vector)))
                owner.execute("alter table embeddings enable trigger user")

        used = {"bare": 0.0, "ours": 0.0}
        for number in range(ROUNDS + 1):
            contents = [texts.chunk() for _ in range(IMPORTED)]
            for name, run in (("bare", bare), ("ours", ours)):
                before = time.process_time() * 1000 + cpu_ms(postmaster)
                run(contents)
                if number:  # the first round imports modules
                    used[name] += (time.process_time() * 1000 + cpu_ms(postmaster) - before) / ROUNDS
        functions.close()
    ratio = used["ours"] / used["bare"]
    figure = f"{used['ours']:.0f} against {used['bare']:.0f} ms, {ratio:.2f} times"
    verdict(f"CPU of {IMPORTED} documents, merging included", ratio <= MOST_CPU, figure)


def measure_neighbour(
    database: ScratchDatabase, functions: Functions, texts: Texts, verdict: Verdict, foreign: int
) -> None:
    """What documents of a neighbour, made of the user's rare words, change for the user."""
    queries = [texts.draw(6) for _ in range(20)] + [" ".join(texts.words[-9:])]

    def ask() -> list[Any]:
        found = []
        for query in queries:
            for mode in ("keyword", "hybrid"):
                body = {"query": query, "mode": mode}
                answer = functions.request("search", "POST", "/api/search", body, token=make_token(USER))
                found.append([(hit["id"], hit["score"]) for hit in answer.json["data"]])
        return found

    before = ask()
    with database.connect() as owner:
        register_vector(owner)
        owner.execute('insert into "user" (id) values (%s)', (NEIGHBOUR,))
        for start in range(0, foreign, _BATCH):
            count = min(_BATCH, foreign - start)
            owner.execute(
                "insert into embeddings (user_id, content, language)"
                " select %s, q || ' ' || n, 'en' from generate_series(1, %s) n, unnest(%s::text[]) q"
                " where n %% %s = (hashtext(q) %% %s + %s) %% %s",
                (NEIGHBOUR, count, queries, len(queries), len(queries), len(queries), len(queries)),
            )
    changed = sum(one != other for one, other in zip(before, ask(), strict=True))
    verdict(f"answers that {foreign} foreign documents of the same words change", changed == 0, changed)


def run(chunks: int, queries: int) -> int:
    """Load and measure; returns the exit status."""
    verdict, figures, texts = Verdict(), Figures(), Texts(seed=7)
    show_load(figures)
    with roomy_server() as server:
        up(server.url(), SCHEMA)
        database = ScratchDatabase(server, "postgres")
        with database.connect() as owner:
            create_logins(owner, server.password("parley_app"), server.password("parley_service"))
            register_vector(owner)
            owner.execute('insert into "user" (id) values (%s)', (USER,))
            owner.execute("update app.ai_tiers set daily_embedding_tokens = null")
            measure_cpu(database, texts, verdict)
            measure_writers(database, texts, verdict)
            before = _size(owner)
            corpus, began = Corpus(seed=11), time.perf_counter()
            for user in (USER, None):
                load(owner, user, chunks, texts, corpus)
            owner.execute("vacuum (analyze)")
            figures.show("Loading", time.perf_counter() - began, "s", f"{chunks} own and {chunks} public chunks")
            grown = _size(owner) - before
            figures.show("Word index", grown / 1e6 / (2 * chunks) * 1000, "MB", "for each 1,000 chunks")
            with vendor() as url:
                functions, postmaster = functions_of(database, url), postmaster_of(owner)
                taken, cpu = search_times(functions, postmaster, "hybrid", lambda: texts.draw(8), queries)
                how = f"p95 {percentile(taken, 95):.1f} ms, CPU {cpu:.1f}"
                figures.show("hybrid, before the user has an index, p50", percentile(taken, 50), "ms", how)
                began = time.perf_counter()
                for (statement,) in owner.execute("select statement from app.tenant_index_statements()").fetchall():
                    owner.execute(statement)
                figures.show("Making the user's index", time.perf_counter() - began, "s", "concurrently")
                measure_searches(functions, postmaster, texts, queries, verdict, timed=chunks >= FULL_SIZE)
                measure_round_trips(functions, texts, verdict)
                measure_bare(owner, queries, figures)
                measure_neighbour(database, functions, texts, verdict, FOREIGN if chunks >= FULL_SIZE else chunks)
                functions.close()
    return verdict.status


def _size(owner: psycopg.Connection) -> int:
    """Bytes of the word index."""
    found = owner.execute(_SIZE).fetchone()
    assert found is not None
    return int(found[0])


def main(words: Sequence[str] | None = None) -> int:
    """Read the arguments, by default the command line's, and run; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=FULL_SIZE)
    parser.add_argument("--queries", type=int, default=100)
    arguments = parser.parse_args(words)
    return run(arguments.chunks, arguments.queries)


if __name__ == "__main__":
    sys.exit(main())

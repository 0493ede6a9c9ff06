"""What is found: Cranfield's shipped half through POST /api/search with real embeddings, the usual recipe beside it.

    python benchmarks/search_quality.py

Stores the abstracts with POST /api/documents, asks every question in each mode, and judges the first ten by nDCG. The
usual recipe is pgvector beside `ts_rank_cd` over any of the words, fused by reciprocal rank (k = 60), in plain SQL over
the same server. Exits 1 when a target is missed, 0 with a line that says so where the data is absent.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

import numpy as np
from numpy.typing import NDArray
from pgvector import Vector
from pgvector.psycopg import register_vector

from testing.cranfield import DATA, Cranfield, ndcg, vendor
from testing.databases import ScratchDatabase, migrated_server
from testing.figures import Verdict, percentile
from testing.functions import Functions, function_environment, make_token

MODES = ("keyword", "semantic", "hybrid")
LEAST = {"keyword": 0.36, "hybrid": 0.41}
FOLDS = 5
_PERMUTATIONS = 20_000
_BATCH = 50  # documents

Scores = NDArray[np.float64]

_RECIPE_TABLE = """
create table recipe (
  id text primary key,
  content text not null,
  embedding extensions.vector(384),
  words tsvector generated always as (to_tsvector('english', content)) stored
)
"""
_RECIPE = """
with word as (
  select to_tsquery('english', string_agg(quote_literal(lexeme), ' | ')) as query
  from unnest(to_tsvector('english', %(text)s))
), lexical as (
  select id, row_number() over (order by ts_rank_cd(r.words, w.query) desc, id) as place
  from recipe r, word w where r.words @@ w.query order by 2 limit 40
), near as (
  select id, row_number() over (order by distance, id) as place
  from (
    select id, embedding operator(extensions.<=>) %(vector)s::extensions.vector as distance
    from recipe order by 2 limit 40
  ) n
)
select id
from (select id, place from lexical union all select id, place from near) found
group by id order by sum(1.0 / (60 + place)) desc, id limit 10
"""


def measure(data: Cranfield, database: ScratchDatabase, url: str) -> tuple[dict[str, Scores], dict[str, list[float]]]:
    """nDCG@10 of every question by mode, and how long each took in milliseconds."""
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_embedding_tokens = null")
    environment = function_environment(database.app_url, url) | {"OPENAI_BASE_URL": f"{url}/v1"}
    functions, token = Functions(environment), make_token()
    stored = [each for each in data.documents if each["body"]]  # two have no text
    for start in range(0, len(stored), _BATCH):
        documents = [
            {"id": str(each["id"]), "title": each["title"], "content": each["body"], "language": "en"}
            for each in stored[start : start + _BATCH]
        ]
        answer = functions.request("search", "POST", "/api/documents", {"documents": documents}, token=token)
        assert answer.status == 201, answer.text

    def ask(query: str, mode: str) -> list[str]:
        answer = functions.request("search", "POST", "/api/search", {"query": query, "mode": mode}, token=token)
        assert answer.status == 200, answer.text
        return [hit["id"] for hit in answer.json["data"]]

    scores, times = {}, {}
    for mode in MODES:
        scores[mode], times[mode] = _asked(data, lambda at, mode=mode: ask(data.queries[at]["text"], mode))  # type: ignore[misc]
    functions.close()
    return scores, times


def measure_recipe(data: Cranfield, database: ScratchDatabase) -> tuple[Scores, list[float]]:
    """The same of the usual recipe, without any function around it."""
    with database.connect() as owner:
        register_vector(owner)
        owner.execute(_RECIPE_TABLE)
        with (
            owner.cursor() as cursor,
            cursor.copy("copy recipe (id, content, embedding) from stdin with (format binary)") as copy,
        ):
            copy.set_types(["text", "text", "vector"])
            for document, vector in zip(data.documents, data.document_vectors, strict=True):
                copy.write_row((str(document["id"]), f"{document['title']}. {document['body']}", Vector(vector)))
        owner.execute("create index on recipe using gin (words)")
        owner.execute("create index on recipe using hnsw (embedding extensions.vector_cosine_ops)")
        owner.execute("analyze recipe")

        def ask(at: int) -> list[str]:
            values = {"text": data.queries[at]["text"], "vector": Vector(data.query_vectors[at])}
            return [key for (key,) in owner.execute(_RECIPE, values).fetchall()]

        return _asked(data, ask)


def _asked(data: Cranfield, ask: Callable[[int], Sequence[str]]) -> tuple[Scores, list[float]]:
    ask(0)  # a first time, which is not counted
    scores, times = [], []
    for at, query in enumerate(data.queries):
        began = time.perf_counter()
        found = ask(at)
        times.append((time.perf_counter() - began) * 1000)
        scores.append(ndcg(found, query["relevance"]))
    return np.array(scores), times


def probability(one: Scores, other: Scores) -> float:
    """Of a mean difference as large where both are the same: a paired permutation test, two-sided."""
    difference = one - other
    signs = np.random.default_rng(1).choice([-1, 1], (_PERMUTATIONS, len(difference)))
    return float(np.mean(np.abs((signs * difference).mean(axis=1)) >= abs(difference.mean())))


def folds(scores: Scores) -> str:
    """The means of the folds, and their spread."""
    parts = np.array_split(np.random.default_rng(1).permutation(scores), FOLDS)
    means = [float(part.mean()) for part in parts]
    return f"{' '.join(f'{mean:.3f}' for mean in means)}, standard deviation {np.std(means):.3f}"


def judge(data: Cranfield, verdict: Verdict) -> None:
    """Measure both and say what holds."""
    with migrated_server() as database, vendor(data) as url:
        scores, times = measure(data, database, url)
        recipe, recipe_times = measure_recipe(data, database)
    print(
        f"{len(data.documents)} documents, {len(data.queries)} questions, nDCG@10; times with the handler, one client"
    )
    for name, one, took in [*((mode, scores[mode], times[mode]) for mode in MODES), ("recipe", recipe, recipe_times)]:
        print(f"{name:<9} {one.mean():.4f}  folds {folds(one)}  p50 {percentile(took, 50):.1f} ms")
    mean = {mode: float(scores[mode].mean()) for mode in MODES} | {"recipe": float(recipe.mean())}
    for mode, least in LEAST.items():
        verdict(f"{mode} nDCG@10 >= {least}", mean[mode] >= least, f"{mean[mode]:.4f}")
    above = mean["hybrid"] > max(mean["keyword"], mean["semantic"])
    verdict("hybrid is above both arms", above, f"{mean['keyword']:.4f} and {mean['semantic']:.4f}")
    chance = probability(scores["hybrid"], scores["semantic"])
    verdict("hybrid is above semantic alone, p < 0.05", above and chance < 0.05, f"p {chance:.4f}")
    chance = probability(scores["hybrid"], recipe)
    verdict(
        "hybrid is above the usual recipe", mean["hybrid"] > mean["recipe"], f"{mean['recipe']:.4f}, p {chance:.3f}"
    )


def main() -> int:
    """Run; 1 when a target is missed."""
    if not DATA.is_dir():
        print(f"nothing measured: {DATA} is absent")
        return 0
    verdict = Verdict()
    judge(Cranfield.load(), verdict)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())

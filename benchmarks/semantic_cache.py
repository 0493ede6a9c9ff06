"""What the test for equivalent questions is worth: the curve against cosine alone, adversarial pairs, CPU per call.

    python benchmarks/semantic_cache.py [--fit]

Reads the question pairs and their embeddings from ../shared/data. `--fit` prints the coefficients that belong into
parley/completion/equivalence.py. Exits 1 when a target is missed, 0 with a line that says so where the data is absent.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

import numpy as np

from local.checkout import CHECKOUT
from parley.completion import equivalence
from testing.adversarial_pairs import FAMILIES, both_ways

DATA = CHECKOUT.parent / "shared" / "data"
HIT_RATES = [percent / 100 for percent in range(5, 21)]
FOLDS = 5
SEEDS = 5  # cross-validation is repeated over this many shuffles and averaged
ADVERSARIAL_COSINE = 0.99
MOST_FALSE_HITS = 0.005
LEAST_HITS = 0.10
CPU_TARGET_MS = 0.3

Array = np.ndarray[Any, np.dtype[Any]]


class Pairs(NamedTuple):
    """The question pairs: texts, the cosine of their embeddings, whether they mean the same."""

    texts: list[tuple[str, str]]
    cosine: Array
    same: Array


def load() -> Pairs:
    """The shipped pairs and embeddings."""
    with gzip.open(DATA / "question_pairs.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    with np.load(DATA / "question_pairs_minilm384.npz") as vectors:
        cosine = np.sum(vectors["a"].astype(np.float64) * vectors["b"].astype(np.float64), axis=1)
    return Pairs([(row["a"], row["b"]) for row in rows], cosine, np.array([row["same_meaning"] for row in rows], float))


def fit(features: Array, same: Array) -> Array:
    """Logistic regression by Newton's method, lightly ridged on standardized features; the constant comes first."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    design = np.column_stack([np.ones(len(features)), (features - mean) / spread])
    ridge = np.diag([0.0] + [1.0] * features.shape[1])
    weights = np.zeros(design.shape[1])
    for _ in range(25):
        likely = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (same - likely) - ridge @ weights
        curvature = (design * (likely * (1 - likely))[:, None]).T @ design + ridge
        weights += np.linalg.solve(curvature, slope)
    slopes = weights[1:] / spread
    return np.concatenate([[weights[0] - slopes @ mean], slopes])


def scored(features: Array, refused: Array, coefficients: Array) -> Array:
    """The scores under these coefficients."""
    return np.array(
        [
            equivalence.weigh(row, refused=bool(no), coefficients=coefficients.tolist())
            for row, no in zip(features, refused, strict=True)
        ]
    )


def cross_validated(features: Array, refused: Array, same: Array, seed: int) -> Array:
    """Each pair's score from coefficients that were fitted on the folds it is not in."""
    order = np.random.default_rng(seed).permutation(len(same))
    scores = np.zeros(len(same))
    for fold in range(FOLDS):
        held = np.zeros(len(same), bool)
        held[order[fold::FOLDS]] = True
        scores[held] = scored(features[held], refused[held], fit(features[~held], same[~held]))
    return scores


def precision(scores: Array, same: Array) -> Array:
    """The share of true pairs among the best scored, at each of HIT_RATES."""
    ranked = same[np.argsort(-scores, kind="stable")]
    return np.array([ranked[: round(rate * len(same))].mean() for rate in HIT_RATES])


def report_curve(pairs: Pairs) -> list[str]:
    """Print the curve and the operating point; what was missed."""
    features = np.array(
        [equivalence.features(*texts, cos) for texts, cos in zip(pairs.texts, pairs.cosine, strict=True)]
    )
    refused = np.array([bool(equivalence.refusals(*texts)) for texts in pairs.texts])
    scores = np.array([equivalence.score(*texts, cos) for texts, cos in zip(pairs.texts, pairs.cosine, strict=True)])

    alone = precision(pairs.cosine, pairs.same)
    ruled = precision(scores, pairs.same)
    folds = [precision(cross_validated(features, refused, pairs.same, seed), pairs.same) for seed in range(SEEDS)]
    unseen = np.mean(folds, axis=0)
    print("hit rate   cosine alone   with rules   cross-validated")
    for row in zip(HIT_RATES, alone, ruled, unseen, strict=True):
        print("{:7.0%} {:13.1%} {:12.1%} {:16.1%}".format(*row))

    hits = scores >= equivalence.DEFAULT_THRESHOLD
    same_rate = np.sort(pairs.cosine)[-hits.sum()]
    alone_true = pairs.same[pairs.cosine >= same_rate].mean()
    print(
        f"operating point {equivalence.DEFAULT_THRESHOLD}: {hits.mean():.1%} of the pairs hit, "
        f"{pairs.same[hits].mean():.1%} true; cosine alone hits as many at {same_rate:.3f}, {alone_true:.1%} true"
    )
    missed = [f"cosine is as good at {rate:.0%}" for rate, a, g in zip(HIT_RATES, alone, ruled, strict=True) if g <= a]
    missed += [
        f"... cross-validated, at {rate:.0%}" for rate, a, u in zip(HIT_RATES, alone, unseen, strict=True) if u <= a
    ]
    if hits.mean() < LEAST_HITS:
        missed.append(f"only {hits.mean():.1%} of the pairs hit")
    return missed


def report_adversarial() -> list[str]:
    """Print false hits by class, each pair both ways round; what was missed."""
    asked, hit = Counter[str](), Counter[str]()
    for pair in both_ways():
        false_hit = equivalence.score(pair.question, pair.stored, ADVERSARIAL_COSINE) >= equivalence.DEFAULT_THRESHOLD
        for group in (pair.kind, f"({pair.origin})"):
            asked[group] += 1
            hit[group] += false_hit
    total, false_hits = (sum(counts[kind] for kind in FAMILIES) for counts in (asked, hit))
    print(f"\nadversarial pairs, both ways round, at cosine {ADVERSARIAL_COSINE}:")
    for group, count in asked.items():
        print(f"  {group:22} {hit[group]:3} of {count}")
    print(f"  {'all':22} {false_hits:3} of {total} ({false_hits / total:.2%})")
    return [f"{false_hits} adversarial hits"] if false_hits > MOST_FALSE_HITS * total else []


def report_cpu(pairs: Pairs) -> list[str]:
    """Print CPU per call over all pairs, words met for the first time included; what was missed."""
    equivalence.canonical.cache_clear()
    started = time.process_time()
    for texts, cosine in zip(pairs.texts, pairs.cosine.tolist(), strict=True):
        equivalence.score(*texts, cosine)
    spent = (time.process_time() - started) / len(pairs.texts) * 1000
    print(f"\nCPU per call: {spent:.2f} ms (target {CPU_TARGET_MS})")
    return [f"{spent:.2f} ms of CPU per call"] if spent > CPU_TARGET_MS else []


def main() -> int:
    """Run it; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fit", action="store_true", help="print coefficients fitted on all pairs")
    wants_fit: bool = parser.parse_args().fit
    if not (DATA / "question_pairs.jsonl.gz").exists():
        print("not measured: ../shared/data with the question pairs is absent")
        return 0
    pairs = load()
    if wants_fit:
        features = np.array(
            [equivalence.features(*texts, cos) for texts, cos in zip(pairs.texts, pairs.cosine, strict=True)]
        )
        print("COEFFICIENTS =", tuple(round(float(value), 3) for value in fit(features, pairs.same)))
        return 0
    missed = report_curve(pairs) + report_adversarial() + report_cpu(pairs)
    print("\n" + ("missed: " + "; ".join(missed) if missed else "every target is met"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

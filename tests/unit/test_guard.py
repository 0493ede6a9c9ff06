"""The semantic cache's guard: what may hit, what never does, and what it gains over cosine on real question pairs."""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from pathlib import Path

import pytest

from parley.completion import equivalence as guard
from tests.unit.adversarial_pairs import both_ways, pairs

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_pairs = pytest.mark.skipif(
    not (DATA / "question_pairs.jsonl.gz").exists(), reason="../shared/data/question_pairs.jsonl.gz is absent"
)


def hits(question: str, stored: str, cosine: float = 0.99) -> bool:
    return guard.score(question, stored, cosine) >= guard.DEFAULT_THRESHOLD


@pytest.mark.parametrize(
    ("question", "stored"),
    [
        ("How can I learn biology?", "How do I learn biology?"),
        ("What's the best way to become rich?", "What is the best way to become rich?"),
        ("What are three habits of productive people?", "What are 3 habits of productive people?"),
        (
            "What is the difference between a turbocharger and a supercharger?",
            "What is the difference between supercharger and turbocharger?",
        ),
        ("Where can I buy cheap photos?", "Where can I purchase affordable pictures?"),
        ("How much does a km of road cost?", "How much does a kilometre of road cost?"),
        ("Was kostet ein Taxi in Wien?", "was kostet ein Taxi in Wien"),
        ("WHAT IS A COMPOUND SENTENCE?", "What is a compound sentence?"),
        ("How did Napoleon III lose?", "How did Napoleon 3 lose?"),
        ("How long do twenty-five eggs take?", "How long do 25 eggs take?"),
        ("Can I afford a car on $2000 a month?", "Can I afford a car on 2000 dollars a month?"),
        ("Why doesnt my phone charge?", "Why does my phone not charge?"),
        ("How do I go from Rome to Florence?", "How do I go to Florence from Rome?"),
        ("What is Germany's population?", "What is the population of Germany?"),
        ("Can someone explain how a fridge works?", "How does a fridge work?"),
        ("What's the price of a Tesla?", "How much does a Tesla cost?"),
        ("What time does the train leave?", "When does the train leave?"),
        ("How big is the Pacific?", "How large is the Pacific?"),
        ("Where can I buy salt & pepper?", "Where can I buy salt and pepper?"),
        ("Is 40 °C hot for 10% of us?", "Is 40° C hot for 10 % of us?"),
        ("How do I organise my desk?", "How do I organize my desk?"),
        ("How do I mend my bike?", "How do you mend your bike?"),
    ],
)
def test_another_wording_of_the_same_question_hits(question: str, stored: str) -> None:
    assert hits(question, stored)
    assert hits(stored, question)


@pytest.mark.parametrize(
    ("question", "stored", "refusal"),
    [
        ("What is Python?", "What is Java?", guard.word_replaced),
        ("How old is Anna at 30?", "How old is Anna at 31?", guard.numbers_differ),
        ("Is the shop open on Monday?", "Is the shop open on Sunday?", guard.dates_differ),
        ("Is 40 °C hot?", "Is 40 °F hot?", guard.units_differ),
        ("What is x + y?", "What is x - y?", guard.signs_differ),
        ("What does // do in Python?", "What does / do in Python?", guard.signs_differ),
        ("What does 👍 mean?", "What does 👎 mean?", guard.signs_differ),
        ("बाल क्या है", "बोल क्या है", guard.signs_differ),
        ("ข้าว คือ อะไร", "ข่าว คือ อะไร", guard.signs_differ),
        ("la ma\u0301 la gi", "la ma\u0300 la gi", guard.languages_differ),
        ("Can I return it?", "Can't I return it?", guard.negations_differ),
        ("Wer ist Angela Merkel?", "Who is Angela Merkel?", guard.languages_differ),
        ("When was Obama born?", "Where was Obama born?", guard.another_kind_of_answer),
        ("What is the rule?", "What was the rule?", guard.tenses_differ),
        ("How do I log in?", "How do I log out?", guard.opposed_words),
        ("What are good hotels in Paris?", "What are good hotels?", guard.name_added),
        ("Is Anna taller than Bo?", "Is Bo taller than Anna?", guard.roles_swapped),
        ("Do we owe them money?", "Do they owe us money?", guard.opposed_words),
        ("What is a house dog?", "What is a dog house?", guard.roles_swapped),
        ("How do I feed three cats and a dog?", "How do I feed a cat and three dogs?", guard.roles_swapped),
        ("Is it legal to follow a car?", "Is it legal for a car to follow me?", guard.roles_swapped),
        ("What is my name?", "What is your name?", guard.owners_differ),
        ("Which rivers join the Rhine?", "Which rivers does the Rhine join?", guard.question_inverted),
        ("Which way to the zoo from the park?", "Which way from the zoo to the park?", guard.objects_differ),
        ("Which laws change in Peru?", "Which laws changed in Peru?", guard.tenses_differ),
        ("Is twenty a lot?", "Is twenty-one a lot?", guard.numbers_differ),
        ("Is a hundred enough?", "Is a hundred and one enough?", guard.numbers_differ),
        ("Is .5 enough?", "Is 5 enough?", guard.numbers_differ),
        ("Is \u22125 odd?", "Is 5 odd?", guard.numbers_differ),
        ("Is a 10 mW laser safe?", "Is a 10 MW laser safe?", guard.word_replaced),
        ("Who works in the mornings?", "Who works?", guard.dates_differ),
        ("Why could he sign?", "Why couldnt he sign?", guard.negations_differ),
        ("What if he signs?", "What if he refuses to sign?", guard.negations_differ),
        ("Tell me a joke", "Tell me a joke, por favor", guard.languages_differ),
        ("Tell me a joke", "Tell me a joke in german", guard.languages_differ),
        ("What is Bitcoin?", "Mi az a Bitcoin?", guard.languages_differ),
        ("What is Docker?", "Docker xyzzy?", guard.languages_differ),
        ("Was the town taken by rebels?", "Was the town rebels?", guard.voices_differ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_rule_refuses_what_it_is_there_for(question: str, stored: str, refusal: object) -> None:
    assert refusal.__name__ in guard.refusals(question, stored)  # type: ignore[attr-defined]
    assert not hits(question, stored)


def test_the_adversarial_pairs_are_many_and_no_class_is_thin() -> None:
    counts = Counter(pair.kind for pair in pairs())

    assert counts.total() >= 500
    assert set(counts) == {"negation", "number", "unit", "date", "entity swap", "language"}
    assert min(counts.values()) >= 80


def test_at_most_one_adversarial_pair_in_two_hundred_hits_even_at_cosine_99() -> None:
    both = list(both_ways())

    false_hits = [pair for pair in both if hits(pair.question, pair.stored)]

    assert len(false_hits) <= len(both) / 200, false_hits


def test_the_score_grows_with_the_cosine_and_stays_between_0_and_1() -> None:
    cosines = [-1.0, 0.0, 0.5, 0.9, 0.95, 0.99, 1.0, 1.0000001]
    for question, stored in (("How can I learn?", "How do I learn?"), ("Is 3 odd?", "Is 4 odd?")):
        scores = [guard.score(question, stored, cosine) for cosine in cosines]

        assert scores == sorted(scores)
        assert scores[0] >= 0
        assert scores[-1] < 1


def test_a_refused_pair_stays_below_the_threshold_at_every_cosine() -> None:
    assert guard.score("Is 3 odd?", "Is 4 odd?", 1.0) < guard.DEFAULT_THRESHOLD


def test_without_a_cosine_nothing_hits() -> None:
    assert not hits("How can I learn?", "How do I learn?", math.nan)


@pytest.mark.parametrize("text", ["", "?", "   ", "🙂🙂", "是什么", "'", "n't", "-", "''s"])
def test_odd_texts_are_read_without_a_fault(text: str) -> None:
    assert 0 <= guard.score(text, "What is this?", 0.9) <= 1
    assert not hits(text, "What is Python in 3 words?")


def test_a_long_text_matches_only_itself() -> None:
    long = "How do I fix this? " * 100

    assert hits(long, long)
    assert not hits(long, long + "Please.")


@needs_pairs
def test_the_guard_beats_cosine_at_every_hit_rate_from_5_to_20_percent() -> None:
    numpy = pytest.importorskip("numpy")
    with gzip.open(DATA / "question_pairs.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    with numpy.load(DATA / "question_pairs_minilm384.npz") as vectors:
        cosines = (vectors["a"].astype(float) * vectors["b"].astype(float)).sum(axis=1).tolist()
    same: list[bool] = [row["same_meaning"] for row in rows]
    scores = [guard.score(row["a"], row["b"], cosine) for row, cosine in zip(rows, cosines, strict=True)]

    def true_share(ranking: list[float], hit_rate: float) -> float:
        best = sorted(range(len(rows)), key=lambda place: -ranking[place])[: round(hit_rate * len(rows))]
        return sum(same[place] for place in best) / len(best)

    for percent in range(5, 21):
        assert true_share(scores, percent / 100) > true_share(cosines, percent / 100), percent
    assert sum(score >= guard.DEFAULT_THRESHOLD for score in scores) >= 0.10 * len(rows)

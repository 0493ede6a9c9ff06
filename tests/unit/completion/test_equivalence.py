"""Equivalent questions: what may hit, what never does, and what it gains over cosine on real question pairs."""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter

import pytest

from local.checkout import CHECKOUT
from parley.completion import equivalence
from testing.adversarial_pairs import both_ways, pairs

DATA = CHECKOUT.parent / "shared" / "data"
needs_pairs = pytest.mark.skipif(
    not (DATA / "question_pairs.jsonl.gz").exists(), reason="../shared/data/question_pairs.jsonl.gz is absent"
)


def hits(question: str, stored: str, cosine: float = 0.99) -> bool:
    return equivalence.score(question, stored, cosine) >= equivalence.DEFAULT_THRESHOLD


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
        ("What is Python?", "What is Java?", equivalence.word_replaced),
        ("How old is Anna at 30?", "How old is Anna at 31?", equivalence.numbers_differ),
        ("Is the shop open on Monday?", "Is the shop open on Sunday?", equivalence.dates_differ),
        ("Is 40 °C hot?", "Is 40 °F hot?", equivalence.units_differ),
        ("What is x + y?", "What is x - y?", equivalence.signs_differ),
        ("What does // do in Python?", "What does / do in Python?", equivalence.signs_differ),
        ("What does 👍 mean?", "What does 👎 mean?", equivalence.signs_differ),
        ("बाल क्या है", "बोल क्या है", equivalence.signs_differ),
        ("ข้าว คือ อะไร", "ข่าว คือ อะไร", equivalence.signs_differ),
        ("la ma\u0301 la gi", "la ma\u0300 la gi", equivalence.languages_differ),
        ("Can I return it?", "Can't I return it?", equivalence.negations_differ),
        ("Wer ist Angela Merkel?", "Who is Angela Merkel?", equivalence.languages_differ),
        ("When was Obama born?", "Where was Obama born?", equivalence.another_kind_of_answer),
        ("What is the rule?", "What was the rule?", equivalence.tenses_differ),
        ("How do I log in?", "How do I log out?", equivalence.opposed_words),
        ("What are good hotels in Paris?", "What are good hotels?", equivalence.name_added),
        ("Is Anna taller than Bo?", "Is Bo taller than Anna?", equivalence.roles_swapped),
        ("Do we owe them money?", "Do they owe us money?", equivalence.opposed_words),
        ("What is a house dog?", "What is a dog house?", equivalence.roles_swapped),
        ("How do I feed three cats and a dog?", "How do I feed a cat and three dogs?", equivalence.roles_swapped),
        ("Is it legal to follow a car?", "Is it legal for a car to follow me?", equivalence.roles_swapped),
        ("What is my name?", "What is your name?", equivalence.owners_differ),
        ("Which rivers join the Rhine?", "Which rivers does the Rhine join?", equivalence.question_inverted),
        ("Which way to the zoo from the park?", "Which way from the zoo to the park?", equivalence.objects_differ),
        ("Which laws change in Peru?", "Which laws changed in Peru?", equivalence.tenses_differ),
        ("Is twenty a lot?", "Is twenty-one a lot?", equivalence.numbers_differ),
        ("Is a hundred enough?", "Is a hundred and one enough?", equivalence.numbers_differ),
        ("Is .5 enough?", "Is 5 enough?", equivalence.numbers_differ),
        ("Is \u22125 odd?", "Is 5 odd?", equivalence.numbers_differ),
        ("Is a 10 mW laser safe?", "Is a 10 MW laser safe?", equivalence.word_replaced),
        ("Who works in the mornings?", "Who works?", equivalence.dates_differ),
        ("Why could he sign?", "Why couldnt he sign?", equivalence.negations_differ),
        ("What if he signs?", "What if he refuses to sign?", equivalence.negations_differ),
        ("Tell me a joke", "Tell me a joke, por favor", equivalence.languages_differ),
        ("Tell me a joke", "Tell me a joke in german", equivalence.languages_differ),
        ("What is Bitcoin?", "Mi az a Bitcoin?", equivalence.languages_differ),
        ("What is Docker?", "Docker xyzzy?", equivalence.languages_differ),
        ("Was the town taken by rebels?", "Was the town rebels?", equivalence.voices_differ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_rule_refuses_what_it_is_there_for(question: str, stored: str, refusal: object) -> None:
    assert refusal.__name__ in equivalence.refusals(question, stored)  # type: ignore[attr-defined]
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
        scores = [equivalence.score(question, stored, cosine) for cosine in cosines]

        assert scores == sorted(scores)
        assert scores[0] >= 0
        assert scores[-1] < 1


def test_a_refused_pair_stays_below_the_threshold_at_every_cosine() -> None:
    assert equivalence.score("Is 3 odd?", "Is 4 odd?", 1.0) < equivalence.DEFAULT_THRESHOLD


def test_without_a_cosine_nothing_hits() -> None:
    assert not hits("How can I learn?", "How do I learn?", math.nan)


@pytest.mark.parametrize("text", ["", "?", "   ", "🙂🙂", "是什么", "'", "n't", "-", "''s"])
def test_odd_texts_are_read_without_a_fault(text: str) -> None:
    assert 0 <= equivalence.score(text, "What is this?", 0.9) <= 1
    assert not hits(text, "What is Python in 3 words?")


def test_a_long_text_matches_only_itself() -> None:
    long = "How do I fix this? " * 100

    assert hits(long, long)
    assert not hits(long, long + "Please.")


@needs_pairs
def test_the_rules_beat_cosine_at_every_hit_rate_from_5_to_20_percent() -> None:
    numpy = pytest.importorskip("numpy")
    with gzip.open(DATA / "question_pairs.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    with numpy.load(DATA / "question_pairs_minilm384.npz") as vectors:
        cosines = (vectors["a"].astype(float) * vectors["b"].astype(float)).sum(axis=1).tolist()
    same: list[bool] = [row["same_meaning"] for row in rows]
    scores = [equivalence.score(row["a"], row["b"], cosine) for row, cosine in zip(rows, cosines, strict=True)]

    def true_share(ranking: list[float], hit_rate: float) -> float:
        best = sorted(range(len(rows)), key=lambda place: -ranking[place])[: round(hit_rate * len(rows))]
        return sum(same[place] for place in best) / len(best)

    for percent in range(5, 21):
        assert true_share(scores, percent / 100) > true_share(cosines, percent / 100), percent
    assert sum(score >= equivalence.DEFAULT_THRESHOLD for score in scores) >= 0.10 * len(rows)

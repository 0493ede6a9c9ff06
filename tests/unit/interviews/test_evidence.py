"""Which quotes count as the candidate's own words."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.interviews.assessment import read
from parley.interviews.evidence import OwnWords
from parley.interviews.record import words_in
from parley.interviews.rubric import rubric_for
from parley.interviews.scoring import feedback_from
from testing.interviews import as_json, fabricated, make_answer, make_record, make_turn, paraphrased, verbatim

SAID = (
    "I  said \u201cdon\u2019t\u201d to Stra\u00dfe\ncaf\u00e9 owners; we cut latency by 40% in 2024, no doubt. "
    "Well... I knew it."
)
TURNS = [
    make_turn(2, "user", SAID, 0),
    make_turn(4, "user", "\u306f\u3044\u3001\u79c1\u306fKafka\u3092\u4f7f\u3044\u307e\u3057\u305f\u3002", 1),
]


@pytest.mark.parametrize(
    "quote",
    [
        SAID,
        'i SAID "don\'t" to strasse',
        "cafe\u0301 owners; we cut",
        "we cut latency\u00a0by   40%",
        "\u201eWe cut latency by 40%.\u201c",
        "we cut latency \u2026 in 2024",
        "said ... cut latency [...] in 2024",
        "...cut latency by 40%...",
        "Well... I knew it",
        "\u79c1\u306fKafka",
        "I said don't to strasse",
        "I said `don't` to 'strasse'",
    ],
)
def test_what_was_said_counts_whatever_its_spaces_marks_and_case(quote: str) -> None:
    assert OwnWords(TURNS).find(quote, 99) is not None


@pytest.mark.parametrize(
    "quote",
    [
        "we cut latency by 50%",
        "we reduced latency",
        "in 2024 we cut latency",
        "in 2024 ... we cut latency",
        "now",
        "ut latency by 4",
        "said ... to ... cut ... in 2024",
        "cafe owners",
        "...",
        "",
        "\u201c \u201d",
        "I knew it. \u306f\u3044",
        "I said dont",
    ],
)
def test_what_was_not_said_does_not_count(quote: str) -> None:
    assert OwnWords(TURNS).find(quote, 2) is None


@pytest.mark.parametrize(
    ("said", "quote"),
    [
        ("from vi\u00ea\u0323t nam", "vi\u1ec7t nam"),  # Windows' Vietnamese keyboard puts the tone on by itself
        ("from vi\u1ec7t nam", "vie\u0302\u0323t nam"),
        ("it\u200b really co\u00adoperates", "it really cooperates"),
        ("\u0645\u0631\u062d\u0628\u0627 \u200fSQL", "\u0645\u0631\u062d\u0628\u0627 SQL"),
        ("a b", "a\u200f b"),
        ("a follow-up - then I left", "a follow\u2011up \u2014 then I left"),
        ("I ran `git rebase -i` there", "I ran git rebase \u2011i there"),
        ("he called it \u300c\u672c\u756a\u300d there", "called it \u672c\u756a there"),
    ],
)
def test_what_looks_the_same_is_the_same_however_it_is_encoded(said: str, quote: str) -> None:
    found = OwnWords([make_turn(2, "user", said, 0)]).find(quote)
    assert found is not None
    assert found.quote == said[found.start :]


@pytest.mark.parametrize(
    ("quote", "words"),
    [
        ("no", 1),
        ("no doubt", 2),
        ("we cut latency", 3),
        ("I ... owners ... doubt", 1),
        ("we cut ... in 2024, no doubt", 4),
        ("\u79c1\u306f", 1),
        ("\u4f7f\u3044\u307e\u3057\u305f", 3),
    ],
)
def test_of_a_quote_the_words_beside_each_other_are_counted(quote: str, words: int) -> None:
    found = OwnWords(TURNS).find(quote)
    assert found is not None
    assert found.words_in_a_row == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('You said "we cut latency" and "we doubled revenue".', 'You said "we cut latency" and we doubled revenue.'),
        (
            "\u201eWe cut latency\u201c, then \u00abwe flew to work\u00bb.",
            "\u201eWe cut latency\u201c, then we flew to work.",
        ),
        ("It's 'we cut latency', not 'we don't cut latency'.", "It's 'we cut latency', not we don't cut latency."),
        (
            "\u300c\u79c1\u306fKafka\u300d\u3068\u300c\u6bce\u65e5\u30c6\u30b9\u30c8\u3092\u66f8\u304f\u300d",
            "\u300c\u79c1\u306fKafka\u300d\u3068\u6bce\u65e5\u30c6\u30b9\u30c8\u3092\u66f8\u304f",
        ),
        ('A "retry storm" and 5" of rain.', 'A "retry storm" and 5" of rain.'),
        ("The owners' caf\u00e9 and the teams' plan.", "The owners' caf\u00e9 and the teams' plan."),
        ('He said "no', 'He said "no'),
        ('"I flew \u201cdon\u2019t\u201d to work"', "I flew \u201cdon\u2019t\u201d to work"),
        ('"I flew, \u201cas we all did\u201d, to work"', "I flew, as we all did, to work"),
    ],
)
def test_what_nobody_said_stands_in_no_quotation_marks(text: str, shown: str) -> None:
    assert OwnWords(TURNS).without_invented(text) == shown


@pytest.mark.parametrize("blank", [" ", "( ", "[", "(\n"])
def test_a_quote_that_is_almost_blank_does_not_hold_the_worker_up(blank: str) -> None:
    """Where looking takes cubic time, this test does not end."""
    assert OwnWords(TURNS).find("a" + blank * 20_000 + "b") is None


def test_what_is_shown_is_the_transcript_and_not_the_models_spelling() -> None:
    found = OwnWords(TURNS).find('i said "don\'t" to strasse cafe\u0301', 4)
    assert found is not None
    assert (found.sequence_number, found.quote) == (2, SAID[found.start : found.end])
    assert found.quote == "I  said \u201cdon\u2019t\u201d to Stra\u00dfe\ncaf\u00e9"


def test_the_turn_that_the_model_names_comes_first() -> None:
    same = [make_turn(number, "user", "We shipped it.", 0) for number in (2, 4, 6)]
    found = OwnWords(same).find("we shipped it", 4)
    assert found is not None
    assert found.sequence_number == 4


@given(st.text(max_size=80), st.integers(0, 80), st.integers(0, 80))
def test_whole_words_of_any_text_are_found_where_they_stand(text: str, first: int, last: int) -> None:
    words = [(found.start(), found.end()) for found in re.finditer(r"\S+", text)][first:last]
    quote = text[words[0][0] : words[-1][1]] if words else ""
    found = OwnWords([make_turn(2, "user", text, 0)]).find(quote)
    if any(character.isalnum() for character in quote):
        assert found is not None
        assert found.quote in text or " \u2026 " in found.quote


@pytest.mark.parametrize("seed", range(200))
def test_no_invented_quote_is_shown_and_no_true_one_lost(seed: int) -> None:
    """A model that fabricates half of its quotes and paraphrases others."""
    random = Random(seed)
    record, rubric = make_record(random), rubric_for("mixed")
    answer = make_answer(rubric, record, random)
    kept, dropped = 0, 0
    for competency in answer["competencies"]:
        true = [verbatim(record, random) for _ in range(random.randint(0, 2))]
        false = [random.choice((fabricated, paraphrased))(record, random) for _ in range(2)]
        competency["evidence"] = random.sample(true + false, len(true + false))
        texts = [quote["quote"].replace('"', "\u201d") for quote in (false[0], *true)]
        competency["reasoning"] = " and ".join(f'"{text}"' for text in texts)
        dropped += len(false)
        own_words = OwnWords(record.said)
        kept += len({own_words.find(quote["quote"], quote["turn"]) for quote in true})
    answer["strengths"] = [f'You said "{fabricated(record, random)["quote"]}"']
    feedback = feedback_from([read(as_json(answer), rubric, record)], rubric, record)
    transcript = OwnWords(record.turns)
    for text in (*(one.reasoning for one in feedback.competencies), *feedback.strengths):
        quoted = [quote for quote in re.findall('"([^"]+)"', text) if words_in(quote) > 2]
        assert all(transcript.find(quote) for quote in quoted)
    shown = [evidence for competency in feedback.competencies for evidence in competency.evidence]
    said = {turn.sequence_number: turn.content for turn in record.said}
    for evidence in shown:
        text = said[evidence.sequence_number]
        pieces = evidence.quote.split(" \u2026 ")
        assert all(piece in text for piece in pieces)
        assert text[evidence.start : evidence.end].startswith(pieces[0])
        assert text[evidence.start : evidence.end].endswith(pieces[-1])
    assert (len(shown), feedback.rejected) == (kept, dropped)


def test_a_true_quote_of_the_generator_is_always_found() -> None:
    """What the count above rests on."""
    for seed in range(500):
        random = Random(seed)
        record = make_record(random)
        quote = verbatim(record, random)
        assert OwnWords(record.said).find(quote["quote"], quote["turn"]) is not None, quote

"""Which quotes count as the candidate's own words."""

from __future__ import annotations

import re
import unicodedata
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.interviews.assessment import read
from parley.interviews.evidence import OwnWords
from parley.interviews.rubric import rubric_for
from parley.interviews.scoring import feedback_from
from parley.interviews.words import words_in
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
        ("مرحبا \u200fSQL", "مرحبا SQL"),
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
    ("said", "quote"),
    [
        ("\u6211\u7528Python\u5199\u4ee3\u7801", "\u6211\u7528 Python \u5199\u4ee3\u7801"),
        ("\u6211\u7528 Python \u5199\u4ee3\u7801", "\u6211\u7528Python\u5199\u4ee3\u7801"),
        ("Vraiment ? Oui !", "Vraiment? Oui!"),  # French has a narrow space there
        ("it\u2014then we left", "it \u2014 then we left"),
        ("it -- then we left", "it\u2014then we left"),
        (
            "मैंने इसे मापा",
            "मैंने इसे मापा\u0964",
        ),
        (
            "میں نے ناپا",
            "میں نے ناپا\u06d4",
        ),
        (
            "أنا قست ذلك",
            "أنا قست ذلك\u061f",
        ),
        ("we measured it", "we measured it!"),
        ("I don\u02bct know", "I don't know"),
        ("צה\u05f4ל בנה", 'צה"ל בנה'),
        (
            "ג\u05f3\u05d9רפה כאן",
            "ג'\u05d9רפה כאן",
        ),
        ("\u0130STANBUL ISI", "istanbul \u0131s\u0131"),
        ("\uff21\uff37\uff33\u3092\u4f7f\u3046", "AWS \u3092\u4f7f\u3046"),
        ("\uff83\uff9e\uff70\uff80\u3092\u4f7f\u3046", "\u30c7\u30fc\u30bf\u3092\u4f7f\u3046"),
        ("I \u2764\ufe0f Rust", "I \u2764 Rust"),
        ("d'une \u00e9quipe soud\u00e9e", "une \u00e9quipe soud\u00e9e"),
        ("I wrote C#", "I wrote C#."),
        ("I **led** the team, alone", "I led the team, alone"),
        ("I led the team, alone", "I __led__ the team*, alone*"),
        ("**Result:** we shipped", "Result: we shipped"),
        ("\u6211\u7528Go\u5199", "\u6211**\u7528**Go\u5199"),
        ("ten tests\n\u2014 all green", "ten tests\\n\u2014 all green"),
        ('they said "no" again', '\\"they said \\"no\\" again\\"'),
        ("we were caf\u00e9 owners", "we were caf\\u00e9 owners"),
        ("we cut the cost", "[W]e cut [the] cost"),
        ("10x faster, p99 >= 5, a -> b", "10\u00d7 faster, p99 \u2265 5, a \u2192 b"),
        ("\u00bd of it \u2260 all", "1/2 of it != all"),
        ("\u0968\u0966 tests, \u0664\u0660 bugs", "20 tests, 40 bugs"),
        ("\u0643\u062a\u0627\u0628\u064a", "\u06a9\u062a\u0640\u0640\u0627\u0628\u06cc"),
    ],
)
def test_what_is_typed_in_another_way_is_the_same(said: str, quote: str) -> None:
    found = OwnWords([make_turn(2, "user", f"So: {said}", 0)]).find(quote)
    assert found is not None
    assert found.quote in said
    assert found.end - found.start == len(found.quote)


@pytest.mark.parametrize(
    "dots",
    [
        ". . .",
        "[. . .]",
        "/.../",
        "<...>",
        "(\u2026)",
        "\u2025",
        "\u22ef\u22ef",
        "\u3002\u3002\u3002",
        "\u30fb\u30fb\u30fb",
        "\u00b7\u00b7\u00b7",
    ],
)
def test_an_ellipsis_is_one_in_the_style_of_any_language(dots: str) -> None:
    for quote in (f"we cut latency {dots} in 2024", f"we cut latency{dots}in 2024"):
        found = OwnWords(TURNS).find(quote)
        assert found is not None
        assert found.quote == "we cut latency \u2026 in 2024"


@pytest.mark.parametrize(
    ("said", "quote", "shown"),
    [
        ("I did not test it.", "I did ... test it", "I did not test it"),
        ("I didn\u2019t ever, I think, ship it", "I ... ship it", "I didn\u2019t ever, I think, ship it"),
        ("Ich habe das nie gemessen", "Ich habe das ... gemessen", "Ich habe das nie gemessen"),
        (
            "\u6211\u4ece\u6765\u6ca1\u6709\u6d4b\u8bd5\u8fc7",
            "\u6211\u2026\u2026\u6d4b\u8bd5\u8fc7",
            "\u6211\u4ece\u6765\u6ca1\u6709\u6d4b\u8bd5\u8fc7",
        ),
        ("So I said. I never tested it", "I said ... tested it", "I said. I never tested it"),
        ("we cut it. I never slept. Then in May it shipped", "we cut it ... in May", "we cut it \u2026 in May"),
    ],
)
def test_no_ellipsis_leaves_a_negation_out(said: str, quote: str, shown: str) -> None:
    own_words = OwnWords([make_turn(2, "user", said, 0)])
    found = own_words.find(quote)
    assert found is not None
    assert found.quote == shown
    assert said[found.start : found.end].startswith(shown.partition(" \u2026 ")[0])
    # In a sentence of the model's it cannot be shown otherwise, so it is no quote there.
    told = own_words.without_invented(f'You said "{quote}" there, in a word.')
    assert ('"' in told) is (words_in(quote) < 3 or "\u2026" in shown)


@pytest.mark.parametrize("quote", ["28 tests", "a b", "argv c", "the [whole] plan", "~5 ms"])
def test_a_sign_that_means_something_is_not_left_out(quote: str) -> None:
    assert OwnWords([make_turn(2, "user", "2**8 tests, a * b, arg_v c, the plan, 5 ms", 0)]).find(quote) is None


@pytest.mark.parametrize("quote", ["I can", "so I can", "I like C and Java", "measured it", "r\u00e9sum"])
def test_a_part_of_a_word_is_no_word(quote: str) -> None:
    said = "So I can't say. I like C# and Java, I remeasured it, r\u00e9sum\u00e9s too."
    assert OwnWords([make_turn(2, "user", said, 0)]).find(quote) is None


HALTING = "I\u2026 measured\u2026 the latency\u2026 before\u2026 shipping"


@pytest.mark.parametrize(
    ("quote", "shown", "words"),
    [
        (HALTING, HALTING, 6),
        (HALTING.replace("\u2026", "..."), HALTING, 6),
        ("I... measured... the [...] before... shipping", "I\u2026 measured\u2026 the \u2026 before\u2026 shipping", 3),
        ("I ... the latency ... shipping", "I \u2026 the latency \u2026 shipping", 2),
        ("measured... the latency", "measured\u2026 the latency", 3),
    ],
)
def test_an_ellipsis_of_the_transcript_leaves_nothing_out(quote: str, shown: str, words: int) -> None:
    for said in (HALTING, HALTING.replace("\u2026", "...")):
        found = OwnWords([make_turn(2, "user", said, 0)]).find(quote)
        assert found is not None
        assert found.quote.replace("...", "\u2026") == shown
        assert found.words_in_a_row == words


def test_no_more_is_left_out_of_a_quote_because_the_transcript_has_ellipses_too() -> None:
    said = [make_turn(2, "user", HALTING, 0)]
    assert OwnWords(said).find("I ... measured ... latency ... before ... shipping") is not None
    assert OwnWords(said).find("I ... the ... before ... shipping ... I") is None
    assert (
        OwnWords([make_turn(2, "user", "one two three four five six seven", 0)]).find("one...three...five...seven")
        is None
    )


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
        ("As you said:\n\n> we cut\n> latency\n\nClear.", "As you said:\n\n> we cut\n> latency\n\nClear."),
        ("As you said:\n> we doubled\n>> the revenue\n\nClear.", "As you said:\nwe doubled\nthe revenue\n\nClear."),
        ("> \u201cwe flew to work\u201d", "we flew to work"),
        ("p95 > 200 ms in three regions", "p95 > 200 ms in three regions"),
        ('"I flew \u201cdon\u2019t\u201d to work"', "I flew \u201cdon\u2019t\u201d to work"),
        ('"I flew, \u201cas we all did\u201d, to work"', "I flew, as we all did, to work"),
    ],
)
def test_what_nobody_said_stands_in_no_quotation_marks(text: str, shown: str) -> None:
    assert OwnWords(TURNS).without_invented(text) == shown


@pytest.mark.parametrize(
    "marks",
    [
        "\u00bb \u00ab", "\u201d \u201d", "\u201a \u2018", "\u2039 \u203a", "\u203a \u2039", '\u201c "', '\u201e "',
        '" \u201d', "`` ''", "\uff02 \uff02", "\u301d \u301e", "\u300c \u300d", "\u300e \u300f", "\u2018 \u2019",
        "\u201c \u2019", "' \u201d", "\u05f4 \u05f4", "\u00ab\u202f \u202f\u00bb", "\u201c ",
    ],
)  # fmt: skip
def test_any_marks_are_taken_off_what_nobody_said_and_left_on_what_was_said(marks: str) -> None:
    opening, closing = marks.split(" ")
    said = f"You told us: {opening}we cut latency by 40%{closing}"
    assert OwnWords(TURNS).without_invented(said) == said
    invented = f"You told us: {opening}we doubled the revenue{closing}"
    shown = OwnWords(TURNS).without_invented(invented)
    assert shown.split() == ["You", "told", "us:", "we", "doubled", "the", "revenue"]


def test_a_mark_that_a_word_is_joined_to_still_closes() -> None:
    """As particles are in Korean."""
    said = '\u2018매출을 두 배로 늘렸다\u2019라고, "매출을 두 배로 늘렸다"라고'
    assert OwnWords(TURNS).without_invented(said) == "매출을 두 배로 늘렸다라고, 매출을 두 배로 늘렸다라고"


@pytest.mark.parametrize("marks", ['"', "\u201c", "'a \u201c", "\u00bb \u00ab '", "\n>>>", "\n> "])
def test_a_model_that_opens_quotations_without_end_does_not_hold_the_worker_up(marks: str) -> None:
    """Where each of them is looked up, this test does not end."""
    turns = [make_turn(number, "user", "a b c " * 3_000, 0) for number in range(2, 12)]
    text = "".join(f"{marks}b c d " for _ in range(2_000))
    assert "b c d" in OwnWords(turns).without_invented(text)


@pytest.mark.parametrize("blank", [" ", "( ", "[", "(\n", ". ", "*", "* ", "\\n", "/ ", "<"])
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


# What is typed in several ways, and what stands on or between letters.
TRICKY = (
    "ab1 \n'\"\u2019\u201c.\u2026-\u2014!?\u3002\u79c1\uff76\uff9e"
    "\u0e17\u0e35\u0915\u0940e\u0301\u00dfI\u0130\u0131\u0307\u200d\ufe0f\u00a8\u05f4#+_"
)


@given(st.text(max_size=80) | st.text(TRICKY, max_size=40), st.integers(0, 80), st.integers(0, 80))
def test_whole_words_of_any_text_are_found_where_they_stand(text: str, first: int, last: int) -> None:
    words = [(found.start(), found.end()) for found in re.finditer(r"\S+", text)][first:last]
    quote = text[words[0][0] : words[-1][1]] if words else ""
    found = OwnWords([make_turn(2, "user", text, 0)]).find(quote)
    if words_in(unicodedata.normalize("NFKC", quote)):  # some letters are marks in full width
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

"""When two questions ask the same."""

from __future__ import annotations

import pytest

from parley.interviews.wording import alike, cleaned, words


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("How do you test billing code?", "How do you TEST billing code", True),
        ("How do you test billing code?", "How do you ship billing code?", False),
        (
            "\u306a\u305cSQL\u3092\u4f7f\u3044\u307e\u3057\u305f\u304b?",
            "\u306a\u305c\u3001SQL\u3092\u4f7f\u3044\u307e\u3057\u305f\u304b",
            True,
        ),
        (
            "\u4f60\u4e3a\u4ec0\u4e48\u9009\u62e9\u8fd9\u4e2a\u6570\u636e\u5e93?",
            "\u8bf7\u95ee\u4f60\u4e3a\u4ec0\u4e48\u9009\u62e9\u8fd9\u4e2a\u6570\u636e\u5e93?",
            True,
        ),
        (
            "\u4f60\u4e3a\u4ec0\u4e48\u9009\u62e9\u8fd9\u4e2a\u6570\u636e\u5e93?",
            "\u4f60\u600e\u4e48\u6d4b\u8bd5\u8fd9\u4e2a\u6570\u636e\u5e93?",
            False,
        ),
        ("\u540d?", "\u540d", True),
        ("What is C?", "What is C++?", False),
        ("What is C#?", "What is C?", False),
        ("What is C++?", "What is c++", True),
        ("When would you use an index on a table?", "When would you not use an index on a table?", False),
        ("Why didn't you ship it on the same day?", "Why did you ship it on the same day?", False),
        ("Why don't you test code?", "Why don\u2019t you test code?", True),
        (
            "Wann w\u00fcrden Sie f\u00fcr diese Tabelle einen Index nutzen?",
            "Wann w\u00fcrden Sie f\u00fcr diese Tabelle keinen Index nutzen?",
            False,
        ),
        ("R\u00e9sum\u00e9 or portfolio?", "Re\u0301sume\u0301 or portfolio?", True),
        ("What is a led\u00adger?", "What\u200b is a ledger?\ufeff", True),
    ],
)
def test_questions_are_compared_in_any_script(one: str, other: str, same: bool) -> None:
    assert alike(words(one), words(other)) is same


@pytest.mark.parametrize(
    "mark",
    [
        "1. ", "12) ", "(3) ", "- ", "* ", "\u2022 ", "Q1: ", "Q1. ", "q 2) ", "Question 3: ",
        "**Question 3:** ", "## 4. ", "Frage 1: ", "Fr\u00e5ga 2 \u2013 ", "Pregunta 10. ", "\u95ee\u9898 1\uff1a",
        "\u8cea\u554f1\uff1a", "1\u3001", "\u0412\u043e\u043f\u0440\u043e\u0441 5: ",
    ],
)  # fmt: skip
def test_a_question_has_no_number_of_a_list(mark: str) -> None:
    assert cleaned(f"{mark}What is a ledger?") == "What is a ledger?"


def test_a_question_that_is_marked_with_its_number_is_not_marked_any_more() -> None:
    assert cleaned("**Question 1: What is a ledger?**") == "What is a ledger?"


@pytest.mark.parametrize(
    "question",
    [
        "2026. What changed?", "2.5 million users: how?", "3 services fail: what first?", "Python 3: what changed?",
        "Q3 revenue fell: why?", "Q3-4 results: why?", "-5 or 5?", "C# or Java?", "Question 5 assumptions of yours?",
        "**Why** now?", "1.", "5)",
    ],
)  # fmt: skip
def test_a_number_that_belongs_to_a_question_stays(question: str) -> None:
    assert cleaned(question) == question


@pytest.mark.parametrize(
    ("written", "read"), [("## What is C#?", "What is C#?"), ("`Tabs`/**spaces**, #1?", "Tabs or spaces, 1?")]
)
def test_a_voice_reads_names_whole(written: str, read: str) -> None:
    assert cleaned(written, voice_friendly=True) == read

"""When two questions ask the same."""

from __future__ import annotations

import pytest

from parley.interviews.wording import alike, words


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
    ],
)
def test_questions_are_compared_in_any_script(one: str, other: str, same: bool) -> None:
    assert alike(words(one), words(other)) is same

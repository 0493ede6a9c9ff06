"""Markers in an answer: those that point to a passage stay, all others go, whole and streamed alike."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.chat.grounding import CitedText, cited, cited_completion
from parley.providers.protocol import Completion, Delta

PASSAGES = 3
TEXTS = st.text(alphabet="[]【】0129,;-^ a", max_size=40) | st.text(max_size=40)
WITH_CODE = st.text(alphabet="[]019,- `~\n", max_size=60)
_NUMBERS = r" *\^?[0-9]+(?: *[,;] *\^?[0-9]+)* *"
MARKER = re.compile(rf"\[{_NUMBERS}\]|【{_NUMBERS}】")


def streamed(pieces: list[str]) -> tuple[list[str], Completion]:
    """What comes of a stream of these pieces: its deltas, and its completion."""

    def stream() -> Generator[Delta, None, Completion]:
        yield from pieces
        return Completion("".join(pieces), "stop", "m", None)

    deltas: list[str] = []
    checked = cited(stream(), lambda: PASSAGES)
    while True:
        try:
            deltas.append(cast("str", next(checked)))
        except StopIteration as end:
            completion: Completion = end.value
            return deltas, completion


def whole(text: str) -> str:
    return cited_completion(Completion(text, "stop", "m", None), PASSAGES).text


@given(TEXTS)
def test_no_marker_is_left_that_points_nowhere(text: str) -> None:
    numbers = {int(number) for marker in MARKER.finditer(whole(text)) for number in re.findall("[0-9]+", marker[0])}
    assert numbers <= {1, 2, 3}


@given(TEXTS | WITH_CODE)
def test_what_came_out_comes_out_the_same_again(text: str) -> None:
    first, again = CitedText(lambda: PASSAGES), CitedText(lambda: PASSAGES)
    for cited_text, said in ((first, text), (again, whole(text))):
        cited_text.feed(said)
        cited_text.end()
    assert first.cited == again.cited


@given(st.lists(TEXTS | WITH_CODE, max_size=8))
def test_a_stream_in_any_pieces_says_what_the_whole_answer_says(pieces: list[str]) -> None:
    deltas, completion = streamed(pieces)
    assert "".join(deltas) == completion.text == whole("".join(pieces))
    assert "" not in deltas


@given(st.text().filter(lambda text: "[" not in text))
def test_a_text_without_brackets_stays_as_it_is(text: str) -> None:
    assert whole(text) == text


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Five days [1].", "Five days [1]."),
        ("Five days [4].", "Five days."),
        ("Five days[0][2]", "Five days[2]"),
        ("Both [1, 3].", "Both [1][3]."),
        ("Some [2, 9].", "Some [2]."),
        ("A list [x] and [1", "A list [x] and [1"),
        ("[[9]9]", "[/9]"),
        ("See [1-3] and [2\u20139].", "See [1][2][3] and [2][3]."),
        ("See [7-9] and [1, 2-3].", "See and [1][2][3]."),
        ("Digits [0-9] of [1999-2003] in [3-1].", "Digits [0-9] of [1999-2003] in [3-1]."),
        ("Five days 【2】 and \uff3b\uff13\uff3d[9].", "Five days [2] and [3]."),
        ("Five days [[2]] [[9]], [[1]](http://x) [[1, 9]", "Five days [2], [1](http://x) [[1]"),
        ("As [^1] and [^9], [1; 3] and [1、2] say.", "As [1] and, [1][3] and [1][2] say."),
        ("So [1[9]3] it is 【1[9]3】.", "So [1/3] it is 【1/3】."),
        ("[2]([9])", "[2]()"),
        ("So it is [1234567].", "So it is."),
        ("So [ 9 ], [1 , 9] and [ 2,3 ].", "So, [1] and [2][3]."),
        ("So [" + "9," * 40 + "2].", "So [2]."),
        ("[" + "0" * 200 + "[9]]", "[" + "0" * 200 + "/]"),
        ("[" + "9" * 201 + "]", "[" + "9" * 201 + "]"),  # too long for a marker
        ("[9" * 1_000 + " " * 1_000 + "]", "[9" * 1_000 + " " * 1_000 + "]"),
    ],
)
def test_markers(said: str, left: str) -> None:
    assert whole(said) == left
    assert streamed(list(said))[1].text == left


@pytest.mark.parametrize(
    ("said", "left", "cited"),
    [
        ("Use `rows[9]` [1], not `rows[2]`.", "Use `rows[9]` [1], not `rows[2]`.", {1}),
        ("```py\nrows[9] = rows[1]\n``` [9] it says [2].", "```py\nrows[9] = rows[1]\n``` it says [2].", {2}),
        ("``a`[9]`` [9]", "``a`[9]``", set()),
        ("It`s [9] here.\nAnd it`s [2].", "It`s here.\nAnd it`s [2].", {2}),
        ("````md\n```\nrows[9]\n```\nrows[9]\n````\n[9][2]", "````md\n```\nrows[9]\n```\nrows[9]\n````\n[2]", {2}),
        ("```\nrows[9]\n````\n[9][2]", "```\nrows[9]\n````\n[2]", {2}),
        ("~~~\n```\nrows[9]\n~~~~\n[9][2]", "~~~\n```\nrows[9]\n~~~~\n[2]", {2}),
        ("```\n~~~\nrows[9]\n```\n[9][2] ~~old~~", "```\n~~~\nrows[9]\n```\n[2] ~~old~~", {2}),
        ("A block that nothing ends ```rows[9]", "A block that nothing ends ```rows[9]", set()),
        ("`" + "[9]" + "a" * 197 + "` [9]", "`" + "[9]" + "a" * 197 + "`", set()),
        ("`" + "a" * 300 + "` [9]", "`" + "a" * 300 + "`", set()),
    ],
)
def test_nothing_in_code_is_a_marker(said: str, left: str, cited: set[int]) -> None:
    text = CitedText(lambda: PASSAGES)
    for piece in said:
        text.feed(piece)
    text.end()
    assert (text.whole, text.cited) == (left, cited)
    assert whole(said) == left


def test_what_cannot_become_a_marker_goes_out_at_once() -> None:
    text = CitedText(lambda: PASSAGES)
    assert [text.feed(piece) for piece in ("Five", " days", " [", "9", "] and", " more")] == [
        "Five", " days", "", "", " and", " more"
    ]  # fmt: skip

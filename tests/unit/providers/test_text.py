"""What becomes of a model's text, and of the bytes that bring it."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parley.providers.text import StreamedText, cut_at, storable
from parley.providers.transport import events, read_json

PIECES = st.lists(
    st.text(st.sampled_from(["a", "b", "\n", "é", "\x00", "\ud83d", "\ude00", "😀"]), max_size=4), max_size=8
)
STOPS = st.lists(st.text(st.sampled_from(["a", "b", "\n"]), min_size=1, max_size=3), max_size=4)


def streamed(pieces: list[str], stops: list[str]) -> tuple[list[str], StreamedText]:
    text = StreamedText(stops)
    out = [text.feed(piece) for piece in pieces if piece]
    return [*out, text.end()], text


@given(PIECES, STOPS)
@example(["b", "a", "a"], ["a", "baa"])
def test_a_streamed_text_is_the_same_as_the_whole_one(pieces: list[str], stops: list[str]) -> None:
    out, text = streamed(pieces, stops)
    whole, stopped = cut_at(stops, storable("".join(pieces)))
    assert ("".join(out), text.whole, text.stopped) == (whole, whole, stopped)


@pytest.mark.parametrize(
    ("pieces", "out"),
    [
        (["a\ud83d", "\ude00b"], ["a", "😀b", ""]),
        (["\ud83d", "\ude00"], ["", "😀", ""]),
        (["\ud83d", "é"], ["", "?é", ""]),
        (["a\ud83d"], ["a", "?"]),
        (["\ude00"], ["?", ""]),
        (["a\x00", "b"], ["a", "b", ""]),
        (["\ud83d", "\ud83d", "\ude00"], ["", "?", "😀", ""]),
    ],
)
def test_half_a_surrogate_pair_waits_for_its_other_half(pieces: list[str], out: list[str]) -> None:
    assert streamed(pieces, [])[0] == out


def test_only_what_may_begin_a_stop_sequence_waits() -> None:
    assert streamed(["one\n", "two\n", "\nthree"], ["\n\n"])[0] == ["one", "\ntwo", "", ""]
    assert streamed(["one", "two"], ["\n"])[0] == ["one", "two", ""]
    assert streamed(["EN", "D of it"], ["END"])[0] == ["", "", ""]
    assert streamed(["EN", "Ough"], ["END"])[0] == ["", "ENOugh", ""]
    assert streamed(["EN"], ["END"])[0] == ["", "EN"]


def as_the_standard_says(stream: bytes) -> list[bytes]:
    """WHATWG HTML, 9.2.5 and 9.2.6, step by step, for `data` alone."""
    stream = stream.removeprefix(b"\xef\xbb\xbf")
    *lines, _ = re.split(rb"\r\n|\n|\r", stream)
    found, data = [], b""
    for line in lines:
        name, _, value = line.partition(b":")
        if not line:
            data = data.removesuffix(b"\n")
            if data.strip(b" \t\r\n\v\f"):
                found.append(data)
            data = b""
        elif name == b"data":
            data += value.removeprefix(b" ") + b"\n"
    return found


BYTES = st.lists(
    st.sampled_from(
        [b"data: ", b"data:", b"x", b"\n", b"\r", b"\r\n", b": c", b"event: e", b"\x0b", b"\xef\xbb\xbf", b"{}", b" "]
    )
).map(b"".join)


@given(BYTES, st.lists(st.integers(0, 60), max_size=8))
def test_a_stream_is_read_as_the_standard_says_in_whatever_pieces_it_arrives(stream: bytes, cuts: list[int]) -> None:
    bounds = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[start:end] for start, end in itertools.pairwise(bounds)]
    assert list(events(pieces)) == as_the_standard_says(stream)


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        ([b"\xef\xbb\xbfdata: 1\n\n"], [b"1"]),
        ([b"\xef", b"\xbb", b"\xbfdata: 1\n\n"], [b"1"]),
        ([b"data: 1\r\rdata: 2\r\r"], [b"1", b"2"]),
        ([b"data: 1\r", b"\n\r", b"\ndata: 2\r\n\r\n"], [b"1", b"2"]),
        ([b"data:\n\ndata\n\ndata: \n\ndata: 1\n\n"], [b"1"]),
        ([b"data:\ndata:\n\ndata: 1\n\n"], [b"1"]),
        ([b"id: 1\nretry: 5\nevent: e\ndata: 1\n\n"], [b"1"]),
        ([b"data: a\ndata\ndata: b\n\n"], [b"a\n\nb"]),
    ],
)
def test_what_streams_have_been_seen_to_look_like(pieces: list[bytes], found: list[bytes]) -> None:
    assert list(events(pieces)) == found


def test_an_event_ended_by_a_cr_is_not_held_back_for_what_may_follow() -> None:
    arrived: list[bytes] = []

    def chunks() -> object:
        for chunk in (b"data: 1\r\r", b"\ndata: 2\r\n\r\n"):
            arrived.append(chunk)
            yield chunk

    stream = events(chunks())  # type: ignore[arg-type]
    assert next(stream) == b"1"
    assert len(arrived) == 1
    assert next(stream) == b"2"


def test_bytes_that_are_no_utf_8_become_the_replacement_character() -> None:
    assert read_json(b'"a\xffb"') == "a\ufffdb"
    assert read_json(b'"\xed\xa0\x80"') == "\ufffd" * 3

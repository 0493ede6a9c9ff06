"""What is read of a structured answer that is not quite one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.completion import structured
from parley.completion.structured import object_with_list

ITEMS = [{"question": f"Why {number}?", "points": ["a {brace}", "b"]} for number in range(5)]
WHOLE = json.dumps({"description": "An interview.", "questions": ITEMS})


def read(text: str) -> list[Any]:
    found = object_with_list(text, "questions").get("questions", [])
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        f"```json\n{WHOLE}\n```",
        f"Here is {{the}} answer: {WHOLE} I hope {{it}} helps.",
        f'For example {{"a": 1}} or [1]. {WHOLE}',
        f"<think>Perhaps {WHOLE.replace('Why', 'How')}? No.</think>{WHOLE}",
        f'<thinking>{{"questions": [</thinking>\n{WHOLE}',
        f"Let me see {{...}}</think>{WHOLE}",
        json.dumps({"answer": {"questions": ITEMS}}),
        json.dumps(ITEMS),
        f"Sure:\n{json.dumps(ITEMS, indent=2)}\nDone.",
        WHOLE[:-2] + ",]}",
        WHOLE[:-1],
        WHOLE[:-2],
        WHOLE.replace('"An interview."', '"An "interview"."'),
        WHOLE.replace("Why 0", "Why\\n0").replace("\\n0", " 0"),
        '{"questions": []} ' + WHOLE,
        WHOLE + ' {"questions": []}',
        json.dumps({"questions": json.dumps(ITEMS)}),
        json.dumps({"answers": [{"questions": ITEMS}]}),
        json.dumps({"description": "d", "questions": {f"q{number}": item for number, item in enumerate(ITEMS)}}),
        "\n".join(json.dumps(item) for item in ITEMS),
        "\n\n".join(f"{number}. {json.dumps(item)}" for number, item in enumerate(ITEMS)),
        json.dumps(WHOLE),
        WHOLE.replace('"', '\\"'),
    ],
)
def test_every_complete_question_is_read(text: str) -> None:
    assert read(text) == ITEMS


def test_a_question_may_speak_of_thinking_blocks() -> None:
    items = [{"question": "What does <think> mean?"}, {"question": "And </think>?"}, {"question": "Why?"}]
    assert read(json.dumps({"questions": items})) == items


def test_a_list_that_is_cut_by_length_has_what_was_complete() -> None:
    start = WHOLE.index('{"question": "Why 4?"')
    for cut in range(start, len(WHOLE) - 3):
        assert read(WHOLE[:cut]) == ITEMS[:4]
    assert object_with_list(WHOLE[:start], "questions")["description"] == "An interview."


@pytest.mark.parametrize("broken", ['{"question": "Why 2?", }', '{"question": Why}', "...", "{{", "nonsense", "'a'"])
def test_a_fault_in_one_item_costs_that_one_alone(broken: str) -> None:
    items = read(WHOLE.replace(json.dumps(ITEMS[2]), broken))
    assert [item for item in items if item in ITEMS] == [*ITEMS[:2], *ITEMS[3:]]


def test_a_line_feed_inside_a_string_is_text() -> None:
    assert read('{"questions": [{"question": "One\ntwo?"}]}') == [{"question": "One\ntwo?"}]


def test_a_backslash_that_json_does_not_know_stands_for_itself() -> None:
    said = r'{"questions": [{"question": "What does \d+ match in C:\projects, and what is \\frac?\n"}]}'
    assert read(said) == [{"question": "What does \\d+ match in C:\\projects, and what is \\frac?\n"}]


@pytest.mark.parametrize(
    "text", ["", "No.", "{", "[", "{}", "[1, 2]", '{"questions": null}', '{"questions": {}}', "{{{" * 50, "[" * 50_000]
)
def test_where_there_is_nothing_nothing_is_read(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    "text",
    [
        '{"b":' * 5000,
        '{"b":' * 5000 + "1" + "}" * 5000,
        '[{"b":' * 5000,
        "[{" * 10_000,
        '{"a": x ' * 4000,
        '{"a":x,"questions":' * 2000,
        '{"questions": "' + '{\\"questions\\": [' * 2000,
    ],
    ids=lambda text: text[:20],
)
def test_a_text_is_not_read_once_for_each_of_its_brackets(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    read_characters = 0
    decode = structured._decode

    def counting(text: str, at: int = 0) -> tuple[Any, int]:
        nonlocal read_characters
        try:
            value, end = decode(text, at)
        except json.JSONDecodeError as error:
            read_characters += error.pos - at
            raise
        read_characters += end - at
        return value, end

    monkeypatch.setattr(structured, "_decode", counting)
    assert len(read(text)) <= 1
    assert read_characters <= 50 * len(text)


@given(st.text(st.sampled_from('{}[]",: \nquestions0'), max_size=60), st.integers(0, 300))
def test_whatever_a_model_says_nothing_breaks(noise: str, cut: int) -> None:
    assert isinstance(read(noise), list)
    assert isinstance(read(WHOLE[:cut] + noise + WHOLE[cut:]), list)

"""Which of a conversation's turns a model is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from parley.admission.records import Turn
from parley.completion.history import CUT_MARK, TOKENS_PER_TURN, cut, fit, most_tokens

TEXTS = st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=12), st.integers(1, 400))
TURNS = st.lists(st.builds(Turn, st.sampled_from(("user", "assistant")), TEXTS, st.just({})), max_size=12)


def tokens(turns: list[Turn]) -> int:
    return sum(most_tokens(turn.content) + TOKENS_PER_TURN for turn in turns)


@given(TURNS, st.integers(-10, 4000))
def test_the_newest_turns_are_kept_within_the_budget_and_the_first_is_the_users(turns: list[Turn], budget: int) -> None:
    kept = fit(turns, budget)
    assert tokens(kept) <= max(0, budget)
    assert not kept or kept[0].role == "user"
    newest = turns[len(turns) - len(kept) :]
    assert [turn.role for turn in kept] == [turn.role for turn in newest]
    for mine, whole in zip(kept, newest, strict=True):
        start, mark, end = mine.content.partition(CUT_MARK)
        if mine != whole:
            assert mark
            assert whole.content.startswith(start)
            assert whole.content.endswith(end)


@given(TURNS)
def test_what_fits_is_kept_whole(turns: list[Turn]) -> None:
    first = next((number for number, turn in enumerate(turns) if turn.role == "user"), len(turns))
    assert fit(turns, 2 * tokens(turns)) == turns[first:]


@given(TEXTS, TEXTS, TURNS)
def test_the_last_question_and_its_answer_are_always_there(question: str, answer: str, before: list[Turn]) -> None:
    newest = fit([*before, Turn("user", question), Turn("assistant", answer)], 500)[-2:]
    assert [turn.role for turn in newest] == ["user", "assistant"]
    assert newest[0].content[:10] == question[:10]
    assert newest[1].content[-10:] == answer[-10:]


@given(TEXTS, st.integers(30, 2000))
def test_a_cut_text_is_no_longer_than_it_may_be(text: str, budget: int) -> None:
    assert most_tokens(cut(text, budget)) <= budget

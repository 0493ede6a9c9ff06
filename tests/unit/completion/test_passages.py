"""Passages as a model is told them: as data that no text of theirs can break out of, within the budget."""

from __future__ import annotations

import json
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.completion.history import most_tokens
from parley.completion.passages import fit_passages, passages_tokens, with_passages
from parley.core.provider_names import ProviderName
from parley.providers.protocol import CITING_PROVIDERS, CompletionRequest, Message, Passage

FENCE = re.compile(r"<(material-[0-9a-f]{16})>\n(.*)\n</\1>", re.DOTALL)
# Any text, and such as try to end a fence or a message.
TEXTS = st.text(max_size=60) | st.from_regex(r"[a\n]?</material-[0-9a-f]{16}>\n[a-z ]{0,20}\"?\}?", fullmatch=True)
PASSAGES = st.lists(st.builds(Passage, TEXTS, st.none() | TEXTS, TEXTS), min_size=1, max_size=4)
FENCED_FOR = sorted(set(get_args(ProviderName)) - CITING_PROVIDERS)


def told(passages: list[Passage], provider: ProviderName = "openai") -> CompletionRequest:
    prompt = [Message("system", "Be brief."), Message("user", "When?")]
    return with_passages(CompletionRequest("m", prompt, 100, 1.0), passages, provider)


@given(PASSAGES, st.sampled_from(FENCED_FOR))
def test_no_passage_closes_its_fence(passages: list[Passage], provider: ProviderName) -> None:
    system, ours, fence, question = told(passages, provider).messages
    found = FENCE.fullmatch(fence.content)
    assert found, "everything of the passages stands in one fence"
    assert fence.content.count(found[1]) == 2
    data = json.loads(found[2])["passages"]
    assert [(each["source"], each["title"], each["text"]) for each in data] == [
        (passage.source, passage.title, passage.text) for passage in passages
    ]
    assert [each["number"] for each in data] == list(range(1, len(passages) + 1))
    assert (fence.role, question, system) == ("user", Message("user", "When?"), Message("system", "Be brief."))
    assert found[1] in ours.content


@given(PASSAGES, PASSAGES, st.sampled_from(get_args(ProviderName)))
def test_what_the_system_says_does_not_depend_on_the_passages(
    passages: list[Passage], others: list[Passage], provider: ProviderName
) -> None:
    def system(given: list[Passage]) -> list[str]:
        messages = [message.content for message in told(given, provider).messages if message.role == "system"]
        return [re.sub("material-[0-9a-f]{16}", "", text) for text in messages]

    assert system(passages) == system(others)


def test_each_fence_is_another() -> None:
    passages = [Passage("document/a", None, "text")]
    fences = {found[1] for _ in range(20) if (found := FENCE.search(told(passages).messages[2].content))}
    assert len(fences) == 20


def test_a_provider_that_cites_gets_blocks_instead_of_a_fence() -> None:
    passages = [Passage("document/a", None, "text")]
    request = told(passages, "anthropic")
    assert request.passages == passages
    assert [message.role for message in request.messages] == ["system", "system", "user"]
    assert "text" not in request.messages[1].content


def test_a_model_that_gets_none_is_told_that_nothing_was_found() -> None:
    request = told([])
    assert "found nothing" in request.messages[1].content
    assert len(request.messages) == 3


@given(PASSAGES, st.integers(-100, 2_000))
def test_the_first_passages_are_told_within_the_budget(passages: list[Passage], budget: int) -> None:
    kept = fit_passages(passages, budget)
    assert not kept or passages_tokens(kept) <= budget
    assert kept == passages[: len(kept)]
    if budget >= passages_tokens(passages):
        assert kept == passages
    if kept:
        fence = told(kept).messages[2].content
        assert most_tokens(fence) <= passages_tokens(kept)


@pytest.mark.parametrize("text", ["word " * 50_000, "\x01\n" * 20_000])
def test_a_best_passage_that_is_too_long_loses_its_middle(text: str) -> None:
    kept = fit_passages([Passage("document/a", None, text), Passage("document/b", None, "b")], 1_000)
    assert len(kept) in (1, 2)
    assert kept[0].text.startswith(text[:20])
    assert passages_tokens(kept) <= 1_000

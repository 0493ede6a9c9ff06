"""What waits in the queue while the database is away, and what is read of a conversation."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.admission.records import (
    Conversation,
    LedgerEntry,
    NewTurns,
    Outcome,
    QueuedOutcome,
    Turn,
)
from parley.providers.protocol import Usage

SQS_LIMIT = 256 * 1024
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENTRY = LedgerEntry("openai", "gpt", "chat", Usage(10, 5), Decimal("0.000001"), 900, own_key=False)


def outcome(answer: int, turns: int) -> Outcome:
    """An outcome whose answer and turns have so many characters."""
    return Outcome(
        request_id="one",
        fence=1,
        operation="chat",
        occurred_at=NOW,
        state="settled",
        calls=[ENTRY],
        answer={"text": "ä" * answer},
        conversation=NewTurns("c", [Turn("user", "ä" * turns)], NOW, existed=False),
    )


@pytest.mark.parametrize(
    ("answer", "turns", "left_out"),
    [
        (10, 10, set()),
        (200_000, 10, {"answer"}),
        (10, 200_000, {"answer", "conversation"}),
        (200_000, 200_000, {"answer", "conversation"}),
    ],
)
def test_a_message_that_is_too_large_loses_its_answer_then_its_turns_and_never_its_usage(
    answer: int, turns: int, left_out: set[str]
) -> None:
    whole = outcome(answer, turns).as_json()
    message = QueuedOutcome({"sub": "ada"}, whole, admitted_offline=False).encode()
    assert len(message.encode()) <= SQS_LIMIT
    queued = QueuedOutcome.decode(message)
    assert queued.outcome == {name: value for name, value in whole.items() if name not in left_out}
    assert queued.outcome["calls"] == [ENTRY.as_json()]


def test_money_is_decimal_text_and_what_is_unknown_is_marked() -> None:
    unknown = LedgerEntry("openai", "gpt", "chat", None, None, 900, own_key=True).as_json()
    assert (ENTRY.as_json()["cost"], ENTRY.as_json()["estimated"]) == ("0.000001", False)
    assert (unknown["cost"], unknown["estimated"], "input_tokens" in unknown) == (None, True, False)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(context=json_values)
def test_whatever_an_application_keeps_as_a_conversations_context_only_an_object_is_told(context: Any) -> None:
    kept = {"id": "c", "messages": [], "turns": 0, "context": context}
    found = Conversation.from_json(json.loads(json.dumps(kept)))
    assert found.context is None or isinstance(found.context, dict)

"""Conversations as chat reads and writes them: what the model is told, and what stays when things happen meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from testing.functions import Answer, Functions

Token = Callable[..., str]


@pytest.fixture
def say(functions: Functions, token: Token) -> Callable[..., Answer]:
    """Say something in a conversation as Ada."""

    def send(message: str, conversation: str = "new", **more: Any) -> Answer:
        body = {"message": message, "conversation_id": conversation, **more}
        answer = functions.request("chat", "POST", "/api/chat", body, token=token("ada"))
        assert answer.status == 200, answer.text
        return answer

    return send


def test_a_conversation_deleted_while_its_answer_is_on_the_way_stays_deleted(
    functions: Functions, say: Callable[..., Answer], database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = say("I am thinking of leaving my job.").json["conversation_id"]
    router = functions.module("chat").services.router
    complete = router.complete

    def deleted_meanwhile(*arguments: Any) -> Any:
        with database.connect() as owner:
            owner.execute("delete from ai_conversations")
        return complete(*arguments)

    monkeypatch.setattr(router, "complete", deleted_meanwhile)
    say("What would you do?", conversation)
    with database.connect() as owner:
        assert owner.execute("select count(*) from ai_conversations").fetchone() == (0,)
        assert owner.execute("select count(*) from ai_usage").fetchone() == (2,)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
@pytest.mark.parametrize(
    "messages",
    ["{}", "null", "[1]", '[{"x": 1}]', '[{"role": "tool", "content": "x"}]', '[{"role": "user", "content": null}]',
     '[{"role": "assistant", "content": "Welcome."}, {"role": "user", "content": "Hi"}]',
     '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": ""}]'],
)  # fmt: skip
def test_whatever_an_application_left_in_a_conversation_it_goes_on(
    functions: Functions, token: Token, say: Callable[..., Answer], emulator: Emulator, database: Any,
    messages: str, provider: str,
) -> None:  # fmt: skip
    conversation = say("Hello").json["conversation_id"]
    with database.connect() as owner:
        owner.execute("update ai_conversations set messages = %s", (messages,))
    assert functions.request("account", "GET", "/api/conversations", token=token("ada")).status == 200
    target = f"/api/conversations/{conversation}?format=markdown"
    assert functions.request("account", "GET", target, token=token("ada")).status == 200
    say("Go on", conversation, provider=provider)
    sent = emulator.requests()[-1]["body"]
    turns = sent.get("messages") or sent["contents"]
    assert turns[0]["role"] == "user"
    assert '""' not in json.dumps(turns)


def test_the_tail_that_fits_begins_with_a_turn_of_the_users(say: Callable[..., Answer], emulator: Emulator) -> None:
    conversation = say("x" * 23_000).json["conversation_id"]
    emulator.answer("y" * 2_000, match="second")
    say("second", conversation)
    say("third", conversation, provider="anthropic")
    assert [turn["role"] for turn in emulator.requests()[-1]["body"]["messages"]] == ["user", "assistant", "user"]


def test_what_the_application_said_of_the_situation_is_told_again_until_it_says_something_else(
    say: Callable[..., Answer], emulator: Emulator
) -> None:
    conversation = say("Hi", context={"page": "checkout"}).json["conversation_id"]
    say("Where am I?", conversation)
    assert "checkout" in emulator.requests()[-1]["body"]["messages"][0]["content"]
    say("And now?", conversation, context={"page": "cart"})
    situation = [m["content"] for m in emulator.requests()[-1]["body"]["messages"] if m["role"] == "system"]
    assert len(situation) == 1
    assert "cart" in situation[0]

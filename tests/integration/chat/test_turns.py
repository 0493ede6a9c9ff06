"""Conversations as chat reads and writes them: what the model is told, and what stays when things happen meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from parley.completion.history import most_tokens
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


@pytest.mark.parametrize("length", [24_001, 65_000, 99_000])
@pytest.mark.parametrize("sign", ["x", "漢", "🙂"])
def test_a_turn_of_any_length_is_remembered_by_its_beginning_and_its_end(
    say: Callable[..., Answer], emulator: Emulator, database: Any, sign: str, length: int
) -> None:
    conversation = say("I am Ada.").json["conversation_id"]
    long = "My name is Ada." + sign * length + "What is my name?"
    turns = [{"role": "user", "content": long}, {"role": "assistant", "content": "You are" + sign * length + "Ada."}]
    with database.connect() as owner:
        owner.execute("update ai_conversations set messages = messages || %s::jsonb", (json.dumps(turns),))
    answer = say("And now?", conversation, provider="anthropic").json
    told = emulator.requests()[-1]["body"]["messages"]
    assert [turn["role"] for turn in told] == ["user", "assistant", "user"]
    question, reply = (json.dumps(turn["content"], ensure_ascii=False) for turn in told[:2])
    for text, start, end in ((question, "My name is Ada.", "What is my name?"), (reply, "You are", "Ada.")):
        assert start in text
        assert "the middle of this message was left out" in text
        assert end in text
    assert most_tokens(question) + most_tokens(reply) <= 6_100
    assert answer["turns_left_out"] == 2


def test_the_answer_says_how_many_turns_were_left_out_also_when_it_is_replayed_or_streamed(
    functions: Functions, say: Callable[..., Answer], emulator: Emulator, token: Token
) -> None:
    conversation = say("x" * 9_000).json["conversation_id"]
    assert say("y" * 12_000, conversation).json["turns_left_out"] == 0
    body = {"message": "second", "conversation_id": conversation}
    options: dict[str, Any] = {"token": token("ada"), "headers": {"Idempotency-Key": "one"}}
    for _ in range(2):
        assert functions.request("chat", "POST", "/api/chat", body, **options).json["turns_left_out"] == 2
    assert len(emulator.requests()[-1]["body"]["messages"][0]["content"]) == 12_000
    stream = functions.request("chat_stream", "POST", "/api/chat/stream", body, token=token("ada")).text
    assert '"turns_left_out":2' in stream.rpartition("event: done")[2]


def test_a_fallback_with_a_smaller_context_is_told_less(
    functions: Functions, say: Callable[..., Answer], emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = say("x" * 9_000).json["conversation_id"]
    say("y" * 3_000, conversation)
    catalogue = functions.module("chat").services.catalogue
    small = catalogue.find(catalogue.default_chat_models()["anthropic"])._replace(context_window=3_000)
    find = catalogue.find
    monkeypatch.setattr(catalogue, "find", lambda model: small if model == small.id else find(model))
    emulator.fault("server_error", provider="openai", times=2)
    answer = say("z", conversation, max_tokens=1_000).json
    assert (answer["provider"], answer["turns_left_out"]) == ("anthropic", 2)
    asked = [record["body"]["messages"] for record in emulator.requests()]
    assert len(asked[-2]) == 5
    told = json.dumps(asked[-1])
    assert "yyy" in told
    assert "xxx" not in told
    assert most_tokens(told) <= 2_000 + 100


def test_the_window_is_a_setting(
    functions: Functions, say: Callable[..., Answer], emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions.environment["PARLEY_HISTORY_TOKENS"] = "100"
    conversation = say("x" * 90).json["conversation_id"]
    say("y" * 9_000, conversation)
    told = emulator.requests()[-1]["body"]["messages"]
    assert len(told) == 3
    assert say("z", conversation).json["turns_left_out"] == 2
    assert most_tokens(json.dumps(emulator.requests()[-1]["body"]["messages"][:-1])) <= 200


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

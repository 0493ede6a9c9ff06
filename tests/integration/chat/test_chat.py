"""Chat over HTTP: answers, refusals, conversations, caches, idempotency."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from testing.databases import set_clock
from testing.functions import Answer, Functions, api_event, make_token

Token = Callable[..., str]


def ask(functions: Functions, body: Any, token: str | None = None, **options: Any) -> Answer:
    if isinstance(body, str):
        body = {"message": body}
    return functions.request("chat", "POST", "/api/chat", body, token=token, **options)


def scalar(database: Any, query: str, *parameters: Any) -> Any:
    with database.connect() as owner:
        return owner.execute(query, parameters).fetchone()[0]


def test_a_question_is_answered_counted_and_priced(
    functions: Functions, token: Token, emulator: Emulator, database: Any
) -> None:
    emulator.answer("Sixty-four squares.", match="squares")
    answer = ask(functions, "How many squares has a chessboard?", token("ada"))
    assert answer.status == 200, answer.text
    body = answer.json
    assert body["message"] == {"role": "assistant", "content": "Sixty-four squares."}
    assert (body["provider"], body["provider_source"], body["cache"]) == ("openai", "environment", "none")
    assert answer.headers["X-RateLimit-Remaining"] == "9"
    assert answer.headers["RateLimit-Policy"] == '"daily";q=10;w=86400'
    assert body["usage"]["cost_usd"] is not None
    assert scalar(database, "select count(*) from ai_usage where user_id = 'ada'") == 1
    assert scalar(database, "select cost::text from ai_usage") == body["usage"]["cost_usd"]
    assert scalar(database, "select daily_usage from user_ai_settings where user_id = 'ada'") == 1


def test_a_request_takes_two_round_trips_and_a_hit_takes_one(functions: Functions, token: Token) -> None:
    ask(functions, "warm up", token("ada"))
    database = functions.module("chat").services.database
    before = database.round_trips
    ask(functions, "What is a fjord?", token("ada"))
    assert database.round_trips - before == 2
    ask(functions, "What is a fjord?", token("ada"))
    assert database.round_trips - before == 3
    faq = ask(functions, "What is Parley?", token("ada"))
    assert faq.json["cache"] == "faq"
    assert database.round_trips - before == 4


def test_the_same_question_again_is_served_from_the_tenants_cache(
    functions: Functions, token: Token, emulator: Emulator
) -> None:
    first = ask(functions, "What is a fjord?", token("ada", organization_id="acme"))
    again = ask(functions, "What is a fjord?", token("bob", organization_id="acme"))
    assert again.json["cache"] == "exact"
    assert again.json["message"] == first.json["message"]
    stranger = ask(functions, "What is a fjord?", token("eve", organization_id="umbrella"))
    assert stranger.json["cache"] == "none"
    assert len(emulator.requests()) == 2


@pytest.mark.parametrize("function", ["chat", "chat_stream"])
def test_who_waits_for_a_colleagues_answer_to_the_same_question_asks_the_model_after_a_few_looks(
    functions: Functions, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    colleague = Functions(environment)
    database = colleague.module(function).services.database
    provider = functions.module("chat").services.providers["openai"]
    complete, seen = provider.complete, []

    def silent(*arguments: Any) -> Any:
        before = database.round_trips
        path = "/api/chat" if function == "chat" else "/api/chat/stream"
        answer = colleague.request(
            function, "POST", path, {"message": "What is a fjord?"}, token=make_token("bob", organization_id="acme")
        )
        seen.append((answer.status, database.round_trips - before))
        return complete(*arguments)

    monkeypatch.setattr(provider, "complete", silent)
    mine = {"token": make_token("ada", organization_id="acme")}
    assert functions.request("chat", "POST", "/api/chat", {"message": "What is a fjord?"}, **mine).status == 200
    colleague.close()
    ((status, round_trips),) = seen
    assert status == 200
    assert round_trips == 6, "five to begin, one to finish"


def test_who_has_little_time_waits_for_a_cache_entry_for_a_part_of_it_only(
    functions: Functions, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried = Functions(environment | {"PARLEY_REQUEST_SECONDS": "2"})
    provider = functions.module("chat").services.providers["openai"]
    complete, seen = provider.complete, []

    def silent(*arguments: Any) -> Any:
        seen.append(hurried.request("chat", "POST", "/api/chat", {"message": "What is a fjord?"}, token=make_token()))
        return complete(*arguments)

    monkeypatch.setattr(provider, "complete", silent)
    functions.request("chat", "POST", "/api/chat", {"message": "What is a fjord?"}, token=make_token())
    hurried.close()
    assert [answer.status for answer in seen] == [200]


def test_an_answer_to_a_message_with_a_context_is_cached_for_its_user_alone(
    functions: Functions, token: Token, emulator: Emulator
) -> None:
    body = {"message": "What does it cost?", "context": {"page": "pricing"}}
    users = ("ada", "bob", "ada")
    served = [ask(functions, body, token(user, organization_id="acme")).json["cache"] for user in users]
    assert served == ["none", "none", "exact"]
    assert len(emulator.requests()) == 2


def test_what_shapes_the_answer_keeps_cached_answers_apart(functions: Functions, token: Token) -> None:
    plain = {"message": "What is a fjord?"}
    ask(functions, plain, token("ada"))
    for change in (
        {"temperature": 0.1},
        {"max_tokens": 50},
        {"system": "Answer in verse."},
        {"provider": "anthropic"},
        {"stop": ["."]},
        {"cache": "off"},
        {"context": {"page": "checkout"}},
    ):
        assert ask(functions, plain | change, token("ada")).json["cache"] == "none", change
    assert ask(functions, plain, token("ada")).json["cache"] == "exact"


def test_the_eleventh_question_of_the_day_is_refused_with_the_time_to_come_back(
    functions: Functions, token: Token, emulator: Emulator
) -> None:
    for number in range(10):
        assert ask(functions, f"Question {number}?", token("ada")).status == 200
    refused = ask(functions, "One more?", token("ada"))
    assert (refused.status, refused.json["code"]) == (429, "quota_exceeded")
    assert 0 < int(refused.headers["Retry-After"]) <= 86_400
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert refused.json["error"]["type"] == "rate_limit_error"
    assert len(emulator.requests()) == 10


def test_a_failed_call_gives_its_unit_back(functions: Functions, token: Token, emulator: Emulator) -> None:
    emulator.fault("bad_request", times=4)
    failed = ask(functions, "What is a fjord?", token("ada"))
    assert failed.status >= 400
    answer = ask(functions, "What is a lake?", token("ada"))
    assert answer.headers["X-RateLimit-Remaining"] == "9"


def test_another_provider_answers_when_the_first_is_down(
    functions: Functions, token: Token, emulator: Emulator, database: Any
) -> None:
    emulator.fault("server_error", provider="openai", times=4)
    answer = ask(functions, "What is a fjord?", token("ada"))
    assert answer.status == 200
    assert answer.json["provider"] != "openai"
    assert answer.json["fallback"] is True
    assert scalar(database, "select count(*) from ai_usage") == 1


def test_an_operators_bad_key_is_never_the_callers_401(functions: Functions, token: Token, emulator: Emulator) -> None:
    emulator.fault("unauthorized", provider="*", times=10)
    answer = ask(functions, "What is a fjord?", token("ada"))
    assert answer.status == 502
    assert "sk-operator" not in answer.text


def test_a_conversation_remembers_and_belongs_to_its_user(
    functions: Functions, token: Token, emulator: Emulator
) -> None:
    first = ask(functions, {"message": "My name is Ada.", "conversation_id": "new"}, token("ada"))
    conversation = first.json["conversation_id"]
    ask(functions, {"message": "What is my name?", "conversation_id": conversation}, token("ada"))
    sent = emulator.requests()[-1]["body"]["messages"]
    assert sent[0]["content"] == "My name is Ada."
    assert len(sent) == 3
    stranger = ask(functions, {"message": "What is my name?", "conversation_id": conversation}, token("eve"))
    assert (stranger.status, stranger.json["code"]) == (404, "conversation_not_found")
    assert ask(functions, {"message": "Hello", "conversation_id": "new"}).status == 401


def test_an_anonymous_caller_has_a_small_allowance_per_address(functions: Functions) -> None:
    statuses = [ask(functions, f"Question {number}?").status for number in range(12)]
    allowed = statuses.count(200)
    assert 0 < allowed < 10
    assert statuses == [200] * allowed + [429] * (12 - allowed)
    assert ask(functions, "Question?", address="198.51.100.9").status == 200


def test_a_repeated_idempotency_key_gets_the_same_answer_without_a_call(
    functions: Functions, token: Token, emulator: Emulator, database: Any
) -> None:
    key = {"Idempotency-Key": "order-66"}
    first = ask(functions, "What is a fjord?", token("ada"), headers=key)
    again = ask(functions, "What is a fjord?", token("ada"), headers=key)
    assert again.json == first.json
    assert len(emulator.requests()) == 1
    assert scalar(database, "select count(*) from ai_usage") == 1
    other = ask(functions, "What is a lake?", token("ada"), headers=key)
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    assert ask(functions, "What is a lake?", token("bob"), headers=key).status == 200


@pytest.mark.parametrize(
    "body",
    [
        "{",
        [],
        {},
        {"message": ""},
        {"message": 5},
        {"message": "x", "messages": [{"role": "user", "content": "y"}]},
        {"messages": [{"role": "assistant", "content": "y"}]},
        {"message": "x", "provider": "clippy"},
        {"message": "x", "temperature": "hot"},
        {"message": "x", "temperature": 1e999},
        {"message": "a\u0000b"},
        '{"message": "\\ud800"}',
        '{"message": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"message": "x", "context": ' + '{"a":' * 90 + "1" + "}" * 90 + "}",
        '{"message": "x", "max_tokens": ' + "9" * 5000 + "}",
        {"message": "x", "unknown": True},
    ],
)
def test_bad_input_is_a_problem_document_and_costs_nothing(
    functions: Functions, token: Token, emulator: Emulator, database: Any, body: Any
) -> None:
    text = body if isinstance(body, str) else None
    event_body = text if text is not None else body
    answer = functions.request("chat", "POST", "/api/chat", event_body, token=token("ada"))
    assert answer.status == 400, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["error"]["code"] == answer.json["code"]
    assert "Traceback" not in answer.text
    assert emulator.requests() == []
    assert scalar(database, "select count(*) from app.ai_requests") == 0


def test_five_megabytes_are_too_large(functions: Functions, token: Token) -> None:
    answer = ask(functions, {"message": "x" * 5_000_000}, token("ada"))
    assert (answer.status, answer.json["code"]) == (413, "body_too_large")


def stream(functions: Functions, body: Any, token: str | None = None, **options: Any) -> list[tuple[str, Any]]:
    answer = functions.request("chat_stream", "POST", "/api/chat/stream", body, token=token, **options)
    assert answer.status == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    events = []
    for block in answer.text.strip().split("\n\n"):
        name, data = block.split("\n", 1)
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_a_streamed_answer_arrives_in_pieces_and_is_settled_once(
    functions: Functions, token: Token, emulator: Emulator, database: Any, provider: str
) -> None:
    emulator.answer("One. Two. Three.", match="Count")
    events = stream(functions, {"message": "Count", "provider": provider}, token("ada"))
    names = [name for name, _ in events]
    assert names[0] == "start"
    assert names[-2:] == ["usage", "done"]
    assert "".join(data["text"] for name, data in events if name == "delta") == "One. Two. Three."
    assert events[-1][1]["finish_reason"] == "stop"
    assert scalar(database, "select count(*) from ai_usage where cost is not null") == 1
    assert scalar(database, "select daily_usage from user_ai_settings") == 1


def test_a_stream_is_served_from_the_cache_and_replayed_by_its_key(
    functions: Functions, token: Token, emulator: Emulator
) -> None:
    key = {"Idempotency-Key": "one"}
    first = stream(functions, {"message": "What is a fjord?"}, token("ada"), headers=key)
    replay = stream(functions, {"message": "What is a fjord?"}, token("ada"), headers=key)
    cached = stream(functions, {"message": "What is a fjord?"}, token("ada"))
    texts = ["".join(data["text"] for name, data in events if name == "delta") for events in (first, replay, cached)]
    assert len(set(texts)) == 1
    assert replay[0][1]["id"] == first[0][1]["id"]
    assert cached[0][1]["cache"] == "exact"
    assert len(emulator.requests()) == 1


@pytest.mark.parametrize("fault", ["cut", "mid_stream_error"])
def test_a_stream_that_breaks_ends_with_an_error_and_is_neither_cached_nor_paid_with_a_unit(
    functions: Functions, token: Token, emulator: Emulator, database: Any, fault: str
) -> None:
    emulator.answer("A long enough answer to be cut in the middle of it, word after word after word.", match="fjord")
    emulator.fault(fault, provider="openai", **({"cut_after": 700} if fault == "cut" else {}))
    events = stream(functions, {"message": "What is a fjord?"}, token("ada"))
    assert [name for name, _ in events][-1] == "error"
    assert "done" not in dict(events)
    assert events[-1][1]["error"]["code"]
    assert scalar(database, "select count(*) from ai_response_cache") == 0
    assert scalar(database, "select count(*) from ai_usage") == 1
    assert scalar(database, "select count(*) from app.ai_requests where state = 'released'") == 1
    assert scalar(database, "select daily_usage from user_ai_settings") == 0


def test_an_answer_of_any_length_is_served_from_the_cache(
    functions: Functions, token: Token, emulator: Emulator
) -> None:
    emulator.answer("word " * 21_000)
    first, again = (ask(functions, {"message": "Go on", "max_tokens": 16_384}, token("ada")) for _ in range(2))
    assert (again.status, again.json["message"]) == (200, first.json["message"])
    assert again.json["cache"] == "exact"


def test_the_operators_bad_key_is_never_the_callers_fault(
    environment: dict[str, str], token: Token, emulator: Emulator
) -> None:
    alone = Functions({name: value for name, value in environment.items() if name[:6] not in ("ANTHRO", "GEMINI")})
    emulator.fault("unauthorized", provider="openai", times=9)
    answers = [ask(alone, "Hi", token("ada")) for _ in range(3)]
    alone.close()
    assert {(answer.status, answer.json["code"]) for answer in answers} == {(502, "upstream_credentials_rejected")}


@pytest.mark.parametrize("cache", ["exact", "semantic"])
def test_an_answer_in_anothers_place_is_not_kept_for_when_that_one_is_back(
    functions: Functions, token: Token, emulator: Emulator, database: Any, cache: str
) -> None:
    def send() -> dict[str, Any]:
        return dict(ask(functions, {"message": "What is a fjord?", "cache": cache}, token("ada")).json)

    emulator.fault("server_error", provider="openai", path="chat", times=2)
    assert send()["fallback"] is True
    assert scalar(database, "select count(*) from ai_response_cache") == 0
    emulator.reset()
    assert send()["cache"] == "none"


def test_whoever_leaves_the_choice_gets_a_stored_answer_and_is_told_whose(
    environment: dict[str, str], token: Token
) -> None:
    functions = Functions(environment | {"AI_PROVIDER": "anthropic"})
    first, again = (ask(functions, {"message": "Hi", "provider": "auto"}, token("ada")).json for _ in range(2))
    functions.close()
    assert (first["provider"], first["cache"]) == ("openai", "none")
    assert (again["provider"], again["cache"]) == ("openai", "exact")


def test_a_stream_that_breaks_by_our_own_fault_may_be_tried_again_for_its_unit(
    functions: Functions, token: Token, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = functions.module("chat_stream").services.providers["openai"]

    def broken(*_: Any) -> Any:
        yield "A fjord"
        raise RuntimeError("ours")

    key = {"Idempotency-Key": "one"}
    with monkeypatch.context() as patched:
        patched.setattr(provider, "stream", broken)
        events = stream(functions, {"message": "What is a fjord?"}, token("ada"), headers=key)
    assert events[-1][0] == "error"
    assert stream(functions, {"message": "What is a fjord?"}, token("ada"), headers=key)[-1][0] == "done"
    assert scalar(database, "select daily_usage from user_ai_settings") == 1


def test_what_auto_chooses_is_no_fallback_and_what_answers_in_its_place_is(
    environment: dict[str, str], token: Token, emulator: Emulator
) -> None:
    functions = Functions(environment | {"AI_PROVIDER": "anthropic"})
    chosen = ask(functions, {"message": "Hi", "provider": "auto"}, token("ada")).json
    assert (chosen["provider"], chosen["fallback"]) == ("openai", False)
    emulator.fault("server_error", provider="openai", times=2)
    other = ask(functions, {"message": "Hello", "provider": "auto"}, token("ada")).json
    functions.close()
    assert other["fallback"] is (other["provider"] != "openai") is True


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_an_answer_that_ended_for_an_unknown_reason_is_in_the_ledger(
    functions: Functions, token: Token, emulator: Emulator, database: Any, provider: str
) -> None:
    emulator.fault("unknown_finish", provider=provider)
    answer = ask(functions, {"message": "Hi", "provider": provider, "cache": "off"}, token("ada"))
    assert answer.status == 200, answer.text
    assert scalar(database, "select count(*) from ai_usage where tokens_completion > 0 and cost > 0") == 2
    assert scalar(database, "select sum(tokens_completion) from ai_usage") == answer.json["usage"]["output_tokens"]


def test_an_error_event_says_when_to_come_back(functions: Functions, token: Token, emulator: Emulator) -> None:
    emulator.fault("rate_limit", provider="*", times=20, retry_after="77")
    name, document = stream(functions, {"message": "Hi"}, token("ada"))[-1]
    assert (name, document["code"], document["retry_after"]) == ("error", "upstream_rate_limited", 77)


def test_a_refused_stream_is_a_problem_document_with_its_status(functions: Functions, token: Token) -> None:
    answer = functions.request(
        "chat_stream", "POST", "/api/chat/stream", {"message": "x", "provider": "clippy"}, token=token("ada")
    )
    assert (answer.status, answer.json["code"]) == (400, "invalid_provider")


def test_an_equivalent_question_is_served_and_one_that_differs_is_not(
    functions: Functions, token: Token, emulator: Emulator, database: Any
) -> None:
    def semantic(message: str, user: str = "ada") -> Any:
        body = {"message": message, "cache": "semantic"}
        return ask(functions, body, token(user, organization_id="acme" if user != "eve" else "umbrella")).json

    assert semantic("How do I reset my password?")["cache"] == "none"
    before = functions.module("chat").services.database.round_trips
    assert semantic("How can I reset my password?", "bob")["cache"] == "semantic"
    assert functions.module("chat").services.database.round_trips - before == 3
    assert semantic("How can I not reset my password?")["cache"] == "none"
    assert semantic("How can I reset my password?", "eve")["cache"] == "none"
    assert scalar(database, "select daily_usage from user_ai_settings where user_id = 'bob'") == 0
    assert scalar(database, "select count(*) from ai_usage where user_id = 'bob' and operation_type = 'embedding'") == 1


@pytest.mark.parametrize("question", ["What is Parley?", "What is a fjord?"])
def test_an_answer_that_took_no_unit_is_replayed_as_it_was(
    functions: Functions, token: Token, emulator: Emulator, question: str
) -> None:
    ask(functions, "What is a fjord?", token("ada"))
    key = {"Idempotency-Key": "one"}
    first = ask(functions, question, token("ada"), headers=key)
    again = ask(functions, question, token("ada"), headers=key)
    assert first.json["cache"] in ("faq", "exact")
    assert (again.status, again.json) == (200, first.json)
    other = {"Idempotency-Key": "two"}
    streamed = [stream(functions, {"message": question}, token("ada"), headers=other) for _ in range(2)]
    assert streamed[0] == streamed[1]
    assert len(emulator.requests()) == 1


def test_a_semantic_hit_is_replayed_as_it_was_whatever_becomes_of_the_cache(
    functions: Functions, token: Token, emulator: Emulator, database: Any
) -> None:
    def send(message: str, **options: Any) -> Answer:
        return ask(functions, {"message": message, "cache": "semantic"}, token("ada"), **options)

    key = {"Idempotency-Key": "one"}
    emulator.answer("Under settings.")
    send("How do I reset my password?")
    first = send("How can I reset my password?", headers=key)
    with database.connect() as owner:
        owner.execute("delete from ai_response_cache")
        kept = owner.execute("select answer::text from app.ai_requests where answer is not null").fetchall()
    again = send("How can I reset my password?", headers=key)
    assert first.json["cache"] == "semantic"
    assert (again.status, again.text) == (200, first.text)
    assert again.headers["X-RateLimit-Remaining"] == "9"
    assert "reset my password" not in str(kept), "whose question it was first stays with them"
    assert emulator.counts()["openai /v1/embeddings"] == 2
    assert scalar(database, "select count(*) from app.cache_fills") == 0
    assert scalar(database, "select sum(request_count) from user_ai_usage") == 1


def test_a_semantic_hit_takes_no_unit_but_tokens_to_embed_as_long_as_there_are_some(
    functions: Functions, token: Token, emulator: Emulator, database: Any
) -> None:
    def semantic(message: str) -> Answer:
        return ask(functions, {"message": message, "cache": "semantic"}, token("ada"))

    semantic("How do I reset my password?")
    hit = semantic("How can I reset my password?")
    assert (hit.json["cache"], hit.headers["X-RateLimit-Remaining"]) == ("semantic", "9")
    embedded = scalar(database, "select sum(tokens_prompt) from ai_usage where operation_type = 'embedding'")
    assert scalar(database, "select daily_embedding_tokens from user_ai_settings") == embedded > 0
    with database.connect() as owner:
        owner.execute("update user_ai_settings set daily_embedding_tokens = 100000")
    assert semantic("How could I reset my password?").json["cache"] == "none"
    assert emulator.counts()["openai /v1/embeddings"] == 2


def test_at_the_limit_an_equivalent_question_is_still_answered_within_the_tokens_to_embed(
    functions: Functions, token: Token, emulator: Emulator, database: Any
) -> None:
    def semantic(message: str, key: str | None = None) -> Answer:
        headers = {"Idempotency-Key": key} if key else None
        return ask(functions, {"message": message, "cache": "semantic"}, token("ada"), headers=headers)

    def embedded() -> tuple[int, int]:
        tokens = scalar(database, "select daily_embedding_tokens from user_ai_settings")
        return tokens, emulator.counts()["openai /v1/embeddings"]

    semantic("How do I reset my password?")
    with database.connect() as owner:
        owner.execute("update user_ai_settings set daily_usage = 10")
    before = functions.module("chat").services.database.round_trips
    for _ in range(2):
        hit = semantic("How can I reset my password?", key="one")
        assert (hit.status, hit.json["cache"], hit.headers["X-RateLimit-Remaining"]) == (200, "semantic", "0")
    assert functions.module("chat").services.database.round_trips - before == 4, "three, and one for the replay"
    tokens, calls = embedded()
    assert tokens == scalar(database, "select sum(tokens_prompt) from ai_usage where operation_type = 'embedding'")
    miss = semantic("Where is the nearest fjord?", key="two")
    assert (miss.status, miss.json["code"], "Retry-After" in miss.headers) == (429, "quota_exceeded", True)
    assert embedded() == (
        scalar(database, "select sum(tokens_prompt) from ai_usage where operation_type = 'embedding'"),
        3,
    )
    assert tokens < embedded()[0]
    assert emulator.counts()["openai /v1/chat/completions"] == 1
    with database.connect() as owner:
        owner.execute("update user_ai_settings set daily_embedding_tokens = 99999")
    assert semantic("How could I reset my password?").json["code"] == "quota_exceeded"
    assert (embedded(), calls) == ((99_999, 3), 2)
    with database.connect() as owner:
        owner.execute("update user_ai_settings set daily_usage = 9, daily_embedding_tokens = 0")
    assert semantic("Where is the nearest fjord?", key="two").json["cache"] == "none"
    assert scalar(database, "select daily_usage from user_ai_settings") == 10
    assert scalar(database, "select count(*) from app.cache_fills") == 0


def test_a_lookup_that_hangs_costs_the_answer_two_seconds_and_not_its_life(
    functions: Functions, token: Token, emulator: Emulator
) -> None:
    emulator.fault("silent", provider="openai", path="embeddings")
    body = {"message": "How do I reset my password?", "cache": "semantic"}
    event = api_event("POST", "/api/chat", body, token=token("ada"))
    assert functions.invoke("chat", event, seconds=6)["statusCode"] == 200


def test_who_may_ask_nothing_is_not_told_to_wait(functions: Functions, token: Token, database: Any) -> None:
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_units = 0 where tier = 'free'")
    refused = ask(functions, "What is a fjord?", token("ada"))
    assert refused.status == 429
    assert "Retry-After" not in refused.headers


def test_a_key_is_free_a_day_after_its_answer(
    functions: Functions, token: Token, emulator: Emulator, database: Any
) -> None:
    key = {"Idempotency-Key": "one"}

    def send(message: str) -> Answer:
        return ask(functions, {"message": message, "cache": "off"}, token("ada"), headers=key)

    def at(hours: int) -> None:
        with database.connect() as owner:
            set_clock(owner, f"pg_catalog.now() + interval '{hours} hours'")

    first = send("What is a fjord?")
    at(23)
    assert send("What is a fjord?").text == first.text
    assert send("What is a lake?").status == 422
    at(25)
    other = send("What is a lake?")
    assert (other.status, other.json["id"] == first.json["id"]) == (200, False)
    assert send("What is a lake?").text == other.text
    assert len(emulator.requests()) == 2
    assert scalar(database, "select sum(request_count) from user_ai_usage") == 2


def test_a_refusal_does_not_use_up_the_idempotency_key(functions: Functions, token: Token, database: Any) -> None:
    key = {"Idempotency-Key": "one"}
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_units = 1 where tier = 'free'")
    ask(functions, "What is a fjord?", token("ada"))
    assert ask(functions, "What is a lake?", token("ada"), headers=key).status == 429
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_units = 9 where tier = 'free'")
    assert ask(functions, "What is a sea?", token("ada"), headers=key).status == 200


@pytest.mark.parametrize("provider", [None, "auto"])
def test_a_model_that_is_named_says_which_provider_is_asked(
    functions: Functions, token: Token, provider: str | None
) -> None:
    body = {"message": "Hi", "model": "claude-haiku-5-5", "provider": provider}
    answer = ask(functions, body, token("ada"))
    assert (answer.json["provider"], answer.json["model"], answer.json["fallback"]) == (
        "anthropic",
        "claude-haiku-5-5",
        False,
    )

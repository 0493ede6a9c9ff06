"""An event that is sent again brings its request id: Lambda retries asynchronous calls, people replay events."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from parley.admission.requests import Requests
from testing.functions import Functions, api_event

Token = Callable[..., str]
ONE_ID = "9f0c2a3e-1d1b-4c76-9a55-0b7f6b1f5a10"
INTERACTION = {"interaction_type": "view", "item_type": "page"}
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("chat", "/api/chat", {"message": "What is a fjord?"}),
    ("chat", "/api/chat", {"message": "What is a fjord?", "conversation_id": "new"}),
    ("chat", "/api/chat", {"message": "What is a glacier?", "cache": "off"}),
    ("chat_stream", "/api/chat/stream", {"message": "What is a fjord?"}),
    ("wire", "/v1/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": "What is a fjord?"}]}),
    ("wire", "/v1/embeddings", {"model": "auto", "input": ["A fjord.", "A floe."]}),
    ("generate_interview_questions", "/api/generate-interview-questions", {"objective": "Find out", "number": 1}),
    ("search", "/api/documents", {"documents": [{"content": "A fjord is a deep inlet."}]}),
    ("search", "/api/documents", {"documents": [{"content": "A glacier is ice."}, {"content": "So is a floe."}]}),
    ("search", "/api/search", {"query": "inlets"}),
    ("search", "/api/search", {"query": "inlets", "mode": "keyword"}),
    ("search", "/api/search", {"query": "ice", "mode": "hybrid"}),
    ("account", "/api/interactions", {"interactions": [INTERACTION]}),
    ("set_provider", "/api/ai-provider", {"provider": "openai"}),
    ("interviews", "/api/interviews", {"questions": [{"question": "What is a fjord?"}]}),
    ("interviews", "/api/interviews", {"role": "cook", "number": 1}),
]


def send(functions: Functions, function: str, path: str, body: dict[str, Any], **options: Any) -> tuple[int, Any]:
    """Status and body of the answer to a request whose id is always the same."""
    event = api_event("POST", path, body, **options)
    event["requestContext"]["requestId"] = ONE_ID
    answer = functions.invoke(function, event)
    if function == "chat_stream":
        return answer.whole()["statusCode"] if not isinstance(answer, dict) else answer["statusCode"], None
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.parametrize("start", [0, 5])
def test_a_repeated_request_id_is_answered_on_every_route_whoever_sends_it(
    functions: Functions, token: Token, database: Any, start: int
) -> None:
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_units = 100 where tier = 'free'")
    callers = [token("ada"), token("bob"), token("ada", organization_id="acme")]
    calls = CALLS[start:] + CALLS[:start]
    for (function, path, body), caller in itertools.product(calls * 2, callers):
        status, answer = send(functions, function, path, body, token=caller)
        assert 200 <= status < 300, (path, body, answer)
    status, answer = send(functions, "chat", "/api/chat", {"message": "Hello"})
    assert status == 200, answer


def test_what_is_created_under_a_repeated_request_id_belongs_to_its_own_caller(
    functions: Functions, token: Token, database: Any
) -> None:
    documents, searches = [], []
    for user, text in (("ada", "fjords"), ("bob", "fjords"), ("ada", "glaciers")):
        stored = send(functions, "search", "/api/documents", {"documents": [{"content": text}]}, token=token(user))
        documents.append(stored[1]["data"][0]["id"])
        for mode in ("keyword", "semantic"):
            found = send(functions, "search", "/api/search", {"query": text, "mode": mode}, token=token(user))
            searches.append(found[1]["search_id"])
            target = f"/api/search/{searches[-1]}/selection"
            chosen = functions.request("search", "POST", target, {"content_id": documents[-1]}, token=token(user))
            assert chosen.status < 300, chosen.text
    assert len(set(documents)) == 3
    assert len(set(searches)) == 6
    with database.connect() as owner:
        assert owner.execute("select count(*) from public.embeddings").fetchone() == (3,)


def test_an_asynchronous_retry_of_a_request_that_broke_off_takes_its_unit_over(
    functions: Functions, token: Token, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"message": "What is a fjord?", "cache": "off"}

    def killed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Requests, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            send(functions, "chat", "/api/chat", body, token=token("ada"))
    assert send(functions, "chat", "/api/chat", body, token=token("ada"))[0] == 200
    with database.connect() as owner:
        assert owner.execute("select daily_usage from public.user_ai_settings").fetchone() == (1,)


def test_a_key_that_was_sent_is_still_bound_to_its_body_under_a_repeated_request_id(
    functions: Functions, token: Token
) -> None:
    key = {"token": token("ada"), "headers": {"Idempotency-Key": "one"}}
    first = send(functions, "chat", "/api/chat", {"message": "What is a fjord?"}, **key)
    assert send(functions, "chat", "/api/chat", {"message": "What is a fjord?"}, **key) == first
    status, problem = send(functions, "chat", "/api/chat", {"message": "What is a glacier?"}, **key)
    assert (status, problem["code"]) == (422, "idempotency_key_reused")

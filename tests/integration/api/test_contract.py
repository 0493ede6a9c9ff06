"""What every route really answers is what docs/openapi.json says, and a client is told when it is told again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from random import Random
from typing import Any, Protocol

import pytest

from local.emulator.client import Emulator
from local.emulator.voice import make_call
from testing.contract import contract, events
from testing.functions import Answer, Functions, api_event, make_token
from testing.voice import SIGNED
from tests.integration.interviews.feedback_cases import rows

ADA = make_token("ada", organization_id="acme", organization_role="admin")
SERVICE = make_token(None, role="service_role")
QUESTIONS = {"name": "Backend", "objective": "Find a colleague", "number": "2", "context": ""}
INTERVIEW = {"questions": [{"question": "Which ledger would you choose?"}, {"question": "What broke last?"}]}
PRACTICE = {"question": "What is a ledger?", "answer": "A book that only grows.", "skill": "technical_knowledge"}
# Answers with a redirection, to where the voice vendor says: tests/integration/interviews/test_voice_reconcile.py.
REDIRECTIONS = {"get_interview_recording"}
VIEW = {"interaction_type": "view", "item_type": "product", "item_id": "p1"}


class Ask(Protocol):
    """Sends a request to a function and gives its answer, which has to be a success."""

    def __call__(self, function: str, method: str, path: str, body: Any = None) -> Answer: ...


class Seen:
    """Judges answers by the contract, and keeps which operations succeeded, with which media type."""

    def __init__(self) -> None:
        self.operations: set[tuple[str, str]] = set()

    def faults(self, method: str, path: str, status: int, headers: Mapping[str, str], body: str) -> list[str]:
        """What of an answer the contract does not say."""
        operation = contract().operation(method, path)
        assert operation is not None
        if status < 300:
            self.operations.add((operation["operationId"], headers.get("Content-Type", "").partition(";")[0]))
        return contract().faults(method, path, status, headers, body)


@pytest.fixture
def seen() -> Seen:
    """What has been answered."""
    return Seen()


@pytest.fixture
def http(with_kms: Functions, seen: Seen) -> Iterator[Functions]:
    """The HTTP functions, which can encrypt keys."""
    made = Functions(with_kms.environment, seen.faults)
    yield made
    made.close()


@pytest.fixture
def operator(environment: dict[str, str], database: Any, seen: Seen) -> Iterator[Functions]:
    """The functions as the service login."""
    made = Functions(environment | {"DATABASE_URL": database.service_url}, seen.faults)
    yield made
    made.close()


def every_operation(ada: Ask, operator: Ask, leaver: Ask, webhook: Callable[[Any], Answer]) -> None:
    """Call every operation of the contract with success: as an organization's admin, as the operator, as somebody who
    is gone afterwards, and as the vendor.

    Args:
        webhook: sends an event, and waits until it is worked on.
    """

    def admin(method: str, path: str, body: Any = None) -> Answer:
        return operator("admin", method, f"/api/admin{path}", body)

    for path in ("/api/health?ready=true", "/api/openapi.json"):
        ada("health", "GET", path)
    ada("set_provider", "PUT", "/api/ai-provider/policy", {"allowed_providers": ["openai", "gemini"]})
    for scope in ("user", "organization"):
        ada("set_provider", "POST", "/api/ai-provider", {"provider": "gemini", "scope": scope})
    for query in ("", "?scope=user", "?scope=organization"):
        ada("get_provider", "GET", f"/api/ai-provider{query}")
    ada("set_provider", "DELETE", "/api/ai-provider")
    ada("account", "PATCH", "/api/settings", {"preferred_provider": "openai"})

    ada("chat", "POST", "/api/chat", {"message": "What is Parley?"})
    context = {"page": "home"}
    talk = ada("chat", "POST", "/api/chat", {"message": "Hi", "conversation_id": "new", "context": context}).json
    ada("chat_stream", "POST", "/api/chat/stream", {"message": "And now?", "provider": "auto"})
    hi = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}
    for stream in (False, True):
        ada("wire", "POST", "/v1/chat/completions", hi | {"stream": stream})
    ada("wire", "POST", "/v1/embeddings", {"model": "auto", "input": "A fjord.", "dimensions": 8})
    for path in ("/v1/models", "/v1/models/auto"):
        ada("wire", "GET", path)
    ada("generate_interview_questions", "POST", "/api/generate-interview-questions", QUESTIONS)
    conversation = f"/api/conversations/{talk['conversation_id']}"
    ada("account", "PATCH", conversation, {"title": "Greetings"})
    for path in ("/api/conversations", conversation, f"{conversation}?format=markdown"):
        ada("account", "GET", path)

    interview = f"/api/interviews/{ada('interviews', 'POST', '/api/interviews', INTERVIEW).json['id']}"
    state = ada("interviews", "POST", f"{interview}/start").json
    reply = {"submission_id": "one", "sequence_number": state["answer_sequence_number"], "content": "A ledger."}
    state = ada("interviews", "POST", f"{interview}/responses", reply).json
    ada("interviews", "POST", f"{interview}/skip", {"sequence_number": state["answer_sequence_number"]})
    ada("interviews", "POST", f"{interview}/complete")
    ada("interviews", "POST", f"{interview}/feedback", {})
    ada("interviews", "GET", f"{interview}/feedback")
    ada("interviews", "PATCH", interview, {"title": "Ledgers"})
    for path in ("", "/state", "/responses", "/transcript", "/export", "/export?format=csv", "/export?format=md"):
        ada("interviews", "GET", f"{interview}{path}")
    for path in ("", "/stats", "/recent"):
        ada("interviews", "GET", f"/api/interviews{path}")
    ada("interviews", "POST", f"{interview}/retry")
    ada("interviews", "DELETE", interview)
    another = ada("interviews", "POST", "/api/interviews", INTERVIEW).json["id"]
    ada("interviews", "POST", f"/api/interviews/{another}/abandon")

    by_voice = ada("interviews", "POST", "/api/interviews", INTERVIEW | {"interview_type": "voice"}).json["id"]
    started = ada("interviews", "POST", f"/api/interviews/{by_voice}/start").json
    webhook(
        make_call(Random(1), f"call-{by_voice}", started, [one["question"] for one in INTERVIEW["questions"]]).report()
    )
    ada("interviews", "GET", f"/api/interviews/{by_voice}/voice-analytics")
    ada("interviews", "POST", f"/api/interviews/{by_voice}/voice-analytics", {"mean_dbfs": -20})

    attempt = ada("interviews", "POST", "/api/practice-attempts", PRACTICE).json["id"]
    for path in ("", f"/{attempt}"):
        ada("interviews", "GET", f"/api/practice-attempts{path}")

    documents = {"documents": [{"content": "Espresso needs nine bars."}, {"content": "A fjord.", "metadata": {"a": 1}}]}
    ids = [row["id"] for row in ada("search", "POST", "/api/documents", documents).json["data"]]
    other = "/api/content/route/00000000-0000-0000-0000-000000000002"
    operator("admin", "PUT", other, {"title": "espresso bars"})
    for mode in ("semantic", "keyword", "hybrid"):
        find = {"query": "espresso", "mode": mode, "types": ["document", "route"]}
        found = ada("search", "POST", "/api/search", find).json
    assert {hit["type"] for hit in found["data"]} == {"document", "route"}
    ada("search", "POST", f"/api/search/{found['search_id']}/selection", {"content_id": ids[0]})
    for path in ("/api/documents", f"/api/documents/{ids[0]}"):
        ada("search", "GET", path)
    ada("search", "DELETE", f"/api/documents/{ids[0]}")
    ada("search", "DELETE", "/api/documents?all=true")

    ada("account", "POST", "/api/interactions", {"interactions": [VIEW]})
    for path in ("/api/interactions", "/api/recommendations", "/api/ai-providers", "/api/faqs", "/api/usage"):
        ada("account", "GET", path)
    for scope in ("user", "organization"):
        for group in ("day", "provider", "model", "operation"):
            ada("account", "GET", f"/api/usage/history?group_by={group}&scope={scope}")
        ada("account", "GET", f"/api/usage/providers?scope={scope}")
    ada("account", "GET", "/api/usage/searches")
    keys = "/api/settings/access-keys"
    made = ada("account", "POST", keys, {"name": "a program", "scopes": ["chat"], "owner": "organization"}).json
    ada("account", "GET", f"{keys}?owner=organization")
    ada("account", "PATCH", f"{keys}/{made['id']}", {"name": "another program"})
    ada("account", "DELETE", f"{keys}/{made['id']}")
    ada("account", "GET", "/api/usage/access-keys")
    ada("account", "PATCH", "/api/profile", {"timezone": "Europe/Stockholm"})
    for path in (
        "profile",
        "profile/export",
        "xp-events",
        "achievements",
        "streaks",
        "user-progress",
        "leaderboard",
        "leaderboard?scope=organization",
    ):
        ada("account", "GET", f"/api/{path}")

    key = "/api/settings/api-keys/openai"
    ada("store_key", "PUT", key, {"api_key": "sk-mine-1234567890"})
    ada("verify_key", "POST", f"{key}/verify")
    ada("account", "GET", "/api/settings")
    ada("store_key", "DELETE", key)

    free = next(tier for tier in admin("GET", "/tiers").json["data"] if tier["tier"] == "free")
    limits = ("daily_units", "monthly_units", "daily_embedding_tokens")
    admin("PUT", "/tiers/free", {limit: free[limit] for limit in limits})
    admin("PUT", "/users/eve/tier", {"tier": "premium"})
    faq = {"pattern": "opening hours *", "response": "Nine to five."}
    one = f"/faqs/{admin('POST', '/faqs', faq).json['id']}"
    admin("PUT", one, faq | {"priority": 3})
    for path in ("/tiers", "/faqs", "/analytics"):
        admin("GET", path)
    admin("DELETE", one)
    for task in ("usage_reset", "cache_cleanup"):
        admin("POST", "/maintenance", {"task": task})
    admin("DELETE", "/users/eve")
    content = "/api/content/route/00000000-0000-0000-0000-000000000001"
    for path, body in ((content, item := {"title": "Round the lake"}),
                       ("/api/content/route", {"items": [item | {"id": content[-36:]}]})):  # fmt: skip
        operator("admin", "PUT", path, body)
        ada("search", "GET", path)
    operator("admin", "DELETE", content)
    operator("admin", "DELETE", "/api/content/route?all=true")
    ada("account", "DELETE", conversation)
    leaver("account", "DELETE", "/api/profile")


def test_every_operation_answers_as_it_says(http: Functions, operator: Functions, seen: Seen, database: Any) -> None:
    def ask(functions: Functions, token: str, *request: Any) -> Answer:
        answer = functions.request(*request, token=token)
        assert answer.status < 300, answer.text
        return answer

    def webhook(event: Any) -> Answer:
        answer = http.request("voice_events", "POST", "/api/webhooks/vapi", event, headers=SIGNED)
        assert answer.status == 200, answer.text
        event_id = rows(database, "select max(id)::text from app.webhook_events")[0]
        task = {"messageId": "one", "body": json.dumps({"task": "voice_event", "id": event_id})}
        assert operator.invoke("worker", {"Records": [task]}, 120) == {"batchItemFailures": []}
        return answer

    leaver = partial(ask, http, make_token("leaver"))
    every_operation(partial(ask, http, ADA), partial(ask, operator, SERVICE), leaver, webhook)
    declared = {
        (name, kind)
        for name, operation in contract().operations.items()
        for status, response in operation["responses"].items()
        if status.startswith("2")
        for kind in response.get("content", {"": None})
    }
    assert seen.operations == declared


def test_a_stream_that_breaks_off_ends_with_a_problem_as_it_is_declared(
    functions: Functions, emulator: Emulator
) -> None:
    emulator.answer("A fjord is long and deep and was made by ice.", match="fjord")
    emulator.fault("mid_stream_error")
    answer = functions.request("chat_stream", "POST", "/api/chat/stream", {"message": "What is a fjord?"}, token=ADA)
    name, problem = events(answer.text)[-1]
    assert (name, problem["code"], problem["retryable"]) == ("error", "upstream_error", True)


@pytest.mark.parametrize(
    ("function", "path", "body"),
    [
        ("chat", "/api/chat", {"message": "What is a fjord?"}),
        ("chat", "/api/chat", {"message": "What is Parley?"}),
        ("chat_stream", "/api/chat/stream", {"message": "What is a fjord?"}),
        (
            "wire",
            "/v1/chat/completions",
            {"model": "auto", "messages": [{"role": "user", "content": "What is a fjord?"}]},
        ),
        ("generate_interview_questions", "/api/generate-interview-questions", QUESTIONS),
        ("search", "/api/documents", {"documents": [{"content": "A fjord."}]}),
        ("search", "/api/search", {"query": "fjord"}),
        ("account", "/api/interactions", {"interactions": [VIEW]}),
        ("interviews", "/api/interviews", INTERVIEW),
    ],
)
def test_an_answer_that_is_given_again_says_so(functions: Functions, function: str, path: str, body: Any) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = (functions.request(function, "POST", path, body, token=ADA, headers=key) for _ in range(2))
    assert again.text == first.text or function == "chat_stream"
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_route_without_an_idempotency_key_does_not_look_at_one(functions: Functions) -> None:
    key = {"Idempotency-Key": "é"}
    body = {"preferred_provider": "openai"}
    assert functions.request("account", "PATCH", "/api/settings", body, token=ADA, headers=key).status == 200


@pytest.mark.parametrize(
    ("function", "path"),
    [
        ("account", "/api/settings?tier=premium"),
        ("account", "/api/conversations?page=2"),
        ("account", "/api/usage/history?form=2026-01-01"),
        ("get_provider", "/api/ai-provider?scopes=user"),
        ("health", "/api/health?read=true"),
        ("search", "/api/documents?all=true"),
    ],
)
def test_a_query_with_an_unknown_parameter_is_400(functions: Functions, function: str, path: str) -> None:
    answer = functions.request(function, "GET", path, token=ADA)
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert len(answer.json["errors"]) == 1


def test_a_query_that_names_a_parameter_twice_is_400(functions: Functions) -> None:
    event = api_event("GET", "/api/conversations?limit=1", token=ADA)
    event["multiValueQueryStringParameters"] = {"limit": ["1", "2"]}
    assert functions.invoke("account", event)["statusCode"] == 400

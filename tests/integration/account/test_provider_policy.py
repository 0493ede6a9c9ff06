"""An organization's policy holds for everything that leaves for a provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from testing.functions import Answer, Functions, make_token
from tests.integration.interviews.feedback_cases import run_worker

Token = Callable[..., str]
DOCUMENTS = {"documents": [{"content": "Refunds are paid within five days."}]}
OWN_KEYS = {"openai": "sk-own-openai-1111", "anthropic": "sk-own-anthropic-2222"}


def member(user: str = "ada") -> str:
    return make_token(user, organization_id="acme", organization_role="member")


def restrict(functions: Functions, **policy: list[str]) -> None:
    body = {f"{which}_providers": names for which, names in policy.items()}
    admin = make_token("boss", organization_id="acme", organization_role="admin")
    assert functions.request("set_provider", "PUT", "/api/ai-provider/policy", body, token=admin).status == 200


def search(functions: Functions, token: str, **body: Any) -> Answer:
    return functions.request("search", "POST", "/api/search", {"query": "refunds"} | body, token=token)


def ask(functions: Functions, token: str, message: str = "What is a fjord?", **body: Any) -> Answer:
    return functions.request("chat", "POST", "/api/chat", {"message": message} | body, token=token)


def asked(emulator: Emulator) -> set[str]:
    return {record["provider"] for record in emulator.requests()}


def own_key(functions: Functions, provider: str, token: str) -> Answer:
    path = f"/api/settings/api-keys/{provider}"
    assert functions.request("store_key", "PUT", path, {"api_key": OWN_KEYS[provider]}, token=token).status == 200
    return functions.request("verify_key", "POST", f"{path}/verify", token=token)


def assert_forbidden(answer: Answer) -> None:
    assert (answer.status, answer.json["code"]) == (403, "provider_not_allowed"), answer.text


@pytest.mark.parametrize("policy", [{"allowed": ["anthropic"]}, {"forbidden": ["openai", "gemini"]}])
def test_a_members_documents_and_searches_stay_where_no_allowed_provider_embeds(
    functions: Functions, emulator: Emulator, database: Any, policy: dict[str, Any]
) -> None:
    restrict(functions, **policy)
    assert_forbidden(functions.request("search", "POST", "/api/documents", DOCUMENTS, token=member()))
    for mode in ("semantic", "hybrid"):
        assert_forbidden(search(functions, member(), mode=mode))
    for key in ({}, {"Idempotency-Key": "one"}):
        body = {"query": "refunds", "mode": "keyword"}
        assert functions.request("search", "POST", "/api/search", body, token=member(), headers=key).status == 200
    assert emulator.requests() == []
    with database.connect() as owner:
        assert owner.execute("select sum(daily_embedding_tokens) from user_ai_settings").fetchone() == (0,)
        assert owner.execute("select count(*) from ai_usage").fetchone() == (0,)
    assert functions.request("search", "POST", "/api/documents", DOCUMENTS, token=make_token("eve")).status == 201


def test_an_allowed_provider_embeds_in_the_first_ones_place(functions: Functions, emulator: Emulator) -> None:
    restrict(functions, forbidden=["openai"])
    assert functions.request("search", "POST", "/api/documents", DOCUMENTS, token=member()).status == 201
    assert len(search(functions, member()).json["data"]) == 1
    assert asked(emulator) == {"google"}


def test_without_any_provider_that_embeds_it_is_still_503(functions: Functions) -> None:
    functions.environment |= {"OPENAI_API_KEY": "", "GEMINI_API_KEY": ""}
    restrict(functions, allowed=["anthropic"])
    answer = search(functions, member(), mode="semantic")
    assert (answer.status, answer.json["code"]) == (503, "embeddings_unavailable")


def test_a_semantic_lookup_is_skipped_where_no_allowed_provider_embeds(
    functions: Functions, emulator: Emulator
) -> None:
    restrict(functions, allowed=["anthropic"])
    for message in ("What is a fjord?", "What exactly is a fjord?"):
        answer = ask(functions, member(), message, cache="semantic")
        assert (answer.status, answer.json["provider"], answer.json["cache"]) == (200, "anthropic", "none")
    assert asked(emulator) == {"anthropic"}


def test_a_key_of_a_forbidden_provider_is_not_verified_and_makes_nobody_byok(
    with_kms: Functions, emulator: Emulator
) -> None:
    restrict(with_kms, allowed=["anthropic"])
    assert_forbidden(own_key(with_kms, "openai", member()))
    assert emulator.requests() == []
    assert with_kms.request("account", "GET", "/api/settings", token=member()).json["tier"] == "free"
    assert own_key(with_kms, "anthropic", member()).json["tier"] == "byok"
    # The key is the user's: outside the organization it may be used.
    assert own_key(with_kms, "openai", make_token("ada")).status == 200


def test_a_key_from_before_the_policy_is_not_used(with_kms: Functions, emulator: Emulator) -> None:
    assert own_key(with_kms, "openai", member()).json["tier"] == "byok"
    assert ask(with_kms, member(), cache="off").json["provider"] == "openai"
    restrict(with_kms, allowed=["anthropic", "google"])
    emulator.reset()
    assert_forbidden(ask(with_kms, member(), cache="off"))
    assert_forbidden(ask(with_kms, member(), cache="semantic"))
    assert_forbidden(ask(with_kms, member(), provider="openai"))
    assert emulator.requests() == []
    own_key(with_kms, "anthropic", member())
    emulator.fault("server_error", provider="anthropic", times=8)
    assert ask(with_kms, member(), cache="semantic").status >= 500
    assert asked(emulator) == {"anthropic"}


def test_in_an_outage_the_policy_holds_for_members_that_were_never_seen(
    functions: Functions, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    restrict(functions, allowed=["google"])
    assert ask(functions, member(), cache="off").json["provider"] == "google"

    emulator.reset()
    database = functions.module("chat").services.database
    database.close()
    for address in ("_conninfo", "_renewed"):
        monkeypatch.setattr(database, address, lambda: "postgresql://parley_app:none@127.0.0.1:1/postgres")
    for user in ("ada", "bob"):
        answer = ask(functions, member(user), cache="semantic")
        assert (answer.status, answer.json["provider"]) == (200, "google"), answer.text
    assert ask(functions, member("bob"), provider="openai").status == 503
    stranger = ask(functions, make_token("eve", organization_id="umbrella"))
    assert (stranger.status, stranger.json["code"]) == (503, "database_unavailable")
    assert asked(emulator) == {"google"}


def test_an_interview_and_its_feedback_stay_with_allowed_providers(
    functions: Functions, schedules: Functions, emulator: Emulator, database: Any
) -> None:
    restrict(functions, allowed=["anthropic"])

    def send(path: str, body: Any = None) -> Answer:
        return functions.request("interviews", "POST", f"/api/interviews{path}", body, token=member())

    made = send("", {"role": "cook", "number": 1})
    assert made.status == 201, made.text
    interview = made.json["id"]
    state = send(f"/{interview}/start").json
    answer = {"submission_id": "s1", "sequence_number": state["answer_sequence_number"], "content": "By tasting."}
    assert send(f"/{interview}/responses", answer).status == 200
    assert send(f"/{interview}/complete").status == 202
    assert run_worker(schedules, interview) == []
    with database.connect() as owner:
        status = owner.execute("select feedback_status from interview_sessions").fetchone()
    assert status == ("ready",)
    assert asked(emulator) == {"anthropic"}
    restrict(functions, allowed=["google"])
    assert send("", {"role": "cook", "number": 1, "language": "de"}).status == 201
    assert asked(emulator) == {"anthropic", "google"}

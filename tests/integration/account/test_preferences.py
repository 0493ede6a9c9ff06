"""S1: provider preferences over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from parley.database.errors import DatabaseUnavailable
from testing.functions import Functions

Token = Callable[..., str]


def stored(database: Any) -> list[tuple[Any, ...]]:
    with database.connect() as owner:
        rows: list[tuple[Any, ...]] = owner.execute(
            """
            select user_id, organization_id, preferred_provider::text, is_active
            from ai_provider_preferences order by id
            """
        ).fetchall()
    return rows


def effective(functions: Functions, token: str | None, query: str = "") -> tuple[str | None, str]:
    answer = functions.request("get_provider", "GET", f"/api/ai-provider{query}", token=token)
    assert answer.status == 200, answer.text
    return answer.json["provider"], answer.json["provider_source"]


def save(functions: Functions, token: str | None, body: Any) -> Any:
    return functions.request("set_provider", "POST", "/api/ai-provider", body, token=token)


def test_without_any_choice_the_environment_decides(functions: Functions, token: Token) -> None:
    assert effective(functions, None) == ("openai", "environment")
    assert effective(functions, token("ada")) == ("openai", "environment")


def test_a_saved_preference_comes_back_in_the_callers_spelling(functions: Functions, token: Token) -> None:
    saved = save(functions, token("ada"), {"provider": "gemini"})
    assert saved.status == 200
    assert saved.json["provider"] == "gemini"
    assert effective(functions, token("ada")) == ("gemini", "user")
    assert effective(functions, token("bob")) == ("openai", "environment")


def test_the_users_choice_wins_over_the_organizations(functions: Functions, token: Token) -> None:
    admin = token("ada", organization_id="acme", organization_role="admin")
    member = token("bob", organization_id="acme", organization_role="member")
    assert save(functions, admin, {"provider": "anthropic", "scope": "organization"}).status == 200
    assert effective(functions, member) == ("anthropic", "organization")
    assert save(functions, member, {"provider": "google"}).status == 200
    assert effective(functions, member) == ("google", "user")
    assert effective(functions, member, "?scope=organization") == ("anthropic", "organization")
    assert effective(functions, admin) == ("anthropic", "organization")


def test_deleting_is_soft_and_falls_back(functions: Functions, token: Token, database: Any) -> None:
    save(functions, token("ada"), {"provider": "gemini"})
    answer = functions.request("set_provider", "DELETE", "/api/ai-provider", token=token("ada"))
    assert (answer.status, answer.json) == (200, {"provider": "openai", "provider_source": "environment"})
    assert stored(database) == [("ada", None, "gemini", False)]


def test_saving_again_keeps_one_row(functions: Functions, token: Token, database: Any) -> None:
    for provider in ("gemini", "openai", "anthropic"):
        save(functions, token("ada"), {"provider": provider})
    assert stored(database) == [("ada", None, "anthropic", True)]


@pytest.mark.parametrize(
    "body", [{"provider": "clippy"}, {"provider": 7}, {}, [], "not json", {"provider": "openai", "scope": "planet"}]
)
def test_an_invalid_preference_is_400_and_writes_nothing(
    functions: Functions, token: Token, database: Any, body: Any
) -> None:
    answer = save(functions, token("ada"), body)
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert stored(database) == []


def test_saving_without_a_user_is_401(functions: Functions, database: Any) -> None:
    answer = save(functions, None, {"provider": "gemini"})
    assert (answer.status, answer.json["code"]) == (401, "token_missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert stored(database) == []


def test_only_an_admin_saves_for_the_organization(functions: Functions, token: Token, database: Any) -> None:
    member = token("bob", organization_id="acme", organization_role="member")
    assert save(functions, member, {"provider": "gemini", "scope": "organization"}).status == 403
    assert stored(database) == []


def test_saving_and_using_a_preference_log_the_lines_that_operators_watch(
    functions: Functions, token: Token, caplog: pytest.LogCaptureFixture
) -> None:
    save(functions, token("ada"), {"provider": "gemini"})
    assert "AI Provider API: Saved preference to database" in caplog.messages
    answer = functions.request(
        "generate_interview_questions",
        "POST",
        "/api/generate-interview-questions",
        {"name": "Backend", "objective": "Find a colleague", "number": "3", "context": ""},
        token=token("ada"),
    )
    assert answer.json["provider"] == "gemini"
    assert "API: Using DB preference: gemini" in caplog.messages


def test_an_admin_allows_and_forbids_providers_to_the_organization(
    functions: Functions, token: Token, database: Any
) -> None:
    admin = token("ada", organization_id="acme", organization_role="admin")
    member = token("bob", organization_id="acme", organization_role="member")

    def restrict(signed: str, body: Any) -> Any:
        return functions.request("set_provider", "PUT", "/api/ai-provider/policy", body, token=signed)

    def ask(**fields: Any) -> Any:
        return functions.request("chat", "POST", "/api/chat", {"message": "Hi", **fields}, token=member)

    assert restrict(member, {"allowed_providers": ["google"]}).status == 403
    assert restrict(admin, {"allowed_providers": ["clippy"]}).status == 400
    for nothing in (
        {"allowed_providers": ["gemini"], "forbidden_providers": ["google"]},
        {"forbidden_providers": ["openai", "anthropic", "gemini"]},
    ):
        assert restrict(admin, nothing).status == 400
    assert ask().json["provider"] == "openai"
    assert restrict(admin, {"allowed_providers": ["gemini"]}).json == {"allowed_providers": ["google"]}
    assert ask().json["provider"] == "google"
    refused = ask(provider="openai")
    assert (refused.status, refused.json["code"]) == (403, "provider_not_allowed")
    assert restrict(admin, {"forbidden_providers": ["google"]}).json == {"allowed_providers": ["openai", "anthropic"]}
    assert ask().json["provider"] == "openai"
    assert (
        save(functions, admin, {"provider": "gemini", "scope": "organization"}).json["code"] == "provider_not_allowed"
    )
    assert restrict(admin, {}).json == {"allowed_providers": None}


def test_a_deleted_subject_is_refused(functions: Functions, token: Token, database: Any) -> None:
    save(functions, token("ada"), {"provider": "gemini"})
    with database.connect() as owner:
        owner.execute("select set_config('request.jwt.claims', '{\"sub\": \"ada\"}', false)")
        owner.execute("select app.delete_user('ada')")
    refused = save(functions, token("ada"), {"provider": "gemini"})
    assert (refused.status, refused.json["code"]) == (403, "subject_deleted")
    assert stored(database) == []


def test_what_is_shown_is_what_the_next_call_gets(functions: Functions, token: Token, database: Any) -> None:
    ada = token("ada", organization_id="acme", organization_role="admin")
    save(functions, ada, {"provider": "openai"})
    policy = {"forbidden_providers": ["OpenAI", " gemini "]}
    restricted = functions.request("set_provider", "PUT", "/api/ai-provider/policy", policy, token=ada)
    assert restricted.json == {"allowed_providers": ["anthropic"]}
    answer = functions.request("chat", "POST", "/api/chat", {"message": "Hello there"}, token=ada).json
    assert effective(functions, ada) == (answer["provider"], answer["provider_source"])
    with database.connect() as owner:
        owner.execute("update app.organization_policies set forbidden_providers = '{openai,anthropic,google}'")
    assert effective(functions, ada) == (None, "none")
    assert effective(functions, ada, "?scope=user") == ("openai", "user")


def test_the_operators_spelling_comes_back_where_nobody_chose(environment: dict[str, str], token: Token) -> None:
    functions = Functions(environment | {"AI_PROVIDER": "Gemini"})
    try:
        assert effective(functions, None) == ("gemini", "environment")
        assert effective(functions, token("ada")) == ("gemini", "environment")
    finally:
        functions.close()


def test_what_is_remembered_of_one_organization_is_not_applied_in_another(
    functions: Functions, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = token("ada", organization_id="strict", organization_role="admin")
    lax = token("ada", organization_id="lax")
    functions.request(
        "set_provider", "PUT", "/api/ai-provider/policy", {"forbidden_providers": ["openai"]}, token=strict
    )

    def provider(token: str, message: str) -> str:
        answer = functions.request("chat", "POST", "/api/chat", {"message": message}, token=token)
        return str(answer.json["provider"])

    before = [provider(strict, "One"), provider(lax, "Two")]

    def away(*_: Any, **__: Any) -> Any:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(functions.module("chat").services.database, "call", away)
    assert [provider(strict, "Three"), provider(lax, "Four")] == before == ["anthropic", "openai"]

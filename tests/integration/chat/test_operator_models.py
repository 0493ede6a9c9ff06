"""What may be asked with the operator's key: models, and without a token sizes; own keys stay free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from parley.providers.catalogue import Catalogue
from testing.functions import Answer, Functions, make_token

Token = Callable[..., str]
ROUTES: dict[str, tuple[str, dict[str, Any]]] = {
    "/api/chat": ("chat", {"message": "x", "cache": "off"}),
    "/api/chat/stream": ("chat_stream", {"message": "x", "cache": "off"}),
    "/api/generate-interview-questions": ("generate_interview_questions", {"objective": "x", "number": 1}),
}
EXPENSIVE = ["o1-pro", "ft:gpt-6-luna:acme::8abc", "text-embedding-3-small", "gpt-9", "models/o1-pro"]
# Names that would be another address, or the end of one, in a provider's path.
UNSAFE = [
    "../secrets", "models/../../v1/files", "x/..", "..", "a..b", "%2e%2e%2fx", "x%2f..", "x?key=1", "x#y", "x y", "x\n",
    "/x", "x/", "x//y", "\\x", "é", "x&y", ";x", "http://evil.test/x", "x{y}",
]  # fmt: skip


def send(functions: Functions, path: str, token: str | None = None, **members: Any) -> Answer:
    function, body = ROUTES[path]
    return functions.request(function, "POST", path, body | members, token=token)


def spent(database: Any) -> int:
    with database.connect() as owner:
        query = """
            select (select coalesce(sum(daily_usage), 0) from user_ai_settings)
              + (select coalesce(sum(daily_usage), 0) from app.anonymous_usage)
        """
        return int(owner.execute(query).fetchone()[0])


def assert_refused(answer: Answer, models: list[str]) -> None:
    assert (answer.status, answer.json["code"]) == (400, "invalid_model"), answer.text
    assert answer.json["models"] == models


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("user", [None, "ada"])
def test_a_model_outside_the_catalogue_is_refused_with_the_list_and_costs_nothing(
    functions: Functions, emulator: Emulator, database: Any, path: str, user: str | None
) -> None:
    catalogue = Catalogue.shipped()
    defaults = list(catalogue.default_chat_models().values())
    offered = sorted(model.id for model in catalogue.models("chat")) if user else sorted(defaults)
    for model in EXPENSIVE:
        answer = send(functions, path, user and make_token(user), model=model)
        assert_refused(answer, answer.json["models"])
        assert sorted(answer.json["models"]) == offered
    assert emulator.requests() == []
    assert spent(database) == 0


def test_every_chat_model_of_the_catalogue_is_free_to_name_and_a_dated_one_too(
    functions: Functions, token: Token, database: Any
) -> None:
    names = [model.id for model in Catalogue.shipped().models("chat")]
    for number, model in enumerate([*names, "GPT-6-luna", "gpt-6-luna-2026-09-22"]):
        assert send(functions, "/api/chat", token(f"user-{number}"), model=model).status == 200, model


def test_without_a_token_only_default_models_may_be_named(functions: Functions, emulator: Emulator) -> None:
    defaults = list(Catalogue.shipped().default_chat_models().values())
    for model in defaults:
        assert send(functions, "/api/chat", model=model).status == 200, model
    others = [model.id for model in Catalogue.shipped().models("chat") if model.id not in defaults]
    assert others
    for model in others:
        assert_refused(send(functions, "/api/chat", model=model), defaults)
    assert len(emulator.requests()) == len(defaults)


def test_the_operators_list_replaces_the_catalogue(functions: Functions, token: Token) -> None:
    functions.environment |= {"PARLEY_MODELS": "gpt-6-luna, house/gpt:v2", "PARLEY_ANONYMOUS_MODELS": "house/tiny"}
    defaults = list(Catalogue.shipped().default_chat_models().values())
    other = next(model.id for model in Catalogue.shipped().models("chat") if model.id not in defaults)
    assert send(functions, "/api/chat", token("ada"), model="house/gpt:v2").status == 200
    assert send(functions, "/api/chat", model="house/tiny").status == 200
    assert_refused(send(functions, "/api/chat", token("ada"), model=other), [*defaults, "house/gpt:v2"])
    assert_refused(send(functions, "/api/chat", model="house/gpt:v2"), [*defaults, "house/tiny"])


@pytest.mark.parametrize("path", ROUTES)
def test_a_call_without_a_token_is_bounded_in_prompt_and_answer_before_it_takes_a_unit(
    functions: Functions, emulator: Emulator, database: Any, path: str
) -> None:
    if path == "/api/generate-interview-questions":
        over: list[dict[str, Any]] = [{"number": 20}, {"job_description": "x" * 9_000}, {"context": "é" * 8_001}]
    else:
        turns = [{"role": role, "content": "x" * 4_001} for role in ("user", "assistant", "user")]
        over = [
            {"message": "x" * 8_001}, {"max_tokens": 16_384}, {"max_tokens": 2_049}, {"system": "x" * 8_001},
            {"context": {"page": "x" * 8_001}}, {"message": None, "messages": turns},
        ]  # fmt: skip
    for members in over:
        answer = send(functions, path, **members)
        assert (answer.status, answer.json["code"]) == (400, "request_too_large"), answer.text
        assert "sign in" in answer.json["detail"]
        assert send(functions, path, make_token("ada"), **members).status == 200
    assert spent(database) == len(over)
    assert len(emulator.requests()) >= len(over)


def test_an_own_key_may_be_used_for_any_model(with_kms: Functions, emulator: Emulator) -> None:
    path = "/api/settings/api-keys/openai"
    with_kms.request("store_key", "PUT", path, {"api_key": "sk-own-openai-1111"}, token=make_token("ada"))
    for route in ROUTES:
        assert send(with_kms, route, make_token("ada"), model="o1-pro").json["code"] == "invalid_model"
    assert with_kms.request("verify_key", "POST", f"{path}/verify", token=make_token("ada")).json["tier"] == "byok"
    emulator.reset()
    for model in ("o1-pro", "ft:gpt-6-luna:acme::8abc"):
        assert send(with_kms, "/api/chat", make_token("ada"), model=model).json["model"] == model
    keys = {record["headers"]["authorization"] for record in emulator.requests()}
    assert keys == {"...1111"}


@pytest.mark.parametrize("provider", ["google", "openai", "anthropic"])
def test_no_name_that_a_caller_sends_becomes_a_part_of_a_providers_address(
    with_kms: Functions, emulator: Emulator, provider: str
) -> None:
    path = f"/api/settings/api-keys/{provider}"
    with_kms.request("store_key", "PUT", path, {"api_key": "sk-own-key-1111"}, token=make_token("ada"))
    with_kms.request("verify_key", "POST", f"{path}/verify", token=make_token("ada"))
    emulator.reset()
    for user in ("ada", "bob"):
        for model in UNSAFE:
            answer = send(with_kms, "/api/chat", make_token(user), model=model, provider=provider)
            assert (answer.status, answer.json["code"]) == (400, "invalid_model"), model
    assert emulator.requests() == []


def test_the_same_holds_while_the_database_is_away(environment: dict[str, str], emulator: Emulator) -> None:
    lost = Functions(environment | {"DATABASE_URL": "postgresql://parley_app:none@127.0.0.1:1/postgres"})
    for user in (None, "ada"):
        answer = send(lost, "/api/chat", user and make_token(user), model="o1-pro")
        assert (answer.status, answer.json["code"]) == (400, "invalid_model"), answer.text
    assert send(lost, "/api/chat", message="x" * 8_001).json["code"] == "request_too_large"
    assert emulator.requests() == []
    lost.close()

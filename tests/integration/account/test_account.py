"""Settings, own keys, usage, conversations, interactions, administration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from testing.functions import Answer, Functions, make_token

Token = Callable[..., str]
SERVICE = make_token(subject=None, role="service_role")


@pytest.fixture
def get(functions: Functions, token: Token) -> Callable[..., Any]:
    """GET something of the account function as a user."""

    def read(target: str, user: str | None = "ada", **claims: Any) -> Any:
        signed = token(user, **claims) if user else None
        answer = functions.request("account", "GET", target, token=signed)
        assert answer.status == 200, answer.text
        return answer.json

    return read


def test_settings_show_tier_limits_and_the_preference(
    functions: Functions, get: Callable[..., Any], token: Token
) -> None:
    found = get("/api/settings")
    assert (found["tier"], found["daily"]["limit"], found["preferred_provider"]) == ("free", 10, None)
    changed = functions.request(
        "account", "PATCH", "/api/settings", {"preferred_provider": "gemini"}, token=token("ada")
    )
    assert changed.json["preferred_provider"] == "gemini"
    assert get("/api/settings", "bob")["preferred_provider"] is None


@pytest.mark.parametrize("body", [{"tier": "premium"}, {"preferred_provider": "openai", "daily_usage": -5}])
def test_nobody_changes_a_tier_or_a_counter(functions: Functions, token: Token, body: Any) -> None:
    assert functions.request("account", "PATCH", "/api/settings", body, token=token("ada")).status == 400


def test_usage_counts_what_was_answered(functions: Functions, get: Callable[..., Any], token: Token) -> None:
    for message in ("What is a fjord?", "What is a lake?"):
        functions.request("chat", "POST", "/api/chat", {"message": message}, token=token("ada"))
    used = get("/api/usage")
    assert (used["daily"]["used"], used["monthly"]["used"]) == (2, 2)
    (day,) = get("/api/usage/history")["data"]
    assert day["calls"] == 2
    assert float(day["cost_usd"]) > 0
    (provider,) = get("/api/usage/providers")["data"]
    assert (provider["provider"], provider["calls"]) == ("openai", 2)
    assert (provider["attempts"], provider["succeeded"]) == (2, 2)
    assert 0 <= provider["p50_latency_ms"] <= provider["p95_latency_ms"]
    assert get("/api/usage/history", "bob")["data"] == []


def test_reports_say_of_how_many_calls_the_cost_is_unknown(
    functions: Functions, schedules: Functions, get: Callable[..., Any], token: Token, emulator: Emulator
) -> None:
    asked = {"message": "What is a fjord?", "conversation_id": "new"}
    first = functions.request("chat", "POST", "/api/chat", asked, token=token("ada")).json
    emulator.fault("no_usage", provider="openai")
    again = {"message": "And a lake?", "conversation_id": first["conversation_id"]}
    unpriced = functions.request("chat", "POST", "/api/chat", again, token=token("ada")).json
    assert (unpriced["provider"], unpriced["usage"]) == ("openai", None)
    conversation = get(f"/api/conversations/{first['conversation_id']}")
    operator = schedules.request("admin", "GET", "/api/admin/analytics", token=SERVICE).json
    for report in (
        get("/api/usage/history")["data"][0],
        get("/api/usage/providers")["data"][0],
        operator["usage"][0],
        conversation,
    ):
        assert (report["cost_usd"], report["unpriced_calls"]) == (first["usage"]["cost_usd"], 1)


def test_the_organizations_usage_is_for_its_admin(functions: Functions, get: Callable[..., Any], token: Token) -> None:
    functions.request("chat", "POST", "/api/chat", {"message": "Hi"}, token=token("bob", organization_id="acme"))
    target = "/api/usage/history?scope=organization&group_by=provider"
    admin = {"organization_id": "acme", "organization_role": "admin"}
    assert get(target, "ada", **admin)["data"][0]["calls"] == 1
    assert get(target, "ada", **(admin | {"organization_id": "umbrella"}))["data"] == []
    member = functions.request("account", "GET", target, token=token("bob", organization_id="acme"))
    assert member.status == 403


def test_everybody_sees_providers_prices_and_faqs(get: Callable[..., Any]) -> None:
    providers = get("/api/ai-providers", None)["data"]
    assert {row["provider"] for row in providers} == {"openai", "anthropic", "google"}
    assert all(row["models"] for row in providers)
    assert len(get("/api/faqs", None)["data"]) == 5


def test_conversations_are_listed_read_renamed_exported_and_deleted(
    functions: Functions, get: Callable[..., Any], token: Token
) -> None:
    ids = []
    for message in ("Plan my trip to Narvik", "Plan my lunch"):
        body = {"message": message, "conversation_id": "new", "context": {"page": "home"}}
        ids.append(functions.request("chat", "POST", "/api/chat", body, token=token("ada")).json["conversation_id"])
    first = get("/api/conversations?limit=1")
    second = get(f"/api/conversations?limit=1&cursor={first['next_cursor']}")
    assert [page["data"][0]["id"] for page in (first, second)] == ids[::-1]
    target = f"/api/conversations/{ids[0]}"
    read = get(target)
    assert read["title"] == "Plan my trip to Narvik"
    assert [turn["role"] for turn in read["messages"]] == ["user", "assistant"]
    assert read["context"] == {"page": "home"}

    def send(method: str, body: Any = None, user: str = "ada") -> Answer:
        return functions.request("account", method, target, body, token=token(user))

    assert send("PATCH", {"title": "Narvik", "version": read["version"] + 7}).status == 409
    assert send("PATCH", {"title": "Narvik", "version": read["version"]}).json["title"] == "Narvik"
    for title in ("Narvik\n\n# Mine", "Nar\x1bvik", "Narvik\u2028Mine", " \t "):
        assert send("PATCH", {"title": title}).status == 400
    exported = functions.request("account", "GET", target + "?format=markdown", token=token("ada"))
    assert exported.text.startswith("# Narvik\n\n**user**\n\nPlan my trip to Narvik")
    assert exported.headers["Content-Type"].startswith("text/markdown")
    for method in ("GET", "PATCH", "DELETE"):
        assert send(method, {"title": "Mine"} if method == "PATCH" else None, "eve").status == 404
    deleted = send("DELETE")
    assert (deleted.status, deleted.text) == (204, "")
    assert "Content-Type" not in deleted.headers
    assert send("GET").status == 404


def test_interactions_are_recorded_in_batches_and_listed(
    functions: Functions, get: Callable[..., Any], token: Token
) -> None:
    batch = [{"interaction_type": "view", "item_type": "product", "item_id": f"p{number}"} for number in range(3)]
    answer = functions.request("account", "POST", "/api/interactions", {"interactions": batch}, token=token("ada"))
    assert answer.status == 201, answer.text
    assert len(answer.json["data"]) == 3
    assert {row["item_id"] for row in get("/api/interactions")["data"]} == {"p0", "p1", "p2"}
    assert get("/api/interactions", "eve")["data"] == []
    assert {row["item_id"] for row in get("/api/recommendations")["data"]} == {"p0", "p1", "p2"}
    key = {"Idempotency-Key": "batch-1"}

    def send(batch: Any) -> Answer:
        body = {"interactions": batch}
        return functions.request("account", "POST", "/api/interactions", body, token=token("ada"), headers=key)

    assert send(batch).json == send(batch).json
    assert len(get("/api/interactions")["data"]) == 6
    assert send(batch[:2]).status == 422
    too_many = functions.request(
        "account", "POST", "/api/interactions", {"interactions": batch * 34}, token=token("ada")
    )
    assert too_many.status == 400


def key_request(functions: Functions, method: str, user: str = "ada", key: str | None = None, verb: str = "") -> Answer:
    function = "verify_key" if verb else "store_key"
    body = {"api_key": key} if key else None
    return functions.request(
        function, method, f"/api/settings/api-keys/openai{verb}", body, token=make_token(user)
    )  # fmt: skip


def test_a_verified_own_key_makes_free_byok_and_calls_are_made_with_it(
    with_kms: Functions, token: Token, emulator: Emulator, database: Any
) -> None:
    stored = key_request(with_kms, "PUT", key="sk-mine-1234567890")
    assert stored.json == {"provider": "openai", "last_four": "7890", "verified": False}
    assert key_request(with_kms, "POST", verb="/verify").json["tier"] == "byok"
    assert [record["operation"] for record in emulator.requests()] == ["model"]
    emulator.reset()
    answer = with_kms.request("chat", "POST", "/api/chat", {"message": "Hi"}, token=token("ada"))
    assert answer.status == 200, answer.text
    assert "X-RateLimit-Limit" not in answer.headers
    (request,) = emulator.requests()
    assert request["headers"]["authorization"].endswith("7890")
    with database.connect() as owner:
        assert owner.execute("select own_key from ai_usage").fetchone() == (True,)
        row = owner.execute("select row_to_json(k)::text from app.provider_keys k").fetchone()
        assert "sk-mine" not in row[0]
    assert key_request(with_kms, "DELETE").json["tier"] == "free"


def test_a_key_the_provider_rejects_is_not_verified(with_kms: Functions) -> None:
    key_request(with_kms, "PUT", key="sk-invalid-0000000000")
    answer = key_request(with_kms, "POST", verb="/verify")
    assert (answer.status, answer.json["code"]) == (403, "own_key_rejected")
    settings = with_kms.request("account", "GET", "/api/settings", token=make_token("ada"))
    assert (settings.json["tier"], settings.json["api_keys"]["openai"]["verified"]) == ("free", False)


def test_a_key_row_moved_to_another_user_does_not_open(with_kms: Functions, database: Any) -> None:
    key_request(with_kms, "PUT", key="sk-mine-1234567890")
    key_request(with_kms, "PUT", user="eve", key="sk-eves-1234567890")
    with database.connect() as owner:
        owner.execute(
            "update app.provider_keys set ciphertext = (select ciphertext from app.provider_keys where user_id = 'ada')"
            " where user_id = 'eve'"
        )
    answer = key_request(with_kms, "POST", user="eve", verb="/verify")
    assert (answer.status, answer.json["code"]) == (409, "own_key_unreadable")


@pytest.mark.parametrize("key", ["sk-12345678", "with space inside it", "sk-" + "x" * 600, "sk-ünicode-1234"])
def test_what_cannot_be_a_key_is_refused_and_not_repeated(with_kms: Functions, key: str) -> None:
    answer = key_request(with_kms, "PUT", key=key)
    assert answer.status == 400
    assert key not in answer.text


def test_a_key_too_short_to_show_four_characters_of_is_told_how_long_a_key_is(with_kms: Functions) -> None:
    answer = key_request(with_kms, "PUT", key="sk-12345678")
    (refused,) = answer.json["errors"]
    assert (refused["field"], "at least 12 characters" in refused["message"]) == ("api_key", True)


def test_an_operator_changes_tiers_faqs_and_sees_everybodys_usage(
    functions: Functions, schedules: Functions, token: Token
) -> None:
    functions.request("chat", "POST", "/api/chat", {"message": "Hi"}, token=token("ada"))

    def admin(method: str, target: str, body: Any = None) -> Answer:
        return schedules.request("admin", method, f"/api/admin{target}", body, token=SERVICE)

    assert {row["tier"] for row in admin("GET", "/tiers").json["data"]} == {"anonymous", "free", "premium", "byok"}
    limits = {"daily_units": 1, "daily_embedding_tokens": None}
    assert admin("PUT", "/tiers/free", limits).json["daily_units"] == 1
    assert functions.request("chat", "POST", "/api/chat", {"message": "Again"}, token=token("ada")).status == 429
    moved = admin("PUT", "/users/ada/tier", {"tier": "premium"})
    assert moved.json == {"user_id": "ada", "tier": "premium", "is_new": False}
    assert functions.request("chat", "POST", "/api/chat", {"message": "Again"}, token=token("ada")).status == 200
    assert admin("PUT", "/tiers/gold", limits).status == 404

    faq = {"pattern": "opening hours *", "response": "Nine to five."}
    added = admin("POST", "/faqs", faq)
    assert added.status == 201
    assert admin("POST", "/faqs", faq).status == 409
    hit = functions.request("chat", "POST", "/api/chat", {"message": "Opening hours today?"}, token=token("ada"))
    assert hit.json["message"]["content"] == "Nine to five."
    target = f"/faqs/{added.json['id']}"
    assert admin("PUT", target, faq | {"is_active": False}).json["is_active"] is False
    assert admin("DELETE", target).status == 204
    assert admin("DELETE", target).status == 404

    analytics = admin("GET", "/analytics").json
    assert sum(row["calls"] for row in analytics["usage"]) == 2
    assert {"tier": "premium", "users": 1} in analytics["users_by_tier"]
    assert admin("POST", "/maintenance", {"task": "cache_cleanup"}).json == {
        "deleted": 0, "feedback_requested": 0, "interviews_closed": 0, "voice_events_requested": 0,
        "voice_calls_requested": 0, "call_deletions_due": 0, "finished": True,
    }  # fmt: skip
    assert admin("DELETE", "/users/ada").status == 204
    assert admin("DELETE", "/users/ada").status == 404
    gone = functions.request("chat", "POST", "/api/chat", {"message": "Hi"}, token=token("ada"))
    assert (gone.status, gone.json["code"]) == (403, "subject_deleted")
    for target in ("/api/usage", "/api/settings"):
        shown = functions.request("account", "GET", target, token=token("ada"))
        assert (shown.status, shown.json["code"]) == (403, "subject_deleted")
    refused = admin("PUT", "/users/ada/tier", {"tier": "premium"})
    assert (refused.status, refused.json["code"]) == (403, "subject_deleted")
    assert "requests" in admin("POST", "/maintenance", {"task": "usage_reset"}).json


def test_a_tier_can_be_given_before_the_first_call(schedules: Functions, get: Callable[..., Any], token: Token) -> None:
    given = schedules.request("admin", "PUT", "/api/admin/users/eve/tier", {"tier": "premium"}, token=SERVICE)
    assert (given.status, given.json) == (200, {"user_id": "eve", "tier": "premium", "is_new": True})
    assert get("/api/usage", "eve")["tier"] == "premium"


@pytest.mark.parametrize("pattern", ["*", "* *", "?", "_ *"])
def test_a_pattern_without_a_word_would_answer_everybody_and_is_refused(schedules: Functions, pattern: str) -> None:
    faq = {"pattern": pattern, "response": "Nine to five."}
    answer = schedules.request("admin", "POST", "/api/admin/faqs", faq, token=SERVICE)
    assert (answer.status, answer.json["errors"][0]["field"]) == (400, "pattern")


def test_what_the_operator_has_not_set_up_is_said_to_the_caller_and_named_in_the_log(
    functions: Functions, token: Token, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"api_key": "sk-canary-0123456789"}
    answer = functions.request("store_key", "PUT", "/api/settings/api-keys/openai", body, token=token("ada"))
    assert (answer.status, answer.json["code"]) == (501, "not_configured")
    log = " ".join(str(vars(record)) for record in caplog.records)
    assert "PARLEY_KMS_KEY_ID" in log
    assert "sk-canary" not in log

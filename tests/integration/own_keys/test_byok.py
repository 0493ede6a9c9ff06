"""Own keys over HTTP, by the rules of design.md: made byok by the first, called with it alone, free after the last."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from local.emulator.client import Emulator
from parley.core.clock import SystemClock
from testing.functions import Answer, Functions, make_token

MODELS_ANSWER = {"openai": "sk-own-openai-1111", "anthropic": "sk-own-anthropic-2222", "google": "sk-own-google-3333"}


def send(functions: Functions, name: str, method: str, path: str, body: Any = None, user: str = "ada") -> Answer:
    return functions.request(name, method, path, body, token=make_token(user))


def store(functions: Functions, provider: str, *, verified: bool = True, user: str = "ada") -> Answer:
    path = f"/api/settings/api-keys/{provider}"
    stored = send(functions, "store_key", "PUT", path, {"api_key": MODELS_ANSWER[provider]}, user)
    return send(functions, "verify_key", "POST", f"{path}/verify", user=user) if verified else stored


def ask(functions: Functions, user: str = "ada", **members: Any) -> Answer:
    return send(functions, "chat", "POST", "/api/chat", {"message": "hello", "cache": "off"} | members, user)


def tier(functions: Functions, user: str = "ada") -> str:
    return str(send(functions, "account", "GET", "/api/settings", user=user).json["tier"])


def keys_used(emulator: Emulator) -> set[str]:
    """The last four characters of every key that the providers saw."""
    names = ("authorization", "x-api-key", "x-goog-api-key")
    return {
        record["headers"][name][-4:] for record in emulator.requests() for name in names if name in record["headers"]
    }


def test_the_first_verified_key_makes_byok_and_deleting_the_last_undoes_it(with_kms: Functions) -> None:
    assert store(with_kms, "openai", verified=False).status == 200
    assert tier(with_kms) == "free"
    assert store(with_kms, "openai").json["tier"] == "byok"
    assert store(with_kms, "google").json["tier"] == "byok"
    paths = [f"/api/settings/api-keys/{provider}" for provider in ("openai", "google")]
    assert send(with_kms, "store_key", "DELETE", paths[0]).json["tier"] == "byok"
    assert send(with_kms, "store_key", "DELETE", paths[1]).json["tier"] == "free"
    assert tier(with_kms) == "free"


def test_calls_with_an_own_key_do_not_count_against_the_free_day(with_kms: Functions, database: Any) -> None:
    assert ask(with_kms).status == 200
    store(with_kms, "openai")
    for _ in range(12):
        assert ask(with_kms).status == 200
    assert send(with_kms, "store_key", "DELETE", "/api/settings/api-keys/openai").json["tier"] == "free"
    usage = send(with_kms, "account", "GET", "/api/usage").json
    assert usage["daily"]["used"] == 1
    left = ask(with_kms)
    assert (left.status, left.headers["X-RateLimit-Remaining"]) == (200, "8")
    with database.connect() as owner:
        assert owner.execute("select sum(request_count) from user_ai_usage").fetchone() == (14,)


def test_an_operators_limit_on_own_keys_holds(with_kms: Functions, database: Any) -> None:
    store(with_kms, "openai")
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_units = 1 where tier = 'byok'")
    assert [ask(with_kms).status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("function", ["chat", "chat_stream"])
@pytest.mark.parametrize("ciphertext", ["enc_never_of_kms", "bm8gY2lwaGVydGV4dA=="])
def test_a_key_that_kms_does_not_open_is_reported_and_the_next_own_key_is_used(
    with_kms: Functions, emulator: Emulator, database: Any, caplog: pytest.LogCaptureFixture, function: str,
    ciphertext: str,
) -> None:  # fmt: skip
    store(with_kms, "openai")
    store(with_kms, "anthropic")
    with database.connect() as owner:
        owner.execute("update app.provider_keys set ciphertext = %s where provider = 'openai'", (ciphertext,))
    emulator.reset()
    path = "/api/chat" if function == "chat" else "/api/chat/stream"
    answer = send(with_kms, function, "POST", path, {"message": "hello", "provider": "openai"})
    assert answer.status == 200
    assert '"provider":"anthropic"' in answer.text.replace(": ", ":")
    assert keys_used(emulator) == {"2222"}
    reported = [vars(record) for record in caplog.records if record.message == "an own key could not be opened"]
    assert [(record["provider"], record["code"]) for record in reported] == [("openai", "own_key_unreadable")]
    with database.connect() as owner:
        owner.execute("update app.provider_keys set ciphertext = %s", (ciphertext,))
    alone = send(with_kms, "chat", "POST", "/api/chat", {"message": "hello again"})
    assert (alone.status, alone.json["code"]) == (409, "own_key_unreadable")


def test_a_premium_caller_stays_premium(with_kms: Functions, database: Any) -> None:
    assert ask(with_kms).status == 200
    with database.connect() as owner:
        owner.execute("update user_ai_settings set tier = 'premium'")
    assert store(with_kms, "openai").json["tier"] == "premium"


def test_calls_are_made_with_the_own_key_and_fall_back_only_to_own_keys(
    with_kms: Functions, emulator: Emulator
) -> None:
    store(with_kms, "openai")
    store(with_kms, "anthropic")
    emulator.reset()
    emulator.fault("server_error", provider="openai", times=4)
    answer = ask(with_kms)
    assert (answer.status, answer.json["provider"]) == (200, "anthropic")
    assert keys_used(emulator) == {"1111", "2222"}
    emulator.reset()
    for provider in ("openai", "anthropic"):
        emulator.fault("server_error", provider=provider, times=8)
    assert ask(with_kms).status >= 500
    assert {record["provider"] for record in emulator.requests()} <= {"openai", "anthropic"}
    assert keys_used(emulator) <= {"1111", "2222"}


def test_without_a_key_for_what_is_asked_there_is_no_call(
    with_kms: Functions, emulator: Emulator, database: Any
) -> None:
    store(with_kms, "openai")
    emulator.reset()
    asked = ask(with_kms, provider="anthropic")
    assert (asked.status, asked.json["code"]) == (409, "own_key_missing")
    with database.connect() as owner:
        owner.execute("delete from app.provider_keys")
    none = ask(with_kms)
    assert (none.status, none.json["code"]) == (409, "own_key_missing")
    assert emulator.requests() == []


def test_a_choice_without_an_own_key_gives_way_to_a_provider_with_one(with_kms: Functions) -> None:
    store(with_kms, "google")
    answer = ask(with_kms)
    assert (answer.status, answer.json["provider"], answer.json["provider_source"]) == (200, "google", "own_key")


def test_a_key_the_provider_rejects_is_the_callers_to_mend(with_kms: Functions, emulator: Emulator) -> None:
    store(with_kms, "openai")
    emulator.fault("unauthorized", provider="openai")
    answer = ask(with_kms)
    assert (answer.status, answer.json["code"]) == (403, "own_key_rejected")


def test_a_key_that_is_rotated_while_it_is_verified_counts(
    with_kms: Functions, schedules: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    kms = boto3.client("kms")
    schedules.environment["PARLEY_KMS_KEY_ID"] = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.close()
    store(with_kms, "openai", verified=False)
    provider = with_kms.module("verify_key").services.providers["openai"]
    complete = provider.complete

    def meanwhile(*arguments: Any) -> Any:
        assert schedules.invoke("rotate_keys", {}) == {"rotated": 1, "unreadable": 0, "finished": True}
        return complete(*arguments)

    monkeypatch.setattr(provider, "complete", meanwhile)
    assert send(with_kms, "verify_key", "POST", "/api/settings/api-keys/openai/verify").json["tier"] == "byok"


def test_a_row_that_does_not_open_holds_up_no_other(with_kms: Functions, schedules: Functions, database: Any) -> None:
    import boto3

    for user in ("ada", "bob", "eve"):
        store(with_kms, "openai", verified=False, user=user)
    with database.connect() as owner:
        owner.execute(
            "update app.provider_keys set ciphertext = (select ciphertext from app.provider_keys where user_id = 'eve')"
            " where user_id = 'ada'"
        )
    kms = boto3.client("kms")
    schedules.environment["PARLEY_KMS_KEY_ID"] = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.close()
    assert schedules.invoke("rotate_keys", {}) == {"rotated": 2, "unreadable": 1, "finished": True}


def test_a_key_in_the_clear_is_gone_five_minutes_later(with_kms: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    store(with_kms, "openai")
    assert ask(with_kms).status == 200
    key_cipher = with_kms.module("chat").services.key_cipher
    assert MODELS_ANSWER["openai"] in repr(vars(key_cipher))

    class Later(SystemClock):
        def now(self) -> Any:
            return super().now() + timedelta(minutes=5)

    monkeypatch.setattr(key_cipher, "_clock", Later())
    assert ask(with_kms, user="somebody else").status == 200
    assert MODELS_ANSWER["openai"] not in repr(vars(key_cipher))

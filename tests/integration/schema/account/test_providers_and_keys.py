"""Which provider a call goes to: preferences, the organization's policy, own keys."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from testing.databases import ScratchDatabase
from tests.integration.schema.calls import ADA, ADMIN, MEMBER, Caller, one


class TestProviders:
    def test_the_spelling_that_was_saved_comes_back_and_calls_use_the_canonical_name(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        assert app.call("save_provider_preference", ADA, "user", "gemini")["outcome"] == "saved"
        assert app.call("provider_preferences", ADA)["user"]["provider"] == "gemini"
        begun = app.begin(ADA)
        assert (begun["provider"], begun["model"], begun["provider_source"]) == ("google", "gemini-flash", "user")
        assert one(owner, "select preferred_provider from public.user_ai_settings") == "google"

    def test_the_order_is_request_then_user_then_organization_then_environment(self, app: Caller) -> None:
        assert app.begin(ADMIN)["provider_source"] == "environment"
        app.call("save_provider_preference", ADMIN, "organization", "anthropic")
        assert (app.begin(ADMIN)["provider"], app.begin(MEMBER)["provider_source"]) == ("anthropic", "organization")
        app.call("save_provider_preference", ADMIN, "user", "google")
        assert app.begin(ADMIN)["provider"] == "google"
        assert app.begin(ADMIN, provider="openai")["provider_source"] == "request"

    def test_a_deleted_preference_no_longer_counts_but_its_row_stays(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        app.call("save_provider_preference", ADA, "user", "google")
        assert app.call("delete_provider_preference", ADA, "user")["outcome"] == "deleted"
        assert app.call("provider_preferences", ADA)["user"] is None
        assert one(owner, "select is_active from public.ai_provider_preferences") is False
        assert one(owner, "select preferred_provider from public.user_ai_settings") == "openai"

    def test_a_provider_chosen_in_s2s_column_becomes_the_preference(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        app.begin(ADA)
        assert app.call("provider_preferences", ADA)["user"] is None
        owner.execute("update public.user_ai_settings set preferred_provider = 'anthropic'")
        assert app.call("provider_preferences", ADA)["user"]["provider"] == "anthropic"

    @pytest.mark.parametrize("new", [False, True])
    @pytest.mark.parametrize("by_owner", [False, True])
    def test_twenty_who_choose_on_both_sides_at_once_never_wait_for_each_other(
        self, app: Caller, database: ScratchDatabase, owner: psycopg.Connection[Any], by_owner: bool, new: bool
    ) -> None:
        app.begin(ADA)
        if new:
            owner.execute("delete from public.user_ai_settings")
        else:
            app.call("save_provider_preference", ADA, "user", "google")
        together = threading.Barrier(20)

        def write(number: int) -> None:
            with database.connect("owner" if by_owner and number % 2 else "app") as connection:
                together.wait()
                for turn in range(15):
                    provider = ("openai", "anthropic", "google")[(number + turn) % 3]
                    if number % 2 == 0:
                        Caller(connection).call("save_provider_preference", ADA, "user", provider)
                        continue
                    with connection.transaction():
                        if not by_owner:
                            claims = ("select set_config('request.jwt.claims', %s, true)", (json.dumps(ADA),))
                            connection.execute(*claims)
                        connection.execute(
                            "insert into public.user_ai_settings as s (user_id, preferred_provider) values ('ada', %s)"
                            " on conflict (user_id) do update set preferred_provider = excluded.preferred_provider",
                            (provider,),
                        )

        with ThreadPoolExecutor(20) as pool:
            for written in [pool.submit(write, number) for number in range(20)]:
                written.result()
        both = "select s.preferred_provider = p.preferred_provider::text"
        both += " from public.user_ai_settings s join public.ai_provider_preferences p using (user_id)"
        assert one(owner, both) is True

    def test_only_an_admin_decides_for_the_organization(self, app: Caller) -> None:
        for refused in (
            app.call("save_provider_preference", MEMBER, "organization", "google"),
            app.call("save_organization_policy", MEMBER, ["google"], []),
        ):
            assert refused == {"outcome": "not_organization_admin"}

    def test_a_forbidden_provider_is_neither_saved_nor_called(self, app: Caller) -> None:
        app.call("save_provider_preference", MEMBER, "user", "openai")
        policy = app.call("save_organization_policy", ADMIN, None, ["openai"])
        assert policy["allowed_providers"] == ["anthropic", "google"]
        assert app.call("save_provider_preference", MEMBER, "user", "openai")["outcome"] == "provider_not_allowed"
        assert app.begin(MEMBER, provider="openai")["outcome"] == "provider_not_allowed"
        assert app.begin(MEMBER)["provider"] == "anthropic"

    def test_an_unknown_provider_changes_nothing(self, app: Caller, owner: psycopg.Connection[Any]) -> None:
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            app.call("save_provider_preference", ADA, "user", "acme")
        assert one(owner, "select count(*) from public.ai_provider_preferences") == 0


class TestOwnKeys:
    def test_a_first_verified_key_makes_free_byok_and_deleting_the_last_undoes_it(self, app: Caller) -> None:
        app.call("store_own_key", ADA, "anthropic", "Y2lwaGVy", "wxyz", "kms-1")
        assert app.begin(ADA)["tier"] == "free"
        assert app.call("mark_key_verified", ADA, "anthropic", "b3RoZXI=")["outcome"] == "own_key_missing"
        assert app.call("mark_key_verified", ADA, "anthropic", "Y2lwaGVy")["tier"] == "byok"
        begun = app.begin(ADA)
        assert (begun["provider"], begun["provider_source"]) == ("anthropic", "own_key")
        assert begun["quota"]["daily"]["limit"] is None
        assert begun["own_keys"]["anthropic"]["ciphertext"] == "Y2lwaGVy"
        assert app.begin(ADA, provider="openai")["outcome"] == "own_key_missing"
        assert app.call("delete_own_key", ADA, "anthropic") == {"outcome": "deleted", "tier": "free"}

    def test_byok_without_a_key_is_refused_and_foreign_keys_are_kept_unused(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        owner.execute("""insert into public."user" values ('ada')""")
        owner.execute(
            "insert into public.user_ai_settings (user_id, tier, encrypted_api_keys) "
            "values ('ada', 'byok', '{\"openai\": \"enc_old\"}')"
        )
        assert app.begin(ADA)["outcome"] == "own_key_missing"
        assert one(owner, "select has_foreign_keys from public.user_ai_settings") is True

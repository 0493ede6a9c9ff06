"""The schema's core as its callers meet it: units, requests, preferences, own keys, the ledger and the cache."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from tests.conftest import ScratchDatabase

ADA = {"sub": "ada", "role": "authenticated"}
ADMIN = {"sub": "root", "role": "authenticated", "organization_id": "org_1", "organization_role": "admin"}
MEMBER = {"sub": "mia", "role": "authenticated", "organization_id": "org_1"}
VISITOR = {"role": "anon", "caller_key": "c0ffee"}
SERVICE = {"role": "service_role"}
MODELS = {"openai": "gpt", "anthropic": "claude", "google": "gemini-flash"}

_ids = (f"request-{number}" for number in itertools.count(1))


class Caller:
    """Calls the schema's functions over one connection, as one of the two logins."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def call(self, function: str, *arguments: Any) -> Any:
        """The single value that app.<function> returns; dicts go in as jsonb."""
        values = [Jsonb(value) if isinstance(value, dict) else value for value in arguments]
        places = ", ".join(["%s"] * len(values))
        row = self.connection.execute(f"select app.{function}({places})", values).fetchone()
        assert row is not None
        return row[0]

    def begin(self, claims: dict[str, Any], **members: Any) -> dict[str, Any]:
        """begin_request with what most calls need."""
        request = {
            "request_id": next(_ids),
            "operation": "chat",
            "default_provider": "openai",
            "default_models": MODELS,
            "lease_seconds": 60,
        }
        answer: dict[str, Any] = self.call("begin_request", claims, request | members)
        return answer

    def finish(self, claims: dict[str, Any], begun: dict[str, Any], **members: Any) -> dict[str, Any]:
        """finish_request for what begin returned; settled, with one paid call, unless told otherwise."""
        outcome = {
            "request_id": begun["request_id"],
            "fence": begun["fence"],
            "state": "settled",
            "calls": [call_of()],
            "attempts": [{"provider": "openai", "model": "gpt", "ok": True, "latency_ms": 90}],
        }
        answer: dict[str, Any] = self.call("finish_request", claims, outcome | members)
        return answer


def call_of(cost: str | None = "0.000000123", provider: str = "openai") -> dict[str, Any]:
    """One upstream call as finish_request records it."""
    return {"provider": provider, "model": "gpt", "input_tokens": 7, "output_tokens": 3, "cost": cost, "latency_ms": 90}


@pytest.fixture
def app(database: ScratchDatabase) -> Iterator[Caller]:
    """The HTTP functions' login."""
    with database.connect("app") as connection:
        yield Caller(connection)


@pytest.fixture
def service(database: ScratchDatabase) -> Iterator[Caller]:
    """The schedules' login."""
    with database.connect("service") as connection:
        yield Caller(connection)


@pytest.fixture
def owner(database: ScratchDatabase) -> Iterator[psycopg.Connection[Any]]:
    """The role that ran the migrations."""
    with database.connect("owner") as connection:
        yield connection


def set_clock(owner: psycopg.Connection[Any], moment: str) -> None:
    """Replace the schema's clock, which only its owner can; everybody's from here on."""
    # A timestamp literal of the test's own, and no parameter is possible in a function's body.
    owner.execute(
        f"create or replace function app.now() returns timestamptz language sql stable parallel safe "
        f"return '{moment}'::timestamptz"
    )


def used(answer: dict[str, Any]) -> tuple[int, int]:
    """Daily and monthly units used."""
    return answer["quota"]["daily"]["used"], answer["quota"]["monthly"]["used"]


def one(connection: psycopg.Connection[Any], query: str) -> Any:
    """The one value of a query."""
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


class TestUnits:
    def test_exactly_the_limit_is_admitted_under_concurrency(
        self, database: ScratchDatabase, owner: psycopg.Connection[Any]
    ) -> None:
        outcomes: list[str] = []

        def knock() -> None:
            with database.connect("app") as connection:
                outcomes.extend(Caller(connection).begin(ADA)["outcome"] for _ in range(5))

        threads = [threading.Thread(target=knock) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes.count("admitted") == 10
        assert outcomes.count("quota_exceeded") == 30
        assert one(owner, "select daily_usage from public.user_ai_settings") == 10
        assert one(owner, "select count(*) from app.ai_requests") == 10

    @pytest.mark.parametrize(
        ("before", "after", "counted"),
        [
            pytest.param("2026-11-20 22:59:59+00", "2026-11-20 23:00:01+00", (1, 2), id="midnight in Stockholm"),
            pytest.param("2026-11-30 22:59:59+00", "2026-11-30 23:00:01+00", (1, 1), id="a month's end"),
            pytest.param("2026-03-28 23:30:00+00", "2026-03-29 21:30:00+00", (2, 2), id="the night that loses an hour"),
            pytest.param("2026-03-29 21:59:59+00", "2026-03-29 22:00:01+00", (1, 2), id="the day after it, in summer time"),
            pytest.param("2026-10-24 22:30:00+00", "2026-10-25 22:30:00+00", (2, 2), id="the night that has 25 hours"),
            pytest.param("2026-11-20 23:00:01+00", "2026-11-20 22:59:59+00", (2, 2), id="a clock that runs behind"),
        ],
    )
    def test_days_and_months_turn_over_without_a_schedule(
        self, app: Caller, owner: psycopg.Connection[Any], before: str, after: str, counted: tuple[int, int]
    ) -> None:
        set_clock(owner, before)
        assert app.begin(ADA)["outcome"] == "admitted"
        set_clock(owner, after)
        assert used(app.begin(ADA)) == counted

    def test_a_failed_call_gives_its_unit_back_once(self, app: Caller) -> None:
        begun = app.begin(ADA)
        for _ in range(2):
            finished = app.finish(ADA, begun, state="released", error_code="provider_error", calls=[])
            assert finished["state"] == "released"
            assert used(finished) == (0, 0)

    def test_a_unit_of_yesterday_is_not_given_back_to_today(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        set_clock(owner, "2026-11-20 22:59:00+00")
        late = app.begin(ADA)
        set_clock(owner, "2026-11-20 23:01:00+00")
        app.begin(ADA)
        assert used(app.finish(ADA, late, state="released", calls=[])) == (1, 1)

    def test_a_dead_holders_unit_is_found_when_somebody_would_be_refused(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        set_clock(owner, "2026-11-20 12:00:00+00")
        for _ in range(10):
            app.begin(ADA)
        assert app.begin(ADA)["outcome"] == "quota_exceeded"
        set_clock(owner, "2026-11-20 12:02:00+00")
        answer = app.begin(ADA)
        assert answer["outcome"] == "admitted"
        assert used(answer) == (1, 1)

    def test_the_sweeper_releases_dead_holders_and_only_for_the_service(
        self, app: Caller, service: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        app.begin(ADA, lease_seconds=0)
        app.begin(VISITOR, lease_seconds=0)
        app.begin(ADA, lease_seconds=600)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.call("sweep_requests")
        service.connection.execute("select set_config('request.jwt.claims', '{\"role\": \"service_role\"}', false)")
        assert service.call("sweep_requests")["released"] == 2
        assert one(owner, "select daily_usage from public.user_ai_settings") == 1
        assert one(owner, "select daily_usage from app.anonymous_usage") == 0

    def test_a_late_finish_reaches_the_ledger_without_its_unit(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        set_clock(owner, "2026-11-20 12:00:00+00")
        holds = [app.begin(ADA) for _ in range(10)]
        set_clock(owner, "2026-11-20 12:02:00+00")
        app.begin(ADA)
        finished = app.finish(ADA, holds[0])
        assert finished["state"] == "settled"
        assert used(finished) == (1, 1)
        assert one(owner, "select count(*) from public.ai_usage") == 1

    def test_anonymous_callers_are_counted_by_source_address(self, app: Caller) -> None:
        outcomes = [app.begin(VISITOR)["outcome"] for _ in range(6)]
        assert outcomes == ["admitted"] * 5 + ["quota_exceeded"]
        assert app.begin(VISITOR | {"caller_key": "another"})["outcome"] == "admitted"
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no caller"):
            app.begin({"role": "anon"})

    def test_the_resets_of_s2_roll_both_counters_and_may_run_at_any_time(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        set_clock(owner, "2026-11-20 12:00:00+00")
        app.begin(ADA)
        for function in ("reset_daily_ai_usage", "reset_monthly_ai_usage"):
            owner.execute(f"select public.{function}()")
        assert used(app.begin(ADA)) == (2, 2)
        set_clock(owner, "2026-12-20 12:00:00+00")
        owner.execute("select public.reset_daily_ai_usage()")
        assert owner.execute("select daily_usage, monthly_usage from public.user_ai_settings").fetchall() == [(0, 0)]

    def test_embedding_tokens_are_all_or_nothing_and_can_be_given_back(self, app: Caller) -> None:
        assert app.call("take_embedding_tokens", ADA, 99_999)["outcome"] == "taken"
        assert app.call("take_embedding_tokens", ADA, 2)["outcome"] == "quota_exceeded"
        assert app.call("take_embedding_tokens", ADA, -99_999)["used"] == 0

    def test_the_http_login_cannot_claim_to_be_the_service(self, app: Caller) -> None:
        app.begin(ADA)
        app.connection.execute("select set_config('request.jwt.claims', '{\"role\": \"service_role\"}', false)")
        assert one(app.connection, "select app.is_service()") is False
        assert one(app.connection, "select count(*) from public.user_ai_settings") == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.call("delete_user", "ada")


class TestIdempotency:
    KEY: dict[str, Any] = {"idempotency_key": "key", "body_hash": "aa"}

    def test_a_settled_request_is_replayed_and_counted_once(self, app: Caller, owner: psycopg.Connection[Any]) -> None:
        begun = app.begin(ADA, **self.KEY)
        app.finish(ADA, begun, answer={"text": "hello"})
        app.finish(ADA, begun, answer={"text": "another"})
        again = app.begin(ADA, **self.KEY)
        assert (again["outcome"], again["answer"]) == ("replay", {"text": "hello"})
        assert used(again) == (1, 1)
        assert one(owner, "select count(*) from public.ai_usage") == 1

    def test_another_body_under_the_key_is_refused(self, app: Caller) -> None:
        app.begin(ADA, **self.KEY)
        assert app.begin(ADA, idempotency_key="key", body_hash="bb")["outcome"] == "idempotency_key_reused"

    def test_the_key_belongs_to_its_caller(self, app: Caller) -> None:
        app.begin(ADA, **self.KEY)
        assert app.begin(MEMBER, **self.KEY)["outcome"] == "admitted"

    def test_one_of_many_simultaneous_duplicates_is_admitted(
        self, database: ScratchDatabase, owner: psycopg.Connection[Any]
    ) -> None:
        outcomes: list[str] = []
        together = threading.Barrier(8)

        def knock() -> None:
            with database.connect("app") as connection:
                together.wait()
                outcomes.append(Caller(connection).begin(ADA, **self.KEY)["outcome"])

        threads = [threading.Thread(target=knock) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["admitted"] + ["in_progress"] * 7
        assert one(owner, "select daily_usage from public.user_ai_settings") == 1

    def test_a_retry_after_the_lease_takes_over_the_same_unit_and_fences_the_first(self, app: Caller) -> None:
        first = app.begin(ADA, lease_seconds=0, **self.KEY)
        second = app.begin(ADA, **self.KEY)
        assert second["outcome"] == "admitted"
        assert (second["request_id"], second["fence"]) == (first["request_id"], first["fence"] + 1)
        assert used(second) == (1, 1)
        assert app.finish(ADA, first)["state"] == "stale"
        assert app.finish(ADA, second)["state"] == "settled"

    def test_a_failed_request_may_be_tried_again_under_its_key(self, app: Caller) -> None:
        app.finish(ADA, app.begin(ADA, **self.KEY), state="released", calls=[])
        again = app.begin(ADA, **self.KEY)
        assert (again["outcome"], again["fence"]) == ("admitted", 2)
        assert used(again) == (1, 1)

    def test_beginning_the_same_request_twice_holds_one_unit(self, app: Caller) -> None:
        first, second = (app.begin(ADA, request_id="same") for _ in range(2))
        assert first["fence"] == second["fence"]
        assert used(second) == (1, 1)

    def test_another_callers_request_cannot_be_finished(self, app: Caller) -> None:
        assert app.finish(MEMBER, app.begin(ADA))["state"] == "unknown"


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


class TestAnswersWithoutAModel:
    CACHED: dict[str, Any] = {"prompt_hash": "hash", "cache_scope": "tenant"}

    @staticmethod
    def entry(**members: Any) -> dict[str, Any]:
        stored = {"prompt_hash": "hash", "provider": "openai", "model": "gpt", "scope": "tenant", "ttl_seconds": 60}
        return stored | {"text": "cached", "tokens": 10} | members

    def test_a_frequent_question_takes_no_unit(self, app: Caller) -> None:
        answer = app.begin(ADA, message="  What is PARLEY?! ")
        assert answer["outcome"] == "faq"
        assert used(answer) == (0, 0)
        assert app.begin(ADA, message="what is parleyment")["outcome"] == "admitted"

    def test_the_highest_priority_wins_then_the_longest_pattern(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        owner.execute(
            "insert into public.ai_precomputed_responses (pattern, response, priority) values "
            "('* refund *', 'short', 1), ('* refund * order *', 'long', 1), ('refund now', 'first', 2)"
        )
        texts = [app.begin(ADA, message=m)["answer"]["text"] for m in ("Refund my order", "a refund!", "refund now")]
        assert texts == ["long", "short", "first"]

    def test_one_caller_fills_while_the_others_wait_and_then_hit(self, app: Caller) -> None:
        filler = app.begin(MEMBER, **self.CACHED)
        assert app.begin(ADMIN, **self.CACHED)["outcome"] == "filling"
        app.finish(MEMBER, filler, cache=self.entry(answered_by={"provider": "google", "model": "gemini-flash"}))
        hit = app.begin(ADMIN, **self.CACHED)
        assert (hit["outcome"], hit["answer"]["text"]) == ("cache_hit", "cached")
        assert hit["answer"]["provider"] == "google"
        assert used(hit) == (0, 0)

    def test_another_tenant_never_hits(self, app: Caller) -> None:
        app.finish(MEMBER, app.begin(MEMBER, **self.CACHED), cache=self.entry())
        assert app.begin(ADA, **self.CACHED)["outcome"] == "admitted"
        assert app.begin(MEMBER | {"organization_id": "org_2"}, **self.CACHED)["outcome"] == "admitted"

    def test_a_failed_fill_lets_the_next_caller_try(self, app: Caller) -> None:
        app.finish(MEMBER, app.begin(MEMBER, **self.CACHED), state="released", calls=[], cache=self.entry())
        assert app.begin(ADMIN, **self.CACHED)["outcome"] == "admitted"

    def test_only_answers_of_the_same_shape_and_tenant_are_similar(self, app: Caller) -> None:
        similar = {"parameters_hash": "shape", "message": "hi", "embedding": [0.5] * 1536, "embedding_model": "small"}
        app.finish(MEMBER, app.begin(MEMBER, **self.CACHED), cache=self.entry(**similar))
        query = {
            "scope": "tenant",
            "parameters_hash": "shape",
            "provider": "openai",
            "model": "gpt",
            "embedding_model": "small",
            "threshold": 0.9,
        }
        vector = str([0.5] * 1536)
        assert [found["text"] for found in app.call("find_similar_answer", ADMIN, query, vector)] == ["cached"]
        for other in ("scope", "parameters_hash", "provider", "model", "embedding_model"):
            assert app.call("find_similar_answer", ADMIN, query | {other: "user"}, vector) == []
        assert app.call("find_similar_answer", ADA, query, vector) == []

    def test_everything_but_the_semantic_lookup_works_without_its_column(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        owner.execute("alter table ai_response_cache drop column if exists embedding")
        app.finish(MEMBER, app.begin(MEMBER, **self.CACHED), cache=self.entry(embedding=[0.5] * 1536))
        assert app.begin(MEMBER, **self.CACHED)["outcome"] == "cache_hit"
        assert app.call("find_similar_answer", MEMBER, {"scope": "tenant"}, str([0.5] * 1536)) == []
        assert one(owner, "select public.clean_expired_ai_cache()") == 0

    def test_expired_answers_go_in_batches(self, app: Caller, owner: psycopg.Connection[Any]) -> None:
        owner.execute(
            "insert into public.ai_response_cache (query_hash, response, expires_at) "
            "select n::text, '', now() - interval '1 day' from generate_series(1, 2500) as n"
        )
        batches = [one(owner, "select app.delete_expired_answers(1000)") for _ in range(3)]
        assert batches == [1000, 1000, 500]


class TestLedger:
    def test_both_names_hold_the_same_rows_and_nano_dollars_survive(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        app.finish(ADA, app.begin(ADA), calls=[call_of(), call_of(cost=None, provider="gemini")])
        for table in ("ai_usage", "ai_usage_logs"):
            rows = owner.execute(
                f"select provider, tokens_used, cost_usd::text, tier from public.{table} order by provider desc"
            ).fetchall()
            assert rows == [("openai", 10, "0.000000123", "free"), ("google", 10, None, "free")]
        rollup = "select request_count, token_count, cost_estimate::text from public.user_ai_usage"
        assert owner.execute(rollup).fetchall() == [(1, 20, "0.000000123")]

    def test_a_user_sees_the_own_usage_and_no_raw_logs(self, app: Caller) -> None:
        app.finish(ADA, app.begin(ADA))
        app.finish(MEMBER, app.begin(MEMBER))
        with app.connection.transaction():
            app.connection.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(ADA),))
            assert one(app.connection, "select count(*) from public.ai_usage") == 1
            assert one(app.connection, "select total_tokens from public.get_usage_stats('ada')") == 10
            assert one(app.connection, "select total_tokens from public.get_usage_stats('mia')") == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.connection.execute("select from public.ai_usage_logs")

    def test_a_call_made_during_an_outage_is_recorded_once(self, app: Caller, owner: psycopg.Connection[Any]) -> None:
        outage = {"request_id": "off", "operation": "chat", "occurred_at": "2026-01-02T03:04:05Z", "calls": [call_of()]}
        outcomes = [app.call("record_offline_call", ADA, outage)["outcome"] for _ in range(2)]
        assert outcomes == ["recorded", "already_recorded"]
        assert one(owner, "select count(*) from public.ai_usage where created_at < '2026-01-03'") == 1

    def test_summed_days_and_open_days_add_up_and_a_late_row_opens_its_day(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        def calls() -> Any:
            return one(owner, "select sum(calls) from app.usage_between('2026-11-18', '2026-11-20')")

        owner.execute("select set_config('request.jwt.claims', '{\"role\": \"service_role\"}', false)")
        for moment in ("2026-11-18 12:00+00", "2026-11-19 12:00+00", "2026-11-20 12:00+00"):
            set_clock(owner, moment)
            app.finish(ADA, app.begin(ADA))
        assert calls() == 3
        assert one(owner, "select app.roll_up_usage()") == 2
        assert calls() == 3
        late = {"request_id": "l", "operation": "chat", "occurred_at": "2026-11-18T13:00:00Z", "calls": [call_of()]}
        app.call("record_offline_call", ADA, late)
        assert calls() == 4

    def test_retired_months_move_to_the_archive_and_then_go(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        set_clock(owner, "2026-01-15 12:00+00")
        owner.execute("select app.ensure_usage_partitions()")
        app.finish(ADA, app.begin(ADA))
        set_clock(owner, "2026-05-01 12:00+00")
        assert one(owner, "select app.archive_usage()") == 1
        assert one(owner, "select count(*) from public.ai_usage") == 0
        assert one(owner, "select count(*) from app.usage_archive where user_id = 'ada'") == 1
        owner.execute("create table ai_usage_archive as select * from ai_usage")
        assert one(owner, "select app.drop_archived_usage('30 days')") == 1

    def test_a_month_without_a_partition_loses_nothing_and_gets_one(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        set_clock(owner, "2031-03-01 12:00+00")
        app.finish(ADA, app.begin(ADA))
        assert one(owner, "select count(*) from app.ai_usage_rest") == 1
        owner.execute("select app.ensure_usage_partitions()")
        assert one(owner, "select count(*) from app.ai_usage_rest") == 0
        assert one(owner, "select count(*) from public.ai_usage") == 1

    def test_health_counts_every_attempt_of_the_last_minute(self, app: Caller, owner: psycopg.Connection[Any]) -> None:
        set_clock(owner, "2026-11-20 12:00+00")
        failed = {"provider": "openai", "model": "gpt", "ok": False, "error_code": "timeout", "latency_ms": 900}
        good = {"provider": "google", "model": "gemini-flash", "ok": True, "latency_ms": 50}
        app.finish(ADA, app.begin(ADA), attempts=[failed, good])
        health = app.begin(MEMBER)["health"]
        assert health["openai"] == {"calls": 1, "errors": 1, "p50_ms": 900}
        assert health["google"] == {"calls": 1, "errors": 0, "p50_ms": 50}
        set_clock(owner, "2026-11-20 12:02+00")
        assert app.begin(MEMBER)["health"] == {}


class TestConversations:
    def test_turns_are_appended_and_the_tail_is_bounded(self, app: Caller) -> None:
        turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
        for version in (1, 2):
            finished = app.finish(ADA, app.begin(ADA), conversation={"id": "c1", "title": "t", "messages": turns})
            assert finished["conversation"] == {"id": "c1", "version": version}
        begun = app.begin(ADA, conversation_id="c1", history_characters=8)
        assert [turn["content"] for turn in begun["conversation"]["messages"]] == ["hi"]
        assert len(app.begin(ADA, conversation_id="c1")["conversation"]["messages"]) == 4

    def test_another_users_conversation_is_not_found(self, app: Caller) -> None:
        app.finish(ADA, app.begin(ADA), conversation={"id": "c1", "messages": []})
        assert app.begin(MEMBER, conversation_id="c1")["outcome"] == "conversation_not_found"

    def test_both_names_of_a_column_hold_the_same_whichever_is_written(self, owner: psycopg.Connection[Any]) -> None:
        owner.execute("insert into ai_conversations (id, messages, model_used, tokens_used) values ('a', '[]', 'm', 5)")
        row = "select model, model_used, total_tokens, tokens_used, total_cost, cost_usd, version from ai_conversations"
        assert owner.execute(row).fetchall() == [("m", "m", 5, 5, 0, 0, 1)]
        owner.execute("update ai_conversations set total_tokens = 7, cost_usd = 2")
        assert owner.execute(row).fetchall() == [("m", "m", 7, 7, 2, 2, 2)]


class TestDeletedUsers:
    def test_a_deleted_user_leaves_totals_only_and_does_not_come_back(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        begun = app.begin(ADA, idempotency_key="k", prompt_hash="hash", cache_scope="user")
        app.finish(
            ADA,
            begun,
            answer={"text": "personal"},
            cache=TestAnswersWithoutAModel.entry(scope="user"),
            conversation={"id": "c", "messages": []},
        )
        app.call("store_own_key", ADA, "openai", "Y2lwaGVy", "wxyz", "kms-1")
        with app.connection.transaction():
            app.connection.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(ADA),))
            with pytest.raises(psycopg.errors.InsufficientPrivilege), app.connection.transaction():
                app.call("delete_user", "mia")
            assert app.call("delete_user", "ada") is True
        personal = ("ai_conversations", "user_ai_settings", "user_ai_usage", "ai_response_cache")
        for table in (*(f"public.{name}" for name in personal), "app.ai_requests", "app.provider_keys"):
            assert one(owner, f"select count(*) from {table}") == 0, table
        assert owner.execute("select user_id, tokens_total from public.ai_usage").fetchall() == [(None, 10)]
        assert app.begin(ADA) == {"outcome": "subject_deleted"}

"""Units: counted exactly, given back once, found again, on the right day; and requests that are tried again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
import pytest

from tests.integration.schema.calls import ADA, MEMBER, VISITOR, Caller, embedded, embedding_of, one, set_clock, used

if TYPE_CHECKING:
    from testing.databases import ScratchDatabase


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
            pytest.param(
                "2026-03-29 21:59:59+00", "2026-03-29 22:00:01+00", (1, 2), id="the day after it, in summer time"
            ),
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

    def test_a_unit_of_yesterday_is_not_given_back_to_today(self, app: Caller, owner: psycopg.Connection[Any]) -> None:
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

    def test_the_http_login_cannot_claim_to_be_the_service(self, app: Caller) -> None:
        app.begin(ADA)
        app.connection.execute("select set_config('request.jwt.claims', '{\"role\": \"service_role\"}', false)")
        assert one(app.connection, "select app.is_service()") is False
        assert one(app.connection, "select count(*) from public.user_ai_settings") == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.call("delete_user", "ada")


class TestTokensToEmbed:
    KEY: ClassVar[dict[str, Any]] = {"idempotency_key": "key", "body_hash": "aa"}

    def test_they_are_held_whole_or_not_at_all_and_go_back_when_nothing_was_embedded(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        begun = app.retrieve(ADA, 99_999)
        assert (begun["outcome"], embedded(begun)) == ("admitted", 99_999)
        refused = app.retrieve(ADA, 2)
        assert (refused["outcome"], embedded(refused)) == ("embedding_quota_exceeded", 99_999)
        assert 0 < refused["retry_after"] <= 86_400
        assert "retry_after" not in app.retrieve(ADA, 100_001)
        for _ in range(2):
            assert embedded(app.finish(ADA, begun, state="released", calls=[], attempts=None)) == 0
        assert used(refused) == (0, 0)
        assert one(owner, "select count(*) from app.ai_requests") == 1

    @pytest.mark.parametrize(
        ("state", "calls", "counted"),
        [
            pytest.param("settled", [embedding_of(70)], 70, id="as the provider counted"),
            pytest.param("settled", [embedding_of(130)], 130, id="more than was estimated"),
            pytest.param("settled", [embedding_of(None)], 100, id="as estimated where the provider tells nothing"),
            pytest.param("released", [embedding_of(70)], 70, id="embedded, and then it failed"),
            pytest.param("released", [], 0, id="failed before it embedded"),
        ],
    )
    def test_what_was_embedded_counts_once_in_place_of_the_estimate(
        self, app: Caller, owner: psycopg.Connection[Any], state: str, calls: list[Any], counted: int
    ) -> None:
        begun = app.retrieve(ADA, 100)
        for _ in range(2):
            assert embedded(app.finish(ADA, begun, state=state, calls=calls, attempts=None)) == counted
        assert one(owner, "select count(*) from public.ai_usage") == len(calls)
        assert one(owner, "select coalesce(sum(request_count), 0) from public.user_ai_usage") == 0

    def test_a_dead_holders_tokens_are_found_when_somebody_would_be_refused(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        set_clock(owner, "2026-11-20 12:00:00+00")
        dead = app.retrieve(ADA, 90_000)
        assert app.retrieve(ADA, 20_000)["outcome"] == "embedding_quota_exceeded"
        set_clock(owner, "2026-11-20 12:02:00+00")
        begun = app.retrieve(ADA, 20_000)
        assert (begun["outcome"], embedded(begun), used(begun)) == ("admitted", 20_000, (0, 0))
        late = app.finish(ADA, dead, calls=[embedding_of(80_000)], attempts=None)
        assert (late["state"], embedded(late)) == ("settled", 100_000)

    def test_tokens_of_yesterday_are_not_given_back_to_today(self, app: Caller, owner: psycopg.Connection[Any]) -> None:
        set_clock(owner, "2026-11-20 22:59:00+00")
        late = app.retrieve(ADA, 100)
        set_clock(owner, "2026-11-20 23:01:00+00")
        app.retrieve(ADA, 500)
        assert embedded(app.finish(ADA, late, calls=[embedding_of(40)], attempts=None)) == 500

    @pytest.mark.parametrize("swept", [False, True])
    def test_a_retry_after_a_crash_holds_the_tokens_once_and_fences_the_first(
        self, app: Caller, service: Caller, swept: bool
    ) -> None:
        first = app.retrieve(ADA, 100, lease_seconds=0, **self.KEY)
        if swept:
            service.connection.execute("select set_config('request.jwt.claims', '{\"role\": \"service_role\"}', false)")
            assert service.call("sweep_requests")["released"] == 1
        second = app.retrieve(ADA, 100, **self.KEY)
        assert (second["request_id"], second["fence"]) == (first["request_id"], first["fence"] + 1)
        assert embedded(second) == 100
        assert app.finish(ADA, first, calls=[embedding_of(70)])["state"] == "stale"
        settled = app.finish(ADA, second, calls=[embedding_of(70)], attempts=None, answer={"data": [1]})
        assert embedded(settled) == 70
        again = app.retrieve(ADA, 100, **self.KEY)
        assert (again["outcome"], again["answer"], embedded(again)) == ("replay", {"data": [1]}, 70)

    def test_a_key_is_bound_to_body_and_operation_and_waits_while_it_is_in_flight(self, app: Caller) -> None:
        app.retrieve(ADA, 100, **self.KEY)
        assert app.retrieve(ADA, 100, **self.KEY)["outcome"] == "in_progress"
        assert app.retrieve(ADA, 100, **(self.KEY | {"body_hash": "bb"}))["outcome"] == "idempotency_key_reused"
        assert app.begin(ADA, **self.KEY)["outcome"] == "idempotency_key_reused"

    @pytest.mark.parametrize("ends", ["released", "crashed"])
    def test_the_retry_of_a_lookup_at_the_limit_takes_a_unit_when_there_is_one(
        self, app: Caller, owner: psycopg.Connection[Any], ends: str
    ) -> None:
        app.begin(ADA)
        owner.execute("update public.user_ai_settings set daily_usage = 10")
        found = app.begin(ADA, question_tokens=100, lease_seconds=0, **self.KEY)
        assert (found["outcome"], found["refused"], embedded(found)) == ("admitted", "quota_exceeded", 100)
        if ends == "released":
            app.finish(ADA, found, state="released", calls=[], attempts=None)
        owner.execute("update public.user_ai_settings set daily_usage = 1")
        retry = app.begin(ADA, question_tokens=100, **self.KEY)
        assert ("refused" in retry, retry["fence"], used(retry)[0], embedded(retry)) == (False, 2, 2, 0)
        assert used(app.finish(ADA, retry, state="released", calls=[]))[0] == 1

    def test_only_a_user_embeds(self, app: Caller) -> None:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.retrieve(VISITOR, 1)


class TestIdempotency:
    KEY: ClassVar[dict[str, Any]] = {"idempotency_key": "key", "body_hash": "aa"}

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

    def test_the_unit_of_a_caller_who_left_covers_one_retry(self, app: Caller) -> None:
        def attempt() -> int:
            begun = app.begin(ADA, **self.KEY)
            assert begun["outcome"] == "admitted"
            return used(app.finish(ADA, begun, error_code="cancelled"))[0]

        assert [attempt() for _ in range(4)] == [1, 1, 2, 2]

    def test_a_machine_keys_limit_counts_units_however_often_one_idempotency_key_takes_them(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        app.begin(ADA)
        key = one(
            owner,
            "insert into app.access_keys (user_id, name, key_hash, last_four, scopes, daily_units)"
            " values ('ada', 'k', sha256('k'), 'abcd', '{chat}', 2) returning id",
        )
        claims = ADA | {"access_key_id": str(key)}
        for _ in range(4):  # two units, each with the retry that it covers
            begun = app.begin(claims, **self.KEY)
            assert begun["outcome"] == "admitted"
            app.finish(claims, begun, error_code="cancelled")
        assert app.begin(claims, **self.KEY)["outcome"] == "access_key_limit_used_up"
        assert app.begin(claims)["outcome"] == "access_key_limit_used_up"
        assert one(owner, "select requests from app.access_key_usage") == 2

    @pytest.mark.parametrize("error_code", ["cancelled", None])
    def test_who_left_or_was_answered_pays_again_a_day_later(
        self, app: Caller, owner: psycopg.Connection[Any], error_code: str | None
    ) -> None:
        set_clock(owner, "2026-11-20 12:00:00+00")
        app.finish(
            ADA, app.begin(ADA, **self.KEY), error_code=error_code, answer={"text": "hello"} if not error_code else None
        )
        set_clock(owner, "2026-11-21 12:00:01+00")
        assert used(app.begin(ADA, **self.KEY)) == (1, 2)

    @pytest.mark.parametrize("failure", ["released", "lease_expired"])
    def test_a_covered_retry_that_fails_spends_nothing_and_gives_nothing_back(self, app: Caller, failure: str) -> None:
        app.finish(ADA, app.begin(ADA, **self.KEY), error_code="cancelled")
        for _ in range(3):
            retry = app.begin(ADA, lease_seconds=0 if failure == "lease_expired" else 60, **self.KEY)
            if failure == "released":
                assert used(app.finish(ADA, retry, state="released", calls=[], error_code="upstream_error")) == (1, 1)
        settled = app.begin(ADA, **self.KEY)
        assert used(app.finish(ADA, settled, answer={"text": "hello"})) == (1, 1)

    def test_beginning_the_same_request_twice_holds_one_unit(self, app: Caller) -> None:
        first, second = (app.begin(ADA, request_id="same") for _ in range(2))
        assert first["fence"] == second["fence"]
        assert used(second) == (1, 1)

    def test_another_callers_request_cannot_be_finished(self, app: Caller) -> None:
        assert app.finish(MEMBER, app.begin(ADA))["state"] == "unknown"

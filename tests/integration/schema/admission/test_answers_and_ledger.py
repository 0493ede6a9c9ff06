"""What a call finds and what it leaves: precomputed and cached answers, the ledger, conversations, deletion."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import psycopg
import pytest

from local.checkout import SCHEMA
from local.postgres.server import Server
from parley.migrations.runner import up
from tests.integration.schema.calls import ADA, ADMIN, MEMBER, Caller, cache_entry, call_of, one, set_clock, used


class TestAnswersWithoutAModel:
    CACHED: ClassVar[dict[str, Any]] = {"prompt_hash": "hash", "cache_scope": "tenant"}

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

    def test_a_sign_in_a_pattern_is_no_word_in_any_locale(self, postgres: Server) -> None:
        if postgres.major < 18:
            pytest.skip("only PostgreSQL 18 has a locale of its own in which signs are no punctuation, as in ICU's")
        with psycopg.connect(postgres.url(), autocommit=True) as anywhere:
            anywhere.execute(
                "create database signs template template0 encoding 'UTF8' "
                "locale_provider builtin builtin_locale 'PG_UNICODE_FAST'"
            )
            try:
                up(postgres.url(database="signs"), SCHEMA)
                with psycopg.connect(postgres.url(database="signs")) as owner:
                    owner.execute(
                        "insert into ai_precomputed_responses (pattern, response) values ('is c++ ^ $1 |', 'x')"
                    )
                    found = "select app.match_precomputed_response(%s) ->> 'text'"
                    assert one(owner, found.replace("%s", "'Is C++, $1?'")) == "x"
                    assert one(owner, found.replace("%s", "'hello'")) is None
            finally:
                anywhere.execute("drop database signs with (force)")

    def test_one_caller_fills_while_the_others_wait_and_then_hit(self, app: Caller) -> None:
        filler = app.begin(MEMBER, **self.CACHED)
        assert app.begin(ADMIN, **self.CACHED)["outcome"] == "filling"
        app.finish(MEMBER, filler, cache=cache_entry(answered_by={"provider": "google", "model": "gemini-flash"}))
        hit = app.begin(ADMIN, **self.CACHED)
        assert (hit["outcome"], hit["answer"]["text"]) == ("cache_hit", "cached")
        assert hit["answer"]["provider"] == "google"
        assert used(hit) == (0, 0)

    def test_who_waits_no_longer_is_admitted_and_leaves_the_fill_to_its_filler(self, app: Caller) -> None:
        app.begin(MEMBER, **self.CACHED)
        impatient = app.begin(ADMIN, waits_for_cache=False, **self.CACHED)
        assert (impatient["outcome"], used(impatient)) == ("admitted", (1, 1))
        app.finish(ADMIN, impatient, state="released", calls=[])
        assert app.begin(ADMIN, **self.CACHED)["outcome"] == "filling"

    def test_another_tenant_never_hits(self, app: Caller) -> None:
        app.finish(MEMBER, app.begin(MEMBER, **self.CACHED), cache=cache_entry())
        assert app.begin(ADA, **self.CACHED)["outcome"] == "admitted"
        assert app.begin(MEMBER | {"organization_id": "org_2"}, **self.CACHED)["outcome"] == "admitted"

    def test_a_failed_fill_lets_the_next_caller_try(self, app: Caller) -> None:
        app.finish(MEMBER, app.begin(MEMBER, **self.CACHED), state="released", calls=[], cache=cache_entry())
        assert app.begin(ADMIN, **self.CACHED)["outcome"] == "admitted"

    def test_only_answers_of_the_same_shape_and_tenant_are_similar(self, app: Caller) -> None:
        similar = {"parameters_hash": "shape", "message": "hi", "embedding": [0.5] * 1536, "embedding_model": "small"}
        app.finish(MEMBER, app.begin(MEMBER, **self.CACHED), cache=cache_entry(**similar))
        query = {
            "scope": "tenant",
            "parameters_hash": "shape",
            "provider": "openai",
            "model": "gpt",
            "embedding_model": "small",
            "threshold": 0.9,
        }
        vector = str([0.5] * 1536)
        assert [found["text"] for found in app.call("find_semantic_answer", ADMIN, query, vector)] == ["cached"]
        for other in ("scope", "parameters_hash", "provider", "model", "embedding_model"):
            assert app.call("find_semantic_answer", ADMIN, query | {other: "user"}, vector) == []
        assert app.call("find_semantic_answer", ADA, query, vector) == []

    def test_a_message_whose_vector_is_all_zeros_is_like_nothing(self, app: Caller) -> None:
        shape = {"parameters_hash": "shape", "embedding_model": "small"}
        for name, component in (("zeros", 0.0), ("other", 0.5)):
            entry = cache_entry(**shape, prompt_hash=name, text=name, message=name, embedding=[component] * 1536)
            app.finish(MEMBER, app.begin(MEMBER, **self.CACHED | {"prompt_hash": name}), cache=entry)
        query = shape | {"scope": "tenant", "provider": "openai", "model": "gpt", "threshold": 0.9, "limit": 3}
        found = app.call("find_semantic_answer", MEMBER, query, str([0.5] * 1536))
        assert [row["text"] for row in found] == ["other"]
        assert app.call("find_semantic_answer", MEMBER, query, str([0.0] * 1536)) == []

    def test_everything_but_the_semantic_lookup_works_without_its_column(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        owner.execute("alter table ai_response_cache drop column if exists embedding")
        app.finish(MEMBER, app.begin(MEMBER, **self.CACHED), cache=cache_entry(embedding=[0.5] * 1536))
        assert app.begin(MEMBER, **self.CACHED)["outcome"] == "cache_hit"
        assert app.call("find_semantic_answer", MEMBER, {"scope": "tenant"}, str([0.5] * 1536)) == []
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

    @pytest.mark.parametrize("column", ["tokens_prompt", "tokens_completion", "tokens_cached", "cost", "cost_usd"])
    @pytest.mark.parametrize("moment", ["now()", "now() + interval '70 days'", "'1970-01-01'"])
    def test_nothing_below_zero_comes_into_the_ledger(
        self, owner: psycopg.Connection[Any], column: str, moment: str
    ) -> None:
        owner.execute("select app.ensure_usage_partitions(now(), 3)")
        with pytest.raises(psycopg.errors.CheckViolation, match="ai_usage_counts_check"):
            owner.execute(
                f"insert into public.ai_usage (tier, provider, {column}, created_at) "
                f"values ('free', 'openai', -1, {moment})"
            )

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

    def test_a_day_is_summed_once_its_last_rows_have_had_time_to_commit(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        set_clock(owner, "2026-11-20 12:00+00")
        app.finish(ADA, app.begin(ADA))
        set_clock(owner, "2026-11-20 23:01+00")  # a minute past midnight in Stockholm
        assert one(owner, "select app.roll_up_usage()") == 0
        set_clock(owner, "2026-11-20 23:05+00")
        assert one(owner, "select app.roll_up_usage()") == 1

    def test_a_day_that_another_run_is_summing_is_waited_for_and_not_summed_again(
        self, app: Caller, owner: psycopg.Connection[Any]
    ) -> None:
        set_clock(owner, "2026-11-18 12:00+00")
        app.finish(ADA, app.begin(ADA))
        set_clock(owner, "2026-11-20 12:00+00")
        other_run = psycopg.connect(owner.info.dsn, password=owner.info.password, autocommit=True)
        waiting = "select count(*) from pg_locks where not granted"
        with other_run, ThreadPoolExecutor(1) as thread, owner.transaction():
            assert one(owner, "select app.roll_up_usage()") == 2
            summed = thread.submit(one, other_run, "select app.roll_up_usage()")
            while not one(owner, waiting) and not summed.done():
                time.sleep(0.01)
            assert not summed.done()
        assert summed.result() == 0

    @pytest.mark.parametrize("days", ["null, '2026-11-20'", "'2026-11-20', null", "'-infinity', '2026-11-20'"])
    def test_usage_is_asked_for_between_two_days(self, owner: psycopg.Connection[Any], days: str) -> None:
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            owner.execute(f"select from app.usage_between({days})")

    def test_retired_months_move_to_the_archive_and_then_go(self, app: Caller, owner: psycopg.Connection[Any]) -> None:
        set_clock(owner, "2026-01-15 12:00+00")
        owner.execute("select app.ensure_usage_partitions()")
        app.finish(ADA, app.begin(ADA))
        set_clock(owner, "2026-05-03 12:00+00")
        assert one(owner, "select app.archive_usage()") == 1
        assert one(owner, "select count(*) from public.ai_usage") == 0
        assert one(owner, "select count(*) from app.usage_archive where user_id = 'ada'") == 1
        owner.execute("create table ai_usage_archive as select * from ai_usage")
        assert one(owner, "select app.drop_archived_usage('30 days')") == 1
        assert one(owner, "select sum(calls) from app.usage_by_day where all_organizations") == 1

    def test_what_leaves_the_ledger_is_in_the_sums_however_old_it_is(self, owner: psycopg.Connection[Any]) -> None:
        owner.execute("select app.ensure_usage_partitions(now() - interval '800 days')")
        owner.execute(
            """
            insert into public.ai_usage (tier, provider, created_at)
            select 'free', 'openai', now() - make_interval(days => age) from generate_series(1, 800) as age
            """
        )
        owner.execute("select app.archive_usage()")
        assert one(owner, "select sum(calls) from app.usage_by_day where all_organizations") == 800

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
        begun = app.begin(ADA, conversation_id="c1", history_characters=15)
        assert [turn["content"] for turn in begun["conversation"]["messages"]] == ["hi"]
        assert begun["conversation"]["turns"] == 4
        assert len(app.begin(ADA, conversation_id="c1")["conversation"]["messages"]) == 4

    @pytest.mark.parametrize("length", [0, 1, 50, 2_000])
    def test_the_tail_is_bounded_whatever_a_conversation_holds(self, app: Caller, length: int) -> None:
        kept = [{"role": role, "content": "x" * length} for role in ("user", "assistant")] * 400
        others = [7, {"role": "tool", "content": "y" * 999}, {"role": "user", "content": ["y"]}, {"role": "user"}] * 9
        app.finish(ADA, app.begin(ADA), conversation={"id": "c1", "messages": kept[:20] + others + kept[20:]})
        found = app.begin(ADA, conversation_id="c1", history_characters=1_000)["conversation"]
        assert found["turns"] == (800 if length else 0)
        assert len(json.dumps(found["messages"])) < 20_000

    def test_another_users_conversation_is_not_found(self, app: Caller) -> None:
        app.finish(ADA, app.begin(ADA), conversation={"id": "c1", "messages": []})
        assert app.begin(MEMBER, conversation_id="c1")["outcome"] == "conversation_not_found"

    def test_turns_for_another_users_conversation_go_nowhere(self, app: Caller) -> None:
        app.finish(ADA, app.begin(ADA), conversation={"id": "c1", "messages": []})
        turns = {"id": "c1", "messages": [{"role": "user", "content": "mine"}]}
        assert app.finish(MEMBER, app.begin(MEMBER), conversation=turns)["conversation"] is None
        assert app.begin(ADA, conversation_id="c1")["conversation"]["messages"] == []

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
            cache=cache_entry(scope="user"),
            conversation={"id": "c", "messages": []},
        )
        app.call("store_own_key", ADA, "openai", "Y2lwaGVy", "wxyz", "kms-1")
        app.begin(ADA, prompt_hash="being answered", cache_scope="user")
        with app.connection.transaction():
            app.connection.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(ADA),))
            with pytest.raises(psycopg.errors.InsufficientPrivilege), app.connection.transaction():
                app.call("delete_user", "mia")
            assert app.call("delete_user", "ada") is True
        personal = ("ai_conversations", "user_ai_settings", "user_ai_usage", "ai_response_cache")
        for table in (
            *(f"public.{name}" for name in personal),
            "app.ai_requests",
            "app.cache_fills",
            "app.provider_keys",
        ):
            assert one(owner, f"select count(*) from {table}") == 0, table
        assert owner.execute("select user_id, tokens_total from public.ai_usage").fetchall() == [(None, 10)]
        assert app.begin(ADA) == {"outcome": "subject_deleted"}

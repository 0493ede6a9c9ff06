"""Ranks, the page around the caller, and the snapshot of a week."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from testing.claims import ANONYMOUS, SERVICE, set_claims
from testing.claims import user as claims_of
from testing.databases import ScratchDatabase
from tests.integration.schema.activities import ALICE, BOB, NOON, completed, one, practised, record


def populate(owner: psycopg.Connection, scores: list[int], period: str = "all_time", key: str = "") -> None:
    owner.execute(
        "insert into \"user\" (id) select 'u' || n from generate_series(1, %s) n on conflict do nothing", (len(scores),)
    )
    owner.execute(
        "insert into app.leaderboard_scores (period, period_key, user_id, score, reached_at) "
        "select %s, %s, 'u' || n, score, %s from unnest(%s::integer[]) with ordinality as s (score, n)",
        (period, key, NOON, scores),
    )


@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=40), st.integers(0, 39), st.integers(1, 40_000))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_rank_is_what_counting_says_whatever_changes(
    owner: psycopg.Connection, scores: list[int], position: int, changed: int
) -> None:
    owner.execute("delete from app.leaderboard_scores")
    populate(owner, scores)
    scores[position % len(scores)] = changed
    owner.execute(
        "update app.leaderboard_scores set score = %s where user_id = %s", (changed, f"u{position % len(scores) + 1}")
    )
    owner.execute("delete from \"user\" where id = 'u1'")
    owner.execute("select set_config('request.jwt.claims', '{\"role\": \"anon\"}', false)")
    ranks = owner.execute(
        "select score, app.leaderboard_rank('all_time', '', score) from app.leaderboard_scores"
    ).fetchall()
    assert all(rank == 1 + sum(other > score for other in scores[1:]) for score, rank in ranks)
    assert one(owner, "select coalesce(sum(members), 0) from app.leaderboard_histogram") == len(scores) - 1


def test_a_rank_is_refused_to_who_is_nobody(app: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("select app.leaderboard_rank('all_time', '', 1)")


def page(app: psycopg.Connection, user: str | None, *arguments: Any) -> list[tuple[Any, ...]]:
    set_claims(app, claims_of(user) if user else ANONYMOUS)
    marks = sql.SQL(", ").join([sql.Placeholder()] * (1 + len(arguments)))
    rows = app.execute(
        sql.SQL("select section, rank, score, is_me from app.leaderboard_page({})").format(marks), (user, *arguments)
    ).fetchall()
    app.rollback()
    return rows


def test_the_page_shows_the_first_the_caller_and_the_neighbours(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    populate(owner, [100, 90, 90, 70, 60, 50, 40, 30])
    assert page(app, "u6", "all_time", None, 3) == [
        ("top", 1, 100, False), ("top", 2, 90, False), ("top", 2, 90, False), ("me", 6, 50, True),
        ("neighbour", 4, 70, False), ("neighbour", 5, 60, False),
        ("neighbour", 7, 40, False), ("neighbour", 8, 30, False),
    ]  # fmt: skip


def test_anybody_sees_the_first_of_a_past_week(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    populate(owner, [10, 20], "weekly", "2026-W02")
    assert page(app, None, "weekly", "2026-W02") == [("top", 1, 20, False), ("top", 2, 10, False)]
    assert page(app, None, "weekly") == []


def test_the_page_names_everybody_who_is_shown(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    owner.execute("update profiles set display_name = initcap(id)")
    for user, score in ((ALICE, 80), (BOB, 40)):
        record(owner, "interview", completed(owner, user, score), user=user)
    for caller in (BOB, None):
        set_claims(app, claims_of(caller) if caller else ANONYMOUS)
        names = app.execute(
            "select display_name from app.leaderboard_page(%s) where section = 'top'", (caller,)
        ).fetchall()
        assert names == [("Alice",), ("Bob",)]


def test_a_profile_that_is_made_late_may_opt_out_at_once(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    record(owner, "interview", completed(owner, ALICE, 80))
    owner.execute("delete from profiles where id = 'alice'")
    owner.execute("insert into profiles (id, leaderboard_opt_out) values ('alice', true)")
    assert page(app, BOB) == []


def test_who_opts_out_is_hidden_and_does_not_count(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    for user, score in ((ALICE, 80), (BOB, 40)):
        record(owner, "interview", completed(owner, user, score), user=user)
    owner.execute("update profiles set leaderboard_opt_out = true where id = 'alice'")
    assert [row[1] for row in page(app, None)] == [1]
    owner.execute("begin; set local role anon")
    set_claims(owner, ANONYMOUS)
    assert owner.execute("select user_id from leaderboard").fetchall() == [(BOB,)]
    owner.execute("rollback")
    set_claims(app, claims_of(ALICE))
    assert app.execute("select user_id from leaderboard order by 1").fetchall() == [(ALICE,), (BOB,)]


def test_a_new_week_starts_from_nothing_and_keeps_the_total(owner: psycopg.Connection) -> None:
    first = record(owner, "practice", practised(owner))["total_xp"]
    second = record(owner, "practice", practised(owner), NOON + timedelta(days=7))
    assert one(owner, "select week_key, weekly_score, monthly_score, total_xp from leaderboard") == (
        "2026-W44", second["xp_awarded"], second["total_xp"], first + second["xp_awarded"],
    )  # fmt: skip


def test_the_snapshot_of_ranks_changes_only_what_changed_and_rewards_last_week_once(
    owner: psycopg.Connection, app: psycopg.Connection, database: ScratchDatabase
) -> None:
    for user, score in ((ALICE, 80), (BOB, 40)):
        record(owner, "interview", completed(owner, user, score), user=user)
    with database.connect("service", autocommit=False) as service:
        changed = []
        for _ in range(2):
            set_claims(service, SERVICE)
            changed.append(one(service, "select app.refresh_leaderboard_ranks(%s)", NOON + timedelta(days=7)))
            service.commit()
    assert changed == [2, 0]
    assert owner.execute("select user_id, rank from leaderboard order by rank").fetchall() == [(ALICE, 1), (BOB, 2)]
    assert one(owner, "select count(*) from achievements where achievement_type = 'top_10_week'") == 2
    assert (
        owner.execute(
            """
        select p.id from profiles p
        where p.total_xp <> (select sum(e.amount) from app.xp_events e where e.user_id = p.id)
        """
        ).fetchall()
        == []
    )


def test_two_refreshes_at_once_reward_a_week_once(owner: psycopg.Connection, database: ScratchDatabase) -> None:
    record(owner, "interview", completed(owner, ALICE, 80))
    earned = one(owner, "select total_xp from profiles where id = 'alice'")
    changed = []

    def refresh(service: psycopg.Connection) -> None:
        set_claims(service, SERVICE)
        changed.append(one(service, "select app.refresh_leaderboard_ranks(%s)", NOON + timedelta(days=7)))

    with (
        database.connect("service", autocommit=False) as first,
        database.connect("service", autocommit=False) as second,
    ):
        refresh(first)
        other = threading.Thread(target=refresh, args=(second,))
        other.start()
        waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        while other.is_alive() and one(owner, waits) == 0:
            pass
        first.commit()
        other.join()
        second.commit()
    assert changed == [1, 0]
    paid = one(owner, "select sum(amount) from app.xp_events where event_key = 'achievement:top_10_week'")
    assert paid > 0
    assert one(owner, "select total_xp from profiles where id = 'alice'") == earned + paid


def test_activities_and_the_rewards_of_a_week_never_deadlock(
    database: ScratchDatabase, owner: psycopg.Connection
) -> None:
    people, workers = 60, 4
    failures: list[psycopg.Error] = []
    owner.execute(sql.SQL("alter database {} set deadlock_timeout = '20ms'").format(sql.Identifier(database.name)))
    owner.execute("insert into \"user\" (id) select 'u' || n from generate_series(1, %s) n", (people,))
    owner.execute(
        "insert into practice_attempts (user_id) select 'u' || n %% %s + 1 from generate_series(1, 360) n", (people,)
    )
    attempts = owner.execute("select user_id, id from practice_attempts order by md5(id::text)").fetchall()
    finished = threading.Event()

    def attempted(statement: str, *parameters: Any) -> None:
        try:
            connections[threading.current_thread().name].execute(statement.encode(), parameters)
        except psycopg.Error as error:
            failures.append(error)

    def practising(number: int) -> None:
        for turn, (user, attempt) in enumerate(attempts[number::workers]):
            weeks = timedelta(weeks=turn % 3)
            attempted("select app.record_activity(%s, 'practice', %s, %s)", user, attempt, NOON - weeks)

    def rewarding() -> None:
        for turn in itertools.count():
            if finished.is_set():
                return
            attempted("select app.refresh_leaderboard_ranks(%s)", NOON - timedelta(weeks=turn % 3))

    threads = [threading.Thread(target=practising, args=(number,)) for number in range(workers)]
    rewards = threading.Thread(target=rewarding)
    connections = {thread.name: database.connect() for thread in [*threads, rewards]}
    for connection in connections.values():
        connection.execute("select set_config('request.jwt.claims', %s, false)", (json.dumps(SERVICE),))
    for thread in [rewards, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    finished.set()
    rewards.join()
    for connection in connections.values():
        connection.close()
    assert failures == []

"""Interviews and gamification in the schema: what may change, what an activity earns, streaks and standings."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.conftest import ScratchDatabase
from tests.integration.schema.support import ANONYMOUS, SERVICE, set_claims
from tests.integration.schema.support import user as claims_of

ALICE, BOB = "alice", "bob"
NOON = datetime(2026, 10, 20, 12, tzinfo=UTC)
ACTIVITY = "select app.record_activity(%s, %s, %s, %s)"


@pytest.fixture
def owner(database: ScratchDatabase) -> Iterator[psycopg.Connection]:
    with database.connect() as connection:
        connection.execute('insert into "user" (id) values (%s), (%s)', (ALICE, BOB))
        connection.execute(
            "insert into profiles (id, email) values (%s, 'a@example.org'), (%s, 'b@example.org')", (ALICE, BOB)
        )
        yield connection


@pytest.fixture
def app(database: ScratchDatabase) -> Iterator[psycopg.Connection]:
    with database.connect("app", autocommit=False) as connection:
        yield connection


def one(connection: psycopg.Connection, statement: str, *parameters: Any) -> Any:
    row = connection.execute(statement.encode(), parameters).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def completed(owner: psycopg.Connection, user: str = ALICE, score: float | None = 70, **columns: Any) -> UUID:
    """A completed interview; with a score, its feedback is there too."""
    values = {"user_id": user, "status": "completed", "completed_at": NOON, "overall_score": score} | columns
    statement = sql.SQL("insert into interview_sessions ({}) values ({}) returning id").format(
        sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join([sql.Placeholder()] * len(values))
    )
    row = owner.execute(statement, list(values.values())).fetchone()
    assert row is not None
    if score is not None:
        give_feedback(owner, row[0], user, score)
    return UUID(str(row[0]))


def give_feedback(
    owner: psycopg.Connection, interview: UUID, user: str, score: float, recommendation: str = "hire", version: int = 1,
    scores: Any = (),
) -> None:  # fmt: skip
    owner.execute(
        """
        with made as (
          insert into interview_feedback (interview_id, user_id, overall_score, hiring_recommendation, version, scores)
          values (%s, %s, %s, %s, %s, %s) returning id
        )
        update interview_sessions set feedback_id = made.id, overall_score = %s
        from made where interview_sessions.id = %s
        """,
        (interview, user, score, recommendation, version, Jsonb(list(scores)), score, interview),
    )


def practised(owner: psycopg.Connection, user: str = ALICE, score: float | None = None, skill: str = "sql") -> UUID:
    statement = "insert into practice_attempts (user_id, skill, score) values (%s, %s, %s) returning id"
    return UUID(str(one(owner, statement, user, skill, score)))


def record(
    app: psycopg.Connection, kind: str, reference: UUID, at: datetime = NOON, user: str = ALICE
) -> dict[str, Any]:
    set_claims(app, claims_of(user))
    outcome: dict[str, Any] = one(app, ACTIVITY, user, kind, reference, at)
    app.commit()
    return outcome


def ledger(owner: psycopg.Connection, user: str = ALICE) -> dict[str, int]:
    return dict(owner.execute("select event_key, amount from app.xp_events where user_id = %s", (user,)).fetchall())


@pytest.mark.parametrize(("old", "new"), [
    ("completed", "in_progress"), ("failed", "completed"), ("in_progress", "pending"), ("abandoned", "in_progress"),
])  # fmt: skip
def test_a_finished_interview_never_goes_back(owner: psycopg.Connection, old: str, new: str) -> None:
    owner.execute("insert into interview_sessions (user_id, status) values ('alice', %s)", (old,))
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        owner.execute("update interview_sessions set status = %s", (new,))


@pytest.mark.parametrize(("old", "new"), [
    ("pending", "in_progress"), ("pending", "completed"), ("in_progress", "abandoned"), ("abandoned", "completed"),
])  # fmt: skip
def test_an_interview_goes_forward(owner: psycopg.Connection, old: str, new: str) -> None:
    owner.execute("insert into interview_sessions (user_id, status) values ('alice', %s)", (old,))
    owner.execute("update interview_sessions set status = %s", (new,))
    assert one(owner, "select status from interview_sessions") == new


def test_a_turn_has_one_place_in_the_transcript(owner: psycopg.Connection) -> None:
    interview = completed(owner)
    statement = (
        "insert into interview_responses (interview_id, role, content, sequence_number) values (%s, 'user', 'hi', 1)"
    )
    owner.execute(statement, (interview,))
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute(statement, (interview,))


def test_a_webhook_event_is_stored_once(database: ScratchDatabase) -> None:
    statement = (
        "insert into app.webhook_events (provider, event_key, type, payload) values ('vapi', 'call:end', 'end', '{}') "
        "on conflict do nothing"
    )
    with database.connect("service", autocommit=False) as service:
        set_claims(service, SERVICE)
        assert [service.execute(statement.encode()).rowcount for _ in range(2)] == [1, 0]


@pytest.mark.parametrize(
    "statement",
    [
        "update profiles set total_xp = 1000000",
        "update profiles set level = 99",
        "update profiles set completed_interviews = 99",
        "insert into profiles (id, total_xp) values ('alice', 5)",
        "update interview_feedback set overall_score = 100",
        "update streaks set current_streak = 365",
        "update leaderboard set rank = 1, total_xp = 1000000",
        "insert into achievements (user_id, achievement_type, title) values ('alice', 'level_20', 'x')",
        "insert into user_progress (user_id, skill, best_score) values ('alice', 'sql', 100)",
        "insert into app.xp_events (user_id, event_key, amount) values ('alice', 'x', 1)",
        "insert into app.leaderboard_scores values ('all_time', '', 'alice', 1, false, now())",
        "delete from app.xp_events",
        "select * from app.leaderboard_scores",
        "select app.credit_xp('alice', 1000, null, now())",
        "select app.pay_xp('alice', 'free', 1000, 'x', null, current_date, now())",
    ],
)
def test_not_even_parleys_login_writes_what_is_earned(
    owner: psycopg.Connection, app: psycopg.Connection, statement: str
) -> None:
    set_claims(app, claims_of(ALICE))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    ["update interview_sessions set overall_score = 100", "update interview_sessions set status = 'completed'",
     "update practice_attempts set score = 100", "select app.record_activity('alice', 'practice', gen_random_uuid())"],
)  # fmt: skip
def test_a_token_at_a_rest_api_decides_no_score(owner: psycopg.Connection, statement: str) -> None:
    owner.execute("begin; set local role authenticated")
    set_claims(owner, claims_of(ALICE))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute(statement.encode())
    owner.execute("rollback")


def test_others_interviews_are_invisible(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    interview = completed(owner)
    owner.execute(
        "insert into interview_responses (interview_id, role, content, sequence_number) values (%s, 'user', 'hi', 1)",
        (interview,),
    )
    owner.execute("insert into voice_analytics (interview_id) values (%s)", (interview,))
    count = """
        select (select count(*) from interview_sessions) + (select count(*) from interview_responses)
          + (select count(*) from interview_feedback) + (select count(*) from voice_analytics)
    """
    set_claims(app, claims_of(ALICE))
    assert one(app, count) == 4
    set_claims(app, claims_of(BOB))
    assert one(app, count) == 0


def test_a_completed_interview_earns_everything_in_one_call(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    interview = completed(owner, score=None, interview_type="voice", category="technical")
    give_feedback(owner, interview, ALICE, 84, scores=[{"key": "sql", "score": 84}, {"key": "design", "score": None}])
    outcome = record(app, "interview", interview)
    assert ledger(owner) == {
        f"interview:{interview}": 0, "daily:2026-10-20": 5, "streak:1:2026-10-20": 0,
        f"interview:{interview}:completed": 60, f"interview:{interview}:score": 42,
        "achievement:first_interview": 50, "achievement:first_voice": 50, "achievement:score_80": 100,
    }  # fmt: skip
    assert outcome["xp_awarded"] == outcome["total_xp"] == 307
    assert (outcome["level"], outcome["leveled_up"]) == (3, True)
    assert outcome["streak"]["current_streak"] == 1
    assert one(owner, "select total_xp, level, completed_interviews, streak_days from profiles where id = 'alice'") == (
        307,
        3,
        1,
        1,
    )
    assert one(owner, "select total_xp, weekly_score, week_key, month_key from leaderboard") == (
        307,
        307,
        "2026-W43",
        "2026-10",
    )
    assert owner.execute("select skill, attempts, best_score from user_progress").fetchall() == [("sql", 1, 84)]


def test_recording_again_pays_nothing_and_feedback_that_comes_later_is_paid_once(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    interview = completed(owner, score=None)
    record(app, "interview", interview)
    before = sum(ledger(owner).values())
    give_feedback(owner, interview, ALICE, 60)
    assert record(app, "interview", interview, NOON + timedelta(days=1))["xp_awarded"] == 50 + 30
    give_feedback(owner, interview, ALICE, 100, version=2)
    again = record(app, "interview", interview, NOON + timedelta(days=2))
    # The new score may reach achievements; the interview itself is not paid again.
    assert set(again["achievements"]) == {"score_80", "score_90", "perfect_100"}
    assert sum(ledger(owner).values()) == before + 80 + 800
    assert one(owner, "select current_streak, last_activity_date from streaks") == (1, date(2026, 10, 20))


def test_an_interview_without_enough_evidence_earns_little(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    interview = completed(owner, score=None)
    give_feedback(owner, interview, ALICE, 90, recommendation="insufficient_evidence")
    record(app, "interview", interview)
    paid = ledger(owner)
    assert paid[f"interview:{interview}:completed"] == 10
    assert f"interview:{interview}:score" not in paid


def test_five_practice_attempts_a_day_are_paid_and_a_new_best_is_worth_more(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    attempts = [practised(owner, score=score) for score in (50, 60, 60, 40, None, 30, 20)]
    for attempt in attempts:
        record(app, "practice", attempt)
    paid = ledger(owner)
    assert [paid[f"practice:{attempt}"] for attempt in attempts] == [10] * 5 + [0] * 2
    assert [key for key in paid if key.startswith("best:")] == [f"best:sql:{attempts[1]}"]
    assert one(owner, "select attempts, best_score, last_score, round(average_score) from user_progress") == (
        6,
        60,
        20,
        43,
    )


def test_parallel_recordings_of_one_interview_pay_once(owner: psycopg.Connection, database: ScratchDatabase) -> None:
    interview = completed(owner)
    failures: list[BaseException] = []

    def complete() -> None:
        try:
            with database.connect("app", autocommit=False) as connection:
                record(connection, "interview", interview)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=complete) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    total = sum(ledger(owner).values())
    assert one(owner, "select total_xp from profiles where id = 'alice'") == total
    assert one(owner, "select total_xp, weekly_score from leaderboard") == (total, total)
    assert owner.execute("select distinct score from app.leaderboard_scores").fetchall() == [(total,)]


@pytest.mark.parametrize(("user", "kind", "error"), [
    (BOB, "interview", psycopg.errors.NoDataFound), (ALICE, "unfinished", psycopg.errors.ObjectNotInPrerequisiteState),
    (ALICE, "sleeping", psycopg.errors.InvalidParameterValue),
])  # fmt: skip
def test_what_cannot_be_recorded_is_refused(
    owner: psycopg.Connection, app: psycopg.Connection, user: str, kind: str, error: type[psycopg.Error]
) -> None:
    interview = completed(owner) if kind != "unfinished" else UUID(str(one(
        owner, "insert into interview_sessions (user_id) values ('alice') returning id"
    )))  # fmt: skip
    with pytest.raises(error):
        record(app, "interview" if kind == "unfinished" else kind, interview, user=user)


def test_nobody_records_for_another(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    set_claims(app, claims_of(BOB))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(ACTIVITY, (ALICE, "interview", completed(owner), NOON))


def test_the_level_is_the_largest_whose_threshold_is_reached(owner: psycopg.Connection) -> None:
    wrong = one(
        owner,
        """
        select count(*) from generate_series(0, 300000) x (xp), lateral (select app.level_for_xp(xp) as level) l
        where not (50 * level * (level - 1) <= xp and xp < 50 * (level + 1) * level)
        """,
    )
    assert wrong == 0


def oracle(days: list[int]) -> tuple[int, int, int]:
    """Current and longest streak and freezes after activity on the given days, counted naively."""
    current = longest = freezes = 0
    last: int | None = None
    for day in days:
        if last is not None and day <= last:
            continue
        if last is None or day - last - 1 > freezes:
            current = 1
        else:
            freezes -= day - last - 1
            current += 1
        if current % 7 == 0:
            freezes = min(2, freezes + 1)
        longest, last = max(longest, current), day
    return current, longest, freezes


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=60))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_streak_is_what_a_naive_count_says(owner: psycopg.Connection, gaps: list[int]) -> None:
    owner.execute("truncate streaks")
    days, day = [], 0
    for gap in gaps:
        day += gap
        days.append(day)
        owner.execute("select app.touch_streak('alice', 'UTC', %s)", (NOON + timedelta(days=day),))
    assert one(owner, "select current_streak, longest_streak, freezes from streaks") == oracle(days)


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Stockholm", "Australia/Lord_Howe", "Pacific/Apia", "UTC"])
def test_every_local_day_of_a_year_counts_once_across_clock_changes(owner: psycopg.Connection, zone: str) -> None:
    owner.execute(
        """
        select app.touch_streak('alice', %(zone)s, (day + hour)::timestamp at time zone %(zone)s)
        from generate_series('2026-01-01'::timestamp, '2026-12-31', '1 day') day,
          unnest(array['00:00:01', '23:59:59']::interval[]) hour order by day, hour
        """,
        {"zone": zone},
    )
    assert one(owner, "select current_streak from streaks") == 365


@pytest.mark.parametrize(("days", "status", "streak"), [
    (0, "active", 7), (1, "at_risk", 7), (2, "frozen", 7), (3, "broken", 0),
])  # fmt: skip
def test_what_is_left_of_a_streak_is_known_when_it_is_read(
    owner: psycopg.Connection, days: int, status: str, streak: int
) -> None:
    for day in range(7):
        owner.execute("select app.touch_streak('alice', 'Europe/Stockholm', %s)", (NOON + timedelta(days=day),))
    read = one(
        owner,
        "select status, current_streak, expires_at from app.streak_status('alice', %s)",
        NOON + timedelta(days=6 + days),
    )
    assert read[:2] == (status, streak)
    # The clocks go back on the 25th: midnight is an hour later by UTC. One freeze was earned.
    assert read[2] == (None if status == "broken" else datetime(2026, 10, 28, 23, tzinfo=UTC))


def test_a_second_change_of_time_zone_within_a_week_does_not_move_the_day(owner: psycopg.Connection) -> None:
    for zone in ("UTC", "Pacific/Kiritimati", "America/Adak"):
        owner.execute("select app.touch_streak('alice', %s, %s)", (zone, NOON))
    assert one(owner, "select timezone from streaks") == "Pacific/Kiritimati"


def test_an_unknown_time_zone_is_refused(owner: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        owner.execute("update profiles set timezone = 'Mars/Olympus' where id = 'alice'")


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


def test_who_opts_out_is_hidden_and_does_not_count(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    for user, score in ((ALICE, 80), (BOB, 40)):
        record(app, "interview", completed(owner, user, score), user=user)
    owner.execute("update profiles set leaderboard_opt_out = true where id = 'alice'")
    assert [row[1] for row in page(app, None)] == [1]
    owner.execute("begin; set local role anon")
    set_claims(owner, ANONYMOUS)
    assert owner.execute("select user_id from leaderboard").fetchall() == [(BOB,)]
    owner.execute("rollback")
    set_claims(app, claims_of(ALICE))
    assert app.execute("select user_id from leaderboard order by 1").fetchall() == [(ALICE,), (BOB,)]


def test_a_new_week_starts_from_nothing_and_keeps_the_total(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    first = record(app, "practice", practised(owner))["total_xp"]
    second = record(app, "practice", practised(owner), NOON + timedelta(days=7))
    assert one(owner, "select week_key, weekly_score, monthly_score, total_xp from leaderboard") == (
        "2026-W44", second["xp_awarded"], second["total_xp"], first + second["xp_awarded"],
    )  # fmt: skip


def test_the_snapshot_of_ranks_changes_only_what_changed_and_rewards_last_week_once(
    owner: psycopg.Connection, app: psycopg.Connection, database: ScratchDatabase
) -> None:
    for user, score in ((ALICE, 80), (BOB, 40)):
        record(app, "interview", completed(owner, user, score), user=user)
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


def test_achievements_show_how_far_it_is(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    record(app, "interview", completed(owner, score=60))
    set_claims(app, claims_of(ALICE))
    rows = app.execute(
        "select achievement_type, current, target, unlocked_at is not null from app.achievement_progress('alice')"
    )
    progress = {row[0]: row[1:] for row in rows.fetchall()}
    assert len(progress) == 24
    assert progress["first_interview"] == (1, 1, True)
    assert progress["interviews_5"] == (1, 5, False)
    assert progress["score_80"] == (60, 80, False)


def test_statistics_are_the_callers_and_empty_for_others(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    for day, score in enumerate((50, 60, 70)):
        interview = completed(
            owner, score=None, completed_at=NOON + timedelta(days=day), duration_minutes=10, category="technical"
        )
        give_feedback(owner, interview, ALICE, score, scores=[{"key": "sql", "score": score}])
    owner.execute("insert into interview_sessions (user_id, status) values ('alice', 'abandoned')")
    statement = """
        select total_interviews, completed_interviews, abandoned, average_score, best_score, last_score, score_trend,
          total_minutes, by_type, by_competency from get_user_interview_stats('alice')
    """
    set_claims(app, claims_of(ALICE))
    assert one(app, statement) == (4, 3, 1, 60, 70, 70, 10, 30, {"mixed": 1, "technical": 3}, {"sql": 60})
    recent = app.execute(
        "select overall_score, hiring_recommendation from get_recent_interviews_with_feedback('alice', 2)"
    )
    assert recent.fetchall() == [(70, "hire"), (60, "hire")]
    set_claims(app, claims_of(BOB))
    assert one(app, statement)[:3] == (0, 0, 0)
    assert app.execute("select count(*) from get_recent_interviews_with_feedback('alice')").fetchone() == (0,)


def test_deleting_a_user_leaves_nothing_behind(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    record(app, "interview", completed(owner))
    record(app, "practice", practised(owner))
    owner.execute("delete from \"user\" where id = 'alice'")
    for table in (
        "profiles", "practice_attempts", "interview_sessions", "interview_feedback", "achievements", "user_progress",
        "leaderboard", "streaks",
    ):  # fmt: skip
        column = "id" if table == "profiles" else "user_id"
        statement = sql.SQL("select count(*) from {} where {} = 'alice'").format(
            sql.Identifier(table), sql.Identifier(column)
        )
        assert owner.execute(statement).fetchone() == (0,), table
    assert (
        one(owner, "select (select count(*) from app.xp_events) + (select sum(members) from app.leaderboard_histogram)")
        == 0
    )

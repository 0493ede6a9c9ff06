"""What an activity earns, once, and that nobody writes it."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from testing.claims import SERVICE, set_claims
from testing.claims import user as claims_of
from testing.databases import ScratchDatabase
from tests.integration.schema.activities import (
    ACTIVITY,
    ALICE,
    BOB,
    NOON,
    completed,
    give_feedback,
    ledger,
    one,
    practised,
    record,
)


@pytest.mark.parametrize(
    "statement",
    [
        "update profiles set total_xp = 1000000",
        "update profiles set level = 99",
        "update profiles set completed_interviews = 99",
        "insert into profiles (id, total_xp) values ('alice', 5)",
        "update interview_feedback set overall_score = 100",
        "insert into interview_sessions (user_id, status) values ('alice', 'completed')",
        "update interview_sessions set status = 'completed', overall_score = 100",
        "update interview_sessions set questions = '[]'",
        "insert into interview_responses (interview_id, role, content) values (gen_random_uuid(), 'user', 'x')",
        "insert into interview_feedback (interview_id, user_id) values (gen_random_uuid(), 'alice')",
        "insert into voice_analytics (interview_id) values (gen_random_uuid())",
        "insert into practice_attempts (user_id) values ('alice')",
        "update practice_attempts set score = 100",
        "update streaks set current_streak = 365",
        "update leaderboard set rank = 1, total_xp = 1000000",
        "insert into achievements (user_id, achievement_type, title) values ('alice', 'level_20', 'x')",
        "insert into user_progress (user_id, skill, best_score) values ('alice', 'sql', 100)",
        "insert into app.xp_events (user_id, event_key, amount) values ('alice', 'x', 1)",
        "insert into app.leaderboard_scores values ('', 'all_time', '', 'alice', 1, false, now())",
        "delete from app.xp_events",
        "select * from app.leaderboard_scores",
        "select app.add_profile_xp('alice', 1000)",
        "select app.credit_xp('alice', null, 1000, null, now())",
        "select app.record_activity('alice', 'interview', gen_random_uuid(), '2020-01-01')",
        "select app.pay_xp('alice', null, 'free', 1000, 'x', null, current_date, now())",
    ],
)
def test_not_even_parleys_login_writes_what_is_earned(
    owner: psycopg.Connection, app: psycopg.Connection, statement: str
) -> None:
    set_claims(app, claims_of(ALICE))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement.encode())


def test_a_completed_interview_earns_everything_in_one_call(owner: psycopg.Connection) -> None:
    interview = completed(owner, score=None, interview_type="voice", category="technical")
    give_feedback(owner, interview, ALICE, 84, scores=[{"key": "sql", "score": 84}, {"key": "design", "score": None}])
    outcome = record(owner, "interview", interview)
    assert ledger(owner) == {
        f"interview:{interview}:completed": 10, "daily:2026-10-20": 5, "streak:1:2026-10-20": 0,
        f"interview:{interview}:judged": 50, f"interview:{interview}:score": 42,
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


def test_what_an_activity_and_its_achievements_earn_is_counted_in_each_window_once(owner: psycopg.Connection) -> None:
    # Twice would take the rows of the histogram, which others share, out of order.
    interview = completed(owner, score=84)
    owner.execute("create table written (period text)")
    owner.execute(
        """
        create function note() returns trigger language plpgsql as
        $$ begin insert into public.written values (new.period); return null; end $$;
        create trigger _99_note after insert or update on app.leaderboard_scores for each row execute function note();
        grant insert on written to parley_definer
        """
    )
    assert record(owner, "interview", interview)["achievements"] == ["score_80", "first_interview"]
    assert owner.execute("select period from written").fetchall() == [("all_time",), ("monthly",), ("weekly",)]
    assert one(owner, "select array_agg(distinct score) from app.leaderboard_scores") == [
        one(owner, "select total_xp from profiles where id = 'alice'")
    ]


def test_recording_again_pays_nothing_and_feedback_that_comes_later_is_paid_once(owner: psycopg.Connection) -> None:
    interview = completed(owner, score=None)
    assert record(owner, "interview", interview)["xp_awarded"] == 10 + 5 + 50
    assert record(owner, "interview", interview)["xp_awarded"] == 0
    before = sum(ledger(owner).values())
    give_feedback(owner, interview, ALICE, 60)
    assert record(owner, "interview", interview, NOON + timedelta(days=1))["xp_awarded"] == 40 + 30
    give_feedback(owner, interview, ALICE, 100, version=2)
    again = record(owner, "interview", interview, NOON + timedelta(days=2))
    assert (again["xp_awarded"], again["achievements"]) == (0, [])
    assert sum(ledger(owner).values()) == before + 70
    assert one(owner, "select current_streak, last_activity_date from streaks") == (1, date(2026, 10, 20))


def test_what_is_deleted_and_done_again_under_the_same_id_pays_nothing(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    interview, attempt = completed(owner), practised(owner, score=60)
    record(owner, "interview", interview)
    record(owner, "practice", attempt)
    before = ledger(owner)
    set_claims(app, claims_of(ALICE))
    for table in ("interview_sessions", "practice_attempts"):
        assert app.execute(f"delete from {table}".encode()).rowcount == 1
    app.commit()
    completed(owner, id=interview)
    owner.execute(
        "insert into practice_attempts (id, user_id, skill, score) values (%s, 'alice', 'sql', 50)", (attempt,)
    )
    record(owner, "interview", interview)
    record(owner, "practice", attempt)
    assert ledger(owner) == before


def test_an_interview_without_enough_evidence_earns_little(owner: psycopg.Connection) -> None:
    interview = completed(owner, score=None)
    give_feedback(owner, interview, ALICE, 90, recommendation="insufficient_evidence")
    record(owner, "interview", interview)
    assert ledger(owner) == {
        f"interview:{interview}:completed": 10, "daily:2026-10-20": 5, "streak:1:2026-10-20": 0,
        "achievement:first_interview": 50,
    }  # fmt: skip


def test_the_first_feedback_that_can_judge_pays_whatever_was_written_before_it(owner: psycopg.Connection) -> None:
    interview = completed(owner, score=None)
    give_feedback(owner, interview, ALICE, 0, recommendation="insufficient_evidence")
    record(owner, "interview", interview)
    give_feedback(owner, interview, ALICE, 84, recommendation="strong_hire", version=2)
    judged = record(owner, "interview", interview)
    assert (judged["xp_awarded"], judged["achievements"]) == (40 + 42 + 100, ["score_80"])
    give_feedback(owner, interview, ALICE, 100, recommendation="strong_hire", version=3)
    assert record(owner, "interview", interview)["xp_awarded"] == 0
    assert one(owner, "select total_score from leaderboard") == 84


def test_feedback_that_is_written_anew_is_no_comeback_and_gives_no_evidence(owner: psycopg.Connection) -> None:
    metrics = "select metric, value from app.achievement_metrics('alice')"

    def measured() -> dict[str, Any]:
        return dict(owner.execute(metrics).fetchall())

    earlier, later = (completed(owner, score=score, role="x", completed_at=at) for score, at in (
        (40, NOON), (50, NOON + timedelta(days=1)),
    ))  # fmt: skip
    assert (measured()["comeback"], measured()["fully_evidenced"]) == (10, 0)
    for interview, score in ((earlier, 10), (later, 90)):
        give_feedback(owner, interview, ALICE, score, version=2)
    owner.execute("update interview_feedback set fully_evidenced = version = 2")
    assert (measured()["comeback"], measured()["fully_evidenced"], measured()["best_score"]) == (10, 0, 50)
    owner.execute("update interview_feedback set fully_evidenced = version = 1")
    assert measured()["fully_evidenced"] == 2


def test_an_interview_in_which_nobody_answered_earns_nothing(owner: psycopg.Connection) -> None:
    interview = completed(owner, score=None, answer="")
    give_feedback(owner, interview, ALICE, 0, recommendation="insufficient_evidence")
    assert record(owner, "interview", interview)["xp_awarded"] == 0
    assert ledger(owner) == {}
    assert one(owner, "select completed_interviews, total_xp, streak_days from profiles where id = 'alice'") == (
        1,
        0,
        0,
    )
    assert one(owner, "select count(*) from streaks") == 0


def test_what_time_ends_counts_on_the_day_on_which_the_candidate_was_there(
    owner: psycopg.Connection, database: ScratchDatabase
) -> None:
    spoke = datetime.now(UTC) - timedelta(hours=25)
    silent = UUID(str(one(
        owner, "insert into interview_sessions (user_id, status, started_at, last_activity_at) "
        "values ('alice', 'in_progress', %s, %s) returning id", spoke - timedelta(hours=1), spoke,
    )))  # fmt: skip
    owner.execute(
        "insert into interview_responses (interview_id, role, stage, content, sequence_number) "
        "values (%s, 'user', 'answer', 'We measured it.', 2)",
        (silent,),
    )
    with database.connect("service", autocommit=False) as service:
        closed = []
        for _ in range(2):
            set_claims(service, SERVICE)
            closed.append(one(service, "select app.close_silent_interview()"))
            service.commit()
    assert closed == [silent, None]
    assert one(owner, "select last_activity_date from streaks") == spoke.date()
    assert set(ledger(owner)) == {
        f"interview:{silent}:completed", f"daily:{spoke.date()}", f"streak:1:{spoke.date()}",
        "achievement:first_interview",
    }  # fmt: skip


def test_an_interview_that_an_operator_completes_by_hand_is_paid_with_its_feedback(owner: psycopg.Connection) -> None:
    interview = completed(owner, score=None, status="in_progress", completed_at=None, started_at=NOON)
    owner.execute("update interview_sessions set status = 'completed', completed_at = %s", (NOON,))
    assert ledger(owner) == {}
    give_feedback(owner, interview, ALICE, 60)
    assert record(owner, "interview", interview)["xp_awarded"] == 10 + 5 + 40 + 30 + 50


def test_five_practice_attempts_a_day_are_paid_and_a_new_best_is_worth_more(owner: psycopg.Connection) -> None:
    attempts = [practised(owner, score=score) for score in (50, 60, 60, 40, None, 30, 20)]
    for attempt in attempts:
        record(owner, "practice", attempt)
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
            with database.connect() as connection:
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
    owner: psycopg.Connection, user: str, kind: str, error: type[psycopg.Error]
) -> None:
    interview = completed(owner) if kind != "unfinished" else UUID(str(one(
        owner, "insert into interview_sessions (user_id) values ('alice') returning id"
    )))  # fmt: skip
    with pytest.raises(error):
        record(owner, "interview" if kind == "unfinished" else kind, interview, user=user)


def test_nobody_records_for_another(owner: psycopg.Connection) -> None:
    interview = completed(owner)
    with owner.transaction(force_rollback=True):
        set_claims(owner, claims_of(BOB))
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="not the caller"):
            owner.execute(ACTIVITY, (ALICE, "interview", interview, NOON))


def test_the_level_is_the_largest_whose_threshold_is_reached(owner: psycopg.Connection) -> None:
    wrong = one(
        owner,
        """
        select count(*) from generate_series(0, 300000) x (xp), lateral (select app.level_for_xp(xp) as level) l
        where not (50 * level * (level - 1) <= xp and xp < 50 * (level + 1) * level)
        """,
    )
    assert wrong == 0


def test_achievements_show_how_far_it_is(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    record(owner, "interview", completed(owner, score=60))
    set_claims(app, claims_of(ALICE))
    rows = app.execute(
        "select achievement_type, current, target, unlocked_at is not null from app.achievement_progress('alice')"
    )
    progress = {row[0]: row[1:] for row in rows.fetchall()}
    assert len(progress) == 24
    assert progress["first_interview"] == (1, 1, True)
    assert progress["interviews_5"] == (1, 5, False)
    assert progress["score_80"] == (60, 80, False)

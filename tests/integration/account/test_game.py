"""Profile, points, achievements, streaks, progress and standings through the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from testing.databases import ScratchDatabase
from testing.functions import Answer, Functions
from tests.integration.schema.activities import completed, record

Ask = Callable[..., Answer]


@pytest.fixture
def ask(functions: Functions, token: Callable[..., str]) -> Ask:
    """Ask the account function something as a user."""

    def send(method: str, path: str, body: Any = None, user: str | None = "ada", **claims: Any) -> Answer:
        signed = token(user, **claims) if user else None
        return functions.request("account", method, f"/api/{path}", body, token=signed)

    return send


@pytest.fixture
def play(database: ScratchDatabase) -> Iterator[Callable[..., None]]:
    """Complete an interview with feedback as the backend does."""
    with database.connect() as owner:

        def interview(user: str = "ada", score: float = 70, at: datetime | None = None, **columns: Any) -> None:
            at = at or datetime.now(UTC)
            owner.execute('insert into "user" (id) values (%s) on conflict do nothing', (user,))
            done = completed(owner, user, score, completed_at=at, **columns)
            record(owner, "interview", done, at, user)

        yield interview


def test_a_profile_is_there_when_it_is_asked_for_and_takes_what_describes_its_user(ask: Ask) -> None:
    found = ask("GET", "profile").json
    assert (found["user_id"], found["level"], found["total_xp"], found["xp_to_next_level"]) == ("ada", 1, 0, 100)
    change = {
        "display_name": "  Ada  ", "timezone": "Europe/Stockholm", "leaderboard_opt_out": True,
        "experience_level": "senior", "target_role": "Staff engineer", "tech_stack": ["SQL", "Python"],
        "preferences": {"theme": "dark"},
    }  # fmt: skip
    changed = ask("PATCH", "profile", change).json
    assert changed == found | change | {"display_name": "Ada"}
    assert ask("PATCH", "profile", {"target_role": None}).json == changed | {"target_role": None}
    assert ask("PATCH", "profile", {}).json["tech_stack"] == ["SQL", "Python"]
    assert ask("GET", "profile", user="bob").json["display_name"] is None


@pytest.mark.parametrize(
    "body",
    [
        *({name: 5} for name in ("total_xp", "level", "streak_days", "average_score", "completed_interviews", "rank")),
        *({"timezone": zone} for zone in ("Mars/Olympus", "UTC+400", "ABC-167", "posix/UTC", "<A>-99", "", "../etc")),
        *({"display_name": name} for name in ("", " ", "A\nB", "A\u202eB", "x" * 61)),
        {"user_id": "bob"},
        {"created_at": "2020-01-01T00:00:00Z"},
        {"preferences": {"a": "x" * 5000}},
        {"timezone": None},
    ],
)
def test_nobody_sets_points_levels_dates_or_a_zone_that_is_none(ask: Ask, body: Any) -> None:
    assert ask("PATCH", "profile", body).status == 400


@pytest.mark.parametrize("path", ["xp-events", "achievements", "streaks", "user-progress", "leaderboard"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_is_earned_has_no_way_to_be_written(ask: Ask, method: str, path: str) -> None:
    assert ask(method, path, {"amount": 1000}).status in (403, 404, 405)


def test_an_interview_earns_points_levels_achievements_progress_and_a_place(
    ask: Ask, play: Callable[..., None]
) -> None:
    play(score=90)
    profile = ask("GET", "profile").json
    events = ask("GET", "xp-events?limit=100").json["data"]
    assert profile["total_xp"] == sum(event["amount"] for event in events) > 100
    assert profile["total_xp"] == 50 * profile["level"] * (profile["level"] - 1) + profile["xp_into_level"]
    first = ask("GET", "xp-events?limit=2").json
    following = ask("GET", f"xp-events?limit=100&cursor={first['next_cursor']}").json
    assert first["data"] + following["data"] == events
    achieved = {row["achievement_type"]: row for row in ask("GET", "achievements").json["data"]}
    assert achieved["score_90"]["unlocked_at"] is not None
    assert (achieved["perfect_100"]["current"], achieved["perfect_100"]["unlocked_at"]) == (90, None)
    streaks = ask("GET", "streaks").json
    assert (streaks["daily"]["current"], streaks["daily"]["status"], streaks["weekly"]["current"]) == (1, "active", 1)
    board = ask("GET", "leaderboard").json
    assert board["data"] == [board["me"]] == [
        {"rank": 1, "display_name": None, "score": profile["total_xp"], "is_me": True}
    ]  # fmt: skip
    assert ask("GET", "leaderboard?period=weekly").json["me"]["score"] == profile["total_xp"]
    assert ask("GET", "xp-events", user="bob").json["data"] == []
    assert ask("GET", "streaks", user="bob").json["daily"]["status"] == "none"


def test_the_leaderboard_is_read_without_a_token_and_hides_who_opted_out(ask: Ask, play: Callable[..., None]) -> None:
    for number, user in enumerate(("ada", "bob", "carol", "dan", "eve", "fay")):
        ask("PATCH", "profile", {"display_name": user.title()}, user)
        play(user, 60 + 5 * number)
    ask("PATCH", "profile", {"leaderboard_opt_out": True}, "eve")
    for viewer in (None, "ada", "fay"):
        for period in ("all_time", "weekly", "monthly"):
            board = ask("GET", f"leaderboard?period={period}&limit=100", user=viewer).json
            names = [row["display_name"] for row in board["data"]]
            assert names == ["Fay", "Dan", "Carol", "Bob", "Ada"]
            assert [row["rank"] for row in board["data"]] == [1, 2, 3, 4, 5]
            assert "Eve" not in str(board)
    assert ask("GET", "leaderboard", user=None).json["me"] is None
    board = ask("GET", "leaderboard?limit=1", user="carol").json
    assert [row["display_name"] for row in board["neighbours"]] == ["Fay", "Dan", "Bob", "Ada"]
    assert ask("GET", "leaderboard", user="eve").json["me"]["is_me"] is True
    week = ask("GET", "leaderboard?period=weekly&period_key=2020-W01").json
    assert (week["data"], week["period_key"]) == ([], "2020-W01")
    for query in ("period=weekly&period_key=2026-10", "period_key=2026-10", "period=daily", "limit=101",
                  "period=monthly&period_key=2026-13", "period=weekly&period_key=2026-W54"):  # fmt: skip
        assert ask("GET", f"leaderboard?{query}").status == 400


def test_an_organizations_standings_are_what_was_earned_for_it_and_for_its_members_to_see(
    ask: Ask, play: Callable[..., None], database: ScratchDatabase
) -> None:
    with database.connect() as owner:
        owner.execute("insert into organization (id) values ('acme'), ('globex')")
    play("ada", 90, organization_id="acme")
    play("bob", 70, organization_id="acme")
    play("bob", 80, organization_id="globex")
    play("carol", 60)
    acme, globex = {"organization_id": "acme"}, {"organization_id": "globex"}
    for period in ("all_time", "weekly", "monthly"):
        board = ask("GET", f"leaderboard?scope=organization&period={period}", user="ada", **acme).json
        assert (board["scope"], len(board["data"]), board["me"]["rank"]) == ("organization", 2, 1)
    # Who changes the organization takes no points along, and sees those of the organization that the token names.
    moved = ask("GET", "leaderboard?scope=organization", user="bob", **globex).json
    assert [row["is_me"] for row in moved["data"]] == [True]
    of_acme = ask("GET", "leaderboard?scope=organization", user="bob", **acme).json["me"]["score"]
    everything = ask("GET", "profile", user="bob").json["total_xp"]
    assert moved["me"]["score"] + of_acme == everything
    assert len(ask("GET", "leaderboard", user="carol").json["data"]) == 3
    assert ask("GET", "leaderboard?scope=organization", user="carol", **acme).json["me"] is None
    for user in ("carol", None):
        refused = ask("GET", "leaderboard?scope=organization", user=user)
        assert (refused.status, refused.json["code"]) == (403, "organization_required")
    ask("PATCH", "profile", {"leaderboard_opt_out": True}, "ada")
    board = ask("GET", "leaderboard?scope=organization", user="bob", **acme).json
    assert [row["is_me"] for row in board["data"]] == [True]
    assert board["me"]["rank"] == 1


def test_progress_has_a_trend_of_the_last_ten_scores(ask: Ask, database: ScratchDatabase) -> None:
    with database.connect() as owner:
        owner.execute("insert into \"user\" (id) values ('ada')")
        for number in range(12):
            owner.execute(
                "select app.record_skill_score('ada', 'sql', %s, %s)",
                (90 if number == 0 else 2 * number, datetime(2026, 10, 1, tzinfo=UTC) + timedelta(days=number)),
            )
    (skill,) = ask("GET", "user-progress").json["data"]
    assert (skill["skill"], skill["attempts"], skill["best_score"], skill["last_score"]) == ("sql", 12, 90, 22)
    assert skill["trend"] == pytest.approx(2)

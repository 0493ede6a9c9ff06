"""What is personal is taken along whole, page by page, and deleted on request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testing.databases import ScratchDatabase
from testing.functions import Answer, Functions
from tests.integration.schema.activities import completed, record

Ask = Callable[..., Answer]


@pytest.fixture
def ask(functions: Functions, token: Callable[..., str]) -> Ask:
    """Ask a function something as a user."""

    def send(method: str, path: str, body: Any = None, user: str = "ada", function: str = "account") -> Answer:
        return functions.request(function, method, f"/api/{path}", body, token=token(user))

    return send


def exported(ask: Ask, user: str = "ada", limit: int = 100) -> list[Any]:
    records, cursor = [], ""
    while True:
        page = ask("GET", f"profile/export?limit={limit}{cursor}", user=user).json
        records += page["data"]
        if page["next_cursor"] is None:
            return records
        cursor = f"&cursor={page['next_cursor']}"


def use_everything(ask: Ask, database: ScratchDatabase, user: str) -> None:
    """A chat, interactions, a machine key and an interview with feedback."""
    ask("PATCH", "profile", {"display_name": user.title(), "preferences": {"theme": user}}, user)
    ask("POST", "chat", {"message": f"Hello from {user}", "conversation_id": "new"}, user, function="chat")
    seen = [{"interaction_type": "view", "item_type": "product", "item_id": f"{user}-{n}"} for n in range(5)]
    ask("POST", "interactions", {"interactions": seen}, user)
    ask("POST", "settings/access-keys", {"name": f"key of {user}", "scopes": ["chat"]}, user)
    with database.connect() as owner:
        record(owner, "interview", completed(owner, user, 70, answer=f"{user} measured it."), user=user)


def test_an_export_has_everything_of_its_user_and_nothing_of_others(ask: Ask, database: ScratchDatabase) -> None:
    for user in ("ada", "bob"):
        use_everything(ask, database, user)
    records = exported(ask)
    kinds = {row["kind"] for row in records}
    assert kinds >= {
        "user", "profile", "settings", "access_keys", "conversations", "conversation_messages", "interactions",
        "interviews", "interview_responses", "interview_feedback", "xp_events", "achievements", "streaks",
        "leaderboard", "leaderboard_scores", "usage", "requests",
    }  # fmt: skip
    assert "bob" not in str(records).casefold()
    said = [row["record"]["message"]["content"] for row in records if row["kind"] == "conversation_messages"]
    assert said[0] == "Hello from ada"
    points = [row["record"]["amount"] for row in records if row["kind"] == "xp_events"]
    assert sum(points) == ask("GET", "profile").json["total_xp"]
    # However it is cut into pages, it is the same.
    assert exported(ask, limit=3) == records
    assert ask("GET", "profile/export?cursor=x").status == 400


def test_an_export_is_whole_wherever_a_page_of_messages_ends(ask: Ask, database: ScratchDatabase) -> None:
    said = {"a": ["one", "two", "three"], "a-b": ["four"], "b": [], "c": ["five", "six"], "d": []}
    with database.connect() as owner:
        owner.execute("insert into \"user\" (id) values ('ada'), ('bob')")
        for user in ("ada", "bob"):
            for name, messages in said.items():
                owner.execute(
                    "insert into ai_conversations (id, user_id, messages) values (%s, %s, to_jsonb(%s::text[]))",
                    (name if user == "ada" else f"{name}-bob", user, messages),
                )
    for limit in (1, 2, 3, 4, 100):
        records = [row["record"] for row in exported(ask, limit=limit) if row["kind"] == "conversation_messages"]
        found = [(record["conversation_id"], record["message"]) for record in records]
        assert found == [(name, message) for name, messages in said.items() for message in messages]


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("conversation_messages", "insert into ai_conversations (id, user_id, messages) select %s, 'ada', '[1]'"),
        ("documents", "insert into embeddings (id, user_id, content, model) select %s, 'ada', 'fjord', 'm'"),
        ("usage", "insert into ai_usage (request_id, user_id, tier, provider) select %s, 'ada', 'free', 'openai'"),
        (
            "requests",
            """
            insert into app.ai_requests (id, caller_key, user_id, operation, state, finished_at)
            select %s, 'user:ada', 'ada', 'chat', 'settled', now()
            """,
        ),
    ],
)
def test_a_page_of_an_export_makes_no_more_records_than_it_takes(
    kind: str, statement: str, database: ScratchDatabase
) -> None:
    made = "select key from app.personal_records('ada', %s, %s, 3) order by key collate \"C\""
    with database.connect() as owner:
        owner.execute("insert into \"user\" (id) values ('ada')")
        for number in range(9):
            owner.execute(statement.encode(), (f"id-{number}",))
        first = [key for (key,) in owner.execute(made, (kind, None)).fetchall()]
        second = [key for (key,) in owner.execute(made, (kind, first[2])).fetchall()]
    # A conversation that the page before ended in is made once more.
    assert (len(first), len(second)) == ((4, 4) if kind == "conversation_messages" else (3, 3))
    assert second[-3] > first[2]


def test_who_deletes_the_account_is_gone_and_is_told_so(ask: Ask, database: ScratchDatabase) -> None:
    for user in ("ada", "bob"):
        use_everything(ask, database, user)
    assert ask("DELETE", "profile").status == 204
    assert [row["display_name"] for row in ask("GET", "leaderboard", user="bob").json["data"]] == ["Bob"]
    assert ask("GET", "profile").json["code"] == "subject_deleted"
    assert ask("GET", "leaderboard").json["code"] == "subject_deleted"
    assert ask("GET", "profile/export").json["data"] == []
    assert ask("DELETE", "profile").status == 204
    assert ask("GET", "profile", user="bob").json["total_xp"] > 0
    with database.connect() as owner:
        assert owner.execute('select id from "user"').fetchall() == [("bob",)]


def test_who_was_never_seen_can_ask_not_to_be(ask: Ask) -> None:
    assert ask("DELETE", "profile").status == 204
    assert ask("GET", "profile").json["code"] == "subject_deleted"

"""Parley's own API tests, for people whom an adopted database knew; and all of the API for one who has rows there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from local.checkout import SCHEMA
from local.postgres.server import DEFAULT_MAJOR, Server
from parley.migrations.logins import create_logins
from parley.migrations.runner import up
from testing.databases import ScratchDatabase, new_database
from testing.functions import Functions, make_token
from testing.supabase import ADOPTED, project, project_url, supabase_server
from tests.integration.account.test_account import (  # noqa: F401
    get,
    test_conversations_are_listed_read_renamed_exported_and_deleted,
    test_interactions_are_recorded_in_batches_and_listed,
    test_settings_show_tier_limits_and_the_preference,
    test_usage_counts_what_was_answered,
)
from tests.integration.account.test_preferences import (  # noqa: F401
    test_a_saved_preference_comes_back_in_the_callers_spelling,
    test_the_users_choice_wins_over_the_organizations,
)
from tests.integration.api.test_paging import (  # noqa: F401
    test_a_page_goes_on_where_the_last_one_ended_although_that_row_is_gone,
    test_rows_of_one_moment_come_once_each,
)
from tests.integration.chat.test_chat import (  # noqa: F401
    test_a_conversation_remembers_and_belongs_to_its_user,
    test_the_same_question_again_is_served_from_the_tenants_cache,
)
from tests.integration.interviews.test_questions import test_a_foloup_client_finds_what_it_reads  # noqa: F401
from tests.integration.search.conftest import search  # noqa: F401
from tests.integration.search.test_search import test_documents_are_listed_read_and_deleted  # noqa: F401

Token = Callable[..., str]
# Whom the tests call ada and bob -> who they are in the adopted database, where they have not asked anything yet.
PEOPLE = {"ada": "00000000-0000-0000-0000-0000000000ad", "bob": "00000000-0000-0000-0000-0000000000b0"}
# Whoever has rows of each kind there.
SETTLED = {
    "s1_published": "user_456",
    "s2": "00000000-0000-0000-0000-000000000001",
    "s3_published": "00000000-0000-0000-0000-00000000000a",
}
NEWCOMERS = {
    "s1_published": """insert into "user" (id, organization_id) select unnest(%s::text[]), 'org_123'""",
    "s2": """
        with account as (insert into auth.users (id) select unnest(%s::text[])::uuid returning id)
        insert into user_ai_settings (user_id, daily_usage, monthly_usage) select id, null, null from account
    """,
    "s3_published": "insert into auth.users (id) select unnest(%s::text[])::uuid",
}


@pytest.fixture(scope="module")
def supabase(postgres: Server) -> Iterator[Server]:
    with supabase_server(postgres.major) as server:
        yield server


@pytest.fixture(scope="module")
def adopted(supabase: Server) -> Iterator[dict[str, str]]:
    """The projects' databases after their adoption: the name of each."""
    with ExitStack() as stack:
        names = {}
        for name in ADOPTED:
            database = stack.enter_context(project(supabase, name))
            with database.connect() as owner:
                owner.execute(NEWCOMERS[name].encode(), (list(PEOPLE.values()),))
                if name == "s3_published":
                    owner.execute("delete from ai_conversations where title = 'Welcome'")
            up(project_url(database), SCHEMA)
            with database.connect() as owner:
                create_logins(owner, supabase.password("parley_app"), supabase.password("parley_service"))
            names[name] = database.name
        yield names


@pytest.fixture(params=ADOPTED)
def database(request: pytest.FixtureRequest, supabase: Server, adopted: dict[str, str]) -> Iterator[ScratchDatabase]:
    """A copy of one of them."""
    walk = test_somebody_with_rows_of_before_has_all_of_the_api.__name__
    if supabase.major != DEFAULT_MAJOR and request.node.originalname != walk:
        pytest.skip("one walk through the whole API shows that the schema serves it on the other version")
    with new_database(supabase, adopted[request.param]) as made:
        yield made


@pytest.fixture
def token() -> Token:
    """Tokens of people that the database knew before Parley came."""
    return lambda subject, **claims: make_token(PEOPLE.get(subject, subject), **claims)


def pages(functions: Functions, function: str, path: str, token: str) -> list[dict[str, Any]]:
    """All of a list, one a page."""
    rows, cursor = [], ""
    while cursor is not None:
        answer = functions.request(function, "GET", f"{path}?limit=1{cursor}", token=token)
        assert answer.status == 200, answer.text
        rows += answer.json["data"]
        cursor = answer.json["next_cursor"] and f"&cursor={answer.json['next_cursor']}"
    return rows


def count(owner: psycopg.Connection[Any], table: str, user: str) -> int:
    row = owner.execute(f"select count(*) from {table} where user_id = %s".encode(), (user,)).fetchone()
    assert row
    return int(row[0])


def test_somebody_with_rows_of_before_has_all_of_the_api(
    functions: Functions, schedules: Functions, database: ScratchDatabase, request: pytest.FixtureRequest
) -> None:
    project_name = request.node.callspec.params["database"]
    user = SETTLED[project_name]
    me, operator = make_token(user), make_token(subject=None, role="service_role")

    def ask(function: str, method: str, path: str, body: Any = None) -> Any:
        answer = functions.request(function, method, path, body, token=me)
        assert answer.status in (200, 201, 204), answer.text
        return answer.json if answer.text else None

    with database.connect() as owner:
        talks = pages(functions, "account", "/api/conversations", me)
        assert len(talks) == count(owner, "ai_conversations", user)
        for talk in talks:
            before = ask("account", "GET", f"/api/conversations/{talk['id']}")["messages"]
            ask("chat", "POST", "/api/chat", {"message": "What is a fjord?", "conversation_id": talk["id"]})
            after = ask("account", "GET", f"/api/conversations/{talk['id']}")["messages"]
            assert [message["content"] for message in after][: len(before)] == [m["content"] for m in before]
            assert len(after) == len(before) + 2
        ask("chat", "POST", "/api/chat", {"message": "What is a lake?"})
        assert len(pages(functions, "search", "/api/documents", me)) == count(owner, "embeddings", user)
        ask("search", "POST", "/api/search", {"query": "document"})
        ask("generate_interview_questions", "POST", "/api/generate-interview-questions", QUESTIONS)
        ask("set_provider", "POST", "/api/ai-provider", {"provider": "gemini"})
        assert ask("get_provider", "GET", "/api/ai-provider")["provider"] == "gemini"
        for path in ("/api/usage", "/api/usage/history", "/api/usage/providers", "/api/settings", "/api/faqs"):
            ask("account", "GET", path)
        gone = schedules.request("admin", "DELETE", f"/api/admin/users/{user}", token=operator)
        if project_name == "s1_published":
            assert (gone.status, gone.json["code"]) == (409, "user_referenced")
            owner.execute("update interview set user_id = null")
            gone = schedules.request("admin", "DELETE", f"/api/admin/users/{user}", token=operator)
        assert gone.status == 204, gone.text
        assert count(owner, "ai_conversations", user) + count(owner, "embeddings", user) == 0


QUESTIONS = {"name": "Backend", "objective": "Find out what they know of databases", "number": 2, "context": "SQL"}

"""No column that decides a right is a caller's to write, with a token at a REST API or through Parley's login."""

from __future__ import annotations

import re

import pytest

from testing.databases import ScratchDatabase

CALLERS = ("anon", "authenticated", "parley_app")

# What a name says about deciding something: limits, counters, money, scores, standing, roles.
_DECIDES = re.compile(
    r"tier|usage|units|quota|limit|count|cost|token|score|xp|rank|level|streak|role|freeze|attempts|interviews|verified"
    r"|expires|lease|fence|state|status|allowed|forbidden|reset|opted_out|is_hidden|encrypted|ciphertext|achievement"
)
# Columns with such names that decide nothing.
HARMLESS = {
    "public.profiles.experience_level": "what the user says of itself",
    "public.profiles.target_role": "the job that the user prepares for",
    "public.profiles.leaderboard_opt_out": "the user's own choice",
}


def _writable(database: ScratchDatabase, role: str, *privileges: str) -> set[str]:
    with database.connect() as owner:
        rows = owner.execute(
            """
            select n.nspname || '.' || c.relname || '.' || a.attname
            from pg_attribute as a
            inner join pg_class as c on c.oid = a.attrelid
            inner join pg_namespace as n on n.oid = c.relnamespace
            where n.nspname in ('public', 'app') and c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0
              and not a.attisdropped and has_column_privilege(%s, c.oid, a.attnum, %s)
            """,
            (role, ", ".join(privileges)),
        ).fetchall()
    return {name for (name,) in rows}


@pytest.mark.parametrize("role", CALLERS)
def test_no_caller_can_write_a_column_that_decides_a_right(role: str, database: ScratchDatabase) -> None:
    deciding = {
        name for name in _writable(database, role, "insert", "update") if _DECIDES.search(name.rsplit(".", 1)[1])
    }
    assert deciding <= set(HARMLESS), f"{role} may write {sorted(deciding - set(HARMLESS))}"


def test_the_login_may_write_no_column_that_a_token_may_not(database: ScratchDatabase) -> None:
    assert _writable(database, "parley_app", "insert", "update") == _writable(
        database, "authenticated", "insert", "update"
    )


def test_what_an_interview_or_a_practice_is_about_is_not_its_users_to_write(database: ScratchDatabase) -> None:
    about = {
        name
        for name in _writable(database, "parley_app", "insert", "update")
        if name.startswith(("public.interview_", "public.practice_attempts", "public.voice_analytics"))
    }
    assert about == {
        "public.interview_sessions.title",
        "public.interview_sessions.description",
        "public.interview_sessions.metadata",
        "public.practice_attempts.metadata",
    }


@pytest.mark.parametrize("role", CALLERS)
def test_no_caller_can_change_whose_a_row_is_or_which_it_is(role: str, database: ScratchDatabase) -> None:
    names = {"id", "user_id", "organization_id", "tenant", "created_by", "caller_key", "interview_id", "created_at"}
    changed = {name for name in _writable(database, role, "update") if name.rsplit(".", 1)[1] in names}
    assert changed == set()


@pytest.mark.parametrize("role", CALLERS)
def test_no_caller_can_read_a_stored_secret_from_a_table(role: str, database: ScratchDatabase) -> None:
    readable = _writable(database, role, "select")
    assert not readable & {
        "public.user_ai_settings.encrypted_api_keys",
        "app.provider_keys.ciphertext",
        "app.deleted_subjects.subject_hash",
        "app.ai_requests.body_hash",
        "app.ai_requests.answer",
    }

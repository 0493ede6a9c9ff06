"""No column that decides a right is a caller's to write, with a token at a REST API or through Parley's login."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ScratchDatabase

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
    "public.interview_sessions.experience_level": "what the interview is about",
    "public.interview_sessions.role": "the job that the interview is about",
}
# Parley's login runs interviews with the caller's identity, so it writes how they went; a token at a REST API cannot.
WRITTEN_BY_THE_LOGIN = {
    "public.practice_attempts.score",
    "public.interview_sessions.status",
    "public.interview_sessions.overall_score",
    "public.interview_sessions.feedback_status",
    "public.interview_responses.role",
    "public.interview_feedback.overall_score",
    "public.interview_feedback.scores",
    "public.interview_feedback.is_verified",
    "public.voice_analytics.clarity_score",
    "public.voice_analytics.pace_score",
    "public.voice_analytics.volume_score",
    "public.voice_analytics.articulation_score",
    "public.voice_analytics.filler_words_count",
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
    allowed = set(HARMLESS) | (WRITTEN_BY_THE_LOGIN if role == "parley_app" else set())
    assert deciding <= allowed, f"{role} may write {sorted(deciding - allowed)}"


def test_what_the_login_is_excused_for_is_granted_to_it_and_to_no_other_caller(database: ScratchDatabase) -> None:
    assert _writable(database, "parley_app", "insert", "update") >= WRITTEN_BY_THE_LOGIN
    for role in ("anon", "authenticated"):
        assert not _writable(database, role, "insert", "update") & WRITTEN_BY_THE_LOGIN


@pytest.mark.parametrize("role", CALLERS)
def test_no_caller_can_change_whose_a_row_is_or_which_it_is(role: str, database: ScratchDatabase) -> None:
    names = {"id", "user_id", "organization_id", "tenant", "created_by", "caller_key", "interview_id", "created_at"}
    changed = {name for name in _writable(database, role, "update") if name.rsplit(".", 1)[1] in names}
    assert changed == set()


@pytest.mark.parametrize("role", ["anon", "authenticated", "parley_app"])
def test_no_caller_can_read_a_stored_secret_from_a_table(role: str, database: ScratchDatabase) -> None:
    readable = _writable(database, role, "select")
    assert not readable & {
        "public.user_ai_settings.encrypted_api_keys",
        "app.provider_keys.ciphertext",
        "app.deleted_subjects.subject_hash",
        "app.ai_requests.body_hash",
        "app.ai_requests.answer",
    }

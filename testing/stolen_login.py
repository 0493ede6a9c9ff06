"""What somebody tries who has a login's password: become another role, shadow a name, stand in others' way.

Each attempt is a few statements, and says what happens to its last one: it is refused, or it is possible and then
`docs/operations.md` ("What a stolen login can do") says what is done about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import sql

LOGINS: Sequence[str] = ("app", "service")

# Name -> statements, of which the last is refused for want of a privilege (SQLSTATE 42501).
REFUSED: Mapping[str, Sequence[LiteralString]] = {
    "shadow a type": ["create domain pg_temp.text as pg_catalog.text check (true)"],
    "shadow a table": ["create temporary table ai_requests (id text)"],
    "shadow a view": ["create temporary view settings as select 1 as only_row"],
    "temporary function": ["create function pg_temp.run() returns text language sql return current_user"],
    "function": ["create function public.run() returns text language sql return current_user"],
    "function among the extension's": ["create function extensions.run() returns int language sql return 1"],
    "operator": ["create operator public.= (leftarg = text, rightarg = text, function = texteq)"],
    "cast": ["create cast (text as integer) with inout as implicit"],
    "aggregate": ["create aggregate public.sum (text) (sfunc = textcat, stype = text)"],
    "collation": ["create collation public.\"C\" (provider = libc, locale = 'C')"],
    "conversion": ["create conversion public.mine for 'UTF8' to 'LATIN1' from utf8_to_iso8859_1"],
    "event trigger": ["create event trigger mine on ddl_command_end execute function app.touch_updated_at()"],
    "trigger": ["create trigger mine before update on public.profiles for each row execute function app.now()"],
    "rule": ["create rule mine as on update to public.profiles do instead nothing"],
    "policy": ["create policy mine on public.ai_conversations using (true)"],
    "row-level security off": ["alter table public.ai_conversations disable row level security"],
    "reading past row-level security": ["set row_security = off", "select count(*) from public.ai_conversations"],
    "schema": ["create schema mine"],
    "extension": ["drop extension vector"],
    "language": ["drop language plpgsql"],
    "foreign data wrapper": ["create foreign data wrapper mine"],
    "publication": ["create publication mine for all tables"],
    "file on the server": ["select pg_catalog.pg_read_file('PG_VERSION')"],
    "program on the server": ["copy (select 1) to program 'true'"],
    "replica's triggers": ["set session_replication_role = replica"],
    "library in every session": ["alter role current_user set session_preload_libraries = 'mine'"],
    "ALTER ROLE to superuser": ["alter role current_user superuser"],
    "ALTER ROLE past row-level security": ["alter role current_user bypassrls"],
    "ALTER ROLE to make roles": ["alter role current_user createrole"],
    "ALTER ROLE of another": ["alter role parley_definer login"],
    "becoming parley_definer": ["set role parley_definer"],
    "becoming parley_owner": ["set role parley_owner"],
    "becoming another login": ["set session authorization postgres"],
    "passing its membership on": ["grant authenticated, service_role to anon"],
    "a definer function's source": ["alter function app.begin_request(jsonb, jsonb) owner to current_user"],
    "the clock": ["create or replace function app.now() returns timestamptz language sql return 'epoch'"],
    "deleting another user": [
        """select set_config('request.jwt.claims', '{"sub": "alice", "role": "authenticated"}', false)""",
        "select app.forget_user('bob')",
    ],
    "stored answers of others": ["select answer from app.ai_requests limit 1 for update"],
}
# Possible for parley_service, which may say that it is the service.
SERVICE_ONLY: Mapping[str, Sequence[LiteralString]] = {
    "the service's claims": [
        """select set_config('request.jwt.claims', '{"role": "service_role"}', false)""",
        "select app.sweep_requests(1)",
    ],
    "becoming service_role": ["set role service_role"],
    "ciphertexts of users' keys": ["select ciphertext from app.provider_keys limit 1"],
}
# Nobody can be kept from these in Postgres, or they are what the login is for.
POSSIBLE: Mapping[str, Sequence[LiteralString]] = {
    "claims of a named user": [
        """select set_config('request.jwt.claims', '{"sub": "bob", "role": "authenticated"}', false)""",
        "select app.require_caller('bob')",
    ],
    "advisory locks of others": ["select pg_catalog.pg_advisory_lock(app.subject_lock('bob'))"],
    "locking a table": ["lock table public.ai_conversations in access exclusive mode"],
    "its own password": ["alter role current_user password 'mine'"],
    "its own settings": ["alter role current_user set statement_timeout = 0"],
    "ending its own kind's sessions": ["select pg_catalog.pg_terminate_backend(pid) from pg_stat_activity where false"],
    "large objects": ["select pg_catalog.lo_create(0)"],
    "long statements": ["set statement_timeout = 0"],
}


def attempt(connection: psycopg.Connection[Any], statements: Sequence[LiteralString]) -> str | None:
    """Run an attempt and undo it; the SQLSTATE that ended it, None where it was possible."""
    try:
        with connection.transaction(force_rollback=True):
            for statement in statements:
                connection.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate
    return None


# A domain called text whose check runs a function of the thief's as whoever uses the name.
_SHADOW: LiteralString = """
create function pg_temp.run(pg_catalog.text) returns boolean language plpgsql as $$
begin
  if current_user <> session_user then
    raise exception using errcode = 'XX999', message = 'runs as ' || current_user;
  end if;
  return true;
end $$;
create domain pg_temp.text as pg_catalog.text check (pg_temp.run(value))
"""


def shadowed_calls(owner: psycopg.Connection[Any], thief: psycopg.Connection[Any], role: str) -> dict[str, str]:
    """Call every definer function that a login may, in a session that shadows the type `text`, and say what ran.

    Args:
        owner: of the database; lets the login make temporary objects, which is the fence that stands before this one.
        thief: a session of the login.
        role: the login's name.

    Returns:
        Function -> the role that the thief's own code ran as; empty where it never ran.
    """
    functions = owner.execute(
        """
        select p.oid::regprocedure::text, p.proretset, array(
          select case t.typname
            when 'jsonb' then '''{"sub": "alice", "request_id": "r", "operation": "chat"}''::jsonb'
            when 'text' then '''alice''::pg_catalog.text'
            else 'null::' || format_type(a, null) end
          from unnest(p.proargtypes) with ordinality as x (a, n) inner join pg_type as t on t.oid = x.a order by x.n)
        from pg_proc as p
        where p.prosecdef and p.pronamespace = 'app'::regnamespace and p.prorettype <> 'trigger'::regtype
          and has_function_privilege(%s, p.oid, 'execute')
        """,
        (role,),
    ).fetchall()
    database = owner.info.dbname
    found = {}
    owner.execute(sql.SQL("grant temporary on database {} to {}").format(*_names(database, role)))
    try:
        thief.execute(_SHADOW)
        for name, _, arguments in functions:
            call = sql.SQL("select {}({})").format(sql.SQL(name.partition("(")[0]), sql.SQL(", ".join(arguments)))
            try:
                with thief.transaction(force_rollback=True):
                    thief.execute(
                        """select set_config('request.jwt.claims', '{"sub": "alice", "role": "authenticated"}', true)"""
                    )
                    thief.execute(call)
            except psycopg.Error as error:
                if error.sqlstate == "XX999":
                    found[name] = str(error).splitlines()[0]
    finally:
        owner.execute(sql.SQL("revoke temporary on database {} from {}").format(*_names(database, role)))
    return found


def _names(*names: str) -> list[sql.Identifier]:
    return [sql.Identifier(name) for name in names]

"""What can be wrong with a schema though every query works: what supabase/splinter looks for, as queries of our own.

Each lint is a query whose rows are findings, one text each. They look at every schema that is not Postgres's, an
extension's or another product's. `ALLOWED` excuses findings by name; docs/decisions/0001-lint-allow-list.md says why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, LiteralString

import psycopg

# Of all schemas but these; what an extension owns is left out too.
_OURS: LiteralString = """
    with ours as (
      select n.oid, n.nspname from pg_namespace as n
      where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'extensions', 'auth')
    ),
    members as (select d.objid from pg_depend as d where d.deptype = 'e'),
    relations as (
      select c.*, o.nspname || '.' || c.relname as name from pg_class as c
      inner join ours as o on o.oid = c.relnamespace
      where c.oid not in (select m.objid from members as m)
    ),
    functions as (
      select p.*, o.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' as name
      from pg_proc as p inner join ours as o on o.oid = p.pronamespace
      where p.oid not in (select m.objid from members as m)
    ),
    policies as (
      select p.*, r.name || ': ' || p.polname as name, r.relrowsecurity,
        pg_get_expr(p.polqual, p.polrelid) as using_text, pg_get_expr(p.polwithcheck, p.polrelid) as check_text
      from pg_policy as p inner join relations as r on r.oid = p.polrelid
    )
"""

LINTS: Mapping[str, LiteralString] = {
    # 0001: the columns of a foreign key lead no index, so deleting a parent scans the child.
    "foreign key without an index": """
        select r.name || ': ' || k.conname
        from pg_constraint as k inner join relations as r on r.oid = k.conrelid
        where k.contype = 'f' and not exists (
          select from pg_index as i
          where i.indrelid = k.conrelid and i.indisvalid and i.indpred is null
            and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)
    """,
    # 0002
    "auth.users shown by a view": """
        select r.name from relations as r
        inner join pg_rewrite as w on w.ev_class = r.oid
        inner join pg_depend as d on d.objid = w.oid
        where r.relkind in ('v', 'm') and d.refobjid = to_regclass('auth.users')
    """,
    # 0004
    "table without a primary key": """
        select r.name from relations as r
        where r.relkind in ('r', 'p')
          and not exists (select from pg_index as i where i.indrelid = r.oid and i.indisprimary)
    """,
    # 0006
    "several permissive policies for one role and command": """
        select r.name || ': ' || x.role::regrole || ' ' || c.command
        from policies as p
        inner join relations as r on r.oid = p.polrelid,
          unnest(p.polroles) as x (role),
          unnest(case p.polcmd when '*' then array['r', 'a', 'w', 'd'] else array[p.polcmd::text] end) as c (command)
        where p.polpermissive
        group by r.name, x.role, c.command having count(*) > 1
    """,
    # 0007
    "policy without row-level security": "select p.name from policies as p where not p.relrowsecurity",
    # 0008
    "row-level security without a policy": """
        select r.name from relations as r
        where r.relkind in ('r', 'p') and r.relrowsecurity
          and not exists (select from pg_policy as p where p.polrelid = r.oid)
    """,
    # 0009
    "two indexes that are the same": """
        select r.name || ': ' || string_agg(i.indexrelid::regclass::text, ', ' order by i.indexrelid)
        from pg_index as i inner join relations as r on r.oid = i.indrelid
        group by r.name, i.indkey::text, i.indclass::text, i.indcollation::text, i.indoption::text, i.indnkeyatts,
          pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid)
        having count(*) > 1
    """,
    # 0010
    "view that runs with its owner's rights": """
        select r.name from relations as r
        where r.relkind = 'v'
          and not coalesce(r.reloptions, '{}')
            && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1']
    """,
    # 0011: an SQL-standard body bound its names when it was made, so a search_path cannot change what it does.
    "function whose search_path its caller sets": """
        select f.name from functions as f
        where f.prokind = 'f' and f.prosqlbody is null
          and not exists (select from unnest(f.proconfig) as s (setting) where s.setting like 'search\\_path=%')
    """,
    # 0011 as splinter asks it, whatever the body; the lint above leaves no excuse to one that is a string.
    "function without a search_path of its own": """
        select split_part(f.name, '(', 1) from functions as f
        where f.prokind = 'f'
          and not exists (select from unnest(f.proconfig) as s (setting) where s.setting like 'search\\_path=%')
    """,
    "definer function without a fixed search_path": """
        select f.name from functions as f
        where f.prosecdef
          and not exists (select from unnest(f.proconfig) as s (setting) where s.setting like 'search\\_path=%')
    """,
    # What a session makes in pg_temp is found before anything else unless the path says otherwise (CVE-2007-2138).
    "function whose search_path does not end in pg_temp": """
        select f.name from functions as f, unnest(f.proconfig) as s (setting)
        where s.setting like 'search\\_path=%' and s.setting !~ ', pg_temp$'
    """,
    "definer function that does not belong to parley_definer": """
        select f.name from functions as f
        where f.prosecdef and f.proowner <> to_regrole('parley_definer')
    """,
    "definer function whose owner can log in, is a superuser or bypasses row-level security": """
        select f.name from functions as f inner join pg_roles as o on o.oid = f.proowner
        where f.prosecdef and (o.rolsuper or o.rolbypassrls or o.rolcanlogin or o.rolcreaterole or o.rolcreatedb)
    """,
    "role that may make temporary objects": """
        select c.role from unnest(array['anon', 'authenticated', 'service_role', 'parley_definer', 'parley_owner',
          'parley_app', 'parley_service']) as c (role)
        where has_database_privilege(c.role, current_database(), 'temporary')
    """,
    "schema that a login may create in": """
        select c.role || ' in ' || n.nspname from pg_namespace as n,
          unnest(array['anon', 'authenticated', 'service_role', 'parley_definer', 'parley_app', 'parley_service'])
            as c (role)
        where has_schema_privilege(c.role, n.oid, 'create')
    """,
    "table whose owner row-level security does not hold": """
        select r.name from relations as r where r.relkind in ('r', 'p') and not r.relforcerowsecurity
    """,
    # 0013
    "table without row-level security": """
        select r.name from relations as r where r.relkind in ('r', 'p') and not r.relrowsecurity
    """,
    # 0014
    "extension in public": "select e.extname from pg_extension as e where e.extnamespace = 'public'::regnamespace",
    # 0015: a user writes its own user_metadata.
    "user_metadata decides": """
        select p.name from policies as p where concat(p.using_text, p.check_text) like '%user_metadata%'
        union all
        select f.name from functions as f
        where f.prokind = 'f' and pg_get_functiondef(f.oid) like '%user_metadata%'
    """,
    # 0016, 0017
    "materialized view or foreign table": "select r.name from relations as r where r.relkind in ('m', 'f')",
    # 0018
    "column of a type that pg_upgrade cannot take": """
        select r.name || '.' || a.attname from relations as r
        inner join pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
        where r.relkind in ('r', 'p', 'm') and a.atttypid = any (array[
          'regcollation', 'regconfig', 'regdictionary', 'regnamespace', 'regoper', 'regoperator', 'regproc',
          'regprocedure'
        ]::regtype[])
    """,
    # 0021
    "foreign key into another product's schema": """
        select r.name || ': ' || k.conname
        from pg_constraint as k
        inner join relations as r on r.oid = k.conrelid
        inner join pg_class as target on target.oid = k.confrelid
        where k.contype = 'f' and target.relnamespace not in (select o.oid from ours as o)
    """,
    # 0022
    "extension that is not at its default version": """
        select e.extname from pg_extension as e
        inner join pg_available_extensions as v on v.name = e.extname where v.default_version <> e.extversion
    """,
    # 0023, and stricter: not behind row-level security either.
    "sensitive column that callers can read": """
        select r.name || '.' || a.attname || ' by ' || c.caller from relations as r
        inner join pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped,
          unnest(array['anon', 'authenticated', 'parley_app']) as c (caller)
        where r.relkind in ('r', 'p', 'v', 'm')
          and a.attname ~ '(password|secret|passphrase|private_key|api_key|encrypted|ciphertext|_token$|ssn|iban)'
          and has_column_privilege(c.caller, r.oid, a.attnum, 'select')
    """,
    # 0024
    "policy that is always true": """
        select p.name from policies as p
        where p.polpermissive and (
          btrim(coalesce(p.using_text, ''), '() ') in ('true', '1 = 1')
          or btrim(coalesce(p.check_text, ''), '() ') in ('true', '1 = 1')
          or (p.polcmd in ('r', 'w', 'd', '*') and p.using_text is null)
          or (p.polcmd = 'a' and p.check_text is null))
    """,
    # 0028, 0029
    "definer function that the API's roles can execute": """
        select f.name || ' by ' || c.caller from functions as f, unnest(array['anon', 'authenticated']) as c (caller)
        where f.prosecdef and has_function_privilege(c.caller, f.oid, 'execute')
    """,
    "function that everybody can execute": """
        select f.name from functions as f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) as a
        where a.grantee = 0 and a.privilege_type = 'EXECUTE'
    """,
    # 0030: true for whoever has no identity.
    "policy that a missing identity satisfies": """
        select p.name from policies as p
        where concat(p.using_text, p.check_text) ~* '(user_id|uid|claims|jwt|role|caller_key)\\(\\)[^()]*\\) IS NULL'
    """,
    "invalid index": """
        select i.indexrelid::regclass::text from pg_index as i inner join relations as r on r.oid = i.indrelid
        where not i.indisvalid
    """,
    "autovacuum switched off": """
        select r.name from relations as r where 'autovacuum_enabled=false' = any (r.reloptions)
    """,
    "replication slot that nobody reads": "select s.slot_name::text from pg_replication_slots as s where not s.active",
    # Ours: what PUBLIC or anon was given by default.
    "table that everybody may touch": """
        select r.name || ' ' || a.privilege_type from relations as r, aclexplode(r.relacl) as a where a.grantee = 0
    """,
    "table or function without a comment": """
        select r.name from relations as r
        where r.relkind in ('r', 'p', 'v', 'm') and obj_description(r.oid, 'pg_class') is null
        union all
        select f.name from functions as f where obj_description(f.oid, 'pg_proc') is null
    """,
}

ALLOWED: Mapping[str, frozenset[str]] = {
    "row-level security without a policy": frozenset(
        {
            "app.ai_usage_YYYY_MM",
            "app.ai_usage_rest",
            "app.adopted_tables",
            "app.schema_migrations",
        }
    ),
    "view that runs with its owner's rights": frozenset({"app.public_embeddings", "app.searchable_content"}),
    "function without a search_path of its own": frozenset(
        {
            "app.achievement_metrics",
            "app.achievement_progress",
            "app.bit_distance",
            "app.bucket_end",
            "app.cache_tenant",
            "app.caller_key",
            "app.candidate_spoke",
            "app.canonical_provider",
            "app.claims",
            "app.cosine_distance",
            "app.end_interview",
            "app.fail_voice_event",
            "app.finish_call_deletion",
            "app.has_call_report",
            "app.speaker_runs",
            "app.spoken_turns",
            "app.voice_event",
            "app.feedback_takes_unit",
            "app.follow_up_budget",
            "app.follow_ups_left",
            "app.interest_left",
            "app.interview_ends_at",
            "app.last_turn",
            "app.question_count",
            "app.answer_ends_at",
            "app.write_turn",
            "app.fold_marks",
            "app.frequency",
            "app.indexed_distance",
            "app.interaction_weight",
            "app.is_organization_admin",
            "app.leaderboard_key",
            "app.level_for_xp",
            "app.lower_case",
            "app.normalise_message",
            "app.now",
            "app.daily_count_as_of",
            "app.matches",
            "app.meets_conditions",
            "app.monthly_count_as_of",
            "app.organization_id",
            "app.own_letters",
            "app.pad_embedding",
            "app.pattern_expression",
            "app.pay_xp",
            "app.personal_records",
            "app.phrase_queries",
            "app.preferred_providers",
            "app.bring_counters_to_today",
            "app.score_bucket",
            "app.search_limit",
            "app.start_of_day",
            "app.stemmer",
            "app.stemmers",
            "app.skill_trend",
            "app.streak_status",
            "app.subject_hash",
            "app.subject_lock",
            "app.tenant_index_name",
            "app.text_is_uuid",
            "app.today",
            "app.tune_vector_scan",
            "app.user_id",
            "app.uuid_is_text",
            "app.weeks_between",
            "app.words_of_chunk",
            "public.get_recent_interviews_with_feedback",
            "public.get_usage_stats",
            "public.get_user_interview_stats",
            "public.match_embeddings",
        }
    ),
    "table whose owner row-level security does not hold": frozenset(
        {
            "app.achievement_catalogue",
            "app.adopted_tables",
            "app.ai_tiers",
            "app.ai_usage_YYYY_MM",
            "app.ai_usage_rest",
            "app.deleted_subjects",
            "app.leaderboard_histogram",
            "app.rolled_up_days",
            "app.schema_migrations",
            "app.settings",
            "app.usage_archive",
            "app.usage_by_day",
            "app.word_postings",
            "app.word_segments",
            "public.ai_precomputed_responses",
            "public.ai_usage",
            "public.ai_usage_logs",
            "public.content_items",
            "public.embeddings",
            "public.organization",
            "public.user",
        }
    ),
    "policy that is always true": frozenset(
        {
            f"{table}: A deletion reaches everybody's rows"
            for table in (
                "public.user",
                "app.deleted_subjects",
                "public.ai_provider_preferences",
                "public.user_ai_settings",
                "app.provider_keys",
                "app.cache_fills",
                "public.profiles",
                "app.webhook_events",
                "app.call_deletions",
            )
        }
        | {
            "app.ai_requests: Deletion and health reach everybody's requests",
            "app.settings: The ledger's upkeep reads the settings",
            "public.leaderboard: A profile's name and opt-out reach the standings",
            "app.leaderboard_scores: A profile's name and opt-out reach the standings",
        }
    ),
    "definer function that does not belong to parley_definer": frozenset(
        {
            "app.ensure_usage_partitions(p_from timestamp with time zone, p_ahead integer)",
            "app.archive_usage(p_keep interval)",
            "app.drop_archived_usage(p_keep interval)",
            "app.provider_health()",
            "app.mirror_auth_user()",
            "app.forget_user(p_user_id text)",
            "app.forget_deleted_user()",
            "app.forget_call()",
            "app.receive_voice_event(p_event_key text, p_type text, p_call_id text, p_payload text)",
            "app.count_leaderboard_score()",
            "app.show_on_leaderboard()",
            "app.index_document_words()",
            "app.index_content_words()",
        }
    ),
    "table or function without a comment": frozenset({"app.ai_usage_YYYY_MM"}),
}


def findings(owner: psycopg.Connection[Any], lint: str) -> set[str]:
    """What a lint finds, months of the ledger under one name."""
    with owner.transaction():
        owner.execute("select set_config('search_path', '', true)")
        rows = owner.execute(_OURS + LINTS[lint]).fetchall()
    return {re.sub(r"_\d{4}_\d{2}\b", "_YYYY_MM", text) for (text,) in rows}


def per_row_calls(owner: psycopg.Connection[Any]) -> set[str]:
    """Policies that ask who the caller is once a row instead of once a statement (splinter's 0003).

    Postgres evaluates `(select f())` once; what is left after such subqueries are taken out must call nothing.
    """
    with owner.transaction():
        owner.execute("select set_config('search_path', '', true)")
        rows = owner.execute(
            _OURS + "select p.name, concat(p.using_text, ' ', p.check_text) from policies as p"
        ).fetchall()
    return {
        name for name, text in rows if re.search(r"\b(app|auth)\.\w+\(|\bcurrent_setting\(", _without_initplans(text))
    }


def _without_initplans(text: str) -> str:
    """An expression without its `( SELECT ... )` subqueries that read no table."""
    depth = 0
    kept: list[str] = []
    opened: list[int] = []
    for position, character in enumerate(text):
        if character == "(":
            if not opened and text.startswith("( SELECT ", position) and not _reads_a_table(text, position):
                opened.append(depth)
            depth += 1
        if not opened:
            kept.append(character)
        if character == ")":
            depth -= 1
            if opened and depth == opened[-1]:
                opened.pop()
    return "".join(kept)


def _reads_a_table(text: str, start: int) -> bool:
    depth = 0
    for position in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return " FROM " in text[start:position].replace("\n", " ")
    return False

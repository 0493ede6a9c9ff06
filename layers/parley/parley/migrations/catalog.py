"""What a database's catalog says, in a form that two databases with the same schema share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import LiteralString

import psycopg

# Each query gives the objects of one kind: a name, what there is to say (any JSON), and the access list as text[]. What
# belongs to an extension or to Postgres itself is left out, and nothing holds an oid.
_OURS: LiteralString = """
    with ours as (
      select n.oid from pg_namespace as n where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    ),
    members as (select d.objid from pg_depend as d where d.deptype = 'e')
"""
_QUERIES: Mapping[str, LiteralString] = {
    "database": """
        select 'itself', null::jsonb, coalesce(d.datacl, acldefault('d', d.datdba))::text[]
        from pg_database as d
        where d.datname = current_database()
    """,
    "schema": """
        select n.nspname, to_jsonb(array[n.nspowner::regrole::text, obj_description(n.oid, 'pg_namespace')]),
          coalesce(n.nspacl, acldefault('n', n.nspowner))::text[]
        from pg_namespace as n
        where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    """,
    "extension": """
        select e.extname, to_jsonb(array[e.extnamespace::regnamespace::text, e.extversion]), null::text[]
        from pg_extension as e
    """,
    "role": """
        select r.rolname,
          jsonb_build_object(
            'attributes', array[
              r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolbypassrls],
            'member of', array(
              select m.roleid::regrole::text from pg_auth_members as m where m.member = r.oid order by 1),
            'settings', (
              select s.setconfig from pg_db_role_setting as s where s.setrole = r.oid and s.setdatabase = 0)),
          null::text[]
        from pg_roles as r
        where r.rolname !~ '^pg_'
    """,
    "database setting": """
        select coalesce(nullif(s.setrole, 0)::regrole::text, 'all'), to_jsonb(s.setconfig), null::text[]
        from pg_db_role_setting as s
        inner join pg_database as d on d.oid = s.setdatabase
        where d.datname = current_database()
    """,
    "default privileges": """
        select concat_ws(' ', d.defaclrole::regrole, nullif(d.defaclnamespace, 0)::regnamespace, d.defaclobjtype),
          null::jsonb, d.defaclacl::text[]
        from pg_default_acl as d
    """,
    "relation": """
        select c.oid::regclass::text,
          jsonb_build_object(
            'kind', c.relkind, 'owner', c.relowner::regrole::text, 'persistence', c.relpersistence,
            'row security', array[c.relrowsecurity, c.relforcerowsecurity], 'options', c.reloptions,
            'replica identity', c.relreplident, 'partition by', pg_get_partkeydef(c.oid),
            'bound', pg_get_expr(c.relpartbound, c.oid),
            'parents', array(
              select i.inhparent::regclass::text from pg_inherits as i where i.inhrelid = c.oid order by 1),
            'view', case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end,
            'sequence', (
              select jsonb_build_array(s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqcycle)
              from pg_sequence as s where s.seqrelid = c.oid),
            'comment', obj_description(c.oid, 'pg_class')),
          coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))::text[]
        from pg_class as c
        where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relnamespace in (table ours)
    """,
    "column": """
        select c.oid::regclass || '.' || a.attname,
          jsonb_build_object(
            'position', row_number() over (partition by c.oid order by a.attnum),
            'type', format_type(a.atttypid, a.atttypmod), 'not null', a.attnotnull, 'storage', a.attstorage,
            'compression', a.attcompression, 'generated', a.attgenerated, 'identity', a.attidentity,
            'statistics', a.attstattarget, 'options', a.attoptions,
            'collation', nullif(a.attcollation, 0)::regcollation,
            'default', (
              select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef as d
              where d.adrelid = c.oid and d.adnum = a.attnum),
            'comment', col_description(c.oid, a.attnum)),
          a.attacl::text[]
        from pg_class as c
        inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relkind in ('r', 'p', 'v', 'm', 'f', 'c') and c.relnamespace in (table ours)
    """,
    "constraint": """
        select concat_ws(' ', coalesce(nullif(c.conrelid, 0)::regclass::text, c.contypid::regtype::text), c.conname),
          jsonb_build_object(
            'definition', pg_get_constraintdef(c.oid), 'validated', c.convalidated,
            'inherited', array[c.conislocal::text, c.coninhcount::text],
            'comment', obj_description(c.oid, 'pg_constraint')),
          null::text[]
        from pg_constraint as c
        where c.contype <> 't' and c.connamespace in (table ours)
    """,
    "index": """
        select i.indexrelid::regclass::text,
          jsonb_build_object(
            'definition', pg_get_indexdef(i.indexrelid), 'valid', i.indisvalid,
            'parents', array(select h.inhparent::regclass::text from pg_inherits as h where h.inhrelid = i.indexrelid),
            'comment', obj_description(i.indexrelid, 'pg_class')),
          null::text[]
        from pg_index as i
        inner join pg_class as c on c.oid = i.indexrelid
        where c.relnamespace in (table ours)
    """,
    "policy": """
        select c.polrelid::regclass || ' ' || c.polname,
          jsonb_build_object(
            'command', c.polcmd, 'permissive', c.polpermissive,
            'roles', array(select r::regrole::text from unnest(c.polroles) as r order by 1),
            'using', pg_get_expr(c.polqual, c.polrelid), 'check', pg_get_expr(c.polwithcheck, c.polrelid),
            'comment', obj_description(c.oid, 'pg_policy')),
          null::text[]
        from pg_policy as c
    """,
    "trigger": """
        select c.tgrelid::regclass || ' ' || c.tgname,
          to_jsonb(array[pg_get_triggerdef(c.oid), c.tgenabled::text, obj_description(c.oid, 'pg_trigger')]),
          null::text[]
        from pg_trigger as c
        inner join pg_class as r on r.oid = c.tgrelid
        where not c.tgisinternal and r.relnamespace in (table ours)
    """,
    "rule": """
        select c.ev_class::regclass || ' ' || c.rulename, to_jsonb(pg_get_ruledef(c.oid)), null::text[]
        from pg_rewrite as c
        inner join pg_class as r on r.oid = c.ev_class
        where c.rulename <> '_RETURN' and r.relnamespace in (table ours)
    """,
    "function": """
        select c.oid::regprocedure::text,
          jsonb_build_object(
            'kind', c.prokind, 'owner', c.proowner::regrole::text,
            'definition', case when c.prokind in ('f', 'p', 'w') then pg_get_functiondef(c.oid) end,
            'comment', obj_description(c.oid, 'pg_proc')),
          coalesce(c.proacl, acldefault('f', c.proowner))::text[]
        from pg_proc as c
        where c.pronamespace in (table ours) and c.oid not in (select objid from members)
    """,
    "type": """
        select c.oid::regtype::text,
          jsonb_build_object(
            'kind', c.typtype, 'owner', c.typowner::regrole::text, 'not null', c.typnotnull,
            'base', nullif(c.typbasetype, 0)::regtype::text, 'default', c.typdefault,
            'labels', array(
              select e.enumlabel::text from pg_enum as e where e.enumtypid = c.oid order by e.enumsortorder),
            'comment', obj_description(c.oid, 'pg_type')),
          coalesce(c.typacl, acldefault('T', c.typowner))::text[]
        from pg_type as c
        where c.typnamespace in (table ours) and c.typtype <> 'b' and c.oid not in (select objid from members)
    """,
    "statistics": """
        select c.stxnamespace::regnamespace || '.' || c.stxname, to_jsonb(pg_get_statisticsobjdef(c.oid)), null::text[]
        from pg_statistic_ext as c
    """,
}


def catalog_snapshot(connection: psycopg.Connection) -> dict[str, str]:
    """Every object of the current database that a migration can make, each as one line of text.

    Args:
        connection: of a role that may read the catalogs; nothing is changed.

    Returns:
        `{"table public.embeddings": "..."}`-like pairs, sorted. Two databases are alike when these are equal: schemas,
        extensions, relations, columns, constraints, indexes, policies, triggers, functions with bodies, owners and
        grants, types with labels, comments, default privileges, and the cluster's roles with memberships and settings.
    """
    snapshot = {}
    with connection.transaction():
        # Without a search path every name comes out qualified.
        connection.execute("select pg_catalog.set_config('search_path', '', true)")
        for kind, query in _QUERIES.items():
            for name, facts, access in connection.execute(_OURS + query):
                grants = f" access {' '.join(sorted(access))}" if access else ""
                snapshot[f"{kind} {name}"] = json.dumps(facts, sort_keys=True, ensure_ascii=False) + grants
    return dict(sorted(snapshot.items()))

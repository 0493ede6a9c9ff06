-- 00 platform: schemas, roles, identity helpers and the default-deny ground that every later file stands on.
-- Runs with plain `psql -f`, under `supabase db push` and by the migration runner; a second run changes nothing.

-- One look before anything changes: the database has none of our names, or has tables exactly as a seed has them, or is
-- refused with everything that is in the way. What a seed's tables may look like is written here, column by column; what
-- depends from outside on a column that gets another type would stop the change half-way. docs/decisions/0019 says why
-- nothing else is adopted.
--   1. What is there under our names, with its columns.
--   2. What is in the way: another kind of thing, or columns that no seed has; the nearest seed says what differs.
--   3. What depends from outside on columns that get another type, or on a table that moves.
--   4. All of it at once, or a word on each table that is adopted.
do $$
declare
  v_conflicts text[];
  v_adopted record;
begin
  if to_regclass('app.adopted_tables') is not null then
    return;
  end if;
  create temporary table parley_shapes on commit drop as
  select * from (values
      ('S1', 'ai_provider_preferences',
       'created_at timestamptz, id integer, is_active boolean, organization_id text, preferred_provider '
       'ai_provider, updated_at timestamptz, user_id text'),
      ('S1', 'organization',
       'created_at timestamp, id text, name text'),
      ('S1', 'user',
       'email text, id text, organization_id text'),
      ('S1 as published', 'organization',
       'allowed_responses_count integer, created_at timestamptz, id text, image_url text, name text, plan '
       'plan'),
      ('S1 as published', 'user',
       'created_at timestamptz, email text, id text, organization_id text'),
      ('S2', 'ai_content_searches',
       'content_type text, created_at timestamptz, filters jsonb, id uuid, query text, results_count '
       'integer, selected_content_id uuid, user_id uuid'),
      ('S2', 'ai_conversations',
       'cost_usd numeric(10,6), created_at timestamptz, id uuid, messages jsonb, model_used text, '
       'tokens_used integer, updated_at timestamptz, user_id uuid'),
      ('S2', 'ai_usage_logs',
       'cost_usd numeric(10,6), created_at timestamptz, id uuid, provider text, tier text, tokens_used '
       'integer, user_id uuid'),
      ('S2', 'user_ai_settings',
       'created_at timestamptz, daily_usage integer, encrypted_api_keys jsonb, id uuid, last_reset_date '
       'date, monthly_usage integer, preferred_provider text, tier text, updated_at timestamptz, user_id '
       'uuid'),
      ('S3', 'ai_conversations',
       'created_at timestamptz, id text, messages jsonb, model text, title text, total_cost numeric(10,6), '
       'total_tokens integer, updated_at timestamptz, user_id uuid'),
      ('S3', 'ai_usage',
       'cost numeric(10,6), created_at timestamptz, id bigint, latency_ms integer, model text, '
       'operation_type text, tokens_completion integer, tokens_prompt integer, tokens_total integer, user_id '
       'uuid'),
      ('S3', 'embeddings',
       'content text, created_at timestamptz, embedding vector(1536), id text, metadata jsonb, updated_at '
       'timestamptz, user_id uuid'),
      ('S3 as published', 'ai_usage',
       'cost numeric(10,6), created_at timestamptz, id uuid, latency_ms integer, metadata jsonb, model text, '
       'operation_type text, tokens_completion integer, tokens_prompt integer, tokens_total integer, user_id '
       'uuid'),
      ('S4', 'ai_conversations',
       'context jsonb, created_at timestamptz, id uuid, messages jsonb, updated_at timestamptz, user_id uuid'),
      ('S4', 'ai_precomputed_responses',
       'created_at timestamptz, id uuid, pattern text, priority integer, response text'),
      ('S4', 'ai_response_cache',
       'created_at timestamptz, embedding vector(1536), expires_at timestamptz, hit_count integer, id uuid, '
       'model_used text, query_hash text, query_text text, response text, tokens_used integer, user_id uuid'),
      ('S4', 'user_ai_usage',
       'cost_estimate numeric(10,4), created_at timestamptz, id uuid, period_end date, period_start date, '
       'request_count integer, token_count integer, user_id uuid'),
      ('S4', 'user_interactions',
       'created_at timestamptz, id uuid, interaction_type text, item_id uuid, item_type text, metadata '
       'jsonb, user_id uuid'),
      ('S5', 'achievements',
       'achievement_type text, description text, icon text, id uuid, metadata jsonb, title text, unlocked_at '
       'timestamptz, user_id text, xp_reward integer'),
      ('S5', 'interview_feedback',
       'created_at timestamptz, detailed_feedback text, duration_seconds integer, hiring_recommendation '
       'text, id uuid, improvements jsonb, interview_id uuid, overall_score integer, recommendations jsonb, '
       'scores jsonb, strengths jsonb, transcript jsonb, updated_at timestamptz, user_id text'),
      ('S5', 'interview_responses',
       'analysis jsonb, confidence numeric, content text, id uuid, interview_id uuid, role text, '
       'sequence_number integer, stage text, timestamp timestamptz'),
      ('S5', 'interview_sessions',
       'completed_at timestamptz, created_at timestamptz, description text, duration_minutes integer, '
       'feedback_id uuid, id uuid, interview_type text, metadata jsonb, overall_score integer, questions '
       'jsonb, started_at timestamptz, status text, title text, updated_at timestamptz, user_id text'),
      ('S5', 'leaderboard',
       'id uuid, last_updated timestamptz, monthly_score integer, rank integer, total_score integer, '
       'total_xp integer, user_id text, weekly_score integer'),
      ('S5', 'practice_attempts',
       'answer text, created_at timestamptz, feedback jsonb, id uuid, question text, score integer, user_id '
       'text'),
      ('S5', 'profiles',
       'avatar_url text, average_score integer, bio text, completed_interviews integer, created_at '
       'timestamptz, email text, experience_level text, id text, level integer, metadata jsonb, name text, '
       'streak_days integer, target_role text, tech_stack text[], total_interviews integer, total_xp '
       'integer, updated_at timestamptz'),
      ('S5', 'streaks',
       'created_at timestamptz, current_streak integer, id uuid, last_activity_date date, longest_streak '
       'integer, streak_data jsonb, updated_at timestamptz, user_id text'),
      ('S5', 'user_progress',
       'created_at timestamptz, id uuid, progress integer, skill text, updated_at timestamptz, user_id text'),
      ('S5', 'voice_analytics',
       'analysis jsonb, articulation_score integer, clarity_score integer, created_at timestamptz, '
       'filler_words_count integer, id uuid, interview_id uuid, pace_score integer, pause_frequency numeric, '
       'tonal_variation numeric, volume_score integer')
  ) as s (seed, name, columns);

  -- 1.
  create temporary table parley_found on commit drop as
  select c.oid, c.relname::text as name, c.relkind,
    coalesce(obj_description(c.oid, 'pg_class') like 'Left by Parley%', false) as is_left,
    (select string_agg(a.attname || ' ' || replace(replace(
        regexp_replace(format_type(a.atttypid, a.atttypmod), '^.*\.', ''),
        'timestamp with time zone', 'timestamptz'), 'timestamp without time zone', 'timestamp'),
        ', ' order by a.attname collate "C")
     from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
  from pg_catalog.pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    and (c.relname in (select s.name from parley_shapes s) or c.relname = 'content_items');

  select array_agg(t.conflict order by t.conflict) into v_conflicts
  from (
    -- 2.
    select case
      when f.relkind <> 'r' then format('%s is not a table: rename or drop it', f.oid::regclass)
      when n.seed is null then format('table %s is not one that a seed has: rename it', f.oid::regclass)
      else format('table %s is not as %s has it (%s): rename it, or make it so', f.oid::regclass, n.seed, concat_ws('; ',
        'lacks ' || nullif(array_to_string(n.lacks, ', '), ''), 'has ' || nullif(array_to_string(n.has, ', '), ''))) end
    from parley_found f
    left join lateral (
      select s.seed,
        array(select unnest(string_to_array(s.columns, ', ')) except select unnest(string_to_array(f.columns, ', ')) order by 1) as lacks,
        array(select unnest(string_to_array(f.columns, ', ')) except select unnest(string_to_array(s.columns, ', ')) order by 1) as has
      from parley_shapes s where s.name = f.name
      order by cardinality(array(select unnest(string_to_array(s.columns, ', ')) except select unnest(string_to_array(f.columns, ', '))))
        + cardinality(array(select unnest(string_to_array(f.columns, ', ')) except select unnest(string_to_array(s.columns, ', ')))),
        s.seed
      limit 1) n on true
    where not f.is_left and (f.relkind <> 'r' or not exists (
      select from parley_shapes s where s.name = f.name and s.columns = f.columns))
    union all
    select format('schema app holds %s: rename that schema', c.oid::regclass)
    from pg_catalog.pg_class c
    where c.relnamespace = to_regnamespace('app') and c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relname <> 'schema_migrations'
    union all
    select format('type public.ai_provider has values of its own: rename it')
    from pg_catalog.pg_enum e
    where e.enumtypid = to_regtype('public.ai_provider') and e.enumlabel <> all (array['openai', 'gemini', 'anthropic', 'google'])
    union all
    select format('function %s has a name of ours and no table of its seed is here: rename it', p.oid::regprocedure)
    from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and not exists (select from parley_found)
      and p.proname in ('reset_daily_ai_usage', 'reset_monthly_ai_usage', 'match_embeddings', 'delete_by_metadata',
        'clear_all_embeddings', 'get_usage_stats', 'clean_expired_ai_cache', 'get_user_interview_stats',
        'get_recent_interviews_with_feedback')
    union all
    -- 3.
    select distinct format('%s depends on %s, which %s: drop it, migrate, %sand make it again',
      case d.classid
        when 'pg_catalog.pg_rewrite'::regclass
          then (select 'view ' || r.ev_class::regclass from pg_catalog.pg_rewrite r where r.oid = d.objid)
        when 'pg_catalog.pg_policy'::regclass
          then (select format('policy %I on %s', y.polname, y.polrelid::regclass) from pg_catalog.pg_policy y where y.oid = d.objid)
        when 'pg_catalog.pg_constraint'::regclass
          then (select format('foreign key %I of %s', k.conname, k.conrelid::regclass) from pg_catalog.pg_constraint k where k.oid = d.objid)
        else pg_describe_object(d.classid, d.objid, d.objsubid)
      end,
      concat_ws('.', f.oid::regclass, a.attname), case when f.is_ledger then 'becomes another table' else 'becomes text' end,
      case d.classid when 'pg_catalog.pg_constraint'::regclass then 'make its own column text, ' else '' end)
    from (select *, name in ('ai_usage', 'ai_usage_logs') as is_ledger from parley_found) f
    join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = f.oid
    left join pg_catalog.pg_attribute a on a.attrelid = f.oid and a.attnum = d.refobjsubid and d.refobjsubid > 0
    where not f.is_left and (
      f.is_ledger
      or (a.atttypid <> 'text'::regtype and (
        a.attname in ('user_id', 'item_id', 'selected_content_id', 'period_start', 'period_end')
        or (a.attname = 'id' and f.name in ('ai_conversations', 'embeddings', 'profiles')))))
    and case d.classid
      when 'pg_catalog.pg_policy'::regclass then exists (
        select from pg_catalog.pg_policy y where y.oid = d.objid and y.polrelid not in (select oid from parley_found))
      when 'pg_catalog.pg_constraint'::regclass then exists (
        select from pg_catalog.pg_constraint k
        where k.oid = d.objid and k.contype = 'f' and k.confrelid = f.oid and k.conrelid not in (select oid from parley_found))
      when 'pg_catalog.pg_trigger'::regclass then exists (
        select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
        where t.oid = d.objid and not t.tgisinternal and p.proname not like '%updated\_at%')
      -- Not a column's own default, but a generated column that reads this one.
      when 'pg_catalog.pg_attrdef'::regclass then d.deptype = 'n'
      else d.classid in ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_publication_rel'::regclass)
    end
  ) t (conflict);

  -- 4.
  if cardinality(v_conflicts) > 0 then
    raise exception 'this database has % that Parley does not take over; nothing was changed',
      case cardinality(v_conflicts) when 1 then 'one thing' else cardinality(v_conflicts) || ' things' end
      using errcode = '55000', detail = array_to_string(v_conflicts, E'\n'),
        hint = 'docs/seeds.md says what is adopted, column by column. A database of Parley''s own, beside this one, needs none of it.';
  end if;
  for v_adopted in
    select f.oid::regclass as name, (select min(s.seed) from parley_shapes s where s.name = f.name and s.columns = f.columns) as seed
    from parley_found f where not f.is_left order by f.name
  loop
    raise notice 'adopted table % as % has it', v_adopted.name, v_adopted.seed;
  end loop;
end $$;

create schema if not exists app;
create schema if not exists extensions;
comment on schema app is 'Parley''s helpers, partitions and internal tables; never exposed through an API.';

-- What was there before Parley came: `down` leaves these tables alone. Recorded once, whoever applies the first file.
do $$
begin
  if to_regclass('app.adopted_tables') is null then
    create table app.adopted_tables (
      schema_name text not null,
      table_name text not null,
      recorded_at timestamptz not null default now(),
      primary key (schema_name, table_name)
    );
    insert into app.adopted_tables (schema_name, table_name)
    select schemaname, tablename from pg_catalog.pg_tables where schemaname = 'public';
  end if;
end $$;
alter table app.adopted_tables enable row level security;
revoke all on app.adopted_tables from public;
comment on table app.adopted_tables is 'Tables that existed before the first migration; a rollback never drops them.';

-- What a seed's database has under the names that Parley takes over. Its policies would go on allowing beside ours, its
-- functions have other parameters or results, its triggers stamp updated_at as ours do, and a column that only it knows
-- may not insist on a value. All of that gives way, once, before the first file says what stands in its place.
do $$
declare
  v_tables constant text[] := array[
    'user', 'organization', 'ai_provider_preferences', 'user_ai_settings', 'ai_conversations', 'ai_usage_logs',
    'ai_content_searches', 'embeddings', 'ai_usage', 'ai_response_cache', 'user_ai_usage', 'ai_precomputed_responses',
    'user_interactions', 'profiles', 'practice_attempts', 'interview_sessions', 'interview_responses', 'interview_feedback',
    'voice_analytics', 'achievements', 'user_progress', 'leaderboard', 'streaks'];
  v_functions constant text[] := array[
    'reset_daily_ai_usage', 'reset_monthly_ai_usage', 'match_embeddings', 'delete_by_metadata', 'clear_all_embeddings',
    'get_usage_stats', 'clean_expired_ai_cache', 'get_user_interview_stats', 'get_recent_interviews_with_feedback'];
  v_statement text;
  v_words text;
begin
  if to_regprocedure('app.claims()') is null then
    for v_statement, v_words in
      with adopted as (
        select oid, oid::regclass as name from pg_catalog.pg_class
        where relnamespace = 'public'::regnamespace and relkind = 'r' and relname = any (v_tables)
      )
      select format('drop policy %I on %s', p.polname, a.name), format('replaced policy "%s" of table %s', p.polname, a.name)
      from adopted a join pg_catalog.pg_policy p on p.polrelid = a.oid
      union all
      select format('drop trigger %I on %s', t.tgname, a.name), format('replaced trigger %s of table %s', t.tgname, a.name)
      from adopted a join pg_catalog.pg_trigger t on t.tgrelid = a.oid join pg_catalog.pg_proc f on f.oid = t.tgfoid
      where not t.tgisinternal and f.proname like '%updated\_at%'
      union all
      select format('alter table %s alter column %I drop not null', a.name, c.attname),
        format('column %s of table %s need not have a value any more', c.attname, a.name)
      from adopted a join pg_catalog.pg_attribute c on c.attrelid = a.oid
      where c.attnum > 0 and c.attnotnull and not c.atthasdef and c.attidentity = ''
        and not exists (
          select from pg_catalog.pg_index i where i.indrelid = a.oid and i.indisprimary and c.attnum = any (i.indkey))
      union all
      select format('drop function %s', f.oid::regprocedure), format('replaced function %s', f.oid::regprocedure)
      from pg_catalog.pg_proc f where f.pronamespace = 'public'::regnamespace and f.proname = any (v_functions)
    loop
      execute v_statement;
      raise notice '%', v_words;
    end loop;
  end if;
end $$;

-- pgvector lives beside, not among, the application's tables; adopting a database that has it in public keeps it there.
create extension if not exists vector with schema extensions;

-- Names resolve without qualifying operators; functions fix their own path and do not depend on this. And nobody makes
-- temporary objects: a type or a table of pg_temp is found before any other of its name.
do $$
begin
  execute format('alter database %I set search_path = "$user", public, extensions', current_database());
  execute format('revoke temporary on database %I from public', current_database());
end $$;
select pg_catalog.set_config('search_path', '"$user", public, extensions', false);

-- Supabase ships the first three; elsewhere they are made here. None of these can log in until `migrate` gives the two
-- logins a password, and none bypasses row-level security. parley_definer owns no table; parley_owner owns the tables that
-- a function makes partitions or indexes of, and runs the few functions that work across callers.
do $$
declare
  v_role text;
begin
  foreach v_role in array array[
    'anon', 'authenticated', 'service_role', 'parley_definer', 'parley_owner', 'parley_app', 'parley_service'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
      -- The logins inherit what the API roles may do, so one set of grants and policies serves PostgREST and Parley alike.
      -- Nothing is altered that is right already: roles belong to the server, whose other databases migrate as well.
      execute format('create role %I nologin %s', v_role,
        case when v_role in ('parley_app', 'parley_service') then 'inherit' else 'noinherit' end);
    end if;
  end loop;
  if not pg_catalog.pg_has_role('parley_app', 'authenticated', 'usage') then
    grant authenticated to parley_app;
  end if;
  if not pg_catalog.pg_has_role('parley_service', 'service_role', 'usage') then
    grant service_role to parley_service;
  end if;
  -- Whoever migrates replaces what belongs to these two, which needs their rights; a superuser has them.
  if not (pg_catalog.pg_has_role('parley_definer', 'usage') and pg_catalog.pg_has_role('parley_owner', 'usage')) then
    grant parley_definer, parley_owner to current_user with inherit true, set true;
  end if;
end $$;

-- Default deny, each table and function by itself and by name. Whoever migrates may make the application's tables as well,
-- whose default privileges are not ours to change.
revoke create on schema public from public;
revoke all on schema app from public;

grant usage on schema public, extensions, app
  to anon, authenticated, service_role, parley_definer, parley_owner, parley_app, parley_service;
-- The months of the ledger.
grant create on schema app to parley_owner;
do $$
begin
  -- Granting on a schema that belongs to somebody else only warns; without it similar answers are not found later on.
  if not pg_catalog.has_schema_privilege('parley_definer', 'extensions', 'usage') then
    raise exception 'parley_definer may not use schema extensions'
      using hint = 'as its owner: grant usage on schema extensions to parley_definer, parley_app, parley_service';
  end if;
end $$;

-- Who is calling: one JSON setting, local to the transaction, in the shape PostgREST uses. SQL-standard bodies bind
-- their names at creation and stay inlinable.
create or replace function app.claims() returns jsonb
  language sql stable parallel safe
  return nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb;
comment on function app.claims() is 'The verified claims of this transaction''s caller; null when nobody was set.';

create or replace function app.user_id() returns text
  language sql stable parallel safe
  return nullif(app.claims() ->> 'sub', '');
comment on function app.user_id() is 'The caller''s subject as text (UUID, Clerk, Auth0 and Firebase ids alike); null for anonymous and service callers.';

create or replace function app.organization_id() returns text
  language sql stable parallel safe
  return nullif(coalesce(app.claims() ->> 'organization_id', app.claims() -> 'app_metadata' ->> 'organization_id'), '');
comment on function app.organization_id() is 'The caller''s organization; null without one.';

create or replace function app.is_organization_admin() returns boolean
  language sql stable parallel safe
  return coalesce(
    coalesce(app.claims() ->> 'organization_role', app.claims() -> 'app_metadata' ->> 'organization_role') in ('admin', 'owner')
      and app.organization_id() is not null,
    false);
comment on function app.is_organization_admin() is 'Whether the caller administers the organization of the claims.';

-- Policies ask these two last or seldom: not inlined, they cost a statement nothing before they are asked.
create or replace function app.is_service() returns boolean
  language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(app.claims() ->> 'role' = 'service_role', false) and pg_has_role(session_user, 'service_role', 'member');
end $$;
comment on function app.is_service() is
  'Whether the claims are the service''s own (schedules, webhooks, operators) and the login may make that claim: parley_app never.';

create or replace function app.caller_key() returns text
  language sql stable parallel safe
  return coalesce('user:' || app.user_id(), 'anonymous:' || (app.claims() ->> 'caller_key'));
comment on function app.caller_key() is 'What limits and leases are counted by: the user, or the hashed source address of an anonymous caller.';

create or replace function app.access_key_id() returns uuid
  language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
  return (app.claims() ->> 'access_key_id')::uuid;
end $$;
comment on function app.access_key_id() is 'The machine key that the caller calls with; null for a token.';

create or replace function app.tenant_id() returns text
  language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce('organization:' || app.organization_id(), 'user:' || app.user_id());
end $$;
comment on function app.tenant_id() is 'The cache scope: the organization, or the user without one; null for anonymous callers.';

create or replace function app.touch_updated_at() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  new.updated_at := pg_catalog.now();
  return new;
end $$;
comment on function app.touch_updated_at() is 'Trigger: stamps updated_at.';

grant execute on function app.claims(), app.user_id(), app.organization_id(), app.is_organization_admin(), app.is_service(),
  app.caller_key(), app.access_key_id(), app.tenant_id()
  to anon, authenticated, service_role, parley_definer, parley_owner, parley_app, parley_service;

-- Tools of the migrations themselves; granted to nobody.
create or replace function app.give_to(p_role text, variadic p_functions regprocedure[]) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_function regprocedure;
  v_schema text;
  v_may_create boolean;
begin
  foreach v_function in array p_functions loop
    select pronamespace::regnamespace::text into v_schema from pg_catalog.pg_proc where oid = v_function;
    execute pg_catalog.format('revoke all on function %s from public', v_function);
    -- The new owner needs CREATE on the schema at this moment.
    v_may_create := pg_catalog.has_schema_privilege(p_role, v_schema, 'create');
    if not v_may_create then
      execute pg_catalog.format('grant create on schema %s to %I', v_schema, p_role);
    end if;
    execute pg_catalog.format('alter function %s owner to %I', v_function, p_role);
    if not v_may_create then
      execute pg_catalog.format('revoke create on schema %s from %I', v_schema, p_role);
    end if;
  end loop;
end $$;
comment on function app.give_to(text, regprocedure[]) is
  'Makes functions belong to parley_definer or parley_owner, which security definer functions run as, and takes EXECUTE from public.';

create or replace function app.own_tables(variadic p_tables regclass[]) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_table regclass;
begin
  grant create on schema public to parley_owner;
  foreach v_table in array p_tables loop
    execute pg_catalog.format('alter table %s owner to parley_owner', v_table);
  end loop;
  revoke create on schema public from parley_owner;
end $$;
comment on function app.own_tables(regclass[]) is 'Makes tables belong to parley_owner.';

create or replace function app.adopt_as_text(p_table regclass, p_column text) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_name text;
begin
  if (select atttypid from pg_catalog.pg_attribute where attrelid = p_table and attname = p_column) = 'text'::regtype then
    return;
  end if;
  -- A column that a policy or a foreign key names cannot change its type; both are made again by the file that adopts.
  for v_name in select polname from pg_catalog.pg_policy where polrelid = p_table loop
    execute pg_catalog.format('drop policy %I on %s', v_name, p_table);
  end loop;
  for v_name in
    select c.conname from pg_catalog.pg_constraint c
    join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
    where c.conrelid = p_table and c.contype = 'f' and a.attname = p_column
  loop
    execute pg_catalog.format('alter table %s drop constraint %I', p_table, v_name);
  end loop;
  execute pg_catalog.format('alter table %s alter column %I drop default', p_table, p_column);
  execute pg_catalog.format('alter table %s alter column %I type text using %I::text', p_table, p_column, p_column);
end $$;
comment on function app.adopt_as_text(regclass, text) is
  'Brings an adopted column (a UUID, say) to text; drops the policies and foreign keys in the way and the default.';

create or replace function app.drop_table_unless_adopted(p_schema text, p_table text) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_table regclass := pg_catalog.to_regclass(pg_catalog.format('%I.%I', p_schema, p_table));
  v_name text;
begin
  if v_table is null then
    return;
  end if;
  if not exists (select from app.adopted_tables where schema_name = p_schema and table_name = p_table) then
    -- Only an adopted table can still refer to it.
    for v_name in select pg_catalog.format('alter table %s drop constraint %I', conrelid::regclass, conname)
      from pg_catalog.pg_constraint where confrelid = v_table and contype = 'f' and conrelid <> confrelid
    loop
      execute v_name;
    end loop;
    execute pg_catalog.format('drop table %s', v_table);
    return;
  end if;
  for v_name in select polname from pg_catalog.pg_policy where polrelid = v_table loop
    execute pg_catalog.format('drop policy %I on %s', v_name, v_table);
  end loop;
  execute pg_catalog.format('comment on table %s is %L', v_table, 'Left by Parley, which had adopted it.');
  raise notice 'left table %: it was there before the first migration (without policies, row-level security stays on)', v_table;
end $$;
comment on function app.drop_table_unless_adopted(text, text) is
  'For rollbacks: drops a table that Parley made; leaves an adopted one, takes its policies and says so.';

revoke all on all functions in schema app from public;

-- 00 platform: schemas, roles, identity helpers and the default-deny ground that every later file stands on.
-- Runs with plain `psql -f`, under `supabase db push` and by the migration runner; a second run changes nothing.

-- One look before anything changes: the database has none of our names, or has tables exactly as a seed has them, or is
-- refused with everything that is in the way. What a seed's tables may look like is written here, column by column; what
-- depends from outside on a column that gets another type would stop the change half-way. docs/decisions/0019 says why
-- nothing else is adopted.
--   1. The shapes, and what is there under our names with its columns and constraints.
--   2. What is in the way around the tables: rights that the migrating role lacks, settings that change what SQL means.
--   3. What is in the way under our names: another kind of thing, or what no seed has; the nearest seed says what differs.
--   4. What an adopted table has beside its shape, and what reads it and would break.
--   5. All of it at once, or a word on each table that is adopted and on what of the seed's gives way to ours.
do $$
declare
  -- Indexes of ours in public: `create index if not exists` takes another table's index of that name for it.
  v_indexes constant text[] := string_to_array(
    'achievements_user_id_achievement_type_key ai_provider_preferences_id_seq '
    'ai_provider_preferences_organization_id_user_id_key ai_usage_logs_model_idx ai_usage_logs_operation_type_idx '
    'idx_ai_conversations_created_at idx_ai_conversations_model idx_ai_conversations_user_id '
    'idx_ai_conversations_user_id_updated_at idx_ai_precomputed_responses_priority '
    'idx_ai_provider_preferences_user_id idx_ai_response_cache_created_by idx_ai_response_cache_expires_at '
    'idx_ai_response_cache_query_hash idx_ai_response_cache_semantic idx_ai_searches_content_type '
    'idx_ai_searches_created_at idx_ai_searches_user_id idx_ai_usage_created_at idx_ai_usage_logs_created_at '
    'idx_ai_usage_logs_provider idx_ai_usage_logs_tier idx_ai_usage_logs_user_id_created_at idx_ai_usage_model '
    'idx_ai_usage_operation_type idx_ai_usage_user_id idx_content_items_chunk_number idx_content_items_embedding '
    'idx_content_items_metadata idx_content_items_type idx_embeddings_bits idx_embeddings_chunk_number '
    'idx_embeddings_created_at idx_embeddings_document idx_embeddings_metadata idx_embeddings_user_id '
    'idx_embeddings_vector idx_interview_feedback_user_id idx_interview_responses_submission_id '
    'idx_interview_sessions_created_at idx_interview_sessions_feedback_due idx_interview_sessions_feedback_id '
    'idx_interview_sessions_organization_id idx_interview_sessions_retry_of idx_interview_sessions_status '
    'idx_interview_sessions_user_id idx_interview_sessions_user_id_created_at idx_interview_sessions_vapi_call_id '
    'idx_leaderboard_rank idx_leaderboard_total_score idx_practice_attempts_user_id idx_profiles_email '
    'idx_user_ai_settings_last_reset idx_user_ai_settings_tier idx_user_ai_settings_user_id '
    'idx_user_interactions_created_at idx_user_interactions_organization_id idx_user_interactions_type '
    'idx_user_interactions_user_id idx_voice_analytics_interview_id interview_feedback_interview_id_version_key '
    'interview_responses_interview_id_sequence_number_key leaderboard_user_id_key streaks_user_id_key '
    'user_ai_usage_user_id_period_key user_progress_user_id_skill_key', ' ');
  -- What a trigger of a seed's does, and ours do too.
  v_stamps constant text :=
    '^\s*begin\s+new\.updated_at\s*:?=\s*(pg_catalog\.)?((now|clock_timestamp)\(\)|current_timestamp|timezone\(''utc''(::text)?,\s*now\(\)\));\s*return new;\s*end;?\s*$';
  v_conflicts text[];
  v_statement text;
  v_words text;
begin
  -- By the catalog: a schema app that is somebody else's may be closed to us.
  if exists (
    select from pg_catalog.pg_class c where c.relnamespace = to_regnamespace('app') and c.relname = 'adopted_tables'
  ) then
    return;
  end if;
  if current_setting('transaction_read_only') = 'on' then
    raise exception 'this database is read only here; nothing was changed'
      using errcode = '25006', hint = 'migrate on the primary server, and without default_transaction_read_only';
  end if;
  if not has_database_privilege(current_database(), 'temporary') then
    raise exception '% may not even make temporary tables in this database; nothing was changed', current_user
      using errcode = '42501', hint = 'migrate as a role that is a member of the database''s owner';
  end if;
  -- Names and definitions below are written as they are seen from public.
  perform set_config('search_path', 'public', true);

  -- 1.
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

  -- Each has a primary key, and these.
  alter table parley_shapes add facts text[];
  update parley_shapes s
  set facts = array(
    select fact from (
      select unnest(string_to_array(s.columns, ', ')) union all select 'PRIMARY KEY (id)'
      union all
      select p.definition from (values
          ('S1', 'ai_provider_preferences', 'UNIQUE (organization_id, user_id)'),
          ('S2', 'ai_content_searches', 'CHECK ((content_type = ANY (ARRAY[''route''::text, ''learning_path''::text, '
           '''exercise''::text, ''school''::text, ''event''::text, ''instructor''::text])))'),
          ('S2', 'user_ai_settings', 'UNIQUE (user_id)'),
          ('S2', 'user_ai_settings', 'CHECK ((tier = ANY (ARRAY[''free''::text, ''byok''::text, ''premium''::text])))'),
          ('S2', 'user_ai_settings', 'CHECK ((preferred_provider = ANY (ARRAY[''openai''::text, ''anthropic''::text, '
           '''google''::text])))'),
          ('S4', 'ai_precomputed_responses', 'UNIQUE (pattern)'),
          ('S4', 'ai_response_cache', 'UNIQUE (query_hash)'),
          ('S4', 'user_ai_usage', 'UNIQUE (user_id, period_start)'),
          ('S5', 'interview_responses', 'CHECK ((role = ANY (ARRAY[''user''::text, ''assistant''::text, ''system''::text])))'),
          ('S5', 'interview_sessions', 'CHECK ((interview_type = ANY (ARRAY[''voice''::text, ''text''::text])))'),
          ('S5', 'leaderboard', 'UNIQUE (user_id)'),
          ('S5', 'profiles', 'UNIQUE (email)'),
          ('S5', 'streaks', 'UNIQUE (user_id)')
        ) as p (seed, name, definition)
      where p.seed = s.seed and p.name = s.name
    ) as f (fact) order by fact collate "C");

  -- A table that `down` left has our columns already. What is generated, or of a collation of its own, is another column.
  create temporary table parley_found on commit drop as
  select c.oid, c.relname::text as name, c.relkind, c.reltype, c.relowner,
    coalesce(c.relkind = 'r' and obj_description(c.oid, 'pg_class') = 'Left by Parley, which had adopted it.', false) as is_left,
    array(
      select fact from (
        select concat_ws(' ', a.attname, replace(replace(
            regexp_replace(format_type(a.atttypid, a.atttypmod), '^\w+\.(?=vector\y)', ''),
            'timestamp with time zone', 'timestamptz'), 'timestamp without time zone', 'timestamp'),
          case when a.attgenerated <> '' then 'generated' end,
          (select 'collate ' || a.attcollation::regcollation
           from pg_catalog.pg_type t where t.oid = a.atttypid and t.typcollation <> a.attcollation))
        from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        union all
        select pg_get_constraintdef(k.oid) from pg_catalog.pg_constraint k
        where k.conrelid = c.oid and k.contype in ('p', 'u', 'c', 'x')
        union all
        select 'unique index ' || i.indexrelid::regclass from pg_catalog.pg_index i
        where i.indrelid = c.oid and i.indisunique and not exists (
          select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
        union all
        -- A key that a seed has may be missing.
        select pg_get_constraintdef(k.oid) from pg_catalog.pg_constraint k
        left join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and k.conkey = array[a.attnum]
        where k.conrelid = c.oid and k.contype = 'f' and (
          a.attname || ' ' || k.confrelid::regclass = any (array['user_id auth.users', 'user_id "user"', 'user_id profiles',
            'organization_id organization', 'interview_id interview_sessions'])
          and k.confdeltype in ('a', 'c')) is not true
      ) as f (fact) order by fact collate "C") as facts
  from pg_catalog.pg_class c
  where c.relnamespace = to_regnamespace('public') and (
    c.relname in (select s.name from parley_shapes s) or c.relname = 'content_items'
    or c.relname = 'ai_provider');
  alter table parley_found add is_shaped boolean not null default false;
  update parley_found f
  set is_shaped = f.relkind = 'r' and not f.is_left
    and exists (select from parley_shapes s where s.name = f.name and s.facts = f.facts);
  -- Columns that get another type: ids and what refers to them, S4's periods, and what a conversation cost.
  create temporary table parley_changing on commit drop as
  select f.oid, a.attnum, a.attname, case
    when a.attname in ('total_tokens', 'tokens_used') then 'bigint'
    when a.attname in ('total_cost', 'cost_usd') then 'numeric(18,9)'
    when a.attname like 'period%' then 'timestamptz'
    else 'text' end as new_type
  from parley_found f join pg_catalog.pg_attribute a on a.attrelid = f.oid and a.attnum > 0 and not a.attisdropped
  where not f.is_left and a.atttypid <> 'text'::regtype and (
    f.name = 'ai_conversations' and a.attname in ('total_tokens', 'tokens_used', 'total_cost', 'cost_usd')
    or a.attname in ('user_id', 'item_id', 'selected_content_id', 'period_start', 'period_end')
    or (a.attname = 'id' and f.name in ('ai_conversations', 'embeddings', 'profiles')));
  create temporary table parley_functions on commit drop as
  select p.oid, p.proname::text as name, p.prokind, p.prosrc, p.proowner, p.prorettype, n.name like 'update%' as is_kept,
    exists (select from parley_found f where f.name = n.seed_table and (f.is_shaped or f.is_left)) as is_seeds,
    count(*) over (partition by p.proname) as namesakes
  from (values
      ('reset_daily_ai_usage', 'user_ai_settings'), ('reset_monthly_ai_usage', 'user_ai_settings'),
      ('match_embeddings', 'embeddings'), ('delete_by_metadata', 'embeddings'), ('clear_all_embeddings', 'embeddings'),
      ('update_updated_at', 'embeddings'), ('get_usage_stats', 'ai_usage'),
      ('clean_expired_ai_cache', 'ai_response_cache'), ('update_ai_conversations_updated_at', 'ai_conversations'),
      ('get_user_interview_stats', 'interview_sessions'), ('get_recent_interviews_with_feedback', 'interview_sessions')
    ) as n (name, seed_table)
  join pg_catalog.pg_proc p on p.proname = n.name and p.pronamespace = to_regnamespace('public');

  select array_agg(distinct t.conflict order by t.conflict) into v_conflicts
  from (
    -- 2.
    select format('database %s belongs to %s: migrate as a role that is a member of it', d.datname, d.datdba::regrole)
    from pg_catalog.pg_database d where d.datname = current_database() and not pg_has_role(d.datdba, 'usage')
    union all
    select format('database %s is encoded in %s: Parley needs UTF8', d.datname, pg_encoding_to_char(d.encoding))
    from pg_catalog.pg_database d where d.datname = current_database() and pg_encoding_to_char(d.encoding) <> 'UTF8'
    union all
    select 'there is no schema public: create it' where to_regnamespace('public') is null
    union all
    select format('schema %s belongs to %s: grant create on schema %s to %s with grant option', n.nspname,
      n.nspowner::regrole, n.nspname, current_user::regrole)
    from pg_catalog.pg_namespace n
    where n.nspname = 'public' and not has_schema_privilege(n.oid, 'create with grant option')
      or n.nspname = 'app' and not pg_has_role(n.nspowner, 'usage')
    union all
    -- Accounts are mirrored from there, by a trigger.
    select case
      when a.attnum is null then 'auth.users is not a table whose id is never null: rename schema auth'
      when m.is_allowed then format('auth.users shows %s only some accounts, by row-level security: as an administrator, alter role %1$s bypassrls',
        current_user::regrole)
      else format('%s may not mirror the accounts of auth.users: grant usage on schema auth, and select and trigger on auth.users, to %1$s',
        current_user::regrole) end
    from pg_catalog.pg_class c
    left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'id' and a.attnotnull and c.relkind in ('r', 'p')
    cross join lateral (select has_schema_privilege(c.relnamespace, 'usage') and has_table_privilege(c.oid, 'select')
      and has_table_privilege(c.oid, 'trigger') as is_allowed) m
    where c.relname = 'users' and c.relnamespace = to_regnamespace('auth')
      and (a.attnum is null or not m.is_allowed or row_security_active(c.oid))
    union all
    -- Roles belong to the server, whose other databases may have made them, or others with other rights.
    select format('role %s is missing, and %s may not make it: as an administrator, alter role %2$s createrole', n.name, current_user::regrole)
    from unnest(array[
      'anon', 'authenticated', 'service_role', 'parley_definer', 'parley_owner', 'parley_app', 'parley_service']) as n (name)
    where to_regrole(n.name) is null and not exists (
      select from pg_catalog.pg_roles r where r.rolname = current_user and (r.rolcreaterole or r.rolsuper))
    union all
    select format('role %s is not %s''s to grant to %s: as an administrator, grant %1$s to %2$s with admin option',
      r.name::regrole, current_user::regrole, r.login)
    from (values ('authenticated', 'parley_app'), ('service_role', 'parley_service')) as r (name, login)
    where not pg_has_role(to_regrole(r.name), 'member with admin option')
      and pg_has_role(to_regrole(r.login), to_regrole(r.name), 'usage') is not true
    union all
    select format('role %s is not %s''s to use: as an administrator, grant %1$s to %2$s with inherit true, set true', r.name::regrole, current_user::regrole)
    from (values ('parley_definer'), ('parley_owner')) as r (name)
    where not (pg_has_role(to_regrole(r.name), 'member with admin option')
      or pg_has_role(to_regrole(r.name), 'usage') and pg_has_role(to_regrole(r.name), 'set'))
    union all
    select format('setting %s is %s here: set %s to %s for this database', s.name, current_setting(s.name),
      case s.name when 'transaction_isolation' then 'default_transaction_isolation' else 'it' end, s.wanted)
    from (values
        -- What is copied after its lock was waited for is seen as it is then.
        ('transaction_isolation', 'read committed'),
        ('row_security', 'on'), ('session_replication_role', 'origin'),
        ('standard_conforming_strings', 'on'), ('quote_all_identifiers', 'off'), ('transform_null_equals', 'off')
      ) as s (name, wanted)
    where current_setting(s.name) <> s.wanted
    union all
    select format('setting DateStyle is %s here: set it to ISO for this database', current_setting('DateStyle'))
    where current_setting('DateStyle') not like 'ISO%'
    union all
    select format('the database has %s, where Parley''s own goes: set it for the application''s roles in this database instead, '
      'and reset it', c.setting)
    from pg_catalog.pg_db_role_setting r
    join pg_catalog.pg_database d on d.oid = r.setdatabase and d.datname = current_database()
    cross join unnest(r.setconfig) as c (setting)
    where r.setrole = 0 and c.setting like 'search\_path=%'
      and replace(c.setting, ' ', '') <> all (array['search_path="$user",public', 'search_path="$user",public,extensions'])
    union all
    -- What anybody makes anywhere, and so in schema app, would be open to them.
    select format('default privileges of %s open what it makes in any schema to %s: revoke them and grant them in schema public',
      a.defaclrole::regrole, case g.grantee when 0 then 'public' else g.grantee::regrole::text end)
    from pg_catalog.pg_default_acl a cross join aclexplode(a.defaclacl) g
    where a.defaclnamespace = 0 and a.defaclrole = current_user::regrole and g.grantee <> a.defaclrole
      and not (g.grantee = 0 and a.defaclobjtype in ('f', 'T'))
    union all
    select format('extension vector is in schema %I: alter extension vector set schema extensions', n.nspname)
    from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'vector' and n.nspname not in ('public', 'extensions')
    union all
    select format('extension vector is %s, and Parley needs 0.8: alter extension vector update', e.extversion)
    from pg_catalog.pg_extension e
    where e.extname = 'vector' and string_to_array(e.extversion, '.')::integer[] < array[0, 8]
    union all
    select format('cast from %s to %s is implicit, which makes statements ambiguous: drop it, or make it an assignment',
      c.castsource::regtype, c.casttarget::regtype)
    from pg_catalog.pg_cast c
    where c.oid >= 16384 and c.castcontext = 'i' and c.castsource < 16384 and c.casttarget < 16384
    union all
    select format('operator %s is ours on Supabase: drop it', o.oid::regoperator)
    from pg_catalog.pg_operator o
    where o.oid in (to_regoperator('public.=(text, uuid)'), to_regoperator('public.=(uuid, text)'))
    union all
    -- 3.
    select case
      when f.relkind in ('v', 'm', 'f', 'S') then format('%s is not a table: rename or drop it', f.oid::regclass)
      when f.relkind in ('i', 'I') then format('%s is an index and has a name of ours: rename it', f.oid::regclass)
      when f.relkind = 'c' then format('%s is a type and has a name of ours: rename it', f.oid::regclass)
      when f.relkind = 'p' then format('table %s is partitioned, as no seed''s is: rename it', f.oid::regclass)
      when n.seed is null then format('table %s is not one that a seed has: rename it', f.oid::regclass)
      else format('table %s is not as %s has it (%s): rename it, or make it so', f.oid::regclass, n.seed, concat_ws('; ',
        'lacks ' || nullif(array_to_string(n.lacks, ', '), ''), 'has ' || nullif(array_to_string(n.has, ', '), ''))) end
      || coalesce('; where it is renamed, change what names it in the text of ' || b.functions, '')
    from parley_found f
    -- The rest follows a name by itself; what a function's text says would go to our table of that name.
    cross join lateral (
      select string_agg(p.oid::regprocedure::text, ', ' order by p.oid::regprocedure::text) as functions
      from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
      where p.oid >= 16384 and l.lanname in ('sql', 'plpgsql') and p.prosqlbody is null
        and p.prosrc ~* ('(^|\W)' || quote_ident(f.name) || '(\W|$)')) b
    left join lateral (
      select s.seed, d.lacks, d.has
      from parley_shapes s
      cross join lateral (select
        array(select unnest(s.facts) except select unnest(f.facts) order by 1) as lacks,
        array(select unnest(f.facts) except select unnest(s.facts) order by 1) as has) d
      where s.name = f.name order by cardinality(d.lacks) + cardinality(d.has), s.seed limit 1) n on true
    where not f.is_left and not f.is_shaped
    union all
    select format('type %s has a name of ours: rename it', y.oid::regtype)
    from pg_catalog.pg_type y
    where y.typnamespace = to_regnamespace('public') and y.typrelid = 0 and y.typcategory <> 'A' and (
      y.typname in (select s.name from parley_shapes s) or y.typname = 'content_items' or y.typname = 'ai_provider' and y.typtype <> 'e')
    union all
    select format('type %s hides pgvector''s: rename it', y.oid::regtype)
    from pg_catalog.pg_type y
    where y.typnamespace = to_regnamespace('public') and y.typname in ('vector', 'halfvec', 'sparsevec') and not exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_type'::regclass and d.objid = y.oid and d.deptype = 'e')
    union all
    select format('type public.ai_provider has values of its own: rename it')
    from pg_catalog.pg_enum e
    where e.enumtypid = to_regtype('public.ai_provider') and e.enumlabel <> all (array['openai', 'gemini', 'anthropic', 'google'])
    union all
    select 'type public.ai_provider lacks anthropic or google, which user_ai_settings names: alter type ai_provider add value for each'
    from parley_found f
    where f.name = 'user_ai_settings' and f.is_shaped and exists (
      select from pg_catalog.pg_type y
      where y.oid = to_regtype('public.ai_provider') and y.typtype = 'e' and not array['anthropic', 'google'] <@ array(
        select e.enumlabel::text from pg_catalog.pg_enum e where e.enumtypid = y.oid))
    union all
    select format('type public.ai_provider belongs to %s: give it to %s', y.typowner::regrole, current_user::regrole)
    from pg_catalog.pg_type y
    where y.oid = to_regtype('public.ai_provider') and y.typtype = 'e' and not pg_has_role(y.typowner, 'usage')
    union all
    -- A table that is renamed keeps the names of its indexes.
    select format('%s %s has a name of ours: rename it', case c.relkind when 'S' then 'sequence' else 'index' end, c.oid::regclass)
    from pg_catalog.pg_class c
    left join pg_catalog.pg_index i on i.indexrelid = c.oid
    left join pg_catalog.pg_depend d on c.relkind = 'S' and d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid
      and d.deptype in ('a', 'i')
    where c.relnamespace = to_regnamespace('public') and c.relname = any (v_indexes)
      and coalesce(i.indrelid, d.refobjid, 0) not in (select f.oid from parley_found f where f.is_shaped or f.is_left)
    union all
    select format('schema app holds %s: rename that schema', o.name)
    from (
      select relnamespace, oid::regclass::text from pg_catalog.pg_class where relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')
      union all
      select pronamespace, oid::regprocedure::text from pg_catalog.pg_proc
      union all
      select typnamespace, oid::regtype::text from pg_catalog.pg_type where typrelid = 0 and typcategory <> 'A'
    ) as o (namespace, name)
    where o.namespace = to_regnamespace('app')
    union all
    select format('function %s %s', p.oid::regprocedure, case
      when not p.is_seeds then 'has a name of ours, and its seed''s table is not here: rename it'
      when p.prokind <> 'f' or p.namesakes > 1 then 'has a name of ours, as another has: rename the one that is not the seed''s'
      when p.is_kept and (p.prorettype <> 'trigger'::regtype or p.prosrc !~* v_stamps) then
        'does more than the seed''s, which stamps updated_at: rename it'
      else format('belongs to %s: give it to %s', p.proowner::regrole, current_user::regrole) end)
    from parley_functions p
    where not p.is_seeds or p.prokind <> 'f' or p.namesakes > 1 or not pg_has_role(p.proowner, 'usage')
      or (p.is_kept and (p.prorettype <> 'trigger'::regtype or p.prosrc !~* v_stamps))
    union all
    -- 4.
    select format('table %s %s', f.oid::regclass, x.words)
    from parley_found f join pg_catalog.pg_class c on c.oid = f.oid
    cross join lateral (
      select format('belongs to %s: give it to %s', f.relowner::regrole, current_user::regrole) where not pg_has_role(f.relowner, 'usage')
      union all
      select 'is unlogged: make it logged' where c.relpersistence = 'u'
      union all
      select format('has the child table %s: detach it', h.inhrelid::regclass) from pg_catalog.pg_inherits h where h.inhparent = f.oid
      union all
      select format('is a child table of %s: detach it', h.inhparent::regclass) from pg_catalog.pg_inherits h where h.inhrelid = f.oid
      union all
      select format('has the rule %I: drop it', r.rulename) from pg_catalog.pg_rewrite r where r.ev_class = f.oid
      union all
      select format('has the foreign key %I to %s, which is not as a seed has it: drop that key, or rename both', k.conname, o.oid::regclass)
      from pg_catalog.pg_constraint k join parley_found o on o.oid = k.confrelid and not o.is_shaped and not o.is_left
      where k.conrelid = f.oid and k.contype = 'f'
      union all
      -- Beside the id, whose default ours replaces.
      select format('has a default for %s, which becomes text: drop it, and write the value', g.attname)
      from parley_changing g join pg_catalog.pg_attrdef a on a.adrelid = g.oid and a.adnum = g.attnum
      where g.oid = f.oid and g.attname <> 'id' and g.new_type = 'text'
      union all
      select format('has an expression or a condition on %s in index %s: drop it, migrate, and make it again', g.attname, i.indexrelid::regclass)
      from pg_catalog.pg_index i
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = i.indexrelid and d.refobjid = f.oid
      join parley_changing g on g.oid = f.oid and g.attnum = d.refobjsubid and g.new_type = 'text'
      where i.indrelid = f.oid and num_nonnulls(i.indpred, i.indexprs) > 0
      union all
      -- Ours take the place of the seed's, which know whose a row is by auth.uid() and the row's ids, and nothing else.
      select format('has a policy that no seed has, %I: drop it; Parley''s own take the place of the seed''s', p.polname)
      from pg_catalog.pg_policy p
      where p.polrelid = f.oid and (
        not p.polpermissive
        or exists (
          select from unnest(p.polroles) as r (oid)
          where r.oid <> 0 and r.oid::regrole::text <> all (array['anon', 'authenticated', 'service_role']))
        or exists (
          select from pg_catalog.pg_depend d
          where d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = p.oid and (
            d.refclassid = 'pg_catalog.pg_proc'::regclass
            and d.refobjid::regprocedure::text <> all (array['auth.uid()', 'auth.role()'])
            and not (d.refobjid::regprocedure::text = 'auth.jwt()' and replace(
              concat(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)),
              '(auth.jwt() ->> ''role''::text) = ''service_role''::text', '') not like '%auth.jwt%')
            or d.refclassid = 'pg_catalog.pg_class'::regclass
            and d.refobjid <> f.oid and d.refobjid not in (select o.oid from parley_found o where o.name = 'interview_sessions'))))
      union all
      select format('is open to %s, whom Parley''s policies do not know: revoke that', g.grantee::regrole)
      from (select distinct a.grantee from aclexplode(c.relacl) a
            union
            select distinct a.grantee from pg_catalog.pg_attribute t cross join aclexplode(t.attacl) a where t.attrelid = f.oid) g
      join pg_catalog.pg_roles r on r.oid = g.grantee
      where r.rolname <> all (array['anon', 'authenticated', 'service_role', 'parley_app', 'parley_service', 'parley_definer', 'parley_owner'])
        and r.oid <> f.relowner and not (r.rolsuper or r.rolbypassrls)
    ) as x (words)
    where f.is_shaped
    union all
    -- Rows that are not seen would be lost, or stay as they are.
    select format('table %s shows %s only some rows, by row-level security: alter it to no force row level security',
      f.oid::regclass, current_user::regrole)
    from parley_found f
    where (f.is_shaped or f.is_left) and pg_has_role(f.relowner, 'usage') and row_security_active(f.oid)
    union all
    -- Its text may say anything of a row whose columns get another type.
    select format('trigger %I on table %s sees rows with other types afterwards: drop it, migrate, and make it again',
      t.tgname, t.tgrelid::regclass)
    from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
    where not t.tgisinternal and t.tgrelid in (select f.oid from parley_found f where f.is_shaped)
      and p.prosrc !~* v_stamps and t.tgrelid in (
        select g.oid from parley_changing g
        union all
        select f.oid from parley_found f where f.name in ('ai_usage', 'ai_usage_logs'))
    union all
    select distinct format('%s uses rows of table %s as a type, which get other columns: drop it, migrate, and make it again',
      pg_describe_object(d.classid, d.objid, d.objsubid), f.oid::regclass)
    from parley_found f join pg_catalog.pg_type y on y.oid = f.reltype
    join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_type'::regclass and d.refobjid in (y.oid, y.typarray)
    where f.is_shaped and d.deptype = 'n'
    union all
    select distinct format('%s draws from %s: give it a sequence of its own',
      pg_describe_object(d.classid, d.objid, d.objsubid), d.refobjid::regclass)
    from parley_found f
    join pg_catalog.pg_depend q on q.classid = 'pg_catalog.pg_class'::regclass and q.refclassid = 'pg_catalog.pg_class'::regclass
      and q.refobjid = f.oid and q.refobjsubid > 0 and q.deptype in ('a', 'i')
    join pg_catalog.pg_class s on s.oid = q.objid and s.relkind = 'S'
    join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = s.oid and d.deptype = 'n'
    left join pg_catalog.pg_attrdef a on d.classid = 'pg_catalog.pg_attrdef'::regclass and a.oid = d.objid
    where f.is_shaped and a.adrelid is distinct from f.oid
    union all
    select distinct format('%s calls function %s, which is replaced: drop it, migrate, and make it again',
      case d.classid
        when 'pg_catalog.pg_rewrite'::regclass
          then (select 'view ' || r.ev_class::regclass from pg_catalog.pg_rewrite r where r.oid = d.objid)
        else pg_describe_object(d.classid, d.objid, d.objsubid)
      end, p.oid::regprocedure)
    from parley_functions p
    join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = p.oid and d.deptype = 'n'
    where p.is_seeds and not p.is_kept
    union all
    -- What a table takes along that is renamed is said in one line.
    select coalesce(case when e.is_shaped then e.what || e.words end, format(
      'table %s changes under what depends on it, unless it is renamed; drop each, migrate, and make it again: %s',
      e.name, string_agg(distinct e.what, ', ' order by e.what)))
    from (
      select f.is_shaped, f.oid::regclass as name,
        case d.classid
          when 'pg_catalog.pg_rewrite'::regclass
            then (select 'view ' || r.ev_class::regclass from pg_catalog.pg_rewrite r where r.oid = d.objid)
          when 'pg_catalog.pg_policy'::regclass
            then (select format('policy %I on %s', y.polname, y.polrelid::regclass) from pg_catalog.pg_policy y where y.oid = d.objid)
          when 'pg_catalog.pg_constraint'::regclass
            then (select format('foreign key %I of %s', k.conname, k.conrelid::regclass) from pg_catalog.pg_constraint k where k.oid = d.objid)
          else pg_describe_object(d.classid, d.objid, d.objsubid)
        end as what,
        format(' depends on %s, which %s: drop it%s',
          concat_ws('.', f.oid::regclass, a.attname), case
            when f.is_ledger then 'becomes another table'
            when g.attnum is null then 'loses what a newer row of the same owner supersedes'
            else 'becomes ' || g.new_type end,
          case
            when d.classid <> 'pg_catalog.pg_constraint'::regclass then ', migrate, and make it again'
            when f.is_ledger then ', for no key can refer to the ledger'
            when g.attnum is null then ', migrate, and make it again'
            else ', migrate, make its own column text, and make it again' end) as words
      from (select *, name in ('ai_usage', 'ai_usage_logs') as is_ledger from parley_found) f
      join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = f.oid
      left join pg_catalog.pg_attribute a on a.attrelid = f.oid and a.attnum = d.refobjsubid and d.refobjsubid > 0
      left join parley_changing g on g.oid = f.oid and g.attnum = a.attnum
      where not f.is_left and (f.is_ledger or g.attnum is not null
        or (f.name = 'ai_provider_preferences' and d.classid = 'pg_catalog.pg_constraint'::regclass))
      and case d.classid
        when 'pg_catalog.pg_policy'::regclass then exists (
          select from pg_catalog.pg_policy y where y.oid = d.objid and y.polrelid not in (select oid from parley_found))
        when 'pg_catalog.pg_constraint'::regclass then exists (
          select from pg_catalog.pg_constraint k
          where k.oid = d.objid and k.contype = 'f' and k.confrelid = f.oid and k.conrelid not in (select oid from parley_found))
        when 'pg_catalog.pg_rewrite'::regclass then exists (
          select from pg_catalog.pg_rewrite r where r.oid = d.objid and r.ev_class <> f.oid)
        -- Not a column's own default, but a generated column that reads this one.
        when 'pg_catalog.pg_attrdef'::regclass then d.deptype = 'n'
        else d.classid in ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_publication_rel'::regclass)
      end
    ) e
    group by e.name, case when e.is_shaped then e.what || e.words end
  ) t (conflict);

  -- 5.
  if cardinality(v_conflicts) > 0 then
    raise exception 'this database has % that Parley does not take over; nothing was changed',
      case cardinality(v_conflicts) when 1 then 'one thing' else cardinality(v_conflicts) || ' things' end
      using errcode = '55000', detail = array_to_string(v_conflicts, E'\n'),
        hint = 'docs/seeds.md says what is adopted, column by column. A database of Parley''s own, beside this one, needs none of it.';
  end if;
  -- The seed's policies would go on allowing beside ours, its functions have other parameters or results, its triggers stamp
  -- updated_at as ours do, and a column that only it knows may not insist on a value.
  for v_statement, v_words in
    select null, format('adopted table %s as %s has it', f.oid::regclass,
      (select min(s.seed) from parley_shapes s where s.name = f.name and s.facts = f.facts))
    from parley_found f where f.is_shaped
    union all
    select format('drop policy %I on %s', p.polname, f.oid::regclass), format('replaced policy "%s" of table %s', p.polname, f.oid::regclass)
    from parley_found f join pg_catalog.pg_policy p on p.polrelid = f.oid
    union all
    select format('drop trigger %I on %s', t.tgname, f.oid::regclass), format('replaced trigger %s of table %s', t.tgname, f.oid::regclass)
    from parley_found f join pg_catalog.pg_trigger t on t.tgrelid = f.oid join pg_catalog.pg_proc p on p.oid = t.tgfoid
    where not t.tgisinternal and p.prosrc ~* v_stamps
    union all
    select format('alter table %s alter column %I drop not null', f.oid::regclass, a.attname),
      format('column %s of table %s need not have a value any more', a.attname, f.oid::regclass)
    from parley_found f join pg_catalog.pg_attribute a on a.attrelid = f.oid
    where a.attnum > 0 and a.attnotnull and not a.atthasdef and a.attidentity = ''
      and not exists (
        select from pg_catalog.pg_index i where i.indrelid = f.oid and i.indisprimary and a.attnum = any (i.indkey))
    union all
    select format('drop function %s', p.oid::regprocedure), format('replaced function %s', p.oid::regprocedure)
    from parley_functions p where not p.is_kept
  loop
    if v_statement is not null then
      execute v_statement;
    end if;
    raise notice '%', v_words;
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

-- pgvector lives beside, not among, the application's tables; adopting a database that has it in public keeps it there.
do $$
begin
  create extension if not exists vector with schema extensions;
exception when insufficient_privilege then
  raise exception 'pgvector is not installed, and this role may not install it'
    using hint = 'as an administrator: create schema extensions; create extension vector with schema extensions';
end $$;

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
  foreach v_role in array array['parley_definer', 'parley_owner'] loop
    if not (pg_catalog.pg_has_role(v_role, 'usage') and pg_catalog.pg_has_role(v_role, 'set')) then
      execute format('grant %I to current_user with inherit true, set true', v_role);
    end if;
  end loop;
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
  -- Whoever owns it sees its rows, also when it is adopted again.
  execute pg_catalog.format('alter table %s no force row level security', v_table);
  execute pg_catalog.format('comment on table %s is %L', v_table, 'Left by Parley, which had adopted it.');
  raise notice 'left table %: it was there before the first migration (without policies, row-level security stays on)', v_table;
end $$;
comment on function app.drop_table_unless_adopted(text, text) is
  'For rollbacks: drops a table that Parley made; leaves an adopted one, takes its policies and says so.';

revoke all on all functions in schema app from public;

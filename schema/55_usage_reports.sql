-- 55 usage reports: what is asked of the ledger of 50_usage.sql, and its upkeep (months made, archived, dropped; days
-- summed). The functions that make and move partitions must own them, so they belong to parley_owner; they take no table
-- name and only the service may call them.

create or replace function app.lock_ledger() returns void
  language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '200ms'
as $$
begin
  -- Requests and deletions lock these in one order or the other, so all of them at once or none; and not for as long as
  -- the server takes to look for a deadlock (a second), which would cancel somebody's request as soon as this.
  for v_attempt in 1 .. 20 loop
    begin
      lock table public."user", public.ai_usage, app.usage_archive in access exclusive mode;
      return;
    exception when lock_not_available then
      perform pg_catalog.pg_sleep(0.1);
    end;
  end loop;
  raise exception 'the ledger is busy' using errcode = '55P03', hint = 'Ask again when longer transactions have ended.';
end $$;
comment on function app.lock_ledger() is
  'Locks what making or moving a month locks: the ledger, and "user" for the foreign key. Raises 55P03 after twenty attempts.';

-- A month must be there before its first row, or its rows land in app.ai_usage_rest, where nothing archives them.
--   1. A table like the ledger, with a check that says what its bounds will: attaching it then scans nothing.
--   2. Rows that came before their month had a partition move into it.
--   3. The month joins the ledger.
create or replace function app.ensure_usage_partitions(p_from timestamptz default null, p_ahead integer default 2)
  returns integer language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s'
as $$
declare
  v_month timestamp := pg_catalog.date_trunc('month', coalesce(p_from, app.now()) at time zone 'UTC');
  v_last constant timestamp := pg_catalog.date_trunc('month', app.now() at time zone 'UTC') + pg_catalog.make_interval(months => p_ahead);
  v_leaf text;
  v_made integer := 0;
begin
  while v_month <= v_last loop
    v_leaf := 'ai_usage_' || pg_catalog.to_char(v_month, 'YYYY_MM');
    if pg_catalog.to_regclass('app.' || v_leaf) is null then
      perform app.lock_ledger();
      -- 1. The check stays when the month is detached, and spares a scan when the archive takes it.
      execute pg_catalog.format(
        'create table app.%I (like public.ai_usage_logs including defaults including constraints, check (created_at >= %L and created_at < %L))',
        v_leaf, v_month at time zone 'UTC', (v_month + interval '1 month') at time zone 'UTC');
      execute pg_catalog.format('alter table app.%I enable row level security', v_leaf);
      execute pg_catalog.format('revoke all on app.%I from public, anon, authenticated, service_role', v_leaf);
      -- 2.
      execute pg_catalog.format(
        'with moved as (delete from app.ai_usage_rest where created_at >= %L and created_at < %L returning *)
         insert into app.%I select * from moved',
        v_month at time zone 'UTC', (v_month + interval '1 month') at time zone 'UTC', v_leaf);
      -- 3.
      execute pg_catalog.format(
        'alter table public.ai_usage_logs attach partition app.%I for values from (%L) to (%L)',
        v_leaf, v_month at time zone 'UTC', (v_month + interval '1 month') at time zone 'UTC');
      v_made := v_made + 1;
    end if;
    v_month := v_month + interval '1 month';
  end loop;
  return v_made;
end $$;
comment on function app.ensure_usage_partitions(timestamptz, integer) is
  'Makes the ledger''s months (UTC) from the given one (this one) to some ahead; returns how many were missing.';

create or replace function app.archive_usage(p_keep interval default '90 days') returns integer
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s'
as $$
declare
  -- In UTC: ninety days that a clock change falls into are an hour shorter or longer elsewhere.
  v_before constant timestamptz := (app.now() at time zone 'UTC' - p_keep) at time zone 'UTC';
  v_leaf record;
  v_moved integer := 0;
begin
  -- What leaves the ledger must be in the sums; the schedule has usually seen to it.
  if p_keep is null or p_keep < interval '0' then
    raise exception 'months to come cannot be archived' using errcode = '22023';
  end if;
  perform app.roll_up_usage(null);
  for v_leaf in
    select c.relname as name, m.month at time zone 'UTC' as starts, (m.month + interval '1 month') at time zone 'UTC' as ends
    from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
    cross join lateral (select pg_catalog.to_date(pg_catalog.right(c.relname, 7), 'YYYY_MM')::timestamp as month) m
    where i.inhparent = 'public.ai_usage_logs'::regclass and c.relname ~ '^ai_usage_\d{4}_\d{2}$'
    order by 1
  loop
    continue when v_leaf.ends > v_before;
    perform app.lock_ledger();
    execute pg_catalog.format('alter table public.ai_usage_logs detach partition app.%I', v_leaf.name);
    execute pg_catalog.format(
      'alter table app.usage_archive attach partition app.%I for values from (%L) to (%L)',
      v_leaf.name, v_leaf.starts, v_leaf.ends);
    v_moved := v_moved + 1;
  end loop;
  return v_moved;
end $$;
comment on function app.archive_usage(interval) is
  'Sums the days that are not summed yet, then moves the months whose every row is older than this from the ledger to app.usage_archive, without touching a row; returns how many.';

create or replace function app.drop_archived_usage(p_keep interval) returns integer
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s'
as $$
declare
  v_before constant timestamptz := (app.now() at time zone 'UTC' - p_keep) at time zone 'UTC';
  v_leaf record;
  v_dropped integer := 0;
begin
  if p_keep is null or p_keep < interval '0' then
    raise exception 'how long archived months are kept is not said' using errcode = '22023';
  end if;
  for v_leaf in
    select c.relname as name, m.month at time zone 'UTC' as starts, (m.month + interval '1 month') at time zone 'UTC' as ends
    from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
    cross join lateral (select pg_catalog.to_date(pg_catalog.right(c.relname, 7), 'YYYY_MM')::timestamp as month) m
    where i.inhparent = 'app.usage_archive'::regclass
  loop
    continue when v_leaf.ends > v_before;
    execute pg_catalog.format('drop table app.%I', v_leaf.name);
    v_dropped := v_dropped + 1;
  end loop;
  return v_dropped;
end $$;
comment on function app.drop_archived_usage(interval) is
  'Drops the archived months whose every row is older than this; returns how many. Their sums stay in app.usage_by_day.';

-- Reports read sums, which outlive the ledger's months. A day is summed when nobody writes to it any more.
--   1. One run at a time, which archives with what it has summed: another waits, and finds these days summed.
--   2. The days that are over and not summed, from the first month that has a partition.
--   3. A day's sums by organization and over everybody, in place of what is there of that day.
create or replace function app.roll_up_usage(p_limit integer default 31) returns integer
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_day date;
  v_zone constant text := app.time_zone();
  -- Older rows are in app.ai_usage_rest: nothing moves them on, and reports read the few there are.
  v_first_month constant timestamptz := (
    select pg_catalog.min(pg_catalog.to_date(pg_catalog.right(c.relname, 7), 'YYYY_MM'))::timestamp at time zone 'UTC'
    from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'public.ai_usage_logs'::regclass and c.relname ~ '^ai_usage_\d{4}_\d{2}$');
  v_rolled integer := 0;
begin
  -- 1.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('sums of usage', 0));
  -- 2.
  for v_day in
    select d.day::date
    from pg_catalog.generate_series(
      (select (pg_catalog.min(created_at) at time zone v_zone)::date from public.ai_usage
       where created_at >= v_first_month)::timestamp,
      -- Not right at its end: who writes a day's last row may not have committed yet.
      ((app.now() - interval '2 minutes') at time zone v_zone)::date::timestamp - interval '1 day', interval '1 day') as d (day)
    where not exists (select from app.rolled_up_days r where r.day = d.day::date)
    order by 1 limit p_limit
  loop
    -- 3.
    delete from app.usage_by_day where day = v_day;
    insert into app.usage_by_day
      (day, organization_id, all_organizations, provider, model, operation_type, own_key, calls, tokens, cost,
        unpriced_calls, latency_ms)
    select v_day, organization_id, grouping(organization_id) = 1, provider, model, operation_type, own_key,
      pg_catalog.count(*), coalesce(pg_catalog.sum(tokens_total), 0), pg_catalog.sum(cost),
      pg_catalog.count(*) - pg_catalog.count(cost), pg_catalog.sum(latency_ms)
    from public.ai_usage
    where created_at >= v_day::timestamp at time zone v_zone and created_at < (v_day + 1)::timestamp at time zone v_zone
    group by provider, model, operation_type, own_key, grouping sets ((organization_id), ());
    insert into app.rolled_up_days (day) values (v_day) on conflict do nothing;
    v_rolled := v_rolled + 1;
  end loop;
  return v_rolled;
end $$;
comment on function app.roll_up_usage(integer) is
  'For the schedule: sums past days that are not summed yet, oldest first, up to the limit (null: all); returns how many.';

grant execute on function app.lock_ledger(), app.roll_up_usage(integer) to parley_owner;
select app.give_to('parley_owner',
  'app.ensure_usage_partitions(timestamptz, integer)', 'app.archive_usage(interval)', 'app.drop_archived_usage(interval)');

-- The months there must be, and an adopted ledger's rows. They are copied in the transaction that moved the table aside.
do $$
declare
  v_name text;
  v_columns text;
  v_values text;
  v_first timestamptz;
begin
  perform app.ensure_usage_partitions(app.now() - interval '1 month');
  foreach v_name in array array['adopted_ai_usage', 'adopted_ai_usage_logs'] loop
    continue when to_regclass('app.' || v_name) is null
      or coalesce(obj_description(to_regclass('app.' || v_name), 'pg_class'), '') like 'Copied%';
    execute format('select min(created_at) from app.%I', v_name) into v_first;
    -- A row with an odd date must not make a thousand months: what is older stays in app.ai_usage_rest.
    if v_first is not null then
      perform app.ensure_usage_partitions(greatest(v_first, app.now() - interval '5 years'));
    end if;
    execute format(
      'insert into public."user" (id) select distinct user_id::text from app.%I where user_id is not null
       on conflict do nothing', v_name);
    select string_agg(quote_ident(ours.attname), ', '),
      string_agg(case
        when ours.attname = 'created_at' then 'coalesce(created_at, now())'
        when ours.attname = 'operation_type' then 'coalesce(operation_type, ''chat'')'
        -- A count below zero says nothing; the adopted table still has it.
        when ours.attname = any (array['tokens_prompt', 'tokens_completion', 'tokens_total', 'tokens_used', 'cost', 'cost_usd']) then
          format('case when %1$I >= 0 then %1$I::%2$s end', ours.attname, format_type(ours.atttypid, ours.atttypmod))
        else format('%I::%s', ours.attname, format_type(ours.atttypid, ours.atttypmod)) end, ', ')
    into v_columns, v_values
    from pg_catalog.pg_attribute ours
    join pg_catalog.pg_attribute theirs on theirs.attname = ours.attname
    where ours.attrelid = 'public.ai_usage'::regclass and ours.attnum > 0 and not ours.attisdropped
      and theirs.attrelid = to_regclass('app.' || v_name) and theirs.attnum > 0 and not theirs.attisdropped
      -- An id of another type than ours stays behind; the row gets a new one.
      and (ours.attname <> 'id' or theirs.atttypid = ours.atttypid);
    execute format('insert into public.ai_usage (%s) select %s from app.%I', v_columns, v_values, v_name);
    -- What is kept forgets a deleted user too, and its key to auth.users keeps nobody from being deleted.
    perform app.adopt_user_column(to_regclass('app.' || v_name), 'user_id', 'set null');
    execute format('comment on table app.%I is %L', v_name, 'Copied into public.ai_usage when it was adopted; kept for the day that Parley goes.');
    execute format('alter table app.%I enable row level security', v_name);
    execute format('revoke all on app.%I from public, anon, authenticated, service_role', v_name);
  end loop;
end $$;

-- A report reads sums where there are some, and the ledger for the rest, which is today as a rule.
--   1. From which day on the ledger must be read.
--   2. The sums: everybody's for the service, the organization's for its admin.
--   3. The ledger's rows of the days without one, and both added up.
create or replace function app.usage_between(p_from date, p_to date)
  returns table (day date, provider text, model text, operation_type text, own_key boolean,
    calls bigint, tokens bigint, cost numeric, unpriced_calls bigint, mean_latency_ms bigint)
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_service constant boolean := app.is_service();
  v_organization constant text := app.organization_id();
  v_zone constant text := app.time_zone();
  v_last constant date := least(p_to, app.today());
  v_open date;
begin
  if not coalesce(pg_catalog.isfinite(p_from) and pg_catalog.isfinite(p_to), false) then
    raise exception 'usage is asked for between two days' using errcode = '22023';
  end if;
  -- 1.
  v_open := (
    select pg_catalog.min(d.day::date)
    from pg_catalog.generate_series(p_from::timestamp, v_last::timestamp, interval '1 day') as d (day)
    where not exists (select from app.rolled_up_days r where r.day = d.day::date));
  -- 2.
  return query
  with rows_of_days as (
    select b.day, b.provider, b.model, b.operation_type, b.own_key, b.calls, b.tokens, b.cost,
      b.unpriced_calls, b.latency_ms
    from app.usage_by_day b
    where v_service and b.organization_id is null and b.all_organizations
      and b.day between p_from and p_to and exists (select from app.rolled_up_days r where r.day = b.day)
    union all
    select b.day, b.provider, b.model, b.operation_type, b.own_key, b.calls, b.tokens, b.cost,
      b.unpriced_calls, b.latency_ms
    from app.usage_by_day b
    where not v_service and b.organization_id = v_organization and not b.all_organizations
      and b.day between p_from and p_to and exists (select from app.rolled_up_days r where r.day = b.day)
    -- 3.
    union all
    select (u.created_at at time zone v_zone)::date, u.provider, u.model, u.operation_type, u.own_key,
      pg_catalog.count(*), coalesce(pg_catalog.sum(u.tokens_total), 0), pg_catalog.sum(u.cost),
      pg_catalog.count(*) - pg_catalog.count(u.cost), pg_catalog.sum(u.latency_ms)
    from public.ai_usage u
    where u.created_at >= v_open::timestamp at time zone v_zone
      and u.created_at < (v_last + 1)::timestamp at time zone v_zone
      and (v_service or u.organization_id = v_organization)
      and not exists (
        select from app.rolled_up_days r where r.day = (u.created_at at time zone v_zone)::date)
    group by 1, 2, 3, 4, 5)
  select r.day, r.provider, r.model, r.operation_type, r.own_key, pg_catalog.sum(r.calls)::bigint,
    pg_catalog.sum(r.tokens)::bigint, pg_catalog.sum(r.cost), pg_catalog.sum(r.unpriced_calls)::bigint,
    (pg_catalog.sum(r.latency_ms) / pg_catalog.sum(r.calls))::bigint
  from rows_of_days r
  group by 1, 2, 3, 4, 5
  order by 1, 2, 3, 4, 5;
end $$;
comment on function app.usage_between(date, date) is
  'Usage by day, provider, model and operation: everybody''s for the service, the organization''s for its admin. The cost is that of the calls whose cost is known; unpriced_calls counts the others. Raises 22023 unless both days are finite.';

create or replace function app.my_usage_between(p_from date, p_to date)
  returns table (day date, provider text, model text, operation_type text,
    calls bigint, tokens bigint, cost numeric, unpriced_calls bigint, mean_latency_ms bigint)
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_user constant text := app.user_id();
  v_zone constant text := app.time_zone();
begin
  return query
  select (u.created_at at time zone v_zone)::date, u.provider, u.model, u.operation_type,
    pg_catalog.count(*), coalesce(pg_catalog.sum(u.tokens_total), 0)::bigint, pg_catalog.sum(u.cost),
    pg_catalog.count(*) - pg_catalog.count(u.cost),
    pg_catalog.avg(u.latency_ms)::bigint
  from public.ai_usage u
  where u.user_id = v_user
    and u.created_at >= p_from::timestamp at time zone v_zone
    and u.created_at < (p_to + 1)::timestamp at time zone v_zone
  group by 1, 2, 3, 4
  order by 1, 2, 3, 4;
end $$;
comment on function app.my_usage_between(date, date) is 'The caller''s own usage by day, provider, model and operation.';

create or replace function public.get_usage_stats(
  user_uuid text default app.user_id(), start_date timestamptz default app.now() - interval '30 days',
  end_date timestamptz default app.now()
)
  returns table (total_requests bigint, total_tokens bigint, total_cost numeric, average_latency_ms bigint,
    by_operation jsonb, by_model jsonb)
  language sql stable
begin atomic
  with mine as materialized (
    select u.operation_type, coalesce(u.model, 'unknown') as model, u.tokens_total, u.cost, u.latency_ms
    from public.ai_usage u
    where u.user_id = user_uuid
      and u.created_at between coalesce(start_date, '-infinity') and coalesce(end_date, 'infinity'))
  select count(*), coalesce(sum(m.tokens_total), 0)::bigint,
    case when count(*) = count(m.cost) then coalesce(sum(m.cost), 0) end, avg(m.latency_ms)::bigint,
    coalesce((select jsonb_object_agg(o.operation_type, o.calls)
      from (select operation_type, count(*) as calls from mine group by 1) o), '{}'),
    coalesce((select jsonb_object_agg(o.model, o.calls)
      from (select model, count(*) as calls from mine group by 1) o), '{}')
  from mine m;
end;
comment on function public.get_usage_stats(text, timestamptz, timestamptz) is
  'S3, with its names of parameters: a user''s requests, tokens and cost (null where one of them is unknown), of 30 days unless told. Runs with the caller''s rights, so another user''s are all zero.';

-- The newest come out of the index one by one: a bitmap of the whole minute would be sorted in every request.
create or replace function app.provider_health() returns jsonb
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_bitmapscan = off
as $$
begin
  return (
    with newest as (
      select provider, latency_ms, provider_failed, earlier_attempts
      from app.ai_requests
      where finished_at > app.now() - interval '1 minute' and provider is not null
      order by finished_at desc
      limit 50),
    attempts as (
      select provider, latency_ms, provider_failed as failed from newest
      union all
      select a.provider, a.latency_ms::integer, not a.ok
      from newest n
      cross join lateral pg_catalog.jsonb_to_recordset(n.earlier_attempts) as a (provider text, latency_ms numeric, ok boolean)
      where n.earlier_attempts is not null)
    select coalesce(pg_catalog.jsonb_object_agg(h.provider, pg_catalog.jsonb_build_object(
      'calls', h.calls, 'errors', h.errors, 'p50_ms', h.p50_ms)), '{}')
    from (
      select provider, pg_catalog.count(*) as calls, pg_catalog.count(*) filter (where failed) as errors,
        pg_catalog.percentile_disc(0.5) within group (order by latency_ms) as p50_ms
      from attempts
      group by provider) h);
end $$;
comment on function app.provider_health() is
  'Calls, errors and median latency by provider, of the newest 50 requests of the last minute. Reads across callers and returns counts only, so it belongs to parley_owner.';

create or replace view app.table_sizes with (security_invoker = true) as
select n.nspname as schemaname, c.relname as tablename,
  coalesce(sum(pg_total_relation_size(t.relid)), 0)::bigint as total_bytes,
  pg_size_pretty(coalesce(sum(pg_total_relation_size(t.relid)), 0)) as size
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross join lateral (
  select relid from pg_catalog.pg_partition_tree(c.oid) where isleaf
  union select c.oid where c.relkind = 'r') t
where c.relkind in ('r', 'p') and n.nspname in ('public', 'app')
group by 1, 2
order by 3 desc;
comment on view app.table_sizes is 'Size of each table with its partitions and indexes (a partitioned table alone has 0 bytes).';

create or replace view app.index_usage with (security_invoker = true) as
select schemaname, relname as tablename, indexrelname as indexname, idx_scan as index_scans, idx_tup_read, idx_tup_fetch,
  pg_relation_size(indexrelid) as index_bytes
from pg_catalog.pg_stat_user_indexes
order by idx_scan desc;
comment on view app.index_usage is 'How often each index is used: S5''s query with the column names that Postgres has.';

revoke all on app.table_sizes, app.index_usage from public, anon, authenticated, service_role;
revoke all on function app.provider_health(), public.get_usage_stats(text, timestamptz, timestamptz) from public, anon;
grant select on app.table_sizes, app.index_usage to service_role;
grant execute on function public.get_usage_stats(text, timestamptz, timestamptz), app.usage_between(date, date)
  to authenticated, service_role;
grant execute on function app.my_usage_between(date, date) to authenticated;
grant execute on function app.provider_health() to parley_definer, parley_app, service_role;
grant execute on function app.ensure_usage_partitions(timestamptz, integer), app.archive_usage(interval),
  app.drop_archived_usage(interval), app.roll_up_usage(integer) to service_role;
select app.give_to('parley_owner', 'app.provider_health()');
revoke all on all functions in schema app from public;

-- 50 usage: one ledger under the names of two seeds. ai_usage (S3) is partitioned and has one partition, ai_usage_logs
-- (S2), which is partitioned by month; so both names hold the same rows, and row-level security is that of the name
-- asked: users see their own usage in ai_usage and nothing in ai_usage_logs. The months live in schema app.

-- An adopted ledger is an ordinary table: it moves aside, and its rows are copied below. Moved means adopted once.
do $$
declare
  v_name text;
begin
  foreach v_name in array array['ai_usage', 'ai_usage_logs'] loop
    if exists (select from pg_catalog.pg_class where oid = to_regclass('public.' || v_name) and relkind = 'r') then
      execute format('alter table public.%I set schema app', v_name);
      execute format('alter table app.%I rename to %I', v_name, 'adopted_' || v_name);
    end if;
  end loop;
end $$;

create table if not exists public.ai_usage (
  id uuid not null default gen_random_uuid(),
  user_id text references public."user" (id) on delete set null,
  organization_id text,
  request_id text,
  tier text not null,
  provider text not null,
  model text,
  operation_type text not null default 'chat',
  tokens_prompt bigint,
  tokens_completion bigint,
  tokens_total bigint,
  tokens_used bigint,
  tokens_cached bigint,
  tokens_cache_write bigint,
  tokens_reasoning bigint,
  cost numeric(18, 9),
  cost_usd numeric(18, 9),
  estimated boolean not null default false,
  own_key boolean not null default false,
  latency_ms integer,
  metadata jsonb,
  created_at timestamptz not null default now(),
  primary key (id, created_at),
  constraint ai_usage_counts_check check (
    least(tokens_prompt, tokens_completion, tokens_total, tokens_cached, tokens_cache_write, tokens_reasoning) >= 0
    and cost >= 0)
) partition by range (created_at);
comment on table public.ai_usage is 'The ledger: one row for each settled model call. Rows stay 90 to 121 days, then their month goes to app.usage_archive.';
comment on column public.ai_usage.organization_id is 'No foreign key: the ledger outlives organizations.';
comment on column public.ai_usage.tokens_prompt is 'Input tokens, cached and cache-writing ones included.';
comment on column public.ai_usage.tokens_used is 'S2''s name of tokens_total; always equal.';
comment on column public.ai_usage.cost is 'In US dollars; null where the price or the usage is unknown.';
comment on column public.ai_usage.cost_usd is 'S2''s name of cost; always equal.';
comment on column public.ai_usage.estimated is 'The tokens were counted by us, not reported by the provider.';
comment on column public.ai_usage.metadata is 'S3''s: the application''s own; Parley writes none.';
comment on column public.ai_usage.own_key is 'The user paid the provider, not the operator.';

create table if not exists public.ai_usage_logs partition of public.ai_usage
  for values from (minvalue) to (maxvalue) partition by range (created_at);
comment on table public.ai_usage_logs is 'The same rows under S2''s name; users cannot see them here.';

-- These come before the ones of ai_usage: where both define the same index the parent adopts it, and no month has it twice.
create index if not exists idx_ai_usage_logs_user_id_created_at on public.ai_usage_logs (user_id, created_at desc);
create index if not exists idx_ai_usage_logs_tier on public.ai_usage_logs (tier);
create index if not exists idx_ai_usage_logs_provider on public.ai_usage_logs (provider);
create index if not exists idx_ai_usage_logs_created_at on public.ai_usage_logs (created_at desc);
create index if not exists idx_ai_usage_user_id on public.ai_usage (user_id, created_at desc);
create index if not exists idx_ai_usage_created_at on public.ai_usage (created_at desc);
create index if not exists idx_ai_usage_operation_type on public.ai_usage (operation_type);
create index if not exists idx_ai_usage_model on public.ai_usage (model);

create table if not exists app.ai_usage_rest partition of public.ai_usage_logs default;
comment on table app.ai_usage_rest is
  'Rows of months that have no partition (yet), and adopted rows with odd or very old dates, which no schedule sums, moves or drops.';

-- Retired months. The foreign key forgets a deleted user here too.
create table if not exists app.usage_archive (like public.ai_usage including defaults, primary key (id, created_at))
  partition by range (created_at);
comment on table app.usage_archive is 'Months of the ledger that are past their retention, one partition each.';
do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'app.usage_archive'::regclass and contype = 'f') then
    alter table app.usage_archive add foreign key (user_id) references public."user" (id) on delete set null;
  end if;
end $$;
create index if not exists usage_archive_user_id_idx on app.usage_archive (user_id, created_at desc);

alter table public.ai_usage enable row level security;
alter table public.ai_usage_logs enable row level security;
alter table app.ai_usage_rest enable row level security;
alter table app.usage_archive enable row level security;
revoke all on public.ai_usage, public.ai_usage_logs, app.ai_usage_rest, app.usage_archive
  from public, anon, authenticated, service_role;

create or replace function app.fill_usage_aliases() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  new.provider := coalesce(app.canonical_provider(new.provider), 'unknown');
  new.tier := coalesce(new.tier, 'unknown');
  new.tokens_total := coalesce(new.tokens_total, new.tokens_used, new.tokens_prompt + new.tokens_completion);
  new.tokens_used := new.tokens_total;
  new.cost := coalesce(new.cost, new.cost_usd);
  new.cost_usd := new.cost;
  return new;
end $$;
comment on function app.fill_usage_aliases() is 'Trigger: keeps the seeds'' names of tokens and cost equal, and the provider canonical.';
drop trigger if exists _10_aliases on public.ai_usage;
-- Parley itself writes both names: nothing is left to do for its rows.
create trigger _10_aliases before insert on public.ai_usage for each row
  when (
    new.tokens_used is distinct from new.tokens_total or new.tokens_total is null or new.cost_usd is distinct from new.cost
    or new.provider is null or new.provider not in ('openai', 'anthropic', 'google') or new.tier is null)
  execute function app.fill_usage_aliases();

create table if not exists public.user_ai_usage (id uuid primary key default gen_random_uuid());
alter table public.user_ai_usage
  add column if not exists user_id text not null,
  add column if not exists period_start timestamptz not null,
  add column if not exists period_end timestamptz not null,
  add column if not exists request_count integer not null default 0,
  add column if not exists token_count bigint not null default 0,
  add column if not exists cost_estimate numeric(18, 9) not null default 0,
  add column if not exists created_at timestamptz default now(),
  add column if not exists updated_at timestamptz default now();
select app.adopt_user_column('public.user_ai_usage', 'user_id', 'cascade');
-- S4's counters may be null, and a null that something is added to stays null.
update public.user_ai_usage
set request_count = coalesce(request_count, 0), token_count = coalesce(token_count, 0), cost_estimate = coalesce(cost_estimate, 0)
where num_nulls(request_count, token_count, cost_estimate) > 0;
-- S4 names the period and gives no type: a date is the midnight it begins with.
do $$
declare
  v_column text;
begin
  foreach v_column in array array['period_start', 'period_end'] loop
    if (select atttypid from pg_catalog.pg_attribute
        where attrelid = 'public.user_ai_usage'::regclass and attname = v_column) <> 'timestamptz'::regtype then
      execute format(
        'alter table public.user_ai_usage alter column %1$I type timestamptz using (%1$I::timestamp at time zone app.time_zone())',
        v_column);
    end if;
  end loop;
end $$;
-- S4 has one row a user and beginning, which a month and its first day share.
do $$
declare
  v_name text;
begin
  for v_name in
    select c.conname from pg_catalog.pg_constraint c
    where c.conrelid = 'public.user_ai_usage'::regclass and c.contype = 'u' and c.conkey = array(
      select a.attnum from pg_catalog.pg_attribute a
      where a.attrelid = c.conrelid and a.attname in ('user_id', 'period_start') order by a.attnum)
  loop
    execute format('alter table public.user_ai_usage drop constraint %I', v_name);
    raise notice 'user_ai_usage is unique by user, beginning and end, no longer by %', v_name;
  end loop;
end $$;
create unique index if not exists user_ai_usage_user_id_period_key
  on public.user_ai_usage (user_id, period_start, period_end);
alter table public.user_ai_usage set (fillfactor = 80);
alter table public.user_ai_usage enable row level security;
revoke all on public.user_ai_usage from public, anon, authenticated, service_role;
comment on table public.user_ai_usage is 'Each user''s usage by day (of app.settings.time_zone): requests answered, tokens, cost where known.';

create table if not exists app.usage_by_day (
  id bigint generated always as identity primary key,
  day date not null,
  organization_id text,
  all_organizations boolean not null default false check (not (all_organizations and organization_id is not null)),
  provider text not null,
  model text,
  operation_type text not null,
  own_key boolean not null,
  calls bigint not null,
  tokens bigint not null,
  cost numeric(18, 9),
  unpriced_calls bigint not null,
  latency_ms bigint,
  unique nulls not distinct (organization_id, all_organizations, day, provider, model, operation_type, own_key)
);
create index if not exists usage_by_day_day_idx on app.usage_by_day (day);
create table if not exists app.rolled_up_days (day date primary key, rolled_up_at timestamptz not null default now());
alter table app.usage_by_day enable row level security;
alter table app.rolled_up_days enable row level security;
revoke all on app.usage_by_day, app.rolled_up_days from public, anon, authenticated, service_role;
comment on table app.usage_by_day is 'Sums of the days in app.rolled_up_days, without users; they stay when the ledger''s month goes.';
comment on column app.usage_by_day.organization_id is 'Null: the users without one, or everybody.';
comment on column app.usage_by_day.all_organizations is
  'The sum over everybody, users without an organization too, so that the operator''s report need not add up every organization''s.';
comment on column app.usage_by_day.unpriced_calls is 'Calls whose cost is unknown; cost is that of the others.';
comment on column app.usage_by_day.latency_ms is 'The sum over the calls.';
comment on table app.rolled_up_days is 'Past days that app.usage_by_day has; the others are summed from the ledger when asked.';

drop policy if exists "Users can view their own usage, admins their organization's" on public.ai_usage;
create policy "Users can view their own usage, admins their organization's" on public.ai_usage
  for select to authenticated, parley_definer
  using (
    user_id = (select app.user_id())
    or (organization_id = (select app.organization_id()) and (select app.is_organization_admin())));
drop policy if exists "A call's usage is recorded for its caller" on public.ai_usage;
create policy "A call's usage is recorded for its caller" on public.ai_usage
  for insert to parley_definer
  with check (user_id is not distinct from (select app.user_id()) or (select app.is_service()));
drop policy if exists "The service manages usage" on public.ai_usage;
create policy "The service manages usage" on public.ai_usage
  for all to service_role using ((select app.is_service())) with check ((select app.is_service()));
drop policy if exists "Service role can insert usage logs" on public.ai_usage_logs;
create policy "Service role can insert usage logs" on public.ai_usage_logs
  for insert to service_role with check ((select app.is_service()));
drop policy if exists "Service role can view usage logs" on public.ai_usage_logs;
create policy "Service role can view usage logs" on public.ai_usage_logs
  for select to service_role using ((select app.is_service()));
drop policy if exists "Service role can correct usage logs" on public.ai_usage_logs;
create policy "Service role can correct usage logs" on public.ai_usage_logs
  for update to service_role using ((select app.is_service())) with check ((select app.is_service()));
drop policy if exists "Service role can clean usage logs" on public.ai_usage_logs;
create policy "Service role can clean usage logs" on public.ai_usage_logs
  for delete to service_role using ((select app.is_service()));

drop policy if exists "Users can view their own usage" on public.user_ai_usage;
create policy "Users can view their own usage" on public.user_ai_usage
  for select to authenticated, parley_definer using (user_id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "A user's usage is counted" on public.user_ai_usage;
create policy "A user's usage is counted" on public.user_ai_usage
  for insert to parley_definer with check (user_id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "A user's usage is counted on" on public.user_ai_usage;
create policy "A user's usage is counted on" on public.user_ai_usage
  for update to parley_definer using (user_id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "The service can view all usage" on public.user_ai_usage;
create policy "The service can view all usage" on public.user_ai_usage
  for select to service_role using ((select app.is_service()));

drop policy if exists "Admins can view their organization's days" on app.usage_by_day;
create policy "Admins can view their organization's days" on app.usage_by_day
  for select to authenticated
  using (organization_id = (select app.organization_id()) and (select app.is_organization_admin()));
drop policy if exists "The service manages the days" on app.usage_by_day;
create policy "The service manages the days" on app.usage_by_day
  for all to service_role using ((select app.is_service())) with check ((select app.is_service()));
drop policy if exists "Callers can see which days are rolled up" on app.rolled_up_days;
create policy "Callers can see which days are rolled up" on app.rolled_up_days
  for select to authenticated, parley_definer using ((select app.claims()) is not null);
drop policy if exists "A late row opens its day again" on app.rolled_up_days;
create policy "A late row opens its day again" on app.rolled_up_days
  for delete to parley_definer using ((select app.caller_key()) is not null or (select app.is_service()));
drop policy if exists "The service rolls up" on app.rolled_up_days;
create policy "The service rolls up" on app.rolled_up_days
  for all to service_role using ((select app.is_service())) with check ((select app.is_service()));

grant select on public.ai_usage, public.user_ai_usage to authenticated, service_role, parley_definer;
grant insert on public.ai_usage to service_role, parley_definer;
grant update, delete on public.ai_usage to service_role;
grant select, insert, update, delete on public.ai_usage_logs to service_role;
grant insert, update on public.user_ai_usage to parley_definer;
grant select on app.usage_by_day, app.rolled_up_days to authenticated, service_role;
grant select, delete on app.rolled_up_days to parley_definer;
grant insert, update, delete on app.usage_by_day, app.rolled_up_days to service_role;
alter table public.user_ai_usage force row level security;
-- Its functions make, move and drop months, and sum days (55_usage_reports.sql). A month takes the trigger over.
grant execute on function app.fill_usage_aliases() to parley_owner;
select app.own_tables(
  'public.ai_usage', 'public.ai_usage_logs', 'app.ai_usage_rest', 'app.usage_archive', 'app.usage_by_day', 'app.rolled_up_days');
revoke all on all functions in schema app from public;

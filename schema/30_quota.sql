-- 30 quota: a user's tier and counters (S2), the tiers' limits as data, the requests that hold units, and the day on
-- which they count. A unit is counted by one UPDATE that refuses at the limit; days and months turn over in it, so no
-- schedule is needed for them. app.ai_requests makes giving back and settling idempotent, and a dead holder's unit found.

create table if not exists app.settings (
  only_row boolean primary key default true check (only_row),
  time_zone text not null default 'Europe/Stockholm' check (timezone(time_zone, timestamptz 'epoch') is not null)
);
alter table app.settings enable row level security;
revoke all on app.settings from public, anon, authenticated, service_role;
comment on table app.settings is 'What the operator configures in the database; one row.';
comment on column app.settings.time_zone is 'Where a quota''s day and month begin.';
insert into app.settings default values on conflict do nothing;

create table if not exists app.ai_tiers (
  tier text primary key,
  daily_units integer check (daily_units >= 0),
  monthly_units integer check (monthly_units >= 0),
  daily_embedding_tokens bigint check (daily_embedding_tokens >= 0)
);
alter table app.ai_tiers enable row level security;
revoke all on app.ai_tiers from public, anon, authenticated, service_role;
comment on table app.ai_tiers is 'Limits of each tier; null: none. anonymous is what a source address gets without a token.';
insert into app.ai_tiers (tier, daily_units, daily_embedding_tokens) values
  ('anonymous', 5, 0), ('free', 10, 100000), ('premium', 100, 1000000), ('byok', null, 1000000)
on conflict do nothing;

create or replace function app.time_zone() returns text
  language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
  return (select time_zone from app.settings);
end $$;
comment on function app.time_zone() is 'The time zone of quotas, rollups and reports.';

create or replace function app.today() returns date
  language sql stable parallel safe
  return (app.now() at time zone app.time_zone())::date;
comment on function app.today() is 'The day that a unit taken now counts on.';

create or replace function app.daily_count_as_of(p_count bigint, p_counted date, p_today date) returns bigint
  language sql immutable parallel safe
  return case when p_counted >= p_today then p_count else 0 end;
comment on function app.daily_count_as_of(bigint, date, date) is
  'A daily counter as of a day. A date ahead of today (another server''s clock) keeps counting.';

create or replace function app.monthly_count_as_of(p_count bigint, p_counted date, p_today date) returns bigint
  language sql immutable parallel safe
  return case when date_trunc('month', p_counted::timestamp) >= date_trunc('month', p_today::timestamp) then p_count else 0 end;
comment on function app.monthly_count_as_of(bigint, date, date) is 'A monthly counter as of a day.';

create table if not exists public.user_ai_settings (id uuid primary key default gen_random_uuid(), user_id text not null);
alter table public.user_ai_settings
  add column if not exists tier text not null default 'free' check (tier in ('free', 'byok', 'premium')),
  add column if not exists encrypted_api_keys jsonb,
  add column if not exists preferred_provider text default 'openai'
    check (preferred_provider in ('openai', 'anthropic', 'google')),
  add column if not exists daily_usage integer default 0,
  add column if not exists monthly_usage integer default 0,
  add column if not exists last_reset_date date default app.today(),
  add column if not exists created_at timestamptz default now(),
  add column if not exists updated_at timestamptz default now(),
  add column if not exists daily_embedding_tokens bigint not null default 0,
  add column if not exists has_foreign_keys boolean not null generated always as (encrypted_api_keys is not null) stored;
select app.adopt_user_column('public.user_ai_settings', 'user_id', 'cascade');
do $$
begin
  -- S2 left the counters nullable, its ids to uuid-ossp, and its day to the session's time zone.
  update public.user_ai_settings
  set daily_usage = coalesce(daily_usage, 0), monthly_usage = coalesce(monthly_usage, 0),
      last_reset_date = coalesce(last_reset_date, app.today())
  where daily_usage is null or monthly_usage is null or last_reset_date is null;
  alter table public.user_ai_settings
    alter column id set default gen_random_uuid(),
    alter column daily_usage set not null,
    alter column monthly_usage set not null,
    alter column last_reset_date set not null,
    alter column last_reset_date set default app.today(),
    -- Room for the counters' next version on the same page keeps the indexes out of it (HOT).
    set (fillfactor = 70);
  -- S2 lets settings be nobody's. Nothing reads such a row, and it is not ours to delete.
  if not exists (select from public.user_ai_settings where user_id is null) then
    alter table public.user_ai_settings alter column user_id set not null;
  end if;
  -- S2 has both an unnamed UNIQUE and an index of this name, which is the same index twice.
  if not exists (
    select from pg_catalog.pg_constraint
    where conrelid = 'public.user_ai_settings'::regclass and conname = 'idx_user_ai_settings_user_id'
  ) then
    drop index if exists public.idx_user_ai_settings_user_id;
    alter table public.user_ai_settings drop constraint if exists user_ai_settings_user_id_key;
    alter table public.user_ai_settings add constraint idx_user_ai_settings_user_id unique (user_id);
  end if;
end $$;
create index if not exists idx_user_ai_settings_tier on public.user_ai_settings (tier);
create index if not exists idx_user_ai_settings_last_reset on public.user_ai_settings (last_reset_date);
alter table public.user_ai_settings enable row level security;
revoke all on public.user_ai_settings from public, anon, authenticated, service_role;
comment on table public.user_ai_settings is 'A user''s tier and counters. The counters are as of last_reset_date: read them through app.daily_count_as_of and app.monthly_count_as_of.';
comment on column public.user_ai_settings.encrypted_api_keys is 'Keys that an adopted S2 application encrypted: kept, never used. Parley''s own are in app.provider_keys.';
comment on column public.user_ai_settings.has_foreign_keys is 'Flags the keys of an adopted application, which must be stored anew to be used.';
comment on column public.user_ai_settings.preferred_provider is 'Mirrors ai_provider_preferences, which is the truth; the default counts as no choice.';
comment on column public.user_ai_settings.last_reset_date is 'The day that the counters are of.';
comment on column public.user_ai_settings.daily_embedding_tokens is 'Tokens embedded on that day.';

create table if not exists app.anonymous_usage (
  caller_key text primary key,
  daily_usage integer not null default 0,
  last_reset_date date not null
) with (fillfactor = 70);
alter table app.anonymous_usage enable row level security;
revoke all on app.anonymous_usage from public, anon, authenticated, service_role;
comment on table app.anonymous_usage is 'Units that anonymous callers took on a day, by hashed source address.';

create table if not exists app.ai_requests (
  id text primary key,
  caller_key text not null,
  user_id text,
  operation text not null,
  idempotency_key text,
  body_hash text,
  state text not null default 'reserved',
  reserved_day date,
  reserved_tokens bigint check (reserved_tokens >= 0),
  lease_until timestamptz,
  fence integer not null default 1,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  provider text,
  model text,
  latency_ms integer,
  provider_failed boolean,
  earlier_attempts jsonb,
  error_code text,
  answer jsonb,
  answer_until timestamptz,
  -- docs/states.md has the diagram. Plain tests of null: each CHECK is read anew by every statement that writes a row.
  constraint ai_requests_state_check check (state in ('reserved', 'settled', 'released')),
  constraint ai_requests_reserved_check check (
    state <> 'reserved' or (lease_until is not null and finished_at is null and error_code is null and answer is null)),
  constraint ai_requests_settled_check check (
    state <> 'settled' or (finished_at is not null and lease_until is null)),
  constraint ai_requests_released_check check (
    state <> 'released' or (finished_at is not null and error_code is not null and lease_until is null and answer is null)),
  constraint ai_requests_answer_check check ((answer is null) = (answer_until is null))
) with (fillfactor = 80);
alter table app.ai_requests
  add column if not exists covers_retry boolean not null default false,
  add column if not exists access_key_id uuid default app.access_key_id();
create unique index if not exists ai_requests_caller_key_idempotency_key_idx
  on app.ai_requests (caller_key, idempotency_key);
create index if not exists ai_requests_reserved_idx on app.ai_requests (caller_key, lease_until) where state = 'reserved';
create index if not exists ai_requests_finished_at_idx on app.ai_requests (finished_at) where finished_at is not null;
alter table app.ai_requests enable row level security;
revoke all on app.ai_requests from public, anon, authenticated, service_role;
comment on table app.ai_requests is 'Requests that hold, spent or gave back a unit or tokens to embed; also what an idempotent retry finds.';
comment on column app.ai_requests.user_id is 'No foreign key, whose check would lock the user''s row in every reservation; app.forget_user deletes instead.';
comment on column app.ai_requests.reserved_day is 'The day that the held unit, or the held tokens, count on; null: nothing is held.';
comment on column app.ai_requests.reserved_tokens is 'Tokens to embed, as estimated, that a search or an import holds; null: this is a model call.';
comment on column app.ai_requests.lease_until is 'Until then the holder is taken to be alive.';
comment on column app.ai_requests.fence is 'Grows when a retry takes over; a holder with an older number is refused.';
comment on column app.ai_requests.provider_failed is 'How the last upstream attempt (provider, model, latency_ms) ended; null: there was none.';
comment on column app.ai_requests.earlier_attempts is 'The attempts before the last one: [{"provider", "model", "ok", "error_code", "latency_ms"}]; null where the first was the last.';
comment on column app.ai_requests.error_code is 'Why the request was released.';
comment on column app.ai_requests.covers_retry is 'Whether a caller who left has spent a unit that covers the next try under this key.';
comment on column app.ai_requests.access_key_id is 'The machine key that it is made with; null: a token. No foreign key, as with user_id.';
comment on column app.ai_requests.answer is 'What a replay returns, until answer_until.';

drop trigger if exists _20_updated_at on public.user_ai_settings;
create trigger _20_updated_at before update of tier, preferred_provider, encrypted_api_keys on public.user_ai_settings
  for each row execute function app.touch_updated_at();

drop policy if exists "Callers can read the settings" on app.settings;
create policy "Callers can read the settings" on app.settings
  for select to anon, authenticated, parley_definer using ((select app.claims()) is not null);
drop policy if exists "The ledger's upkeep reads the settings" on app.settings;
create policy "The ledger's upkeep reads the settings" on app.settings
  for select to parley_owner using (true);
drop policy if exists "The service manages the settings" on app.settings;
create policy "The service manages the settings" on app.settings
  for all to service_role using ((select app.is_service())) with check ((select app.is_service()));
drop policy if exists "Callers can read the tiers" on app.ai_tiers;
create policy "Callers can read the tiers" on app.ai_tiers
  for select to authenticated, parley_definer using ((select app.claims()) is not null);
drop policy if exists "The service manages tiers" on app.ai_tiers;
create policy "The service manages tiers" on app.ai_tiers
  for all to service_role using ((select app.is_service())) with check ((select app.is_service()));

drop policy if exists "Users can view their own AI settings" on public.user_ai_settings;
create policy "Users can view their own AI settings" on public.user_ai_settings
  for select to authenticated, parley_definer
  using (user_id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "Users can update their own AI settings" on public.user_ai_settings;
create policy "Users can update their own AI settings" on public.user_ai_settings
  for update to authenticated, parley_definer
  using (user_id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "Users can insert their own AI settings" on public.user_ai_settings;
create policy "Users can insert their own AI settings" on public.user_ai_settings
  for insert to authenticated, parley_definer
  with check (user_id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "The service manages AI settings" on public.user_ai_settings;
create policy "The service manages AI settings" on public.user_ai_settings
  for all to service_role using ((select app.is_service())) with check ((select app.is_service()));

drop policy if exists "A deletion reaches everybody's rows" on public.user_ai_settings;
create policy "A deletion reaches everybody's rows" on public.user_ai_settings
  for all to parley_owner using (true) with check (true);

drop policy if exists "An anonymous caller's units are its own" on app.anonymous_usage;
create policy "An anonymous caller's units are its own" on app.anonymous_usage
  for all to parley_definer
  using (caller_key = (select app.caller_key()) or (select app.is_service()))
  with check (caller_key = (select app.caller_key()) or (select app.is_service()));
drop policy if exists "A request is its caller's own" on app.ai_requests;
create policy "A request is its caller's own" on app.ai_requests
  for all to parley_definer
  using (caller_key = (select app.caller_key()) or (select app.is_service()))
  with check (caller_key = (select app.caller_key()) or (select app.is_service()));
drop policy if exists "Deletion and health reach everybody's requests" on app.ai_requests;
create policy "Deletion and health reach everybody's requests" on app.ai_requests
  for all to parley_owner using (true) with check (true);
drop policy if exists "The service can view requests" on app.ai_requests;
create policy "The service can view requests" on app.ai_requests
  for select to service_role using ((select app.is_service()));

grant select on app.settings to anon, authenticated, service_role, parley_definer, parley_owner;
grant update on app.settings to service_role;
grant select on app.ai_tiers to authenticated, service_role, parley_definer;
grant insert, update, delete on app.ai_tiers to service_role;
grant select (id, user_id, tier, preferred_provider, daily_usage, monthly_usage, last_reset_date, created_at, updated_at,
  daily_embedding_tokens, has_foreign_keys) on public.user_ai_settings to authenticated;
grant insert (user_id, preferred_provider), update (preferred_provider) on public.user_ai_settings to authenticated;
grant select, insert, update, delete on public.user_ai_settings to service_role;
grant select, insert, update on public.user_ai_settings to parley_definer;
grant select, insert, update, delete on app.anonymous_usage, app.ai_requests to parley_definer;
-- UPDATE on one column is what locking a row asks for.
grant select (id, user_id), update (updated_at) on public.user_ai_settings to parley_owner;
grant select (id, caller_key, provider, latency_ms, provider_failed, earlier_attempts, finished_at), update (latency_ms), delete
  on app.ai_requests to parley_owner;
grant select on app.ai_requests to service_role;
grant execute on function app.time_zone(), app.today(), app.daily_count_as_of(bigint, date, date),
  app.monthly_count_as_of(bigint, date, date)
  to anon, authenticated, service_role, parley_definer, parley_owner;
alter table app.anonymous_usage force row level security;
alter table app.ai_requests force row level security;
revoke all on all functions in schema app from public;

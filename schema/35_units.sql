-- 35 units: counting, giving back and finding again the units of 30_quota.sql, the daily token limit of embeddings, S2's
-- two reset functions, and the mirror between the two places where a preferred provider is stored.
-- The functions of the hot path plan once per connection and never for a scan: a plan that was made while a table was
-- nearly empty, or made anew in every call, costs more than the call.

create or replace function app.quota() returns jsonb
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_user constant text := app.user_id();
  v_zone constant text := app.time_zone();
  v_today constant date := (app.now() at time zone v_zone)::date;
  v_next_day constant timestamptz := (v_today + 1)::timestamp at time zone v_zone;
begin
  return (
    select pg_catalog.jsonb_build_object(
      'tier', t.tier,
      'daily', pg_catalog.jsonb_build_object(
        'limit', t.daily_units,
        'used', app.daily_count_as_of(coalesce(s.daily_usage, a.daily_usage, 0), coalesce(s.last_reset_date, a.last_reset_date), v_today),
        'resets_at', v_next_day),
      'monthly', pg_catalog.jsonb_build_object(
        'limit', t.monthly_units,
        'used', app.monthly_count_as_of(coalesce(s.monthly_usage, 0), s.last_reset_date, v_today),
        'resets_at', (pg_catalog.date_trunc('month', v_today::timestamp) + interval '1 month') at time zone v_zone),
      'embedding_tokens', pg_catalog.jsonb_build_object(
        'limit', t.daily_embedding_tokens,
        'used', app.daily_count_as_of(coalesce(s.daily_embedding_tokens, 0), s.last_reset_date, v_today),
        'resets_at', v_next_day))
    from (select) c
    left join public.user_ai_settings s on s.user_id = v_user
    left join app.anonymous_usage a on v_user is null and a.caller_key = app.caller_key()
    join app.ai_tiers t on t.tier = case when v_user is null then 'anonymous' else coalesce(s.tier, 'free') end);
end $$;
comment on function app.quota() is
  'The caller''s tier, limits, what is used of them and when they start anew: {"tier", "daily", "monthly", "embedding_tokens"}.';

create or replace function app.read_quota(p_claims jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
  set plan_cache_mode = force_generic_plan
as $$
begin
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  if exists (select from app.deleted_subjects where subject_hash = app.subject_hash(app.user_id())) then
    return null;
  end if;
  return app.quota();
end $$;
comment on function app.read_quota(jsonb) is 'app.quota() for the caller of these claims; null for a deleted one.';

create or replace function app.return_to_quota(
  p_caller_key text, p_user_id text, p_day date, p_units integer, p_tokens bigint default 0
) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  -- A unit counts on the day it was taken: once that day has turned over there is nothing left to give back to it.
  if p_user_id is not null then
    update public.user_ai_settings
    set daily_usage = case when last_reset_date = p_day then greatest(daily_usage - p_units, 0) else daily_usage end,
        monthly_usage = greatest(monthly_usage - p_units, 0),
        daily_embedding_tokens = greatest(daily_embedding_tokens - case when last_reset_date = p_day then p_tokens else 0 end, 0)
    where user_id = p_user_id
      and pg_catalog.date_trunc('month', last_reset_date::timestamp) = pg_catalog.date_trunc('month', p_day::timestamp);
  else
    update app.anonymous_usage
    set daily_usage = greatest(daily_usage - p_units, 0)
    where caller_key = p_caller_key and last_reset_date = p_day;
  end if;
end $$;
comment on function app.return_to_quota(text, text, date, integer, bigint) is
  'Gives units and tokens to embed back to the day and month they were taken in, if these still are the current ones.';

create or replace function app.release_expired(p_caller_key text, p_limit integer) returns integer
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_dead record;
  v_released integer := 0;
begin
  -- A row that is being settled at this moment is locked, and skipped: its holder lives after all.
  for v_dead in
    with released as (
      update app.ai_requests
      set state = 'released', error_code = 'lease_expired', finished_at = app.now(), lease_until = null
      where id in (
        select id from app.ai_requests
        where state = 'reserved' and lease_until < app.now() and (p_caller_key is null or caller_key = p_caller_key)
        limit p_limit for update skip locked)
      returning caller_key, user_id, reserved_day, reserved_tokens)
    select caller_key, user_id, reserved_day, pg_catalog.count(*)::integer as holds,
      (pg_catalog.count(*) filter (where reserved_tokens is null))::integer as units,
      coalesce(pg_catalog.sum(reserved_tokens), 0)::bigint as tokens
    from released group by 1, 2, 3 order by 1, 3
  loop
    perform app.return_to_quota(
      p_caller_key => v_dead.caller_key, p_user_id => v_dead.user_id, p_day => v_dead.reserved_day,
      p_units => v_dead.units, p_tokens => v_dead.tokens);
    v_released := v_released + v_dead.holds;
  end loop;
  return v_released;
end $$;
comment on function app.release_expired(text, integer) is
  'Releases holds whose lease has ended (of one caller, or of all: null) and gives what they hold back; returns how many.';

create or replace function app.tier_takes_units(p_tier text) returns boolean
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  if p_tier is distinct from 'byok' then
    return true;
  end if;
  return exists (select from app.ai_tiers where tier = 'byok' and (daily_units is not null or monthly_units is not null));
end $$;
comment on function app.tier_takes_units(text) is
  'Whether a tier''s model calls take units. Calls with an own key take none, so that they do not count against the free day after the key is gone; where an operator limits them all the same, they do.';

-- One UPDATE decides, so that no two requests can both take the last unit; days and months turn over inside it.
--   1. Count, unless that passes a limit.
--   2. Refused, or new: make the counter's row, or wait behind whoever is giving units back at this moment.
--   3. Take back what dead holders keep, and count once more.
create or replace function app.count_unit() returns date
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_user constant text := app.user_id();
  v_today constant date := app.today();
  v_day date;
  v_looked boolean := false;
begin
  loop
    -- 1.
    if v_user is not null then
      update public.user_ai_settings s
      set daily_usage = app.daily_count_as_of(s.daily_usage, s.last_reset_date, v_today) + 1,
          monthly_usage = app.monthly_count_as_of(s.monthly_usage, s.last_reset_date, v_today) + 1,
          daily_embedding_tokens = app.daily_count_as_of(s.daily_embedding_tokens, s.last_reset_date, v_today),
          last_reset_date = greatest(s.last_reset_date, v_today)
      from app.ai_tiers t
      where s.user_id = v_user and t.tier = s.tier
        and (t.daily_units is null or app.daily_count_as_of(s.daily_usage, s.last_reset_date, v_today) < t.daily_units)
        and (t.monthly_units is null or app.monthly_count_as_of(s.monthly_usage, s.last_reset_date, v_today) < t.monthly_units)
      returning s.last_reset_date into v_day;
    else
      insert into app.anonymous_usage as a (caller_key, daily_usage, last_reset_date)
      select app.caller_key(), 1, v_today from app.ai_tiers t
      where t.tier = 'anonymous' and (t.daily_units is null or t.daily_units > 0)
      on conflict (caller_key) do update
        set daily_usage = app.daily_count_as_of(a.daily_usage, a.last_reset_date, v_today) + 1,
            last_reset_date = greatest(a.last_reset_date, v_today)
        where app.daily_count_as_of(a.daily_usage, a.last_reset_date, v_today)
          < coalesce((select daily_units from app.ai_tiers where tier = 'anonymous'), 2147483647)
      returning a.last_reset_date into v_day;
    end if;
    exit when v_day is not null or v_looked;
    -- 2. The lock puts the refused in line: what was given back is there to be counted when we look again.
    if v_user is not null then
      insert into public.user_ai_settings (user_id, last_reset_date) values (v_user, v_today) on conflict do nothing;
      continue when found;
      perform from public.user_ai_settings where user_id = v_user for update;
    end if;
    -- 3. Only now is it worth looking for them.
    perform app.release_expired(app.caller_key(), 100);
    v_looked := true;
  end loop;
  return v_day;
end $$;
comment on function app.count_unit() is
  'Counts one unit of the caller''s and returns the day it counts on; null at the limit. Exact under concurrency: one UPDATE decides.';

create or replace function app.daily_limit_reached() returns jsonb
  language sql stable set search_path = pg_catalog, pg_temp
  return pg_catalog.jsonb_build_object('outcome', 'daily_limit_reached', 'retry_after', greatest(1, pg_catalog.ceil(extract(
    epoch from (app.today() + 1)::timestamp at time zone app.time_zone() - app.now()))));
comment on function app.daily_limit_reached() is 'begin_request''s reply to who may keep no more for nothing today, with the seconds until tomorrow.';

create or replace function app.count_embedding_tokens(p_tokens bigint, p_bounded boolean) returns date
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_today constant date := app.today();
  v_day date;
  v_looked boolean := false;
begin
  loop
    update public.user_ai_settings s
    set daily_usage = app.daily_count_as_of(s.daily_usage, s.last_reset_date, v_today),
        monthly_usage = app.monthly_count_as_of(s.monthly_usage, s.last_reset_date, v_today),
        daily_embedding_tokens = greatest(app.daily_count_as_of(s.daily_embedding_tokens, s.last_reset_date, v_today) + p_tokens, 0),
        last_reset_date = greatest(s.last_reset_date, v_today)
    from app.ai_tiers t
    where s.user_id = app.user_id() and t.tier = s.tier
      and (not p_bounded or t.daily_embedding_tokens is null
        or app.daily_count_as_of(s.daily_embedding_tokens, s.last_reset_date, v_today) + p_tokens <= t.daily_embedding_tokens)
    returning s.last_reset_date into v_day;
    exit when v_day is not null or v_looked;
    -- Refused, or new; see app.count_unit().
    insert into public.user_ai_settings (user_id, last_reset_date) values (app.user_id(), v_today) on conflict do nothing;
    continue when found;
    perform from public.user_ai_settings where user_id = app.user_id() for update;
    perform app.release_expired(app.caller_key(), 100);
    v_looked := true;
  end loop;
  return v_day;
end $$;
comment on function app.count_embedding_tokens(bigint, boolean) is
  'Counts tokens of the caller''s (a negative number gives back), where bounded only within the tier''s limit, all or nothing; returns the day they count on, null at the limit.';

-- A hold is a row: it makes settling idempotent, and lets a crashed holder's unit be found.
--   1. The row first. Its unique keys tell a repeated request before anything is counted.
--   2. Then the unit or the tokens: the counter's row is where a user's requests queue, so it is locked as short as can be.
--   3. At the limit the row goes again; a day that turned over in between is noted.
create or replace function app.reserve_unit(
  p_request_id text, p_operation text, p_lease_seconds integer, p_takes_unit boolean default true,
  p_idempotency_key text default null, p_body_hash text default null, p_tokens bigint default null
) returns text
  language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_caller constant text := app.caller_key();
  v_reserved_day constant date := case when p_takes_unit or p_tokens > 0 then app.today() end;
  v_counted_day date;
begin
  if v_caller is null then
    raise exception 'the claims name no caller' using errcode = '42501';
  end if;
  -- 1.
  insert into app.ai_requests
    (id, caller_key, user_id, operation, idempotency_key, body_hash, reserved_day, reserved_tokens, lease_until, created_at)
  values (
    p_request_id, v_caller, app.user_id(), p_operation, p_idempotency_key, p_body_hash, v_reserved_day, p_tokens,
    app.now() + pg_catalog.make_interval(secs => p_lease_seconds), app.now())
  on conflict do nothing;
  if not found then
    return 'duplicate';
  elsif v_reserved_day is null then
    return 'reserved';
  end if;
  -- 2.
  v_counted_day := case when p_tokens is null then app.count_unit() else app.count_embedding_tokens(p_tokens, true) end;
  -- 3.
  if v_counted_day is null then
    delete from app.ai_requests where id = p_request_id;
    return 'refused';
  elsif v_counted_day <> v_reserved_day then
    update app.ai_requests set reserved_day = v_counted_day where id = p_request_id;
  end if;
  return 'reserved';
end $$;
comment on function app.reserve_unit(text, text, integer, boolean, text, text, bigint) is
  'Makes the request''s row, with a unit of the caller in the claims, with tokens to embed, or with nothing. reserved, refused (at the limit) or duplicate (the id or the idempotency key has a row).';

create or replace function app.sweep_requests(p_limit integer default 1000) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_released integer;
  v_answers integer;
  v_forgotten integer;
  v_callers integer;
begin
  if not app.is_service() then
    raise exception 'only the service sweeps' using errcode = '42501';
  end if;
  v_released := app.release_expired(null, p_limit);
  update app.ai_requests set answer = null, answer_until = null
  where id in (
    select id from app.ai_requests where answer_until < app.now() limit p_limit for update skip locked);
  get diagnostics v_answers = row_count;
  -- Sixteen days outlast a queue's longest retention, so that an outage's usage is told apart from its repetition.
  delete from app.ai_requests
  where id in (
    select id from app.ai_requests
    where finished_at < app.now() - interval '16 days' limit p_limit for update skip locked);
  get diagnostics v_forgotten = row_count;
  delete from app.anonymous_usage
  where caller_key in (
    select caller_key from app.anonymous_usage where last_reset_date < app.today() - 1 limit p_limit for update skip locked);
  get diagnostics v_callers = row_count;
  return pg_catalog.jsonb_build_object(
    'released', v_released, 'answers_expired', v_answers, 'forgotten', v_forgotten, 'callers_forgotten', v_callers);
end $$;
comment on function app.sweep_requests(integer) is
  'For the schedule: releases dead holds, empties expired answers, forgets old rows, each up to the limit.';

create or replace function app.bring_counters_to_today() returns void
  language sql
begin atomic
  update public.user_ai_settings
  set daily_usage = app.daily_count_as_of(daily_usage, last_reset_date, app.today()),
      monthly_usage = app.monthly_count_as_of(monthly_usage, last_reset_date, app.today()),
      daily_embedding_tokens = app.daily_count_as_of(daily_embedding_tokens, last_reset_date, app.today()),
      last_reset_date = app.today()
  where last_reset_date < app.today();
end;
comment on function app.bring_counters_to_today() is 'Brings every counter to today. Cosmetic: counting does the same when it happens.';

create or replace function public.reset_daily_ai_usage() returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  perform app.bring_counters_to_today();
end $$;
comment on function public.reset_daily_ai_usage() is 'S2: brings both counters to today, at any hour and any number of times.';

create or replace function public.reset_monthly_ai_usage() returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  perform app.bring_counters_to_today();
end $$;
comment on function public.reset_monthly_ai_usage() is 'S2: the same as reset_daily_ai_usage(), so neither hides a month''s end from the other.';

-- The mirror. Each side writes the other only for a statement of its own (trigger depth 0), so it never runs in circles.
-- Two statements that begin on different sides would each wait for the other's row: before any row is locked, they take
-- turns, by user where a user writes, all of them where somebody writes who may write any user's.
create or replace function app.take_turns_mirroring() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_everybody constant bigint := pg_catalog.hashtextextended('mirror', 0);
begin
  if app.user_id() is null then
    perform pg_catalog.pg_advisory_xact_lock(v_everybody);
  else
    perform pg_catalog.pg_advisory_xact_lock_shared(v_everybody);
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('mirror:' || app.user_id(), 0));
  end if;
  return new;
end $$;
comment on function app.take_turns_mirroring() is
  'Trigger, before any row is locked: whoever writes a preference waits until another who writes the same user''s is through.';

create or replace function app.mirror_preference() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  insert into public.user_ai_settings as s (user_id, preferred_provider)
  values (new.user_id, coalesce(
    (select app.canonical_provider(p.preferred_provider::text)
     from public.ai_provider_preferences p
     where p.user_id = new.user_id and p.is_active
     order by p.updated_at desc, p.id desc limit 1),
    'openai'))
  on conflict (user_id) do update set preferred_provider = excluded.preferred_provider
    where s.preferred_provider is distinct from excluded.preferred_provider;
  return null;
end $$;
comment on function app.mirror_preference() is 'Trigger: a preference saved or deleted in S1''s table shows in S2''s column.';

create or replace function app.mirror_settings() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  -- The default of a new row is nobody's choice.
  if tg_op = 'INSERT' and new.preferred_provider = 'openai' then
    return null;
  end if;
  update public.ai_provider_preferences
  set preferred_provider = new.preferred_provider::public.ai_provider
  where user_id = new.user_id and is_active;
  if not found then
    insert into public.ai_provider_preferences (organization_id, user_id, preferred_provider, is_active)
    values (null, new.user_id, new.preferred_provider::public.ai_provider, true)
    on conflict (organization_id, user_id) do update
      set preferred_provider = excluded.preferred_provider, is_active = true;
  end if;
  return null;
end $$;
comment on function app.mirror_settings() is 'Trigger: a provider chosen in S2''s column becomes the preference in S1''s table.';

drop trigger if exists _05_take_turns on public.ai_provider_preferences;
drop trigger if exists _05_take_turns on public.user_ai_settings;
drop trigger if exists _05_take_turns_insert on public.user_ai_settings;
drop trigger if exists _30_mirror on public.ai_provider_preferences;
drop trigger if exists _30_mirror_insert on public.user_ai_settings;
drop trigger if exists _30_mirror_update on public.user_ai_settings;

-- At adoption S1 wins where it has a say; elsewhere S2's value counts unless it is the default.
insert into public.ai_provider_preferences (user_id, preferred_provider, is_active)
select s.user_id, s.preferred_provider::public.ai_provider, true
from public.user_ai_settings s
where s.preferred_provider <> 'openai' and s.user_id is not null
  and not exists (select from public.ai_provider_preferences p where p.user_id = s.user_id)
on conflict do nothing;
update public.user_ai_settings s
set preferred_provider = app.canonical_provider(p.preferred_provider::text)
from (
  select distinct on (user_id) user_id, preferred_provider
  from public.ai_provider_preferences where user_id is not null and is_active
  order by user_id, updated_at desc, id desc) p
where p.user_id = s.user_id and s.preferred_provider is distinct from app.canonical_provider(p.preferred_provider::text);

create trigger _05_take_turns before insert or update of preferred_provider, is_active on public.ai_provider_preferences
  for each statement when (pg_trigger_depth() = 0) execute function app.take_turns_mirroring();
create trigger _05_take_turns before update of preferred_provider on public.user_ai_settings
  for each statement when (pg_trigger_depth() = 0) execute function app.take_turns_mirroring();
-- Not for every new counter: count_unit makes those while it may hold the row.
create trigger _05_take_turns_insert before insert on public.user_ai_settings
  for each row when (new.preferred_provider <> 'openai' and pg_trigger_depth() = 0)
  execute function app.take_turns_mirroring();
create trigger _30_mirror after insert or update of preferred_provider, is_active on public.ai_provider_preferences
  for each row when (new.user_id is not null and pg_trigger_depth() = 0)
  execute function app.mirror_preference();
create trigger _30_mirror_insert after insert on public.user_ai_settings
  for each row when (pg_trigger_depth() = 0)
  execute function app.mirror_settings();
create trigger _30_mirror_update after update of preferred_provider on public.user_ai_settings
  for each row when (new.preferred_provider is distinct from old.preferred_provider and pg_trigger_depth() = 0)
  execute function app.mirror_settings();

revoke all on function public.reset_daily_ai_usage(), public.reset_monthly_ai_usage() from public, anon, authenticated;
select app.give_to('parley_definer',
  'app.reserve_unit(text, text, integer, boolean, text, text, bigint)', 'app.sweep_requests(integer)',
  'app.read_quota(jsonb)');
grant execute on function app.quota() to parley_definer;
grant execute on function app.return_to_quota(text, text, date, integer, bigint), app.release_expired(text, integer),
  app.count_unit(), app.tier_takes_units(text), app.daily_limit_reached(),
  app.count_embedding_tokens(bigint, boolean) to parley_definer;
grant execute on function app.reserve_unit(text, text, integer, boolean, text, text, bigint), app.read_quota(jsonb)
  to parley_app, parley_service;
grant execute on function app.sweep_requests(integer), app.bring_counters_to_today(), public.reset_daily_ai_usage(),
  public.reset_monthly_ai_usage() to service_role;
alter table public.user_ai_settings force row level security;
alter table public.ai_provider_preferences force row level security;
revoke all on all functions in schema app from public;

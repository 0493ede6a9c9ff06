-- 36 access keys: what a user's programs call with (`pk_...`). A key acts as its user within its scopes; an organization's
-- is made by its admin and acts for the organization too. The key itself is shown once, and only its hash is stored.

create table if not exists app.access_keys (
  id uuid primary key default gen_random_uuid(),
  user_id text not null references public."user" (id) on delete cascade,
  organization_id text references public.organization (id) on delete cascade,
  name text not null check (length(name) between 1 and 100),
  key_hash bytea not null unique check (length(key_hash) = 32),
  last_four text not null check (length(last_four) = 4),
  scopes text[] not null check (cardinality(scopes) > 0 and scopes <@ array['chat', 'embeddings', 'search', 'usage']),
  daily_units integer check (daily_units > 0),
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index if not exists access_keys_user_id_idx on app.access_keys (user_id, created_at desc, id desc);
create index if not exists access_keys_organization_id_idx on app.access_keys (organization_id, created_at desc, id desc);
alter table app.access_keys enable row level security;
revoke all on app.access_keys from public, anon, authenticated, service_role;
comment on table app.access_keys is 'Users'' machine keys. A revoked one stays, so that whoever still calls with it is told so.';
comment on column app.access_keys.user_id is 'As whom it acts: whoever made it.';
comment on column app.access_keys.organization_id is 'For which it acts, as a member; null: for the user alone.';
comment on column app.access_keys.key_hash is 'SHA-256 of the key. It has 256 random bits, so that a fast hash will do.';
comment on column app.access_keys.last_four is 'All that is ever shown of a key again.';
comment on column app.access_keys.daily_units is 'Units that it may take in a day, within its user''s; null: no limit of its own.';
comment on column app.access_keys.last_used_at is 'To the minute.';

create table if not exists app.access_key_usage (
  access_key_id uuid not null references app.access_keys (id) on delete cascade,
  day date not null,
  user_id text not null,
  organization_id text,
  requests integer not null default 0,
  calls integer not null default 0,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  cost numeric(18, 9) not null default 0,
  unpriced_calls integer not null default 0,
  primary key (access_key_id, day)
);
alter table app.access_key_usage enable row level security;
revoke all on app.access_key_usage from public, anon, authenticated, service_role;
comment on column app.access_key_usage.user_id is 'The key''s, as is organization_id.';
comment on table app.access_key_usage is 'What each machine key used on a day: requests that a model answered, calls to providers, tokens, US dollars.';

-- Whose key it is must be found before anybody is the caller: the policy shows the row to who holds the key.
--   1. The caller is anonymous, and holds this hash.
--   2. A key that does not exist takes one of the source address's units: guessing ends with them. Where an operator gives
--      anonymous callers none, nothing is counted.
--   3. What ended or does not reach this far is told by name: only its owner can hold it.
--   4. From here on the transaction acts as the key's user.
create or replace function app.resolve_access_key(p_claims jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_key app.access_keys;
  v_claims jsonb;
begin
  -- 1.
  perform pg_catalog.set_config('request.jwt.claims', pg_catalog.jsonb_build_object(
    'role', 'anon', 'caller_key', p_claims -> 'caller_key', 'access_key_hash', p_claims -> 'access_key_hash')::text, true);
  if app.caller_key() is null then
    raise exception 'the claims name no caller' using errcode = '42501';
  end if;
  select * into v_key from app.access_keys
  where key_hash = pg_catalog.decode(p_claims ->> 'access_key_hash', 'hex');
  -- 2.
  if not found then
    if app.count_unit() is null and (select daily_units > 0 from app.ai_tiers where tier = 'anonymous') then
      return app.daily_limit_reached() || '{"outcome": "access_key_attempts_used_up"}';
    end if;
    return '{"outcome": "access_key_unknown"}';
  end if;
  -- 3.
  if v_key.revoked_at is not null then
    return '{"outcome": "access_key_revoked"}';
  elsif v_key.expires_at <= app.now() then
    return '{"outcome": "access_key_expired"}';
  elsif not pg_catalog.string_to_array(p_claims ->> 'scope', ' ') <@ v_key.scopes then
    return '{"outcome": "access_key_scope_missing"}';
  end if;
  -- 4.
  v_claims := pg_catalog.jsonb_build_object('sub', v_key.user_id, 'role', 'authenticated', 'access_key_id', v_key.id)
    || case when v_key.organization_id is null then '{}' else pg_catalog.jsonb_build_object(
      'organization_id', v_key.organization_id, 'organization_role', 'member') end;
  perform pg_catalog.set_config('request.jwt.claims', v_claims::text, true);
  if not app.provision() then
    return '{"outcome": "subject_deleted"}';
  end if;
  update app.access_keys set last_used_at = app.now()
  where id = v_key.id and (last_used_at is null or last_used_at < app.now() - interval '1 minute');
  return pg_catalog.jsonb_build_object(
    'outcome', 'resolved', 'claims', v_claims, 'quota', app.access_key_quota(), 'access_key', pg_catalog.jsonb_build_object(
      'id', v_key.id, 'user_id', v_key.user_id, 'organization_id', v_key.organization_id,
      'scopes', v_key.scopes, 'expires_at', v_key.expires_at));
end $$;
comment on function app.resolve_access_key(jsonb) is
  'Whose key has the hash in the claims {"access_key_hash", "caller_key", "scope"}: {"outcome": "resolved", "claims", "access_key", "quota"}, and the transaction acts as its user. Else access_key_unknown, _attempts_used_up, _revoked, _expired or _scope_missing, or subject_deleted.';

-- A key's own limit is counted from what it spent today (requests in its usage) and what it holds, so that nothing has to
-- be given back to it. A row tells no more than its last try: one idempotency key, sent again and again, has one row. Its
-- requests queue here, at a lock of their own: the row of the key is locked before the request's (resolve_access_key), this
-- comes after.
create or replace function app.access_key_units(p_but text) returns integer
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce((
      select u.requests from app.access_key_usage u where u.access_key_id = app.access_key_id() and u.day = app.today()), 0)
    + (
      select pg_catalog.count(*) from app.ai_requests r
      where r.caller_key = app.caller_key() and r.access_key_id = app.access_key_id() and r.id <> p_but
        and r.reserved_tokens is null and r.state = 'reserved' and r.lease_until > app.now()
        and coalesce(r.reserved_day, app.today()) = app.today());
end $$;
comment on function app.access_key_units(text) is
  'The units that the caller''s machine key took today, spent or held; a request of this id is left out.';

create or replace function app.access_key_has_room(p_request_id text) returns boolean
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit constant integer := (select daily_units from app.access_keys where id = app.access_key_id());
begin
  if v_limit is null then
    return true;
  end if;
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('access key:' || app.access_key_id(), 0));
  return v_limit > app.access_key_units(p_request_id);
end $$;
comment on function app.access_key_has_room(text) is
  'Whether the caller''s machine key may take one more unit today, this request aside; true without a key or a limit.';

create or replace function app.access_key_quota() returns jsonb
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit integer;
begin
  if app.access_key_id() is not null then
    v_limit := (select daily_units from app.access_keys where id = app.access_key_id());
  end if;
  return case when v_limit is null then '{}' else pg_catalog.jsonb_build_object('access_key', pg_catalog.jsonb_build_object(
    'limit', v_limit, 'used', app.access_key_units(''),
    'resets_at', (app.today() + 1)::timestamp at time zone app.time_zone())) end;
end $$;
comment on function app.access_key_quota() is
  'What app.quota() has of the caller''s machine key: {"access_key": its own daily limit, what it took, when it starts anew}; {} without a key or a limit.';

create or replace function app.create_access_key(p_claims jsonb, p_key jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_organization constant text := case when p_key ->> 'owner' = 'organization' then app.organization_id_of(p_claims) end;
  v_created app.access_keys;
begin
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  if not app.provision() then
    return '{"outcome": "subject_deleted"}';
  end if;
  -- So many at a time, and as many in a day: who makes and revokes them does not fill the table.
  if (
    select greatest(
      pg_catalog.count(*) filter (where k.revoked_at is null),
      pg_catalog.count(*) filter (where k.created_at > app.now() - interval '1 day'))
    from app.access_keys k where k.user_id = app.user_id()) >= 100
  then
    return '{"outcome": "access_key_limit_reached"}';
  end if;
  insert into app.access_keys
    (user_id, organization_id, name, key_hash, last_four, scopes, daily_units, created_at, expires_at)
  values (
    app.user_id(), v_organization, p_key ->> 'name', pg_catalog.decode(p_key ->> 'hash', 'hex'), p_key ->> 'last_four',
    array(select pg_catalog.jsonb_array_elements_text(p_key -> 'scopes')), (p_key ->> 'daily_limit')::integer, app.now(),
    (p_key ->> 'expires_at')::timestamptz)
  returning * into v_created;
  return pg_catalog.jsonb_build_object('outcome', 'created', 'key', app.access_key_summary(v_created));
end $$;
comment on function app.create_access_key(jsonb, jsonb) is
  'Stores the hash of a machine key {"owner", "name", "hash", "last_four", "scopes", "daily_limit", "expires_at"}: {"outcome": "created", "key"}, subject_deleted or access_key_limit_reached.';

create or replace function app.access_key_summary(p_key app.access_keys) returns jsonb
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return pg_catalog.jsonb_build_object(
    'id', p_key.id, 'owner', case when p_key.organization_id is null then 'user' else 'organization' end,
    'user_id', p_key.user_id, 'name', p_key.name, 'last_four', p_key.last_four, 'scopes', p_key.scopes,
    'daily_limit', p_key.daily_units, 'created_at', p_key.created_at, 'expires_at', p_key.expires_at,
    'last_used_at', p_key.last_used_at, 'revoked_at', p_key.revoked_at);
end $$;
comment on function app.access_key_summary(app.access_keys) is 'What is shown of a machine key: everything but its hash.';

create or replace function app.organization_id_of(p_claims jsonb) returns text
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  if not app.is_organization_admin() then
    raise exception 'only an organization''s admin keeps its keys' using errcode = '42501';
  end if;
  return app.organization_id();
end $$;
comment on function app.organization_id_of(jsonb) is 'The organization that the claims are an admin of. Raises 42501 for others.';

create or replace function app.access_keys_page(
  p_claims jsonb, p_organization boolean, p_after timestamptz, p_after_id uuid, p_limit integer
) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_organization constant text := case when p_organization then app.organization_id_of(p_claims) end;
begin
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  return (
    select coalesce(pg_catalog.jsonb_agg(app.access_key_summary(k) order by k.created_at desc, k.id desc), '[]')
    from (
      select * from app.access_keys a
      where (a.organization_id = v_organization or v_organization is null and a.organization_id is null
          and a.user_id = app.user_id())
        and (p_after is null or (a.created_at, a.id) < (p_after, p_after_id))
      order by a.created_at desc, a.id desc limit p_limit) k);
end $$;
comment on function app.access_keys_page(jsonb, boolean, timestamptz, uuid, integer) is
  'The caller''s machine keys, or as its admin the organization''s, the newest first, revoked ones included.';

create or replace function app.change_access_key(p_claims jsonb, p_id uuid, p_name text, p_revoke boolean) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_key app.access_keys;
begin
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  if not app.provision() then
    return '{"outcome": "subject_deleted"}';
  end if;
  update app.access_keys
  set name = coalesce(p_name, name), revoked_at = case when p_revoke then coalesce(revoked_at, app.now()) else revoked_at end
  where id = p_id and (p_revoke or revoked_at is null)
    and (organization_id is null and user_id = app.user_id()
      or organization_id = app.organization_id() and app.is_organization_admin())
  returning * into v_key;
  if not found then
    return '{"outcome": "access_key_not_found"}';
  end if;
  return pg_catalog.jsonb_build_object('outcome', 'changed', 'key', app.access_key_summary(v_key));
end $$;
comment on function app.change_access_key(jsonb, uuid, text, boolean) is
  'Renames (null keeps the name) or revokes for good a machine key of the caller''s, or as its admin of the organization''s. {"outcome": "changed", "key"}, access_key_not_found or subject_deleted.';

create or replace function app.access_key_usage_between(
  p_claims jsonb, p_from date, p_to date, p_organization boolean
) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_organization constant text := case when p_organization then app.organization_id_of(p_claims) end;
begin
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  return (
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'id', s.id, 'name', s.name, 'last_four', s.last_four, 'requests', s.requests, 'calls', s.calls,
      'input_tokens', s.input_tokens, 'output_tokens', s.output_tokens, 'cost_usd', s.cost::text,
      'unpriced_calls', s.unpriced_calls) order by s.cost desc, s.id), '[]')
    from (
      select k.id, k.name, k.last_four, pg_catalog.sum(u.requests) as requests, pg_catalog.sum(u.calls) as calls,
        pg_catalog.sum(u.input_tokens) as input_tokens, pg_catalog.sum(u.output_tokens) as output_tokens,
        pg_catalog.sum(u.cost) as cost, pg_catalog.sum(u.unpriced_calls) as unpriced_calls
      from app.access_keys k join app.access_key_usage u on u.access_key_id = k.id
      where u.day between p_from and p_to
        and (k.organization_id = v_organization or v_organization is null and k.organization_id is null
          and k.user_id = app.user_id())
      group by k.id) s);
end $$;
comment on function app.access_key_usage_between(jsonb, date, date, boolean) is
  'What the caller''s machine keys, or as its admin the organization''s, used from one day to another, the dearest first; keys without use are left out.';

create or replace function app.count_access_key_usage(p_calls jsonb, p_day date, p_answered boolean) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if app.access_key_id() is null then
    return;
  end if;
  insert into app.access_key_usage as u
    (access_key_id, day, user_id, organization_id, requests, calls, input_tokens, output_tokens, cost, unpriced_calls)
  select app.access_key_id(), p_day, app.user_id(), app.organization_id(), p_answered::integer, pg_catalog.count(c.provider),
    coalesce(pg_catalog.sum(c.input_tokens), 0), coalesce(pg_catalog.sum(c.output_tokens), 0),
    coalesce(pg_catalog.sum(c.cost), 0), pg_catalog.count(c.provider) - pg_catalog.count(c.cost)
  from pg_catalog.jsonb_to_recordset(p_calls) as c (
    provider text, input_tokens bigint, output_tokens bigint, cost numeric(18, 9))
  having p_answered or pg_catalog.count(c.provider) > 0
  on conflict (access_key_id, day) do update
    set requests = u.requests + excluded.requests, calls = u.calls + excluded.calls,
        input_tokens = u.input_tokens + excluded.input_tokens, output_tokens = u.output_tokens + excluded.output_tokens,
        cost = u.cost + excluded.cost, unpriced_calls = u.unpriced_calls + excluded.unpriced_calls;
end $$;
comment on function app.count_access_key_usage(jsonb, date, boolean) is
  'Adds a request''s upstream calls to its machine key''s day; nothing without a key.';

drop policy if exists "A key is seen by its user, its admins, and who holds it" on app.access_keys;
create policy "A key is seen by its user, its admins, and who holds it" on app.access_keys
  for select to parley_definer
  using (user_id = (select app.user_id())
    or organization_id = (select app.organization_id()) and (select app.is_organization_admin())
    or key_hash = pg_catalog.decode((select app.claims() ->> 'access_key_hash'), 'hex'));
drop policy if exists "A key is made by its user, an organization's by its admin" on app.access_keys;
create policy "A key is made by its user, an organization's by its admin" on app.access_keys
  for insert to parley_definer
  with check (user_id = (select app.user_id())
    and (organization_id is null or organization_id = (select app.organization_id()) and (select app.is_organization_admin())));
drop policy if exists "A key is changed by its user and its organization's admin" on app.access_keys;
create policy "A key is changed by its user and its organization's admin" on app.access_keys
  for update to parley_definer
  using (user_id = (select app.user_id())
    or organization_id = (select app.organization_id()) and (select app.is_organization_admin()));
drop policy if exists "A key's usage is seen by who sees the key" on app.access_key_usage;
create policy "A key's usage is seen by who sees the key" on app.access_key_usage
  for select to parley_definer
  using (user_id = (select app.user_id())
    or organization_id = (select app.organization_id()) and (select app.is_organization_admin()));
drop policy if exists "A key's usage is its user's own" on app.access_key_usage;
create policy "A key's usage is its user's own" on app.access_key_usage
  for insert to parley_definer with check (user_id = (select app.user_id()));
drop policy if exists "A key's usage grows by its user's calls" on app.access_key_usage;
create policy "A key's usage grows by its user's calls" on app.access_key_usage
  for update to parley_definer using (user_id = (select app.user_id()));

select app.give_to('parley_definer',
  'app.resolve_access_key(jsonb)', 'app.create_access_key(jsonb, jsonb)',
  'app.access_keys_page(jsonb, boolean, timestamptz, uuid, integer)', 'app.change_access_key(jsonb, uuid, text, boolean)',
  'app.access_key_usage_between(jsonb, date, date, boolean)');
grant select, insert, update on app.access_keys, app.access_key_usage to parley_definer;
grant execute on function app.access_key_units(text), app.access_key_has_room(text), app.access_key_quota(),
  app.access_key_summary(app.access_keys), app.organization_id_of(jsonb),
  app.count_access_key_usage(jsonb, date, boolean) to parley_definer;
grant execute on function app.resolve_access_key(jsonb), app.create_access_key(jsonb, jsonb),
  app.access_keys_page(jsonb, boolean, timestamptz, uuid, integer), app.change_access_key(jsonb, uuid, text, boolean),
  app.access_key_usage_between(jsonb, date, date, boolean) to parley_app, parley_service;
alter table app.access_keys force row level security;
alter table app.access_key_usage force row level security;
revoke all on all functions in schema app from public;

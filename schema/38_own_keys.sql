-- 38 own keys: the provider keys that users bring (BYOK), as ciphertext of a key management service. They have a table of
-- their own, not S2's encrypted_api_keys: each has a state (verified, rotated), and S2's column may hold an adopted
-- application's ciphertexts, which are kept and never used.

create table if not exists app.provider_keys (
  user_id text not null references public."user" (id) on delete cascade,
  provider text not null check (provider in ('openai', 'anthropic', 'google')),
  ciphertext text not null,
  last_four text not null check (length(last_four) <= 4),
  kms_key_id text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  verified_at timestamptz,
  primary key (user_id, provider)
);
alter table app.provider_keys enable row level security;
revoke all on app.provider_keys from public, anon, authenticated, service_role;
comment on table app.provider_keys is 'Users'' own provider keys, encrypted (base64) with user and provider as context.';
comment on column app.provider_keys.last_four is 'All that is ever shown of a key.';
comment on column app.provider_keys.kms_key_id is 'What encrypted it: rotation finds the others by this.';
comment on column app.provider_keys.verified_at is 'When the provider last accepted this very ciphertext''s key; null: not yet.';
create index if not exists provider_keys_kms_key_id_idx on app.provider_keys (kms_key_id);
drop trigger if exists _20_updated_at on app.provider_keys;
create trigger _20_updated_at before update on app.provider_keys for each row execute function app.touch_updated_at();

create or replace function app.own_keys(p_claims jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  return (
    select coalesce(pg_catalog.jsonb_object_agg(k.provider, pg_catalog.jsonb_build_object(
      'ciphertext', k.ciphertext, 'last_four', k.last_four, 'verified', k.verified_at is not null,
      'updated_at', k.updated_at)), '{}')
    from app.provider_keys k where k.user_id = app.user_id());
end $$;
comment on function app.own_keys(jsonb) is
  'The caller''s keys by provider: {"openai": {"ciphertext", "last_four", "verified", "updated_at"}}.';

create or replace function app.store_own_key(
  p_claims jsonb, p_provider text, p_ciphertext text, p_last_four text, p_kms_key_id text
) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  if app.user_id() is null then
    return '{"outcome": "not_signed_in"}';
  elsif not app.provision() then
    return '{"outcome": "subject_deleted"}';
  end if;
  insert into app.provider_keys as k (user_id, provider, ciphertext, last_four, kms_key_id)
  values (app.user_id(), app.canonical_provider(p_provider), p_ciphertext, p_last_four, p_kms_key_id)
  on conflict (user_id, provider) do update
    set ciphertext = excluded.ciphertext, last_four = excluded.last_four, kms_key_id = excluded.kms_key_id,
        verified_at = null;
  return pg_catalog.jsonb_build_object('outcome', 'stored', 'last_four', p_last_four);
end $$;
comment on function app.store_own_key(jsonb, text, text, text, text) is
  'Stores or replaces the caller''s key of a provider, unverified. {"outcome": "stored", "last_four"}, or not_signed_in, subject_deleted.';

create or replace function app.mark_key_verified(p_claims jsonb, p_provider text, p_ciphertext text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  -- The ciphertext says which key was tried: one that was replaced meanwhile is not verified by it.
  update app.provider_keys set verified_at = app.now()
  where user_id = app.user_id() and provider = app.canonical_provider(p_provider) and ciphertext = p_ciphertext;
  if not found then
    return '{"outcome": "own_key_missing"}';
  end if;
  insert into public.user_ai_settings as s (user_id, tier) values (app.user_id(), 'byok')
  on conflict (user_id) do update set tier = 'byok' where s.tier = 'free';
  return pg_catalog.jsonb_build_object('outcome', 'verified', 'tier', app.quota() ->> 'tier');
end $$;
comment on function app.mark_key_verified(jsonb, text, text) is
  'Records that the provider accepted the key with this ciphertext; the first one makes free byok. {"outcome": "verified", "tier"}, or own_key_missing.';

create or replace function app.delete_own_key(p_claims jsonb, p_provider text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  delete from app.provider_keys where user_id = app.user_id() and provider = app.canonical_provider(p_provider);
  if not found then
    return '{"outcome": "own_key_missing"}';
  end if;
  update public.user_ai_settings set tier = 'free'
  where user_id = app.user_id() and tier = 'byok'
    and not exists (
      select from app.provider_keys k where k.user_id = app.user_id() and k.verified_at is not null);
  return pg_catalog.jsonb_build_object('outcome', 'deleted', 'tier', app.quota() ->> 'tier');
end $$;
comment on function app.delete_own_key(jsonb, text) is
  'Deletes the caller''s key of a provider; without a verified one left, byok becomes free. {"outcome": "deleted", "tier"}, or own_key_missing.';

drop policy if exists "A key is its user's own" on app.provider_keys;
create policy "A key is its user's own" on app.provider_keys
  for all to parley_definer
  using (user_id = (select app.user_id())) with check (user_id = (select app.user_id()));
drop policy if exists "The service can find keys to rotate" on app.provider_keys;
create policy "The service can find keys to rotate" on app.provider_keys
  for select to service_role using ((select app.is_service()));
drop policy if exists "The service rotates keys" on app.provider_keys;
create policy "The service rotates keys" on app.provider_keys
  for update to service_role using ((select app.is_service()));

drop policy if exists "A deletion reaches everybody's rows" on app.provider_keys;
create policy "A deletion reaches everybody's rows" on app.provider_keys
  for all to parley_owner using (true) with check (true);

select app.give_to('parley_definer',
  'app.own_keys(jsonb)', 'app.store_own_key(jsonb, text, text, text, text)',
  'app.mark_key_verified(jsonb, text, text)', 'app.delete_own_key(jsonb, text)');
grant select, insert, update, delete on app.provider_keys to parley_definer;
grant select, update (ciphertext, kms_key_id) on app.provider_keys to service_role;
grant select (user_id, provider), update (updated_at) on app.provider_keys to parley_owner;
grant execute on function app.own_keys(jsonb), app.store_own_key(jsonb, text, text, text, text),
  app.mark_key_verified(jsonb, text, text), app.delete_own_key(jsonb, text) to parley_app, parley_service;
alter table app.provider_keys force row level security;
revoke all on all functions in schema app from public;

-- 98 deletion: how a user goes. Nearly every personal row refers to the user and goes with it; what cannot refer to it is
-- here. The ledger keeps its rows without the name.

-- Whoever waits for another must take locks in the same order, so this takes them as requests and activities do.
--   1. Keep new requests out, and searches where the tenant has an index of its own.
--   2. What requests lock: the request, the cache entry to fill, what the counter mirrors, the counter.
--   3. The profile, which activities queue at, and the standings in the order of app.credit_xp.
create or replace function app.forget_user(p_user_id text) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s'
as $$
declare
  v_caller constant text := 'user:' || p_user_id;
  v_index constant text := app.tenant_index_name(p_user_id);
  v_window record;
begin
  -- 1. Requests that have begun end first, later ones find the user deleted (app.provision).
  perform pg_catalog.pg_advisory_xact_lock(app.subject_lock(p_user_id));
  perform app.lock_standings(false);
  -- The predicate of a promoted tenant's index names the tenant. Before any row: searches wait from here on.
  if pg_catalog.to_regclass(pg_catalog.format('public.%I', v_index)) is not null then
    execute pg_catalog.format('drop index public.%I', v_index);
  end if;
  -- 2. In their order, since finish_request and a few others did not provision.
  perform from app.ai_requests where caller_key = v_caller order by id for update;
  delete from app.cache_fills
  where tenant = v_caller or request_id in (select id from app.ai_requests where caller_key = v_caller);
  delete from app.ai_requests where caller_key = v_caller;
  -- The ledger's rows stay without the name, and without what an adopted application wrote beside it.
  update public.ai_usage set metadata = null where user_id = p_user_id and metadata is not null;
  update app.usage_archive set metadata = null where user_id = p_user_id and metadata is not null;
  perform from app.provider_keys where user_id = p_user_id order by provider for update;
  perform from public.ai_provider_preferences where user_id = p_user_id order by id for update;
  perform from public.user_ai_settings where user_id = p_user_id for update;
  -- 3. Windows one by one: they count in the histogram's rows, which others share.
  perform from public.profiles where id = p_user_id for update;
  for v_window in
    select s.organization_id, s.period, s.period_key from app.leaderboard_scores s
    where s.user_id = p_user_id order by s.organization_id, s.period, s.period_key
  loop
    delete from app.leaderboard_scores s
    where s.user_id = p_user_id and s.organization_id = v_window.organization_id and s.period = v_window.period
      and s.period_key = v_window.period_key;
  end loop;
end $$;
comment on function app.forget_user(text) is
  'Deletes what of a user has no foreign key (requests with their answers, leases of cache entries, a promoted tenant''s index) or must go in an order (standings), and '
  'locks, in the order of requests, what the deletion of the user''s row will take. Raises 55P03 where a lock takes over five seconds.';

-- Also when an operator deletes the row by hand, for nobody's claims.
create or replace function app.forget_deleted_user() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_when = 'BEFORE' then
    perform app.forget_user(old.id);
  else
    -- Two statements that delete the last two documents each see the other's: neither forgets the words. Here the
    -- documents are gone (a trigger's name sorts after those of foreign keys), and whoever still wrote them was waited for.
    perform app.forget_segments(array(select s.segment from app.word_segments s where s.user_id = old.id));
  end if;
  return old;
end $$;
comment on function app.forget_deleted_user() is
  'Trigger, whoever deletes the row: app.forget_user before, which after app.delete_user finds nothing left to do; after, the words of documents that were '
  'deleted at the same time.';
drop trigger if exists _10_forget on public."user";
create trigger _10_forget before delete on public."user" for each row execute function app.forget_deleted_user();
drop trigger if exists _50_forget_words on public."user";
create trigger _50_forget_words after delete on public."user" for each row execute function app.forget_deleted_user();

create or replace function app.delete_user(p_user_id text) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform app.require_caller(p_user_id);
  -- Before the user's own row is locked, which the trigger would be too late for.
  perform app.forget_user(p_user_id);
  -- Who asks for it is meant, also where nothing was ever kept; but an operator may mistype the id of somebody who yet comes.
  insert into app.deleted_subjects (subject_hash)
  select app.subject_hash(p_user_id)
  where p_user_id = app.user_id() or exists (select from public."user" u where u.id = p_user_id)
  on conflict do nothing;
  delete from public."user" where id = p_user_id;
  return found;
end $$;
comment on function app.delete_user(text) is
  'Deletes a user and everything personal, remembers the subject''s hash; false without such a user, whom the service has not remembered. Raises 42501 for '
  'another''s id, 55P03 where somebody holds a lock for over five seconds (ask again).';

-- Supabase keeps accounts in auth.users: its users are mirrored. The trigger runs for nobody's claims, so its function
-- belongs to parley_owner.
create or replace function app.mirror_auth_user() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    insert into public."user" (id) values (new.id::text) on conflict do nothing;
  else
    perform app.forget_user(old.id::text);
    insert into app.deleted_subjects (subject_hash) values (app.subject_hash(old.id::text)) on conflict do nothing;
    delete from public."user" where id = old.id::text;
  end if;
  return null;
end $$;
comment on function app.mirror_auth_user() is 'Trigger of auth.users: its users exist here, and are deleted here when deleted there.';

do $$
begin
  if to_regclass('auth.users') is not null then
    -- Triggers run by name, and the application's own writes rows of the new user: ours comes first. Not dropped before it is
    -- made: Supabase's migrator may make a trigger on this table, but does not own it.
    create or replace trigger "00_parley_mirror_user" after insert or delete on auth.users
      for each row execute function app.mirror_auth_user();
    -- An account may outlive its user here, who stays deleted.
    insert into public."user" (id)
    select id::text from auth.users
    where not exists (select from app.deleted_subjects where subject_hash = app.subject_hash(id::text))
    on conflict do nothing;
  end if;
end $$;

select app.give_to('parley_definer', 'app.delete_user(text)');
select app.give_to('parley_owner', 'app.forget_user(text)', 'app.forget_deleted_user()', 'app.mirror_auth_user()');
grant execute on function app.tenant_index_name(text) to parley_owner;
grant execute on function app.forget_user(text) to parley_definer;
grant execute on function app.delete_user(text) to parley_app, parley_service;
revoke all on all functions in schema app from public;

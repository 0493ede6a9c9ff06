-- 10 identity: the users and organizations that everything else refers to, provisioned when first seen, and the memory
-- of those who were deleted. The identity provider is the truth; these rows hold ids and nothing personal.

create table if not exists public.organization (id text primary key);
alter table public.organization add column if not exists created_at timestamptz not null default now();
alter table public.organization enable row level security;
revoke all on public.organization from public, anon, authenticated, service_role;
comment on table public.organization is 'Organizations, provisioned from verified claims on first sight.';

create table if not exists public."user" (id text primary key);
alter table public."user" add column if not exists created_at timestamptz not null default now();
alter table public."user" enable row level security;
revoke all on public."user" from public, anon, authenticated, service_role;
comment on table public."user" is 'Users, provisioned from verified claims on first sight; the target of every user_id.';

create table if not exists app.deleted_subjects (
  subject_hash bytea primary key,
  deleted_at timestamptz not null default now()
);
alter table app.deleted_subjects enable row level security;
revoke all on app.deleted_subjects from public, anon, authenticated, service_role;
comment on table app.deleted_subjects is
  'SHA-256 of deleted subjects: a token that outlives its user must not bring the user back.';

create or replace function app.now() returns timestamptz
  language sql stable parallel safe
  return pg_catalog.now();
comment on function app.now() is
  'The clock of quotas, leases and expiry: the transaction''s start. Tests replace this function, which only its owner can.';

create or replace function app.subject_hash(p_subject text) returns bytea
  language sql immutable parallel safe
  return pg_catalog.sha256(pg_catalog.convert_to(p_subject, 'UTF8'));
comment on function app.subject_hash(text) is 'What is remembered of a deleted subject.';

create or replace function app.subject_lock(p_subject text) returns bigint
  language sql immutable parallel safe
  return pg_catalog.hashtextextended('user:' || p_subject, 0);
comment on function app.subject_lock(text) is
  'The advisory lock that a user''s requests share and the user''s deletion has for itself.';

create or replace function app.provision() returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_user text := app.user_id();
  v_organization text := app.organization_id();
begin
  if v_user is null then
    return true;
  end if;
  -- Until the transaction ends, whoever deletes this user waits (app.forget_user); whoever comes later finds it deleted.
  perform pg_catalog.pg_advisory_xact_lock_shared(app.subject_lock(v_user));
  if not exists (select from public."user" where id = v_user) then
    -- Only a missing user can be a deleted one, so the usual call does not look here.
    if exists (select from app.deleted_subjects where subject_hash = app.subject_hash(v_user)) then
      return false;
    end if;
    insert into public."user" (id) values (v_user) on conflict do nothing;
  end if;
  if v_organization is not null and not exists (select from public.organization where id = v_organization) then
    insert into public.organization (id) values (v_organization) on conflict do nothing;
  end if;
  return true;
end $$;
comment on function app.provision() is
  'Makes the caller''s user and organization rows where they are missing; false when the subject was deleted.';

create or replace function app.require_caller(p_user_id text) returns void
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  if p_user_id is distinct from app.user_id() and not app.is_service() or p_user_id is null then
    raise exception 'user_id is not the caller' using errcode = '42501';
  end if;
end $$;
comment on function app.require_caller(text) is
  'Raises 42501 unless the user is the caller; the service may name anybody.';

create or replace function app.adopt_reference(p_table regclass, p_column text, p_parent regclass, p_on_delete text) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule "char" := case p_on_delete when 'cascade' then 'c' when 'set null' then 'n' end;
  v_name text;
  v_kept boolean := false;
begin
  perform app.adopt_as_text(p_table, p_column);
  for v_name, v_kept in
    select c.conname, c.confrelid = p_parent and c.confdeltype = v_rule
    from pg_catalog.pg_constraint c
    join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and c.conkey = array[a.attnum]
    where c.conrelid = p_table and c.contype = 'f' and a.attname = p_column
    order by 2
  loop
    if not v_kept then
      execute pg_catalog.format('alter table %s drop constraint %I', p_table, v_name);
    end if;
  end loop;
  if v_kept is true then
    return;
  end if;
  execute pg_catalog.format(
    'insert into %s (id) select distinct %I from %s where %I is not null on conflict do nothing',
    p_parent, p_column, p_table, p_column);
  execute pg_catalog.format(
    'alter table %s add foreign key (%I) references %s (id) on delete %s', p_table, p_column, p_parent, p_on_delete);
end $$;
comment on function app.adopt_reference(regclass, text, regclass, text) is
  'Brings an adopted column to ours: text, what it names present in the parent, one foreign key to it with the given delete rule (cascade or set null).';

create or replace function app.adopt_user_column(p_table regclass, p_column text, p_on_delete text) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  perform app.adopt_reference(p_table, p_column, 'public."user"', p_on_delete);
end $$;
comment on function app.adopt_user_column(regclass, text, text) is 'app.adopt_reference to "user".';

-- Supabase's auth.uid() is a uuid and our user ids are text. What an application there compares with it, in queries and
-- in policies, views and functions of its own, goes on working; the bodies are inlined, so indexes serve it.
create or replace function app.text_is_uuid(p_text text, p_uuid uuid) returns boolean
  language sql immutable parallel safe
  return p_text = p_uuid::text;
comment on function app.text_is_uuid(text, uuid) is 'On Supabase the operator text = uuid: whether an id of ours is that account''s.';
create or replace function app.uuid_is_text(p_uuid uuid, p_text text) returns boolean
  language sql immutable parallel safe
  return p_uuid::text = p_text;
comment on function app.uuid_is_text(uuid, text) is 'On Supabase the operator uuid = text.';
do $$
begin
  if to_regnamespace('auth') is not null and to_regoperator('public.=(text, uuid)') is null then
    create operator public.= (
      leftarg = text, rightarg = uuid, function = app.text_is_uuid, commutator = operator(public.=), restrict = eqsel,
      join = eqjoinsel);
    create operator public.= (
      leftarg = uuid, rightarg = text, function = app.uuid_is_text, commutator = operator(public.=), restrict = eqsel,
      join = eqjoinsel);
  end if;
end $$;

drop policy if exists "Members can see their organization" on public.organization;
create policy "Members can see their organization" on public.organization
  for select to authenticated, parley_definer
  using (id = (select app.organization_id()) or (select app.is_service()));
drop policy if exists "An organization is provisioned by its members' claims" on public.organization;
create policy "An organization is provisioned by its members' claims" on public.organization
  for insert to parley_definer
  with check (id = (select app.organization_id()) or (select app.is_service()));
drop policy if exists "The service manages organizations" on public.organization;
create policy "The service manages organizations" on public.organization
  for all to service_role using ((select app.is_service())) with check ((select app.is_service()));

drop policy if exists "Users can see themselves" on public."user";
create policy "Users can see themselves" on public."user"
  for select to authenticated, parley_definer
  using (id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "A user is provisioned by its own claims" on public."user";
create policy "A user is provisioned by its own claims" on public."user"
  for insert to parley_definer
  with check (id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "A user can be deleted by itself" on public."user";
create policy "A user can be deleted by itself" on public."user"
  for delete to parley_definer
  using (id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "The service manages users" on public."user";
create policy "The service manages users" on public."user"
  for all to service_role using ((select app.is_service())) with check ((select app.is_service()));

drop policy if exists "A caller can be found among the deleted" on app.deleted_subjects;
create policy "A caller can be found among the deleted" on app.deleted_subjects
  for select to parley_definer
  using (subject_hash = (select app.subject_hash(app.user_id())) or (select app.is_service()));
drop policy if exists "A deletion is remembered" on app.deleted_subjects;
create policy "A deletion is remembered" on app.deleted_subjects
  for insert to parley_definer
  with check (subject_hash = (select app.subject_hash(app.user_id())) or (select app.is_service()));

drop policy if exists "A deletion reaches everybody's rows" on public."user";
create policy "A deletion reaches everybody's rows" on public."user"
  for all to parley_owner using (true) with check (true);
drop policy if exists "A deletion reaches everybody's rows" on app.deleted_subjects;
create policy "A deletion reaches everybody's rows" on app.deleted_subjects
  for all to parley_owner using (true) with check (true);

select app.give_to('parley_definer', 'app.provision()');

grant select on public.organization, public."user" to authenticated, service_role, parley_definer;
grant insert on public.organization, public."user" to service_role, parley_definer;
grant delete on public.organization to service_role;
do $$
begin
  -- What an adopted application keeps here (a plan, an email) stays its server's to write.
  if exists (select from app.adopted_tables where schema_name = 'public' and table_name in ('organization', 'user')) then
    grant update on public.organization, public."user" to service_role;
  end if;
end $$;
grant delete on public."user" to service_role, parley_definer;
grant select, insert on app.deleted_subjects to parley_definer, parley_owner;
grant select, insert, delete on public."user" to parley_owner;
grant execute on function app.now(), app.subject_hash(text), app.subject_lock(text), app.require_caller(text)
  to anon, authenticated, service_role, parley_definer, parley_owner;
grant execute on function app.text_is_uuid(text, uuid), app.uuid_is_text(uuid, text) to anon, authenticated, service_role;
grant execute on function app.provision() to parley_app, parley_service;
revoke all on all functions in schema app from public;

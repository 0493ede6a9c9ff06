-- What Supabase has before a project's first statement, run as the superuser of a server that has its roles (see
-- testing/supabase.py): `project` stands for Supabase's own postgres, who is no superuser and owns the database.
do $$
begin
  execute format('alter database %I set search_path = "$user", public, extensions', current_database());
end $$;
create schema extensions authorization project;
create extension vector with schema extensions;
-- In the place of the extension uuid-ossp.
create function extensions.uuid_generate_v4() returns uuid language sql as $$ select gen_random_uuid() $$;
grant usage on schema extensions to anon, authenticated, service_role;

create schema auth authorization supabase_auth_admin;
set role supabase_auth_admin;
create table auth.users (id uuid primary key default gen_random_uuid(), email text, raw_user_meta_data jsonb);
create function auth.uid() returns uuid language sql stable as $$
  select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
$$;
create function auth.role() returns text language sql stable as $$
  select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
$$;
create function auth.jwt() returns jsonb language sql stable as $$
  select nullif(current_setting('request.jwt.claims', true), '')::jsonb
$$;
grant usage on schema auth to anon, authenticated, service_role;
grant all on schema auth to project;
grant all on auth.users to project;
reset role;

alter default privileges for role project in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges for role project in schema public grant all on sequences to anon, authenticated, service_role;
alter default privileges for role project in schema public grant all on functions to anon, authenticated, service_role;
grant usage on schema public to anon, authenticated, service_role;
create publication supabase_realtime;
alter publication supabase_realtime owner to project;

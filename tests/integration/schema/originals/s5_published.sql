-- S5 as its project publishes it (pratikacharya1234/AI-Interview-Platform), as far as this needs: uuid users, and a
-- trigger of sign-ups that writes profiles.
create schema auth;
create table auth.users (id uuid primary key, email text, raw_user_meta_data jsonb);
create table profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  email text unique not null,
  name text,
  full_name text,
  username text unique,
  total_xp integer default 0,
  level integer default 1
);
create table streaks (
  id uuid primary key default gen_random_uuid(),
  user_id uuid unique references auth.users (id) on delete cascade,
  current_streak integer default 0,
  longest_streak integer default 0,
  last_activity_date date,
  streak_data jsonb default '[]'
);
create function handle_new_user() returns trigger language plpgsql security definer as $$
begin
  insert into public.profiles (id, email) values (new.id, new.email);
  return new;
end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function handle_new_user();
insert into auth.users (id, email) values ('00000000-0000-0000-0000-00000000000a', 'a@example.com');
insert into streaks (user_id) select id from auth.users;

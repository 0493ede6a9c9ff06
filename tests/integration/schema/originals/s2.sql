-- S2 as it was, with data: the seed's own statements; where it is not on Supabase (supabase.sql), stand-ins for auth.users
-- and auth.uid(); and one for uuid-ossp's function, which it takes for granted.
create schema if not exists auth;
create table if not exists auth.users (id uuid primary key, email text);
do $$
begin
  if to_regprocedure('auth.uid()') is null then
    create function auth.uid() returns uuid language sql stable as
      'select (nullif(current_setting(''request.jwt.claims'', true), '''')::jsonb ->> ''sub'')::uuid';
  end if;
end $$;
create function uuid_generate_v4() returns uuid language sql as $$ select gen_random_uuid() $$;

create extension if not exists vector;
create table user_ai_settings (
  id uuid primary key default uuid_generate_v4(),
  user_id uuid references auth.users(id) on delete cascade unique,
  tier text not null default 'free' check (tier in ('free', 'byok', 'premium')),
  encrypted_api_keys jsonb,
  preferred_provider text default 'openai' check (preferred_provider in ('openai', 'anthropic', 'google')),
  daily_usage integer default 0,
  monthly_usage integer default 0,
  last_reset_date date default current_date,
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
create index idx_user_ai_settings_user_id on user_ai_settings(user_id);
create index idx_user_ai_settings_tier on user_ai_settings(tier);
create index idx_user_ai_settings_last_reset on user_ai_settings(last_reset_date);
alter table user_ai_settings enable row level security;
create policy "Users can view their own AI settings"
  on user_ai_settings for select
  using (auth.uid() = user_id);
create policy "Users can update their own AI settings"
  on user_ai_settings for update
  using (auth.uid() = user_id);
create policy "Users can insert their own AI settings"
  on user_ai_settings for insert
  with check (auth.uid() = user_id);
create table ai_conversations (
  id uuid primary key default uuid_generate_v4(),
  user_id uuid references auth.users(id) on delete cascade,
  messages jsonb not null,
  model_used text not null,
  tokens_used integer,
  cost_usd decimal(10, 6),
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
create index idx_ai_conversations_user_id on ai_conversations(user_id);
create index idx_ai_conversations_created_at on ai_conversations(created_at desc);
alter table ai_conversations enable row level security;
create policy "Users can view their own conversations"
  on ai_conversations for select
  using (auth.uid() = user_id);
create policy "Users can insert their own conversations"
  on ai_conversations for insert
  with check (auth.uid() = user_id);
create policy "Users can update their own conversations"
  on ai_conversations for update
  using (auth.uid() = user_id);
create table ai_usage_logs (
  id uuid primary key default uuid_generate_v4(),
  user_id uuid references auth.users(id),
  tier text not null,
  provider text not null,
  tokens_used integer,
  cost_usd decimal(10, 6),
  created_at timestamptz default now()
);
create index idx_ai_usage_logs_user_id_created_at on ai_usage_logs(user_id, created_at desc);
create index idx_ai_usage_logs_tier on ai_usage_logs(tier);
create index idx_ai_usage_logs_provider on ai_usage_logs(provider);
create index idx_ai_usage_logs_created_at on ai_usage_logs(created_at desc);
alter table ai_usage_logs enable row level security;
create policy "Service role can insert usage logs"
  on ai_usage_logs for insert
  with check (true);
create table ai_content_searches (
  id uuid primary key default uuid_generate_v4(),
  user_id uuid references auth.users(id),
  query text not null,
  content_type text not null check (content_type in ('route', 'learning_path', 'exercise', 'school', 'event', 'instructor')),
  filters jsonb,
  results_count integer,
  selected_content_id uuid,
  created_at timestamptz default now()
);
create index idx_ai_searches_user_id on ai_content_searches(user_id);
create index idx_ai_searches_content_type on ai_content_searches(content_type);
create index idx_ai_searches_created_at on ai_content_searches(created_at desc);
alter table ai_content_searches enable row level security;
create policy "Users can view their own searches"
  on ai_content_searches for select
  using (auth.uid() = user_id);
create policy "Service role can insert searches"
  on ai_content_searches for insert
  with check (true);
create or replace function reset_daily_ai_usage()
returns void as $$
begin
  update user_ai_settings
  set daily_usage = 0,
      last_reset_date = current_date
  where last_reset_date < current_date;
end;
$$ language plpgsql;
create or replace function reset_monthly_ai_usage()
returns void as $$
begin
  update user_ai_settings
  set monthly_usage = 0
  where extract(day from current_date) = 1;
end;
$$ language plpgsql;

insert into auth.users (id, email) values
  ('00000000-0000-0000-0000-000000000001', 'a@example.com'),
  ('00000000-0000-0000-0000-000000000002', 'b@example.com'),
  ('00000000-0000-0000-0000-000000000003', 'c@example.com');
insert into user_ai_settings (user_id, tier, encrypted_api_keys, preferred_provider, daily_usage, monthly_usage) values
  ('00000000-0000-0000-0000-000000000001', 'free', null, 'openai', 5, 120),
  ('00000000-0000-0000-0000-000000000002', 'byok', '{"openai": "enc_x"}', 'google', 50, 1200),
  ('00000000-0000-0000-0000-000000000003', 'premium', null, 'anthropic', null, null);
insert into ai_conversations (user_id, messages, model_used, tokens_used, cost_usd) values
  ('00000000-0000-0000-0000-000000000001', '[{"role":"user","content":"Hello"}]', 'gpt-4o-mini', 10, 0.000015),
  ('00000000-0000-0000-0000-000000000001', '[]', 'gpt-4o-mini', null, null),
  (null, '[]', 'gemini-pro', 5, 0.1);
insert into ai_usage_logs (user_id, tier, provider, tokens_used, cost_usd, created_at)
select '00000000-0000-0000-0000-000000000001', 'free', 'openai', n, 0.000001 * n, now() - make_interval(days => n)
from generate_series(0, 40) as n;
insert into ai_content_searches (user_id, query, content_type, results_count, selected_content_id) values
  ('00000000-0000-0000-0000-000000000001', 'parking', 'exercise', 3, '00000000-0000-0000-0000-0000000000ff'),
  (null, 'hills', 'route', 0, null);

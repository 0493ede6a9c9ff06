-- S4 as its project publishes it (yaso-dev-00/shiningmotors): times without a zone, written in UTC, and profiles of the
-- application's own, to which its other tables point.
create table profiles (
  id uuid primary key references auth.users (id),
  username text,
  full_name text,
  avatar_url text,
  role text,
  is_vendor boolean
);
create table vehicles (id uuid primary key default gen_random_uuid(), owner_id uuid references profiles (id));
create table posts (id uuid primary key default gen_random_uuid(), user_id uuid references profiles (id) on delete cascade);
create table ai_response_cache (
  id uuid primary key default gen_random_uuid(),
  query_hash text unique not null,
  query_text text not null,
  response_text text not null,
  model_used text,
  tokens_used integer,
  cache_hits integer default 0,
  created_at timestamp default now(),
  expires_at timestamp not null,
  embedding vector(1536)
);
create index idx_query_hash on ai_response_cache (query_hash);
create index idx_expires_at on ai_response_cache (expires_at);
create index idx_created_at on ai_response_cache (created_at);
create table user_ai_usage (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references profiles (id) on delete cascade,
  request_count integer,
  token_count integer,
  cost_estimate decimal(10, 4),
  period_start timestamp,
  period_end timestamp,
  unique (user_id, period_start)
);
create index idx_user_ai_usage_user_id on user_ai_usage (user_id);
create index idx_user_ai_usage_period on user_ai_usage (period_start, period_end);
create table ai_precomputed_responses (
  id uuid primary key default gen_random_uuid(),
  query_pattern text not null,
  response_text text not null,
  priority integer,
  is_active boolean,
  created_at timestamp default now(),
  updated_at timestamp default now()
);
create index idx_precomputed_pattern on ai_precomputed_responses (query_pattern);
create index idx_precomputed_priority on ai_precomputed_responses (priority desc);
create table user_interactions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references profiles (id) on delete cascade,
  interaction_type text not null,
  item_type text,
  item_id uuid,
  metadata jsonb,
  created_at timestamp default now()
);
create table ai_conversations (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references profiles (id) on delete cascade,
  messages jsonb not null,
  context jsonb,
  created_at timestamp default now(),
  updated_at timestamp default now()
);
alter table ai_conversations enable row level security;
create policy "Users can view their own conversations" on ai_conversations for select using (auth.uid() = user_id);
create function handle_new_user() returns trigger language plpgsql security definer set search_path = public as $$
begin
  insert into profiles (id, full_name) values (new.id, new.raw_user_meta_data ->> 'full_name');
  return new;
end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function handle_new_user();

insert into auth.users (id) values
  ('00000000-0000-0000-0000-00000000000a'), ('00000000-0000-0000-0000-00000000000b');
insert into vehicles (owner_id) select id from profiles;
insert into ai_response_cache (query_hash, query_text, response_text, expires_at)
values ('hash', 'where is it', 'here', '2026-12-01 00:00');
insert into user_ai_usage (user_id, request_count, token_count, cost_estimate, period_start, period_end)
select id, 3, 100, 0.01, '2026-10-01 00:00', '2026-11-01 00:00' from profiles;
insert into ai_precomputed_responses (query_pattern, response_text, priority, is_active) values
  ('track order|order status|where is my order', 'Your orders are under My Orders.', 10, true),
  ('return policy|refund', 'Returns are free for 30 days.', 9, true),
  ('opening hours', 'We are open all day.', 8, false);
insert into user_interactions (user_id, interaction_type) select id, 'view' from profiles;
insert into ai_conversations (id, user_id, messages, context, created_at)
select gen_random_uuid(), id, '[{"role": "user", "content": "Hello"}]', '{"page": "cart"}', '2026-10-31 23:30' from profiles;

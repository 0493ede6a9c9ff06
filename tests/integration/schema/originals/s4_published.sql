-- S4 as its project publishes it (yaso-dev-00/shiningmotors): times without a zone, profiles of the application's own.
create schema auth;
create table auth.users (id uuid primary key, email text);
create extension vector;
create table profiles (id uuid primary key references auth.users (id), username text, full_name text, role text);
create table vehicles (id uuid primary key default gen_random_uuid(), owner_id uuid references profiles (id));
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
create table ai_precomputed_responses (
  id uuid primary key default gen_random_uuid(),
  query_pattern text not null,
  response_text text not null,
  priority integer,
  is_active boolean,
  created_at timestamp default now(),
  updated_at timestamp default now()
);
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
create policy "Users can view their own conversations" on ai_conversations for select using (true);
insert into auth.users (id) values ('00000000-0000-0000-0000-00000000000a');
insert into profiles (id, username) values ('00000000-0000-0000-0000-00000000000a', 'ada');
insert into vehicles (owner_id) select id from profiles;
insert into ai_precomputed_responses (query_pattern, response_text) values ('track order|order status', 'Here');
insert into ai_conversations (user_id, messages) select id, '[]' from profiles;

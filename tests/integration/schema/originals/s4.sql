-- S4 as it was, with data. The seed names tables, indexes and functions and few columns; guessed: uuid ids, user_id uuid
-- with a key to auth.users, query_hash unique by itself, dates as the period, item_id uuid, the cleanup returning nothing,
-- every column's type but embedding vector(1536) and messages and metadata (jsonb).
create schema auth;
create table auth.users (id uuid primary key, email text);
create extension vector;

create table ai_response_cache (
  id uuid primary key default gen_random_uuid(),
  query_hash text not null unique,
  user_id uuid references auth.users (id),
  query_text text not null,
  response text not null,
  model_used text not null,
  tokens_used integer default 0,
  embedding vector(1536),
  hit_count integer default 0,
  created_at timestamptz default now(),
  expires_at timestamptz not null default now() + interval '24 hours'
);
create index idx_ai_response_cache_query_hash on ai_response_cache (query_hash);
create index idx_ai_response_cache_user_id on ai_response_cache (user_id);
create index idx_ai_response_cache_expires_at on ai_response_cache (expires_at);

create table user_ai_usage (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  request_count integer default 0,
  token_count integer default 0,
  cost_estimate numeric(10, 4) default 0,
  period_start date not null,
  period_end date not null,
  created_at timestamptz default now(),
  unique (user_id, period_start)
);
create index idx_user_ai_usage_user_id on user_ai_usage (user_id);

create table ai_precomputed_responses (
  id uuid primary key default gen_random_uuid(),
  pattern text not null unique,
  response text not null,
  priority integer default 0,
  created_at timestamptz default now()
);

create table user_interactions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id) on delete cascade,
  interaction_type text not null,
  item_type text not null,
  item_id uuid,
  metadata jsonb default '{}',
  created_at timestamptz default now()
);
create index idx_user_interactions_user_id on user_interactions (user_id);
create index idx_user_interactions_type on user_interactions (interaction_type);
create index idx_user_interactions_created_at on user_interactions (created_at);

create table ai_conversations (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id) on delete cascade,
  messages jsonb not null default '[]',
  context jsonb default '{}',
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
create index idx_ai_conversations_user_id on ai_conversations (user_id);
create index idx_ai_conversations_created_at on ai_conversations (created_at);

create function clean_expired_ai_cache() returns void language sql as $$ delete from ai_response_cache where expires_at < now() $$;
create function update_ai_conversations_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at = now();
  return new;
end $$;
create trigger ai_conversations_updated_at before update on ai_conversations
  for each row execute function update_ai_conversations_updated_at();

alter table ai_response_cache enable row level security;
alter table user_ai_usage enable row level security;
alter table ai_precomputed_responses enable row level security;
alter table user_interactions enable row level security;
alter table ai_conversations enable row level security;
create policy "Cache is readable by everyone" on ai_response_cache for select using (true);
create policy "Pre-computed responses are public" on ai_precomputed_responses for select using (true);
create policy "Users can view own interactions" on user_interactions for select using (user_id::text = current_setting('x', true));
create policy "Users can view own usage" on user_ai_usage for select using (user_id::text = current_setting('x', true));
create policy "Users can view own conversations" on ai_conversations for select using (user_id::text = current_setting('x', true));

insert into auth.users (id) values
  ('00000000-0000-0000-0000-00000000000a'), ('00000000-0000-0000-0000-00000000000b');
insert into ai_response_cache (query_hash, user_id, query_text, response, model_used, tokens_used, embedding, expires_at) values
  ('hash-1', '00000000-0000-0000-0000-00000000000a', 'one', 'the first', 'gpt-4o-mini', 10, array_fill(0.1, array[1536])::vector, now() + interval '1 day'),
  ('hash-2', null, 'two', 'the second', 'gpt-4o-mini', 10, null, now() + interval '1 hour');
insert into user_ai_usage (user_id, request_count, token_count, cost_estimate, period_start, period_end) values
  ('00000000-0000-0000-0000-00000000000a', 3, 300, 0.01, current_date, current_date + 1),
  ('00000000-0000-0000-0000-00000000000b', 1, 100, 0.02, current_date - 1, current_date);
insert into ai_precomputed_responses (pattern, response, priority)
select 'question ' || n, 'answer ' || n, n from generate_series(1, 5) as n;
insert into user_interactions (user_id, interaction_type, item_type, item_id, metadata) values
  ('00000000-0000-0000-0000-00000000000a', 'view', 'product', gen_random_uuid(), null),
  (null, 'click', 'event', null, '{"from":"home"}');
insert into ai_conversations (user_id, messages, context) values
  ('00000000-0000-0000-0000-00000000000a', '[{"role":"user","content":"Hello"}]', '{"page":"cart"}'),
  ('00000000-0000-0000-0000-00000000000b', '[]', null);

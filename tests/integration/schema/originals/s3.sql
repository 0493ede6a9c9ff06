-- S3 as it was, with data. The seed names columns and indexes and gives no DDL; guessed, as a Supabase project would have
-- them: user_id uuid with a key to auth.users; messages and metadata jsonb; tokens integer; cost numeric(10, 6); latency_ms
-- integer; ai_usage.id bigserial; the functions' parameter names and result columns; pgvector in public.
create schema auth;
create table auth.users (id uuid primary key, email text);
create extension vector;

create table ai_conversations (
  id text primary key,
  user_id uuid references auth.users (id) on delete cascade,
  title text,
  model text not null,
  messages jsonb not null default '[]',
  total_tokens integer default 0,
  total_cost numeric(10, 6) default 0,
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
create index idx_ai_conversations_user_id on ai_conversations (user_id);
create index idx_ai_conversations_created_at on ai_conversations (created_at desc);
create index idx_ai_conversations_model on ai_conversations (model);

create table embeddings (
  id text primary key,
  user_id uuid references auth.users (id) on delete cascade,
  content text not null,
  embedding vector(1536) not null,
  metadata jsonb default '{}',
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
create index idx_embeddings_user_id on embeddings (user_id);
create index idx_embeddings_created_at on embeddings (created_at desc);
create index idx_embeddings_vector on embeddings using hnsw (embedding vector_cosine_ops);
create index idx_embeddings_metadata on embeddings using gin (metadata);

create table ai_usage (
  id bigserial primary key,
  user_id uuid references auth.users (id),
  operation_type text not null,
  model text not null,
  tokens_prompt integer default 0,
  tokens_completion integer default 0,
  tokens_total integer default 0,
  cost numeric(10, 6) default 0,
  latency_ms integer,
  created_at timestamptz default now()
);
create index idx_ai_usage_user_id on ai_usage (user_id);
create index idx_ai_usage_created_at on ai_usage (created_at desc);
create index idx_ai_usage_operation_type on ai_usage (operation_type);
create index idx_ai_usage_model on ai_usage (model);

create function update_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at = now();
  return new;
end $$;
create trigger update_ai_conversations_updated_at before update on ai_conversations
  for each row execute function update_updated_at();
create trigger update_embeddings_updated_at before update on embeddings
  for each row execute function update_updated_at();

create function match_embeddings(
  query_embedding vector(1536), match_threshold float default 0.7, match_count int default 5, filter_metadata jsonb default '{}'
) returns table (id text, content text, metadata jsonb, similarity float) language plpgsql as $$
begin
  return query select e.id, e.content, e.metadata, 1 - (e.embedding <=> query_embedding)
  from embeddings e
  where 1 - (e.embedding <=> query_embedding) > match_threshold and e.metadata @> filter_metadata
  order by e.embedding <=> query_embedding limit match_count;
end $$;
create function delete_by_metadata(filter_metadata jsonb) returns void language sql as $$
  delete from embeddings where metadata @> filter_metadata
$$;
create function clear_all_embeddings() returns void language sql as $$ delete from embeddings where user_id is null $$;
create function get_usage_stats(p_user_id uuid) returns table (requests bigint, tokens bigint, cost numeric) language sql as $$
  select count(*), sum(tokens_total), sum(cost) from ai_usage where user_id = p_user_id
$$;

alter table ai_conversations enable row level security;
alter table embeddings enable row level security;
alter table ai_usage enable row level security;
create policy "Users can view own conversations" on ai_conversations for select using (user_id::text = current_setting('x', true));
create policy "Users can view own or public embeddings" on embeddings for select
  using (user_id is null or user_id::text = current_setting('x', true));
create policy "Users can view own usage" on ai_usage for select using (user_id::text = current_setting('x', true));

insert into auth.users (id) values
  ('00000000-0000-0000-0000-00000000000a'), ('00000000-0000-0000-0000-00000000000b');
insert into ai_conversations (id, user_id, title, model, messages, total_tokens, total_cost) values
  ('test-conv-1', '00000000-0000-0000-0000-00000000000a', 'One', 'gpt-4o-mini', '[{"role":"user","content":"Hello"}]', 10, 0.000015),
  ('test-conv-2', '00000000-0000-0000-0000-00000000000b', 'Two', 'gpt-4o', '[]', null, null);
insert into embeddings (id, user_id, content, embedding, metadata)
select 'doc-' || n, case when n % 2 = 0 then '00000000-0000-0000-0000-00000000000a'::uuid end, 'document ' || n,
  array_fill(0.1, array[1536])::vector, case n % 3 when 0 then null when 1 then '{"category":"test"}'::jsonb else '{}'::jsonb end
from generate_series(1, 30) as n;
insert into ai_usage (user_id, operation_type, model, tokens_prompt, tokens_completion, tokens_total, cost, created_at)
select case when n % 4 > 0 then '00000000-0000-0000-0000-00000000000a'::uuid end, 'chat', 'gpt-4o-mini', n, n, 2 * n, 0.000001 * n,
  now() - make_interval(days => 5 * n)
from generate_series(1, 60) as n;

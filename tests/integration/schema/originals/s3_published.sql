-- S3 as its schema.sql publishes it, with rows that have no vector and one of zeros; beside it a profile for each account,
-- as nearly every project on Supabase has one.
create table ai_conversations (
  id text primary key,
  user_id uuid not null references auth.users (id) on delete cascade,
  title text not null,
  model text not null,
  messages jsonb not null default '[]',
  total_tokens integer not null default 0,
  total_cost decimal(10, 6) not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create table embeddings (
  id text primary key,
  user_id uuid references auth.users (id) on delete cascade,
  content text not null,
  embedding vector(1536),
  metadata jsonb default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index embeddings_hnsw on embeddings using hnsw (embedding vector_cosine_ops) with (m = 16, ef_construction = 64);
create index embeddings_metadata on embeddings using gin (metadata);
create table ai_usage (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  operation_type text not null,
  model text not null,
  tokens_prompt integer not null default 0,
  tokens_completion integer not null default 0,
  tokens_total integer not null default 0,
  cost decimal(10, 6) not null default 0,
  latency_ms integer,
  metadata jsonb default '{}',
  created_at timestamptz not null default now()
);
create function update_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at = now();
  return new;
end $$;
create trigger conversations_updated before update on ai_conversations for each row execute function update_updated_at();
create trigger embeddings_updated before update on embeddings for each row execute function update_updated_at();
create function match_embeddings(
  query_embedding vector(1536), match_threshold float default 0.5, match_count int default 10, filter_metadata jsonb default '{}'
) returns table (id text, content text, metadata jsonb, similarity float) language sql stable as $$
  select e.id, e.content, e.metadata, 1 - (e.embedding <=> query_embedding) from embeddings e
  where e.metadata @> filter_metadata and 1 - (e.embedding <=> query_embedding) > match_threshold
  order by e.embedding <=> query_embedding limit match_count
$$;
create function delete_by_metadata(filter_metadata jsonb) returns int language sql as $$
  with gone as (delete from embeddings where metadata @> filter_metadata returning 1) select count(*)::int from gone
$$;
create function clear_all_embeddings() returns int language sql as $$
  with gone as (delete from embeddings where user_id = auth.uid() returning 1) select count(*)::int from gone
$$;
create function get_usage_stats(
  user_uuid uuid default auth.uid(), start_date timestamptz default now() - interval '30 days', end_date timestamptz default now()
) returns table (total_requests bigint, total_tokens bigint, total_cost numeric, by_operation jsonb, by_model jsonb)
language sql stable as $$
  with mine as (select * from ai_usage where user_id = user_uuid and created_at between start_date and end_date)
  select count(*), coalesce(sum(tokens_total), 0), coalesce(sum(cost), 0),
    (select jsonb_object_agg(operation_type, n) from (select operation_type, count(*) as n from mine group by 1) o),
    (select jsonb_object_agg(model, n) from (select model, count(*) as n from mine group by 1) m)
  from mine
$$;
alter table ai_conversations enable row level security;
alter table embeddings enable row level security;
alter table ai_usage enable row level security;
create policy "own" on ai_conversations using (auth.uid() = user_id);
create policy "own or public" on embeddings for select using (user_id is null or auth.uid() = user_id);
create policy "own documents" on embeddings using (auth.uid() = user_id);
create policy "own" on ai_usage using (auth.uid() = user_id);
alter publication supabase_realtime add table ai_conversations;
create table members (id uuid primary key references auth.users (id) on delete cascade, name text);
create function handle_new_user() returns trigger language plpgsql security definer set search_path = public as $$
begin
  insert into members (id, name) values (new.id, new.raw_user_meta_data ->> 'name');
  insert into ai_conversations (id, user_id, title, model) values (new.id::text, new.id, 'Welcome', 'none');
  return new;
end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function handle_new_user();

insert into auth.users (id, raw_user_meta_data) values
  ('00000000-0000-0000-0000-00000000000a', '{"name": "Ada"}'), ('00000000-0000-0000-0000-00000000000b', '{"name": "Bob"}');
insert into ai_conversations (id, user_id, title, model, messages, total_tokens, total_cost) values
  ('test-conv-1', '00000000-0000-0000-0000-00000000000a', 'One', 'gpt-4o-mini', '[{"role":"user","content":"Hello"}]', 10, 0.000015);
insert into embeddings (id, user_id, content, embedding, metadata)
select 'doc-' || n, case when n < 9 then '00000000-0000-0000-0000-00000000000a'::uuid end, 'document ' || n,
  case n % 3 when 1 then null when 2 then array_fill(0.0, array[1536])::vector else array_fill(0.1, array[1536])::vector end,
  '{"category":"test"}'
from generate_series(1, 9) as n;
insert into ai_usage (user_id, operation_type, model, tokens_prompt, tokens_completion, tokens_total, cost, metadata)
select '00000000-0000-0000-0000-00000000000a', 'chat', 'gpt-4o-mini', n, n, 2 * n, 0.000001 * n, '{"from":"here"}'
from generate_series(1, 5) as n;

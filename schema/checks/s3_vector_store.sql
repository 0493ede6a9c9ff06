-- S3, vector store: its verification, test, tuning, maintenance and rollback statements. What changes something is rolled
-- back, but for the vacuums:
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f schema/checks/s3_vector_store.sql

create extension if not exists vector;

-- Check if pgvector is enabled. 0.8.5 or later; versions before 0.8.4 could corrupt an HNSW index at vacuum.
select * from pg_extension where extname = 'vector';

-- Check if tables exist.
select table_name from information_schema.tables
where table_schema = 'public'
and table_name in ('ai_conversations', 'embeddings', 'ai_usage');

-- Check if RLS is enabled.
select tablename, rowsecurity from pg_tables
where schemaname = 'public'
and tablename in ('ai_conversations', 'embeddings', 'ai_usage');

-- Verify match_embeddings function exists.
select proname from pg_proc where proname = 'match_embeddings';

-- Tests, as user_1.
begin;
insert into "user" (id) values ('user_1') on conflict do nothing;
-- Whoever ran the seed's own tests before may have left these.
delete from ai_conversations where id = 'test-conv-1';
delete from embeddings where id = 'test-doc-1';

-- Insert a test conversation, and query it back.
insert into ai_conversations (id, user_id, title, model, messages, total_tokens, total_cost)
values (
  'test-conv-1',
  'user_1',
  'Test Conversation',
  'gpt-4o-mini',
  '[{"role":"user","content":"Hello"}]'::jsonb,
  10,
  0.000015
);
select * from ai_conversations where id = 'test-conv-1';

-- Insert a test embedding, and search.
insert into embeddings (id, content, embedding, metadata)
values (
  'test-doc-1',
  'This is a test document about AI.',
  array_fill(0.1, array[1536])::vector,
  '{"category":"test"}'::jsonb
);
select * from match_embeddings(
  array_fill(0.1, array[1536])::vector,
  0.5,
  5,
  '{}'::jsonb
);

-- Insert a test usage record, and get usage stats.
insert into ai_usage (user_id, operation_type, model, tokens_prompt, tokens_completion, tokens_total, cost)
values (
  'user_1',
  'chat',
  'gpt-4o-mini',
  100,
  50,
  150,
  0.000225
);
select * from get_usage_stats('user_1');

-- The seed's two searches before and after "optimization". A higher threshold is not faster: it is applied to what the
-- scan found. Fewer results are; a metadata filter is only where it is rare enough for its GIN index.
select * from match_embeddings(
  array_fill(0.1, array[1536])::vector,
  0.3,
  100,
  '{}'
);
select * from match_embeddings(
  array_fill(0.1, array[1536])::vector,
  0.7,
  10,
  '{"category": "docs"}'::jsonb
);

-- Check if the HNSW index is being used: "Index Scan using idx_embeddings_vector", once the table has a few thousand rows.
explain analyze
select * from match_embeddings(
  array_fill(0.1, array[1536])::vector,
  0.7,
  10,
  '{}'::jsonb
);

-- If you need different dimensions (768, say). Models below 1536 need no column of their own: app.pad_embedding.
alter table embeddings
  add column embedding_768 vector(768);
create index idx_embeddings_vector_768 on embeddings
  using hnsw (embedding_768 vector_cosine_ops);

-- For better recall (but slower inserts, and searches that are no faster: more connections are more to look at).
-- Corrected: the index has to go before one of its name can come, and to serve search it keeps expression and predicate.
drop index idx_embeddings_vector;
create index idx_embeddings_vector on embeddings
  using hnsw ((embedding::halfvec(1536)) halfvec_cosine_ops)
  with (m = 32, ef_construction = 128)
  where user_id is null;

-- For faster inserts and a smaller index (but worse recall). Corrected as above.
drop index idx_embeddings_vector;
create index idx_embeddings_vector on embeddings
  using hnsw ((embedding::halfvec(1536)) halfvec_cosine_ops)
  with (m = 8, ef_construction = 32)
  where user_id is null;

-- Archive usage data older than 90 days. Parley's own way detaches whole months: docs/operations.md.
create table ai_usage_archive as
select * from ai_usage
where created_at < now() - interval '90 days';
delete from ai_usage
where created_at < now() - interval '90 days';
rollback;

-- Check RLS policies, and temporarily disable RLS for testing (NOT FOR PRODUCTION: here it is rolled back).
select * from pg_policies where tablename = 'embeddings';
begin;
alter table embeddings disable row level security;
rollback;

-- Run periodically to maintain performance; autovacuum does it as well.
vacuum analyze embeddings;
vacuum analyze ai_conversations;
vacuum analyze ai_usage;

-- Monitor table sizes. ai_usage itself is empty, its rows are in the partitions: app.table_sizes adds those up.
select
  schemaname,
  tablename,
  pg_size_pretty(pg_total_relation_size(schemaname||'.'||tablename)) as size
from pg_tables
where schemaname = 'public'
  and tablename in ('ai_conversations', 'embeddings', 'ai_usage')
order by pg_total_relation_size(schemaname||'.'||tablename) desc;

-- The seed's rollback. Parley's own is schema/rollback, which keeps tables that were there before.
begin;
drop table if exists ai_conversations cascade;
drop table if exists embeddings cascade;
drop table if exists ai_usage cascade;
drop function if exists match_embeddings;
drop function if exists delete_by_metadata;
drop function if exists clear_all_embeddings;
drop function if exists get_usage_stats;
drop function if exists update_updated_at;
rollback;

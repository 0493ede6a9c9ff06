-- S4, cache and context: its verification, post-migration and rollback statements. What changes something is rolled back:
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f schema/checks/s4_cache_and_context.sql

create extension if not exists vector;

-- Check tables exist.
select table_name
from information_schema.tables
where table_schema = 'public'
and table_name in (
  'ai_response_cache',
  'user_ai_usage',
  'ai_precomputed_responses',
  'user_interactions',
  'ai_conversations'
);

-- Check indexes.
select indexname, tablename
from pg_indexes
where tablename in (
  'ai_response_cache',
  'user_ai_usage',
  'ai_precomputed_responses',
  'user_interactions',
  'ai_conversations'
);

-- Check pre-computed responses: five rows, however often the migrations ran.
select * from ai_precomputed_responses;

-- Check RLS policies.
select schemaname, tablename, policyname
from pg_policies
where tablename in (
  'ai_response_cache',
  'user_ai_usage',
  'ai_precomputed_responses',
  'user_interactions',
  'ai_conversations'
);

-- Test the cache function. Each call removes one bounded batch and says how many; the schedule calls it until it says 0.
begin;
select clean_expired_ai_cache();
rollback;

-- Without semantic search the column may go: exact hits, the cleanup and chat do without it.
begin;
alter table ai_response_cache drop column if exists embedding;
rollback;

-- The seed's rollback. Parley's own is schema/rollback, which keeps tables that were there before.
begin;
drop table if exists ai_conversations cascade;
drop table if exists user_interactions cascade;
drop table if exists ai_precomputed_responses cascade;
drop table if exists user_ai_usage cascade;
drop table if exists ai_response_cache cascade;
drop function if exists clean_expired_ai_cache() cascade;
drop function if exists update_ai_conversations_updated_at() cascade;
rollback;

-- S2, assistant: its validation and test queries, and its two blocks for later. Whatever changes something is rolled back:
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f schema/checks/s2_assistant.sql
-- The sample settings are in demo_data.sql.

create extension if not exists vector;

-- Row-level security is on already; saying so again changes nothing.
alter table user_ai_settings enable row level security;
alter table ai_conversations enable row level security;
alter table ai_usage_logs enable row level security;
alter table ai_content_searches enable row level security;

-- List all AI tables.
-- Corrected: without the parentheses, AND binds before OR and a user_ai_settings of any schema is listed; an unescaped _
-- matches every character.
select table_name
from information_schema.tables
where table_schema = 'public'
and (table_name like 'ai\_%' or table_name = 'user_ai_settings');

-- Check indexes. idx_user_ai_settings_user_id is the UNIQUE constraint's: the seed has that index twice.
select indexname, tablename
from pg_indexes
where tablename in ('user_ai_settings', 'ai_conversations', 'ai_usage_logs', 'ai_content_searches');

-- Check RLS policies.
select tablename, policyname
from pg_policies
where tablename in ('user_ai_settings', 'ai_conversations', 'ai_usage_logs', 'ai_content_searches');

-- Count users by tier.
select tier, count(*)
from user_ai_settings
group by tier;

-- Total tokens used (last 7 days). Null before the first call; a cost that is not known is null too, and not in the sum.
select sum(tokens_used) as total_tokens, sum(cost_usd) as total_cost
from ai_usage_logs
where created_at >= now() - interval '7 days';

-- Most active users.
select user_id, count(*) as conversation_count
from ai_conversations
group by user_id
order by conversation_count desc
limit 10;

-- The seed's phase 3 adds vectors to the application's own tables. Those names are free for it: none of ours collides.
-- On empty tables an ivfflat index learns nothing to cluster by; content_items has an HNSW index instead.
begin;
create table routes (id uuid primary key);
create table learning_paths (id uuid primary key);
create table exercises (id uuid primary key);
create table schools (id uuid primary key);
create table events (id uuid primary key);
create table instructors (id uuid primary key);
alter table routes add column embedding vector(1536);
alter table learning_paths add column embedding vector(1536);
alter table exercises add column embedding vector(1536);
alter table schools add column embedding vector(1536);
alter table events add column embedding vector(1536);
alter table instructors add column embedding vector(1536);
create index idx_routes_embedding on routes
using ivfflat (embedding vector_cosine_ops);
create index idx_learning_paths_embedding on learning_paths
using ivfflat (embedding vector_cosine_ops);
create index idx_exercises_embedding on exercises
using ivfflat (embedding vector_cosine_ops);
create index idx_schools_embedding on schools
using ivfflat (embedding vector_cosine_ops);
create index idx_events_embedding on events
using ivfflat (embedding vector_cosine_ops);
create index idx_instructors_embedding on instructors
using ivfflat (embedding vector_cosine_ops);
rollback;

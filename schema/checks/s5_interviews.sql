-- S5, interviews: its helper functions, common operations and troubleshooting. What changes something is rolled back:
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f schema/checks/s5_interviews.sql

-- Comprehensive statistics of a user.
select * from get_user_interview_stats('user-id-here');

-- Recent interviews with their feedback.
select * from get_recent_interviews_with_feedback('user-id-here', 10);

-- Check table sizes.
select
    schemaname,
    tablename,
    pg_size_pretty(pg_total_relation_size(schemaname||'.'||tablename)) as size
from pg_tables
where schemaname = 'public'
order by pg_total_relation_size(schemaname||'.'||tablename) desc;

-- View active policies.
select tablename, policyname, permissive, roles, cmd, qual
from pg_policies
where schemaname = 'public';

-- Check index usage.
-- Corrected: no PostgreSQL has tablename and indexname in this view; they are relname and indexrelname.
select
    schemaname,
    relname as tablename,
    indexrelname as indexname,
    idx_scan as index_scans
from pg_stat_user_indexes
order by idx_scan desc;

-- Debugging without policies; never leave it so, and never do it where others can connect.
begin;
alter table interview_sessions disable row level security;
rollback;

-- Insert or update, against duplicate keys.
begin;
insert into "user" (id) values ('user-id-here') on conflict do nothing;
insert into profiles (id, email) values ('user-id-here', 'user@example.com')
on conflict (id) do update set email = excluded.email;
rollback;

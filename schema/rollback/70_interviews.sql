-- Undoes 70_interviews.sql; adopted tables stay, without our triggers and policies.
drop function if exists public.get_recent_interviews_with_feedback(text, integer);
drop trigger if exists _10_status on public.interview_sessions;
drop trigger if exists _20_updated_at on public.interview_sessions;
drop trigger if exists _20_updated_at on public.interview_feedback;
drop trigger if exists _10_timezone on public.profiles;
drop trigger if exists _20_updated_at on public.profiles;
drop trigger if exists _30_forget_call on public.interview_sessions;
drop function if exists app.forget_call();
drop function if exists app.delete_old_events();
drop function if exists app.guard_interview_status();
drop function if exists app.guard_timezone();
select app.drop_table_unless_adopted('app', 'webhook_events');
select app.drop_table_unless_adopted('app', 'call_deletions');
-- These policies read interview_sessions and would keep it.
drop policy if exists "Users can view responses of their own interviews" on public.interview_responses;
drop policy if exists "Users can view analytics of their own interviews" on public.voice_analytics;
select app.drop_table_unless_adopted('public', 'voice_analytics');
select app.drop_table_unless_adopted('public', 'interview_responses');
-- Sessions and feedback point at each other.
alter table if exists public.interview_sessions drop constraint if exists interview_sessions_feedback_id_fkey;
select app.drop_table_unless_adopted('public', 'interview_feedback');
select app.drop_table_unless_adopted('public', 'interview_sessions');
select app.drop_table_unless_adopted('public', 'practice_attempts');
select app.drop_table_unless_adopted('public', 'profiles');

-- Undoes 85_activity.sql.
drop function if exists public.get_user_interview_stats(text);
drop function if exists app.refresh_leaderboard_ranks(timestamptz);
drop function if exists app.leaderboard_page(text, text, text, integer, text);
drop function if exists app.leaderboard_rank(text, text, integer, text);
drop trigger if exists _50_reward on public.interview_sessions;
drop function if exists app.reward_completion();
drop function if exists app.record_activity(text, text, uuid, timestamptz);
drop function if exists app.reward_feedback(public.interview_sessions, public.interview_feedback, date, timestamptz);
drop function if exists app.reward_activity(text, text, text, text, text, timestamptz);
drop function if exists app.reward_best(text, text, text, numeric, text, date, timestamptz, boolean);
drop function if exists app.count_streak_day(text, text, timestamptz);
drop function if exists app.unlock_achievements(text, text, date, timestamptz);
drop function if exists app.credit_xp(text, text, integer, numeric, timestamptz);
drop function if exists app.add_profile_xp(text, integer);
drop function if exists app.record_skill_score(text, text, numeric, timestamptz);
drop function if exists app.pay_xp(text, text, text, integer, text, text, date, timestamptz);

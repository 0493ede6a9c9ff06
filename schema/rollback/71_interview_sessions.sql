-- Undoes 71_interview_sessions.sql; the columns go with the table, or stay with an adopted one.
drop function if exists app.close_silent_interviews(integer);
drop function if exists app.ask_follow_up(text, uuid, integer, text);
drop function if exists app.move_interview(text, uuid, text, integer, text, text);
drop function if exists app.start_interview(text, uuid);
drop function if exists app.create_interview(text, jsonb, integer);
drop function if exists app.interview_state(uuid);
drop function if exists app.apply_time_limits(public.interview_sessions);
drop function if exists app.follow_ups_left(public.interview_sessions, integer);
drop function if exists app.interview_ends_at(public.interview_sessions);
drop function if exists app.question_ends_at(public.interview_sessions, integer);
drop function if exists app.ask_question(public.interview_sessions, integer);
drop function if exists app.end_interview(public.interview_sessions, text, text);
drop function if exists app.write_turn(uuid, text, text, integer, text, text, jsonb);
drop function if exists app.last_turn(uuid);
drop function if exists app.lock_interview(text, uuid);
drop function if exists app.follow_up_budget(text);
drop policy if exists "Turns are written for the caller or the service" on public.interview_responses;
drop policy if exists "Turns are read for the caller or the service" on public.interview_responses;

-- Undoes 75_feedback.sql; the columns go with their tables.
drop trigger if exists _50_feedback on public.interview_sessions;
drop function if exists app.overdue_feedback(integer);
drop function if exists app.fail_feedback(uuid, integer, text);
drop function if exists app.begin_feedback(uuid, integer);
drop function if exists app.request_feedback(text, uuid, integer, uuid);
drop function if exists app.feedback_takes_unit(uuid, integer);
drop function if exists app.request_first_feedback();
